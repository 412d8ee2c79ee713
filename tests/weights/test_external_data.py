"""A network whose numbers lie in other files is refused, wherever in the graph it says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.tiny_onnx import write_detector_weights, write_foreign_detector, write_pose_weights
from onnx import TensorProto, helper, numpy_helper

from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.errors import WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation.peers import PRESETS, PeerModel
from semiuhpe.weights import EMBEDDED, external_data, open_weights
from semiuhpe.weights.external_data import refuse_external_data


def elsewhere(location: str = "secret.bin") -> TensorProto:
    """A tensor whose numbers are the bytes of another file."""
    tensor = TensorProto(name="offset", data_type=TensorProto.FLOAT, dims=[9], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=tensor, indices=numpy_helper.from_array(np.array([0])), dims=[9])


def graph(nodes: list[onnx.NodeProto] = (), **parts: list[TensorProto]) -> onnx.GraphProto:  # type: ignore[assignment]
    made = helper.make_graph(list(nodes), "g", [], [])
    for name, tensors in parts.items():
        getattr(made, name).extend(tensors)
    return made


def model(main: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(main, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def in_function() -> onnx.ModelProto:
    made = model(graph())
    made.functions.append(
        helper.make_function("d", "f", [], ["c"], [constant(elsewhere())], [helper.make_opsetid("", 18)])
    )
    return made


def in_training() -> onnx.ModelProto:
    made = model(graph())
    made.training_info.add().algorithm.CopyFrom(graph(initializer=[elsewhere()]))
    return made


def in_branch(depth: int) -> onnx.ModelProto:
    inner = graph([constant(elsewhere())])
    for _ in range(depth):
        inner = graph([helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=graph())])
    return model(inner)


PLACES: dict[str, Callable[[], onnx.ModelProto]] = {
    "initializer": lambda: model(graph(initializer=[elsewhere()])),
    "sparse initializer": lambda: model(graph(sparse_initializer=[sparse(elsewhere())])),
    "attribute": lambda: model(graph([constant(elsewhere())])),
    "list of tensors": lambda: model(graph([helper.make_node("X", [], ["y"], many=[elsewhere()])])),
    "sparse attribute": lambda: model(
        graph([helper.make_node("Constant", [], ["c"], sparse_value=sparse(elsewhere()))])
    ),
    "branch": lambda: in_branch(1),
    "deep branch": lambda: in_branch(20),
    "function": in_function,
    "training": in_training,
    "memory": lambda: model(graph(initializer=[elsewhere("*/_ORT_MEM_ADDR_/*")])),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_that_may_hold_a_tensor(place: str) -> None:
    with pytest.raises(WeightsError, match=r"net\.onnx: keeps its numbers in other files; save it as one file"):
        refuse_external_data(PLACES[place]().SerializeToString(), Path("net.onnx"))


def test_a_location_in_bits_that_a_reader_may_drop() -> None:
    tensor = TensorProto(name="t", dims=[1]).SerializeToString()
    for number in (1, 2, (1 << 32) + 1, (1 << 63) + 1):
        varint = bytes((number >> shift & 0x7F) | 0x80 for shift in range(0, 63, 7)) + bytes([number >> 63])
        body = tensor + b"\x70" + varint
        main = b"\x2a" + bytes([len(body)]) + body
        with pytest.raises(WeightsError, match="other files"):
            refuse_external_data(b"\x3a" + bytes([len(main)]) + main, "net.onnx")


def test_a_number_of_a_field_in_bits_that_a_reader_may_drop() -> None:
    alias = (1 << 35 | 7 << 3 | 2).to_bytes(5, "little")
    tag = bytes((int.from_bytes(alias, "little") >> shift & 0x7F) | 0x80 for shift in range(0, 35, 7)) + b"\x01"
    with pytest.raises(WeightsError, match="not an ONNX file"):
        refuse_external_data(tag + b"\x00", "net.onnx")


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_ships_is_whole(name: str) -> None:
    weights = open_weights(name)
    refuse_external_data(weights.content, weights.path)


def test_whole_files_pass() -> None:
    tensor = numpy_helper.from_array(np.arange(9, dtype=np.float32), "t")
    inner = helper.make_node("If", ["x"], ["y"], then_branch=graph([constant(tensor)]), else_branch=graph())
    made = model(graph([inner], initializer=[tensor], sparse_initializer=[sparse(tensor)]))
    refuse_external_data(made.SerializeToString(), "net.onnx")


def with_external(path: Path) -> Path:
    """The same file, but its last initializer is read from a file beside it."""
    made = onnx.load(path)
    (path.parent / "secret.bin").write_bytes(np.zeros(1000, np.float32).tobytes())
    tensor = made.graph.initializer[-1]
    shape, kind, name = list(tensor.dims), tensor.data_type, tensor.name
    tensor.CopyFrom(TensorProto(name=name, dims=shape, data_type=kind, data_location=TensorProto.EXTERNAL))
    tensor.external_data.add(key="location", value="secret.bin")
    content = made.SerializeToString()
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(content).hexdigest()}))
    return path


def test_wherever_a_network_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where onnxruntime looks for the files that bytes name
    pose = with_external(write_pose_weights(tmp_path))
    detector = with_external(write_detector_weights(tmp_path, [[0.0, 0, 9, 9]]))
    foreign = with_external(write_foreign_detector(tmp_path / "yolo.onnx", {"output0": np.zeros((1, 5, 4))}))
    openers: list[Callable[[], object]] = [
        lambda: HeadPoseEstimator(pose),
        lambda: HeadDetector(detector),
        lambda: ForeignDetector(foreign, "yolov8"),
        lambda: PeerModel([pose], PRESETS["6drepnet"]),
    ]
    for opened in openers:
        with pytest.raises(WeightsError, match="other files"):
            opened()


def test_fine_tuning_from_an_export(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from semiuhpe.models.onnx_weights import load_exported

    pose = with_external(write_pose_weights(tmp_path))
    with pytest.raises(WeightsError, match="other files"):
        load_exported(torch.nn.Identity(), str(pose), np.zeros((2, 32, 32, 3), np.uint8))


def test_other_formats_and_endless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"\x00" * 100, b"\x18\x00\x00\x00ORTM" + b"\x00" * 40):
        with pytest.raises(WeightsError, match=r"^net\.onnx: "):
            refuse_external_data(content, "net.onnx")
    monkeypatch.setattr(external_data, "MAX_FIELDS", 1000)
    with pytest.raises(WeightsError, match="more than 1,000 parts"):
        refuse_external_data(b"\x08\x01" * 2000, "net.onnx")
