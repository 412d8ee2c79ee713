"""Networks under the names that public libraries give their parts, as the published checkpoints hold them.

torchvision's, timm's and pytorchcv's are those libraries' own. RepVGG is written anew here, from its paper and its naming,
and shares no code with the package; TinyViT is timm's under its release's names.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import timm
import torch
import torch.nn.functional as F
import torchvision
from pytorchcv.model_provider import get_model
from torch import Tensor, nn


def _conv_bn(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


class RepVGGBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, groups: int) -> None:
        super().__init__()
        self.rbr_identity = nn.BatchNorm2d(inside) if inside == outside and stride == 1 else None
        self.rbr_dense = _conv_bn(
            conv=nn.Conv2d(inside, outside, 3, stride, 1, groups=groups, bias=False), bn=nn.BatchNorm2d(outside)
        )
        self.rbr_1x1 = _conv_bn(
            conv=nn.Conv2d(inside, outside, 1, stride, 0, groups=groups, bias=False), bn=nn.BatchNorm2d(outside)
        )

    def forward(self, x: Tensor) -> Tensor:
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        return F.relu(total if self.rbr_identity is None else total + self.rbr_identity(x))


class RepVGGB1g2(nn.Module):
    """Every second layer has two groups, the stem has one."""

    def __init__(self) -> None:
        super().__init__()
        self.stage0 = RepVGGBlock(3, 64, 2, 1)
        inside, layer = 64, 1
        for stage, (depth, width) in enumerate([(4, 128), (6, 256), (16, 512), (1, 2048)], start=1):
            blocks = []
            for block in range(depth):
                blocks.append(RepVGGBlock(inside, width, 1 if block else 2, 2 if layer % 2 == 0 else 1))
                inside, layer = width, layer + 1
            setattr(self, f"stage{stage}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        for stage in range(5):
            x = getattr(self, f"stage{stage}")(x)
        return x.mean((2, 3))


class EfficientNetB4b(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = get_model("efficientnet_b4b").features  # ends with the mean over the map

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).flatten(1)


class TinyViT21M(nn.Module):
    """timm's, whose state dict has the names of the release."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = timm.create_model("tiny_vit_21m_224", pretrained=False, num_classes=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def released(self) -> dict[str, Tensor]:
        def rename(key: str) -> str:
            key = key.replace("patch_embed.conv1", "patch_embed.seq.0").replace(
                "patch_embed.conv2", "patch_embed.seq.2"
            )
            if moved := re.match(r"stages\.(\d)\.downsample\.(.*)", key):
                key = f"layers.{int(moved[1]) - 1}.downsample.{moved[2]}"
            return key.replace("stages.", "layers.").replace(".conv.", ".c.").replace("head.norm.", "norm_head.")

        renamed = {rename(key): value for key, value in self.inner.state_dict().items()}
        tables = {k.replace("biases", "bias_idxs"): torch.zeros(4, 4) for k in renamed if "attention_biases" in k}
        return {**renamed, **tables}


def _without(name: str, network: nn.Module) -> nn.Module:
    setattr(network, name, nn.Identity())
    return network


NETWORKS = {
    "resnet50": (lambda: _without("fc", torchvision.models.resnet50()), 2048, (512, 128), "resnet50"),
    "resnet18": (lambda: _without("fc", torchvision.models.resnet18()), 512, (128, 64), "resnet18"),
    "repvgg": (RepVGGB1g2, 2048, (512, 128), "repvgg_b1g2"),
    "effinetv2": (
        lambda: _without("classifier", torchvision.models.efficientnet_v2_s()),
        1280,
        (512, 128),
        "efficientnet_v2_s",
    ),
    "effinet": (EfficientNetB4b, 1792, (512, 128), "tf_efficientnet_b4"),
    "tinyvit": (TinyViT21M, 576, (128, 64), "tiny_vit_21m_224"),
    "mobilenet": (
        lambda: _without("classifier", torchvision.models.mobilenet_v2()),
        1280,
        (256, 64),
        "mobilenetv2_100",
    ),
}
"""The reference's option `--network` → builder of the library's network without classifier, its features, the widths
of the published head, our backbone."""


class Published(nn.Module):
    """A library's network and the published head on normalised pictures (n, 3, S, S) → (n, 9)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        build, features, (first, second), self.ours = NETWORKS[name]
        self.backbone = build()
        self.head = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(features, first),
            nn.BatchNorm1d(first),
            nn.ReLU6(),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.ReLU6(),
            nn.Linear(second, 9),
        )
        self._randomise()
        self.eval()

    def _randomise(self) -> None:
        """Nothing is at its initial value, so that no two tensors can be exchanged unnoticed.

        Statistics are those of some pictures, so that what is seen reaches the output however deep the network is.
        """
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        for module in [*norms, *(m for m in self.modules() if isinstance(m, nn.LayerNorm))]:
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, std=0.1)
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
                nn.init.normal_(layer.bias, std=0.3)
        for name, value in self.backbone.named_parameters():
            if name.endswith("attention_biases"):
                nn.init.normal_(value, std=0.3)
        momenta = [module.momentum for module in norms]
        for module in norms:
            module.momentum = 1.0
        with torch.no_grad():
            self.train()(F.interpolate(torch.randn(8, 3, 8, 8), size=(64, 64), mode="bilinear"))
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))

    def released(self, prefix: str = "module.backbone.", head: str = "module.fc_layers.") -> dict[str, Tensor]:
        """The state dict as a checkpoint has it: names of the library under a wrapper's prefixes."""
        plain = self.backbone.released() if isinstance(self.backbone, TinyViT21M) else self.backbone.state_dict()
        keys = {prefix + key: value.clone() for key, value in plain.items()}
        return keys | {head + key: value.clone() for key, value in self.head.state_dict().items()}


def normalised(pictures: Tensor) -> Tensor:
    """(n, S, S, 3) uint8 → (n, 3, S, S) float64 as the published networks were trained: /255, then ImageNet's mean and
    deviation; both constants on the scale of bytes and as float32 numbers, whose rounding would show otherwise."""
    mean = (255 * torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)).float().view(1, 3, 1, 1)
    std = (255 * torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)).float().view(1, 3, 1, 1)
    return (pictures.permute(0, 3, 1, 2).double() - mean.double()) / std.double()
