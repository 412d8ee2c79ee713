"""The pose network: pixels in, nine numbers out, which are the matrix Fisher parameter `A` row by row.

Normalisation is part of the network, so that training, evaluation and the exported graph read the same
0..255 RGB pixels and cannot disagree.
"""

from __future__ import annotations

from typing import Literal

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from semiuhpe.errors import RecipeError
from semiuhpe.models.backbones import create_backbone, first_stages, plain_name

HeadKind = Literal["reference", "linear"]

HEAD_WIDTHS = {"resnet18": (128, 64), "tiny_vit_21m_224": (128, 64), "mobilenetv2_100": (256, 64)}
"""Hidden widths of the reference's head where they are not 512 and 128."""


class PoseNet(nn.Module):
    """The pose network: backbone → head → matrix Fisher parameter A.

    Its attribute fixed_size is pixels a side of the only picture that it takes; 0 = any.

    Args:
        backbone: a name that `semiuhpe.models.backbones.create_backbone` takes.
        head: "reference" is the paper's: dropout, features→512→128→9 with batch norm and ReLU6 (narrower
            for some backbones, see `HEAD_WIDTHS`); "linear" is dropout and one layer.
        dropout: probability, of the head's first layer.
        pretrained: begin with the backbone's ImageNet weights.
        frozen_stages: the stem and this many stages keep their pretrained weights and statistics.
        frozen_norms: the backbone's batch norms keep their statistics; their scale and shift still train.
        channels_last: pixels lie together in memory, which is two to three times as fast on a CPU with bfloat16.

    Raises:
        RecipeError: `channels_last` with a network that has grouped convolutions, or an unknown head.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        head: HeadKind = "reference",
        dropout: float = 0.2,
        pretrained: bool = True,
        frozen_stages: int = 0,
        frozen_norms: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        extractor = create_backbone(backbone, pretrained=pretrained)
        self.backbone, self.fixed_size = extractor.module, extractor.fixed_size
        self.head = build_head(extractor.features, head, dropout, HEAD_WIDTHS.get(plain_name(backbone)))
        self.register_buffer("mean", torch.tensor(extractor.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(extractor.std).view(1, 3, 1, 1), persistent=False)
        frozen = first_stages(self.backbone, frozen_stages) if frozen_stages else []
        for module in frozen:
            module.requires_grad_(False)
        norms = [m for m in self.backbone.modules() if isinstance(m, nn.BatchNorm2d)] if frozen_norms else []
        self._in_evaluation = [*frozen, *norms]
        if channels_last and _has_grouped_convolutions(self.backbone):
            raise RecipeError(
                f"model.channels_last is not for {backbone}, which has grouped convolutions; set it to false"
            )
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def train(self, mode: bool = True) -> PoseNet:
        """Do as `nn.Module.train`, but frozen stages and norms stay in evaluation mode.

        Args:
            mode: training, else evaluation.

        Returns:
            The network.
        """
        super().train(mode)
        for module in self._in_evaluation:
            module.eval()
        return self

    def synchronize_norms(self) -> None:
        """Let every batch norm that trains take its statistics from the batches of all processes (CUDA only)."""
        frozen = {id(module) for top in self._in_evaluation for module in top.modules()}
        for parent in list(self.modules()):
            for name, child in parent.named_children():
                if isinstance(child, _BatchNorm) and id(child) not in frozen:
                    setattr(parent, name, convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        # A permuted picture is in channels_last order, whose training kernels corrupt memory for grouped 3×3
        # convolutions (RepVGG) on AVX2 in torch 2.14: so the order is always said.
        """Answer about pictures of heads.

        Args:
            images: (n, S, S, 3) uint8 RGB, or the same as float in 0..255.

        Returns:
            (n, 3, 3) float32 matrix Fisher parameters, camera←head.
        """
        pixels = images.permute(0, 3, 1, 2).to(self.mean.dtype, memory_format=self._memory_format)
        features = self.backbone((pixels - self.mean) / self.std)
        parameter: Tensor = self.head(features)
        return parameter.view(-1, 3, 3)


def _has_grouped_convolutions(module: nn.Module) -> bool:
    """Whether a convolution has several groups of several channels each (depthwise ones have one)."""
    return any(isinstance(m, nn.Conv2d) and 1 < m.groups < m.in_channels for m in module.modules())


def build_head(features: int, kind: HeadKind, dropout: float, widths: tuple[int, int] | None = None) -> nn.Sequential:
    """The layers after the backbone, (n, features) → (n, 9); weights N(0, 0.01), biases 0.

    widths: of the hidden layers of "reference"; None = 512 and 128 for more than 600 features, else 128 and 64.
    """
    if kind == "linear":
        layers: list[nn.Module] = [nn.Dropout(dropout), nn.Linear(features, 9)]
    elif kind == "reference":
        first, second = widths or ((512, 128) if features > 600 else (128, 64))
        layers = [
            nn.Dropout(dropout),
            nn.Linear(features, first),
            nn.BatchNorm1d(first),
            nn.ReLU6(),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.ReLU6(),
            nn.Linear(second, 9),
        ]
    else:
        raise RecipeError(f"model.head must be 'reference' or 'linear', got {kind!r}")
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
