"""From a run to one ONNX file and its model card, checked against the network it came from.

Input `crops`: (n, S, S, 3) uint8 RGB, the crop of `semiuhpe.geometry.crop`. Output `parameter`: (n, 9) float32,
the matrix Fisher parameter A row by row, camera←head. Normalisation is inside. Weights may be stored in half
precision; arithmetic stays single precision, so processors without half-precision units lose nothing.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from timm.utils.model import reparameterize_model
from torch import Tensor, nn

from semiuhpe.errors import WeightsError
from semiuhpe.files import write_atomically
from semiuhpe.geometry.crop import MARGIN
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.models.checkpoint import load_checkpoint, load_module, under_prefix
from semiuhpe.models.pose_net import PoseNet

OPSET = 18
LARGEST_DRIFT_DEG = 0.1
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


def drift_deg(network: PoseNet, model: onnx.ModelProto, crops: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Largest angle between the poses of a network and of its exported graph on some crops, degrees."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    exported = np.asarray(session.run(None, {"crops": crops})[0], dtype=np.float64).reshape(-1, 3, 3)
    with torch.no_grad():
        expected = network(torch.from_numpy(crops)).double().numpy()
    angles = geodesic_distance(project_to_rotation(exported), project_to_rotation(expected))
    return float(np.degrees(angles.max()))


def export(
    checkpoint: Path,
    target: Path,
    *,
    half: bool = True,
    heads: np.ndarray[Any, np.dtype[np.uint8]] | None = None,
    card: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write `target` (.onnx) and its card (.json beside it). Returns the card.

    heads: crops (n, S, S, 3) uint8 on which the graph must agree with the network within 0.1°; without any, pictures
    of smooth noise, on which half precision is not held to it: a network is free to waver where it sees no head.
    Raises WeightsError if the graph strays further.
    """
    network, state = network_of(checkpoint)
    size = int(state["recipe"]["model"]["image_size"])
    model = to_onnx(network, size, half=half)
    drift = drift_deg(network, model, _smooth_pictures(16, size) if heads is None else heads)
    if drift > LARGEST_DRIFT_DEG and (heads is not None or not half):
        raise WeightsError(f"{checkpoint}: the exported graph differs by {drift:.3f}°; export with --precision float32")
    content = model.SerializeToString()
    full_card: dict[str, Any] = {
        "kind": "head-pose",
        "sha256": hashlib.sha256(content).hexdigest(),
        "image_size": size,
        "crop_margin": MARGIN,
        "input": "crops: (n, S, S, 3) uint8 RGB",
        "output": "parameter: (n, 9) float32, matrix Fisher parameter A row-major, camera<-head",
        "overreg": state["recipe"]["optimiser"]["overreg"],
        "precision": "float16 storage" if half else "float32",
        "export_drift_deg": round(drift, 5),
        "step": state["step"],
        "validation_deg": state.get("validation_deg", {}),
        "recipe": state["recipe"],
        **(card or {}),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content)
    write_atomically(target.with_suffix(".json"), (json.dumps(full_card, indent=2) + "\n").encode())
    return full_card


def _smooth_pictures(count: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures with the statistics of photos rather than of noise: enlarged coarse noise."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 6, 6)))
    fine = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return fine.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
