"""The backbones, by the names of timm (`efficientnet_v2_s`: torchvision's), each with what its ImageNet weights expect of a pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
import torchvision
from timm.models import byobnet
from torch import nn

from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.models.depthwise import use_fast_depthwise_gradients
from semiuhpe.models.lite0_weights import MEAN as LITE0_MEAN
from semiuhpe.models.lite0_weights import STD as LITE0_STD
from semiuhpe.models.lite0_weights import load_imagenet_lite0

Triple = tuple[float, float, float]

_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Backbone:
    """A feature extractor `(n, 3, S, S) normalised float → (n, features)` and how to normalise for it.

    mean, std: per channel, on the 0..255 scale. stages: its modules in the order in which pictures pass them, for
    freezing the first few.
    """

    module: nn.Module
    features: int
    mean: Triple
    std: Triple


def _timm(name: str, pretrained: bool) -> nn.Module:
    try:
        module: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the ImageNet weights of {name} cannot be downloaded ({type(error).__name__}); connect to the internet, "
            f"or train from scratch with --model.pretrained false"
        ) from error
    return module


def _lite0(name: str, pretrained: bool) -> nn.Module:
    module = _timm("tf_efficientnet_lite0", pretrained=False)
    if pretrained:
        load_imagenet_lite0(module)
    use_fast_depthwise_gradients(module)
    return module


def _repvgg_b1g2(name: str, pretrained: bool) -> nn.Module:
    """timm has RepVGG-B1g4; B1g2 is the same network with two groups where that has four."""
    if pretrained:
        raise WeightsError(
            "no public package carries ImageNet weights of repvgg_b1g2; train from scratch with --model.pretrained "
            "false, or start from a checkpoint with --initial_weights"
        )
    cfg = byobnet.model_cfgs["repvgg_b1g4"]
    blocks = byobnet._rep_vgg_bcfg(d=(4, 6, 16, 1), wf=(2.0, 2.0, 2.0, 4.0), groups=2)
    cfg = dataclasses.replace(cfg, blocks=blocks)
    module: nn.Module = byobnet.ByobNet(cfg, num_classes=0)
    return module


def _torchvision_v2s(name: str, pretrained: bool) -> nn.Module:
    """The published weights' own EfficientNetV2-S: timm's pads and normalises otherwise, so its outputs differ."""
    try:
        module: nn.Module = torchvision.models.efficientnet_v2_s(weights="DEFAULT" if pretrained else None)
    except OSError as error:
        raise WeightsError(
            f"the ImageNet weights of {name} cannot be downloaded ({type(error).__name__}); connect to the internet, "
            f"or train from scratch with --model.pretrained false"
        ) from error
    module.classifier = nn.Identity()
    return module


BACKBONES: dict[str, Callable[[str, bool], nn.Module]] = {
    "efficientnet_lite0": _lite0,
    "tf_efficientnetv2_s": _timm,
    "efficientnet_v2_s": _torchvision_v2s,
    "resnet50": _timm,
    "repvgg_b1g2": _repvgg_b1g2,
    "efficientnet_b4": _timm,
    "tf_efficientnet_b4": _timm,
    "tiny_vit_21m_224": _timm,
    "resnet18": _timm,
    "mobilenetv2_100": _timm,
    "mobilenetv4_conv_small": _timm,
}
"""Name → builder(name, pretrained). CONTRIBUTING.md says how to add one."""


def create_backbone(name: str, *, pretrained: bool) -> Backbone:
    """Build a backbone. Raises RecipeError for an unknown name, WeightsError where its weights are out of reach."""
    if name not in BACKBONES:
        raise RecipeError(f"unknown backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    module = BACKBONES[name](name, pretrained)
    if name == "efficientnet_lite0":
        mean, std = LITE0_MEAN, LITE0_STD
    else:
        cfg = module.pretrained_cfg if hasattr(module, "pretrained_cfg") else None
        mean, std = _scaled(cfg, "mean", _IMAGENET_MEAN), _scaled(cfg, "std", _IMAGENET_STD)
    return Backbone(module, _feature_count(module), mean, std)


def _scaled(cfg: object, field: str, default: Triple) -> Triple:
    value = getattr(cfg, field, None)
    if value is None:
        return default
    first, second, third = (255.0 * float(v) for v in value)
    return first, second, third


def _feature_count(module: nn.Module) -> int:
    training = module.training
    module.eval()
    with torch.no_grad():
        features = module(torch.zeros(1, 3, 224, 224))
    module.train(training)
    return int(features.shape[1])


def first_stages(module: nn.Module, count: int) -> list[nn.Module]:
    """The stem and the first `count` stages of an EfficientNet-like network, to be frozen.

    Raises RecipeError where the network does not name them as timm's EfficientNets do.
    """
    if count == 0:
        return []
    if not all(hasattr(module, name) for name in ("conv_stem", "bn1", "blocks")) or count > len(module.blocks):  # type: ignore[arg-type]
        raise RecipeError("model.frozen_stages is for networks with EfficientNet's stages; set it to 0")
    return [module.conv_stem, module.bn1, *list(module.blocks)[:count]]  # type: ignore[list-item, arg-type]
