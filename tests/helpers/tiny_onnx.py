"""Networks small enough to build in a test: the mean colour of a crop chooses its belief; heads are where they are told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_pose_weights(folder: Path, *, size: int = 32, bias: np.ndarray | None = None, **card: Any) -> Path:
    """An .onnx and its card: A = bias + (mean RGB / 255)·W with W fixed. Returns the path of the .onnx."""
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 3, (3, 9)).astype(np.float32)
    offset = (np.eye(3).ravel() * 12 if bias is None else np.asarray(bias).ravel()).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["crops"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["colour"], keepdims=0),
        helper.make_node("Div", ["colour", "white"], ["unit"]),
        helper.make_node("MatMul", ["unit", "weight"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["parameter"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2]), "axes"),
        numpy_helper.from_array(np.array(255.0, np.float32), "white"),
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(offset, "offset"),
    ]
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("parameter", TensorProto.FLOAT, ["n", 9])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return _write(folder / "tiny.onnx", model, card)


def write_detector_weights(
    folder: Path, boxes: list[list[float]], scores: list[float] | None = None, **card: Any
) -> Path:
    """An .onnx and its card that finds `boxes` in every view it is shown. Returns the path of the .onnx."""
    known = np.ones(len(boxes)) * 0.9 if scores is None else scores
    constants = [
        numpy_helper.from_array(np.reshape(boxes, (-1, 4)).astype(np.float32), "fixed_boxes"),
        numpy_helper.from_array(np.asarray(known, np.float32), "fixed_scores"),
    ]
    nodes = [
        helper.make_node("Identity", ["fixed_boxes"], ["boxes"]),
        helper.make_node("Identity", ["fixed_scores"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "height", "width", 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [len(boxes), 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [len(boxes)]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return _write(folder / "tiny_detector.onnx", model, card)


def write_foreign_detector(
    path: Path,
    outputs: dict[str, np.ndarray],
    *,
    shape: tuple[int | str, ...] = (1, 3, "height", "width"),
    names: str | None = None,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """An .onnx without a card that answers `outputs` whatever it sees; `names` is ultralytics' list of classes.

    shape, kind: of its input. Returns the path.
    """
    nodes, constants, described = [], [], []
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(np.asarray(array, np.float32), f"fixed_{name}"))
        nodes.append(helper.make_node("Identity", [f"fixed_{name}"], [name]))
        described.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    graph = helper.make_graph(
        nodes, "foreign", [helper.make_tensor_value_info("images", kind, shape)], described, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if names is not None:
        helper.set_model_props(model, {"names": names})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _write(path: Path, model: onnx.ModelProto, card: dict[str, Any]) -> Path:
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(content).hexdigest(), **card}))
    return path


def write_weight_options(folder: Path, boxes: list[list[float]], scores: list[float]) -> list[str]:
    """Options of `semiuhpe predict` that name tiny weights, which are written to the folder `weights` in this one."""
    (folder / "weights").mkdir()
    pose = write_pose_weights(folder / "weights")
    return ["--weights", str(pose), "--detector", str(write_detector_weights(folder / "weights", boxes, scores))]


def write_opentrack_network(
    path: Path,
    *,
    turn: tuple[float, float] = (1.0, 0.0),
    axes_deg: tuple[float, float, float] = (2.0, 2.0, 2.0),
    dark_deg: float = 0.0,
) -> Path:
    """An .onnx with the signature of opentrack's, whose pose can be computed by hand. Returns the path.

    With g = grey/255 − 0.5 its quaternion is (turn[1]·mean g, turn[0]·(mean of the left half − of the right one), 0, 1), so
    mirror images get mirrored poses. axes_deg: what it states as standard deviations about the head's axes, all of them
    larger by `dark_deg` in pictures that are darker than middle grey.
    """
    side = 129
    halves = np.zeros((1, 1, side, side), np.float32)
    halves[..., :64], halves[..., 65:] = 1 / (side * 64), -1 / (side * 64)
    whole = np.full_like(halves, 1 / side**2)
    named = {
        "halves": halves,
        "whole": whole,
        "all": np.array([1, 2, 3]),
        "flat": np.array([1, 1]),
        "turn": np.float32(turn[0]),
        "nod": np.float32(turn[1]),
        "zero": np.zeros((1, 1), np.float32),
        "one": np.ones((1, 1), np.float32),
        "axes": np.diag(np.radians(axes_deg)).astype(np.float32)[None],
        "dark": (np.radians(dark_deg) * np.eye(3)).astype(np.float32)[None],
        "three": np.zeros((1, 3), np.float32),
        "four": np.zeros((1, 4), np.float32),
        "matrix": np.array([1, 1, 1]),
    }
    nodes = [
        helper.make_node("Mul", ["x", "halves"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "all"], ["sum"], keepdims=1),
        helper.make_node("Reshape", ["sum", "flat"], ["side"]),
        helper.make_node("Mul", ["side", "turn"], ["qy"]),
        helper.make_node("Mul", ["x", "whole"], ["evenly"]),
        helper.make_node("ReduceSum", ["evenly", "all"], ["total"], keepdims=1),
        helper.make_node("Reshape", ["total", "flat"], ["mean"]),
        helper.make_node("Mul", ["mean", "nod"], ["qx"]),
        helper.make_node("Concat", ["qx", "qy", "zero", "one"], ["quat"], axis=1),
        helper.make_node("Less", ["mean", "zero"], ["is_dark"]),
        helper.make_node("Cast", ["is_dark"], ["darkness"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["darkness", "matrix"], ["share"]),
        helper.make_node("Mul", ["share", "dark"], ["more"]),
        helper.make_node("Add", ["axes", "more"], ["rotaxis_scales_tril"]),
        helper.make_node("Identity", ["three"], ["pos_size"]),
        helper.make_node("Identity", ["four"], ["box"]),
    ]
    outputs = {"pos_size": [1, 3], "quat": [1, 4], "box": [1, 4], "rotaxis_scales_tril": [1, 3, 3]}
    graph = helper.make_graph(
        nodes,
        "opentrack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, side, side])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in named.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
