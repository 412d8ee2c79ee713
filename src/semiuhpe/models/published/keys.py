"""How public libraries name the parts of the networks that the published checkpoints hold.

A `Naming` translates a key of our backbone's state dict into that library's key. Keys carry prefixes of the wrapper
that a checkpoint was trained in (`module.`, `backbone.`, …): one distinctive key, the anchor, finds the prefix, and
then every key of the backbone must be there with its shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Naming:
    """One network as one library names it.

    title: for people. backbone: its name in `semiuhpe.models.backbones.BACKBONES`. anchor, anchor_shape: a key that
    only this network has under this naming, ours. translate: our key → the library's.
    """

    title: str
    backbone: str
    anchor: str
    anchor_shape: tuple[int, ...]
    translate: Callable[[str], str]


def _same(key: str) -> str:
    return key


def _by_rules(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> Callable[[str], str]:
    """Each rule is a pattern that matches at the start of a key and what replaces it; the first that matches counts."""
    compiled = [(re.compile(pattern), new) for pattern, new in rules]

    def translate(key: str) -> str:
        for pattern, new in compiled:
            if pattern.match(key):
                return pattern.sub(new, key, count=1)
        return key

    return translate


_RESNET_CHILDREN = _by_rules(
    (r"^conv1\.", "0."),
    (r"^bn1\.", "1."),
    (r"^layer(\d)\.", lambda m: f"{int(m[1]) + 3}."),
)
"""`nn.Sequential(*resnet.children())` counts the layers: 0 conv1, 1 bn1, 4 to 7 the stages."""


def _repvgg(stage: str) -> Callable[[str], str]:
    """RepVGG's own multi-branch names; `stage` is "stage", or "layer" where the stages were renamed."""

    def translate(key: str) -> str:
        key = re.sub(r"^stem\.", f"{stage}0.", key)
        key = re.sub(r"^stages\.(\d)\.", lambda m: f"{stage}{int(m[1]) + 1}.", key)
        key = re.sub(r"\bconv_kxk\.", "rbr_dense.", key)
        key = re.sub(r"\bconv_1x1\.", "rbr_1x1.", key)
        return re.sub(r"\bidentity\.", "rbr_identity.", key)

    return translate


_V2S_FEATURES = _by_rules((r"^features\.", ""))
"""torchvision's keys without `features.`, which wrappers rename."""


def _mobilenet_v2(key: str) -> str:
    """torchvision's MobileNetV2 as numbered layers, from timm's names; keys without `features.`."""
    parts = {"conv_stem": "0.0", "bn1": "0.1", "conv_head": "18.0", "bn2": "18.1"}
    head, _, rest = key.partition(".")
    if head in parts:
        return f"{parts[head]}.{rest}"
    _, stage, block, layer, rest = key.split(".", 4)
    number = _place(int(stage), int(block), (1, 2, 3, 4, 3, 3, 1)) + 1
    first = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
    later = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}
    return f"{number}.conv.{(first if number == 1 else later)[layer]}.{rest}"


def _place(stage: int, block: int, depths: Iterable[int]) -> int:
    """The running number of a block, from 0."""
    return sum(list(depths)[:stage]) + block


_B4_STAGES = ((0,), (1,), (2,), (3, 4), (5, 6))
"""EfficientNet's seven stages as pytorchcv groups them: one group a resolution."""
_B4_DEPTHS = (2, 4, 4, 6, 6, 8, 2)


def _efficientnet_b4b(key: str) -> str:
    """pytorchcv's `efficientnet_b4b`, from timm's names; keys without `features.`."""
    parts = {
        "conv_stem": "init_block.conv.conv",
        "bn1": "init_block.conv.bn",
        "conv_head": "final_block.conv",
        "bn2": "final_block.bn",
    }
    head, _, rest = key.partition(".")
    if head in parts:
        return f"{parts[head]}.{rest}"
    _, stage_text, block, layer, rest = key.split(".", 4)
    stage = int(stage_text)
    group = next(number for number, stages in enumerate(_B4_STAGES) if stage in stages)
    unit = sum(_B4_DEPTHS[s] for s in _B4_STAGES[group] if s < stage) + int(block) + 1
    if layer == "se":
        name, rest = f"se.{'conv1' if rest.startswith('conv_reduce') else 'conv2'}", rest.partition(".")[2]
    elif stage == 0:
        name = {"conv_dw": "dw_conv.conv", "bn1": "dw_conv.bn", "conv_pw": "pw_conv.conv", "bn2": "pw_conv.bn"}[layer]
    else:
        number = {"conv_pw": 1, "bn1": 1, "conv_dw": 2, "bn2": 2, "conv_pwl": 3, "bn3": 3}[layer]
        name = f"conv{number}.{'bn' if layer.startswith('bn') else 'conv'}"
    return f"stage{group + 1}.unit{unit}.{name}.{rest}"


def _tiny_vit(key: str) -> str:
    """TinyViT's own release, from timm's names: down-sampling ends a layer there and begins a stage here."""
    key = key.replace("patch_embed.conv1.", "patch_embed.seq.0.").replace("patch_embed.conv2.", "patch_embed.seq.2.")
    key = re.sub(r"^stages\.(\d)\.downsample\.", lambda m: f"layers.{int(m[1]) - 1}.downsample.", key)
    key = re.sub(r"^stages\.", "layers.", key)
    key = re.sub(r"^head\.norm\.", "norm_head.", key)
    return re.sub(r"\.conv\.weight$", ".c.weight", key)


NAMINGS: tuple[Naming, ...] = (
    Naming("ResNet50 (torchvision)", "resnet50", "layer1.0.conv3.weight", (256, 64, 1, 1), _same),
    Naming("ResNet50 (torchvision's children)", "resnet50", "layer1.0.conv3.weight", (256, 64, 1, 1), _RESNET_CHILDREN),
    Naming("ResNet18 (torchvision)", "resnet18", "layer4.1.conv2.weight", (512, 512, 3, 3), _same),
    Naming(
        "ResNet18 (torchvision's children)", "resnet18", "layer4.1.conv2.weight", (512, 512, 3, 3), _RESNET_CHILDREN
    ),
    Naming("RepVGG-B1g2", "repvgg_b1g2", "stem.conv_kxk.conv.weight", (64, 3, 3, 3), _repvgg("stage")),
    Naming(
        "RepVGG-B1g2 (stages as layers)", "repvgg_b1g2", "stem.conv_kxk.conv.weight", (64, 3, 3, 3), _repvgg("layer")
    ),
    Naming("RepVGG-B1g2 (timm)", "repvgg_b1g2", "stem.conv_kxk.conv.weight", (64, 3, 3, 3), _same),
    Naming(
        "EfficientNetV2-S (torchvision)",
        "efficientnet_v2_s",
        "features.1.0.block.0.0.weight",
        (24, 24, 3, 3),
        _V2S_FEATURES,
    ),
    Naming("EfficientNet-B4 (pytorchcv)", "tf_efficientnet_b4", "conv_stem.weight", (48, 3, 3, 3), _efficientnet_b4b),
    Naming("TinyViT-21M", "tiny_vit_21m_224", "patch_embed.conv1.conv.weight", (48, 3, 3, 3), _tiny_vit),
    Naming("TinyViT-21M (timm)", "tiny_vit_21m_224", "patch_embed.conv1.conv.weight", (48, 3, 3, 3), _same),
    Naming("MobileNetV2 (torchvision)", "mobilenetv2_100", "blocks.0.0.conv_dw.weight", (32, 1, 3, 3), _mobilenet_v2),
)
"""What is tried, in this order."""
