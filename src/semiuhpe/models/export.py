"""From a run to one ONNX file and its model card, checked against the network it came from.

Input `crops`: (n, S, S, 3) uint8 RGB, the crop of `semiuhpe.geometry.crop`. Output `parameter`: (n, 9) float32,
the matrix Fisher parameter A row by row, camera←head. Normalisation is inside, and what a stranger to the file needs
to know is too, as metadata. Weights may be stored in half precision; arithmetic stays single precision, so processors
without half-precision units lose nothing. Or layers compute in 8 bits: see `quantize`.
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from timm.utils.model import reparameterize_model
from torch import Tensor, nn

from semiuhpe.errors import WeightsError
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.geometry.crop import MARGIN
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.models.checkpoint import load_checkpoint, load_module, under_prefix
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.weights.graph_metadata import with_metadata
from semiuhpe.weights.session import InferenceSession

Precision = Literal["float32", "half", "int8"]

OPSET = 18
LARGEST_DRIFT_DEG = 0.1
"""How far the pose of any head may be from the network's, in float32 and half."""
LARGEST_MEAN_DRIFT_DEG = 0.2
"""How far poses may be from the network's on average in int8: unsure heads, whose pose is vague, move further."""
LEAST_SPEEDUP = 1.0
"""How many times as fast as float32 an int8 graph has to be on the machine at hand: one that is slower helps nobody."""
LEAST_HEADS = 32
"""Crops that int8 needs: half of them to measure ranges on, half to measure the drift on."""
CONVENTION = "A and poses are camera<-head; camera x right, y down, z into the scene; identity faces the camera"
Crops = np.ndarray[Any, np.dtype[np.uint8]]
_HALF_FROM = 1024  # numbers in a tensor from which storing it in half precision is worth a Cast node


class _Deployed(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        parameter: Tensor = self.network(crops.float())
        return parameter.reshape(-1, 9)


def _recorded(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of a checkpoint that knows its recipe."""
    tensors, state = load_checkpoint(checkpoint)
    if "model" not in state.get("recipe", {}):
        raise WeightsError(f"{checkpoint}: carries no recipe; give best.safetensors of a run folder")
    return tensors, state


def network_of(checkpoint: Path, which: str = "averaged") -> tuple[PoseNet, dict[str, Any]]:
    """A network of a run's checkpoint, in evaluation mode, and the checkpoint's state.

    which: "averaged", or "current" for the student as it is, which only the last checkpoint of a run has. Raises
    WeightsError where there are no such weights.
    """
    tensors, state = _recorded(checkpoint)
    weights = under_prefix(which, tensors)
    if not weights:
        raise WeightsError(f"{checkpoint}: has no {which} weights; give last.safetensors of a run folder")
    settings = state["recipe"]["model"]
    network = PoseNet(settings["backbone"], head=settings["head"], dropout=settings["dropout"], pretrained=False)
    load_module(network, weights, str(checkpoint))
    return network.eval(), state


def image_size_of(checkpoint: Path) -> int:
    """Pixels a side of the crop that a checkpoint's network sees."""
    _, state = _recorded(checkpoint)
    return int(state["recipe"]["model"]["image_size"])


def to_onnx(network: PoseNet, image_size: int, *, half: bool = False) -> onnx.ModelProto:
    """The deployed graph of a network: re-parameterised where it has branches to merge, dynamic in the batch."""
    deployed = _Deployed(reparameterize_model(copy.deepcopy(network).eval())).eval()
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        deployed,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["crops"],
        output_names=["parameter"],
        dynamic_shapes={"crops": {0: torch.export.Dim("n", min=1)}},
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise WeightsError("the network cannot be exported to ONNX; update torch and onnxscript")
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of the exporting machine
    return store_in_half(model) if half else model


def store_in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large float32 weights become float16 followed by a Cast; the arithmetic does not change."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < _HALF_FROM:
            continue
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT, name=f"{name}.cast"))
    for node in reversed(casts):
        graph.node.insert(0, node)
    onnx.checker.check_model(model)
    return model


def drifts_deg(network: PoseNet, model: onnx.ModelProto, crops: Crops) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Angle between the poses of a network and of its exported graph on each of some crops, degrees. → (n,)"""
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    exported = np.asarray(session.run(None, {"crops": crops})[0], dtype=np.float64).reshape(-1, 3, 3)
    with torch.no_grad():
        expected = network(torch.from_numpy(crops)).double().numpy()
    return np.degrees(geodesic_distance(project_to_rotation(exported), project_to_rotation(expected)))


def drift_deg(network: PoseNet, model: onnx.ModelProto, crops: Crops) -> float:
    """Largest angle between the poses of a network and of its exported graph on some crops, degrees."""
    return float(drifts_deg(network, model, crops).max())


def export(
    checkpoint: Path,
    target: Path,
    *,
    precision: Precision = "half",
    heads: Crops | None = None,
    card: dict[str, Any] | None = None,
    largest_drift_deg: float | None = None,
    least_speedup: float = LEAST_SPEEDUP,
) -> dict[str, Any]:
    """Write `target` (.onnx) and its card (.json beside it). Returns the card.

    heads: crops (n, S, S, 3) uint8 on which the graph must agree with the network; without any, pictures of smooth
    noise, on which half precision is not held to it: a network is free to waver where it sees no head. int8 needs
    `LEAST_HEADS` of them, every other one for its ranges and the rest for the check. card: further entries.
    largest_drift_deg: of any head (int8: of the mean); None = `LARGEST_DRIFT_DEG` (`LARGEST_MEAN_DRIFT_DEG`).
    least_speedup: of int8 over float32 here; 0 for a graph that is meant for another machine.
    Raises WeightsError if the graph strays further, or if int8 has no heads or is not that fast.
    """
    if precision == "int8" and (heads is None or len(heads) < LEAST_HEADS):
        raise WeightsError(
            f"{checkpoint}: int8 measures the range of every layer on heads; give a store of at least "
            f"{LEAST_HEADS} with --heads"
        )
    network, state = network_of(checkpoint)
    size = int(state["recipe"]["model"]["image_size"])
    model = to_onnx(network, size, half=precision == "half")
    checked = _smooth_pictures(16, size) if heads is None else heads
    if precision == "int8":
        from semiuhpe.models.quantize import quantize, speedup

        # Quantising leaves the graph that it is given without its weights.
        plain, model, checked = model, quantize(copy.deepcopy(model), checked[::2]), checked[1::2]
    drifts = drifts_deg(network, model, checked)
    drift, limit = float(drifts.max()), largest_drift_deg or LARGEST_DRIFT_DEG
    if precision == "int8":
        drift, limit = float(drifts.mean()), largest_drift_deg or LARGEST_MEAN_DRIFT_DEG
    if not drift <= limit and (heads is not None or precision != "half"):
        remedy = "half" if precision == "int8" else "float32"
        raise WeightsError(
            f"{checkpoint}: the {precision} graph differs by {drift:.3f}°, the limit is {limit:g}°; "
            f"export with --precision {remedy}"
        )
    measured: dict[str, Any] = {}
    if precision == "int8":
        measured["export_speedup"] = round(speedup(plain, model, checked[:8]), 2)
        if measured["export_speedup"] < least_speedup:
            raise WeightsError(
                f"{checkpoint}: the int8 graph is {measured['export_speedup']:g} times as fast as float32 on this machine, "
                f"the least is {least_speedup:g}; export with --precision half, or for another machine with --least-speedup 0"
            )
    full_card: dict[str, Any] = {
        "kind": "head-pose",
        "sha256": "",
        "image_size": size,
        "crop_margin": MARGIN,
        "input": "crops: (n, S, S, 3) uint8 RGB",
        "output": "parameter: (n, 9) float32, matrix Fisher parameter A row-major, camera<-head",
        "overreg": state["recipe"]["loss"]["overreg"],
        "precision": {"half": "float16 storage"}.get(precision, precision),
        "export_drift_deg": round(float(drifts.max()), 5),
        "export_mean_drift_deg": round(float(drifts.mean()), 5),
        **measured,
        "weights_sha256": _weights_digest(model),
        "step": state["step"],
        "validation_deg": state.get("validation_deg", {}),
        "recipe": state["recipe"],
        **state.get("card", {}),
        **(card or {}),
    }
    content = with_metadata(model.SerializeToString(), metadata_of(full_card))
    full_card["sha256"] = hashlib.sha256(content).hexdigest()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content)
    write_atomically(target.with_suffix(".json"), (json_text(full_card, indent=2) + "\n").encode())
    return full_card


def metadata_of(card: dict[str, Any]) -> dict[str, str]:
    """What the graph itself says: enough to crop for it and to read its output without the card.

    The hash is that of the weights: a file cannot hold its own.
    """
    keys = ["kind", "image_size", "crop_margin", "input", "output", "overreg", "precision", "weights_sha256", "licence"]
    entries = {key: str(card[key]) for key in keys if key in card}
    entries |= {key: json_text(card[key]) for key in ("imported_from", "calibration") if key in card}
    return {"producer": "semiuhpe", "convention": CONVENTION, **entries}


def _weights_digest(model: onnx.ModelProto) -> str:
    """SHA-256 over the names and bytes of all weights of a graph."""
    digest = hashlib.sha256()
    for tensor in sorted(model.graph.initializer, key=lambda entry: str(entry.name)):
        digest.update(tensor.name.encode() + b"\0" + numpy_helper.to_array(tensor).tobytes())
    return digest.hexdigest()


def _smooth_pictures(count: int, size: int) -> Crops:
    """Pictures with the statistics of photos rather than of noise: enlarged coarse noise."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 6, 6)))
    fine = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return fine.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
