"""The published checkpoints (`.pth`) as checkpoints of this package, without running anything that they contain.

A checkpoint holds `model_state_dict` (the student, which the paper deploys) and `model_state_dict_ema` (the teacher).
The network is recognised by its keys and shapes, its parts are renamed, and its last layer is turned so that it
speaks this package's frame: published networks speak the frame of what they were trained on.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from semiuhpe.errors import WeightsError
from semiuhpe.geometry.euler import from_matrix
from semiuhpe.models.backbones import create_backbone
from semiuhpe.models.checkpoint import load_module
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.models.published.keys import NAMINGS, Naming

ReferenceConvention = Literal["dad", "300w-lp"]

STUDENT, TEACHER = "model_state_dict", "model_state_dict_ema"
_EULER_NAMES = {"dad": "dad-3dheads", "300w-lp": "300w-lp"}
_SHOWN = 3
_CLASSES = (1000, 21841)
"""Outputs of ImageNet classifiers, which a wrapper may have kept though nothing reads them."""


@dataclass(frozen=True)
class ImportedNetwork:
    """A published network in evaluation mode, in our frame. ignored: keys that no output depends on."""

    network: PoseNet
    naming: Naming
    ignored: tuple[str, ...]


def read_reference(path: Path) -> dict[str, Any]:
    """The dictionary of a published checkpoint; tensors on the CPU. Raises WeightsError as `read_pickled` does."""
    content = read_pickled(path)
    if not isinstance(content.get(STUDENT), Mapping):
        keys = ", ".join(str(k) for k in list(content)[:_SHOWN])
        raise WeightsError(f"{path}: not a published checkpoint: it has no {STUDENT!r} but {keys or 'nothing'}")
    return content


def read_pickled(path: Path) -> dict[str, Any]:
    """The dictionary that a `.pth` file holds; tensors on the CPU.

    The file is unpickled with `weights_only=True`, which builds tensors, numbers, text and containers of them, and
    nothing else: code in the file is not run. Raises WeightsError for anything else.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give a published checkpoint (.pth)")
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split())
        reason = reason[reason.find("Unsupported") :] if "Unsupported" in reason else reason
        raise WeightsError(
            f"{path}: holds more than tensors and numbers, and is not opened ({reason[:120]}); "
            "save model_state_dict alone with the program that wrote it"
        ) from error
    except Exception as error:  # torch raises whatever its readers of old and new formats meet
        raise WeightsError(
            f"{path}: not a checkpoint of PyTorch ({type(error).__name__}); download it again"
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: not a published checkpoint: it has no {STUDENT!r} but {type(content).__name__}")
    return content


def _numpy_scalars() -> list[Any]:
    """What numbers that were logged from numpy pickle as, by both names; making them has no other effect."""
    scalar = np.float64(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    return [np.dtype, *kinds, *((scalar, name) for name in names)]


def convention_of_name(path: Path) -> ReferenceConvention:
    """What a checkpoint was trained on, by its name or its folders' (the published ones begin with DAD).

    Raises WeightsError where the name does not tell.
    """
    for text in (path.name, *(folder.name for folder in path.parents)):
        plain = text.lower().replace("-", "").replace("_", "")
        dad, lp = "dad" in plain, "300wlp" in plain
        if dad != lp:
            return "dad" if dad else "300w-lp"
    raise WeightsError(
        f"{path}: its name does not tell whether it was trained on DAD-3DHeads or on 300W-LP, whose frames differ; "
        "add --convention dad or --convention 300w-lp"
    )


def import_network(state: Mapping[str, Any], convention: ReferenceConvention, origin: str) -> ImportedNetwork:
    """Recognise, rename and turn one state dict of a published checkpoint.

    state: `model_state_dict` or `model_state_dict_ema`. convention: of the matrices that it was trained on. origin: for
    messages. Raises WeightsError that names the first keys that do not fit.
    """
    tensors = _tensors_of(state, origin)
    naming, prefix = _recognize(tensors, origin)
    network = PoseNet(naming.backbone, pretrained=False).eval()
    backbone, used = _renamed(network.backbone, tensors, naming, prefix, origin)
    ours = {f"backbone.{key}": value for key, value in backbone.items()}
    rest = {key: value for key, value in tensors.items() if key not in used}
    head, ignored = _match_head(network.head, rest, naming, origin)
    ours |= {f"head.{key}": value for key, value in head.items()}
    last = f"head.{len(network.head) - 1}"
    ours[f"{last}.weight"], ours[f"{last}.bias"] = turn_outputs(
        ours[f"{last}.weight"], ours[f"{last}.bias"], convention
    )
    load_module(network, ours, origin)
    return ImportedNetwork(network, naming, tuple(ignored))


def import_backbone(state: Mapping[str, Any], origin: str) -> tuple[dict[str, Tensor], Naming]:
    """Recognise and rename the backbone of an ImageNet classifier: its state dict by our names, and what it is.

    Raises WeightsError that names the first keys that do not fit.
    """
    tensors = _tensors_of(state, origin)
    naming, prefix = _recognize(tensors, origin)
    module = create_backbone(naming.backbone, pretrained=False).module
    ours, used = _renamed(module, tensors, naming, prefix, origin)
    layers: dict[str, dict[str, Tensor]] = {}
    for key in tensors.keys() - used:
        name, _, part = key.rpartition(".")
        layers.setdefault(name, {})[part] = tensors[key]
    wrong = [
        f"{name}.{part}" for name, parts in layers.items() for part in parts if not _is_idle(f"{name}.{part}", parts)
    ]
    if wrong:
        raise WeightsError(f"{origin}: looks like {naming.title} but has keys that it does not have: {_listed(wrong)}")
    return ours, naming


def _tensors_of(state: Mapping[str, Any], origin: str) -> dict[str, Tensor]:
    tensors = {str(key): value for key, value in state.items()}
    strangers = [key for key, value in tensors.items() if not isinstance(value, Tensor)]
    if strangers:
        raise WeightsError(f"{origin}: not tensors: {_listed(strangers)}")
    return tensors


def _renamed(
    module: nn.Module, tensors: Mapping[str, Tensor], naming: Naming, prefix: str, origin: str
) -> tuple[dict[str, Tensor], set[str]]:
    """A backbone's state dict by our names, and which of the file's keys are in it."""
    ours: dict[str, Tensor] = {}
    used: set[str] = set()
    for key, expected in module.state_dict().items():
        theirs = prefix + naming.translate(key)
        if theirs not in tensors and key.endswith("num_batches_tracked"):
            ours[key] = torch.zeros_like(expected)
            continue
        if theirs not in tensors:
            raise WeightsError(f"{origin}: looks like {naming.title} but has no {theirs}")
        if tensors[theirs].shape != expected.shape:
            raise WeightsError(
                f"{origin}: looks like {naming.title} but {theirs} is {tuple(tensors[theirs].shape)}, "
                f"not {tuple(expected.shape)}"
            )
        ours[key] = tensors[theirs].to(expected.dtype)
        used.add(theirs)
    return ours, used


def turn_outputs(weight: Tensor, bias: Tensor, convention: ReferenceConvention) -> tuple[Tensor, Tensor]:
    """The last layer (9, k), (9,) whose A is stated in another frame → the layer whose A is camera←head.

    The density exp(tr(Aᵀ·M)) of their matrix M is exp(tr(A'ᵀ·R)) of our R with A' made from A as R is from M
    (DAD: A' = A·F; 300W-LP: A' = F·Aᵀ·F), which only moves rows of the layer and changes signs. Exact.
    """
    rows = torch.cat([weight, bias[:, None]], dim=1).double().numpy()  # (9, k+1): nine numbers for each input
    turned = from_matrix(rows.T.reshape(-1, 3, 3), _EULER_NAMES[convention]).reshape(-1, 9).T
    result = torch.from_numpy(np.ascontiguousarray(turned)).to(weight.dtype)
    return result[:, :-1].contiguous(), result[:, -1].contiguous()


def _recognize(tensors: Mapping[str, Tensor], origin: str) -> tuple[Naming, str]:
    """The first naming whose anchor is there with its shape, and what stands before every key."""
    for naming in NAMINGS:
        anchor = naming.translate(naming.anchor)
        for key, value in tensors.items():
            begins = key == anchor or key.endswith("." + anchor)
            if begins and tuple(value.shape) == naming.anchor_shape:
                return naming, key[: len(key) - len(anchor)]
    known = ", ".join(dict.fromkeys(naming.title.partition(" (")[0] for naming in NAMINGS))
    raise WeightsError(f"{origin}: not one of {known}; its first keys are {_listed(list(tensors))}")


def _match_head(
    head: nn.Sequential, rest: Mapping[str, Tensor], naming: Naming, origin: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of our head's layers, found among what the backbone left by kind, shape and order; and what is unread."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, value in rest.items():
        module, _, name = key.rpartition(".")
        layers.setdefault(module, {})[name] = value
    found: dict[str, Tensor] = {}
    for index, ours in enumerate(head):
        if not isinstance(ours, nn.Linear | nn.BatchNorm1d):
            continue
        shapes = _shapes(ours.state_dict())
        place = next((name for name, theirs in layers.items() if _shapes(theirs) == shapes), None)
        if place is None:
            kind = "linear layer" if isinstance(ours, nn.Linear) else "batch norm"
            raise WeightsError(
                f"{origin}: {naming.title} without the published head: no {kind} {tuple(ours.weight.shape)} among "
                f"{_listed([f'{k} {tuple(v.shape)}' for k, v in rest.items() if k.endswith('weight')])}"
            )
        for name, value in ours.state_dict().items():
            found[f"{index}.{name}"] = layers[place].get(name, torch.zeros_like(value)).to(value.dtype)
        del layers[place]
    ignored = [f"{module}.{name}" for module, parts in layers.items() for name in parts]
    wrong = [key for key in ignored if not _is_idle(key, layers[key.rpartition(".")[0]])]
    if wrong:
        raise WeightsError(f"{origin}: looks like {naming.title} but has keys that it does not have: {_listed(wrong)}")
    return found, ignored


def _shapes(layer: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Shapes by name, but for the counter that early versions of torch did not write."""
    return {name: value.shape for name, value in layer.items() if name != "num_batches_tracked"}


def _is_idle(key: str, layer: Mapping[str, Tensor]) -> bool:
    """Whether no output can depend on a key: an index table, or a classifier that was replaced."""
    if key.endswith(("attention_bias_idxs", "total_ops", "total_params")):
        return True
    weight = layer.get("weight")
    return weight is not None and weight.ndim == 2 and weight.shape[0] in _CLASSES


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more if keys else "nothing"
