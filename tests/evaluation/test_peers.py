"""Dummy networks with the signatures of public ones: what goes in is what they expect, what comes out is a pose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from coloured_heads import colours, write_store
from onnx import TensorProto, helper, numpy_helper

import semiuhpe
from semiuhpe.errors import WeightsError
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.evaluation.peers import PRESETS, PeerModel, PeerSpec, gram_schmidt
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, project_to_rotation, rotation_x, rotation_y, rotation_z

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers.py"


def write_network(
    path: Path,
    size: int,
    outputs: list[tuple[np.ndarray, np.ndarray]],
    *,
    last: bool = False,
    batch: int | str = "n",
    shape: tuple[int, ...] | None = None,
) -> Path:
    """A network whose outputs are `mean of each channel · weight + offset`, weight (3, k), offset (k,).

    last: channels last. batch: fixed or named. shape: of one head's first output, such as (3, 3).
    """
    picture = [batch, size, size, 3] if last else [batch, 3, size, size]
    constants = [numpy_helper.from_array(np.array([1, 2] if last else [2, 3]), "axes")]
    nodes = [helper.make_node("ReduceMean", ["input", "axes"], ["means"], keepdims=0)]
    values = []
    for i, (weight, offset) in enumerate(outputs):
        constants.append(numpy_helper.from_array(np.asarray(weight, np.float32), f"w{i}"))
        constants.append(numpy_helper.from_array(np.asarray(offset, np.float32), f"b{i}"))
        nodes.append(helper.make_node("MatMul", ["means", f"w{i}"], [f"m{i}"]))
        reshaped = shape is not None and i == 0
        nodes.append(helper.make_node("Add", [f"m{i}", f"b{i}"], [f"a{i}" if reshaped else f"out{i}"]))
        one = list(shape) if reshaped and shape is not None else [len(np.asarray(offset))]
        if reshaped:
            constants.append(numpy_helper.from_array(np.array([-1, *one]), f"s{i}"))
            nodes.append(helper.make_node("Reshape", [f"a{i}", f"s{i}"], [f"out{i}"]))
        values.append(helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, [batch, *one]))
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, picture)]
    graph = helper.make_graph(nodes, "peer", inputs, values, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def flat(colour: list[int], size: int) -> Image:
    return np.full((1, size, size, 3), colour, np.uint8)


def constant(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((3, np.size(values))), np.ravel(values)


def one_hot(bins: int, place: int) -> np.ndarray:
    return np.where(np.arange(bins) == place, 40.0, 0.0)


def r6(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """The matrix of 6DRepNet, Rz(roll)·Ry(yaw)·Rx(pitch)."""
    p, y, r = np.radians([pitch, yaw, roll])
    return rotation_z(r) @ rotation_y(y) @ rotation_x(p)


def test_fsa_net_sees_bgr_around_zero_and_says_yaw_pitch_roll(tmp_path: Path) -> None:
    """Each angle is 20 × one channel of its input, so the pose tells what every channel was."""
    for last in (False, True):
        path = write_network(tmp_path / "fsa.onnx", 64, [(20 * np.eye(3), np.zeros(3))], last=last)
        model = PeerModel([path], PRESETS["fsa-net"], threads=1)
        found = model(flat([255, 127, 31], 64))
        blue, green, red = (20 * (value - 127.5) / 128 for value in (31, 127, 255))
        expected = from_euler_deg([[green, blue, red]], "300w-lp")  # pitch, yaw, roll
        assert geodesic_errors_deg(found.rotation, expected)[0] < 1e-3
        assert found.stated is None and found.found.all()


def test_whenet_bins_are_three_degrees_wide(tmp_path: Path) -> None:
    """Bin 105 of 120 is yaw 135°, bin 40 of 66 is 21°: 3·bin − 180 and 3·bin − 99."""
    outputs = [constant(one_hot(120, 105)), constant(one_hot(66, 40)), constant(one_hot(66, 33))]
    path = write_network(tmp_path / "whenet.onnx", 224, outputs, last=True)
    rotation = PeerModel([path], PRESETS["whenet"], threads=1)(flat([9, 9, 9], 224)).rotation
    assert geodesic_errors_deg(rotation, from_euler_deg([[21.0, 135.0, 0.0]], "whenet"))[0] < 1e-4
    assert np.degrees(azimuth_elevation_tilt(rotation)[0, 0]) > 90  # not folded


def test_expectation_of_bins_against_a_loop(tmp_path: Path, rng: np.random.Generator) -> None:
    weights = [(rng.normal(size=(3, bins)), rng.normal(size=bins)) for bins in (120, 66, 66)]
    model = PeerModel([write_network(tmp_path / "w.onnx", 224, weights)], PRESETS["whenet"], threads=1)
    pixels = (np.array([200, 90, 20]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    angles = []
    for weight, offset in weights:
        logits = pixels @ weight + offset
        total = sum(np.exp(v) for v in logits)
        angles.append(3 * sum(k * np.exp(v) / total for k, v in enumerate(logits)) - 1.5 * len(logits))
    yaw, pitch, roll = angles
    found = model(flat([200, 90, 20], 224))
    assert (
        geodesic_errors_deg(found.rotation, from_euler_deg([[pitch, yaw, roll]], "whenet"))[0] < 0.02
    )  # single precision


def test_6drepnet_by_its_matrix_and_by_the_six_numbers_before_it(tmp_path: Path) -> None:
    matrix = r6(15.0, -40.0, 8.0)
    expected = from_euler_deg([[15.0, -40.0, 8.0]], "300w-lp")
    path = write_network(tmp_path / "m.onnx", 224, [constant(matrix)], shape=(3, 3))
    assert (
        geodesic_errors_deg(PeerModel([path], PRESETS["6drepnet"])(flat([0, 0, 0], 224)).rotation, expected)[0] < 1e-4
    )
    six = np.concatenate([2.5 * matrix[:, 0], 0.7 * matrix[:, 1] + 0.4 * matrix[:, 0]])
    path = write_network(tmp_path / "six.onnx", 224, [constant(six)])
    rotation = PeerModel([path], PRESETS["6drepnet-6d"])(flat([0, 0, 0], 224)).rotation
    assert geodesic_errors_deg(rotation, expected)[0] < 1e-4


def test_gram_schmidt_against_its_definition(rng: np.random.Generator) -> None:
    six = rng.normal(size=(20, 6))
    for values, matrix in zip(six, gram_schmidt(six), strict=True):
        first = values[:3] / np.linalg.norm(values[:3])
        second = values[3:] - first * (first @ values[3:])
        second /= np.linalg.norm(second)
        np.testing.assert_allclose(matrix, np.stack([first, second, np.cross(first, second)], axis=1), atol=1e-12)


def test_a_fixed_batch_is_filled_up(tmp_path: Path, rng: np.random.Generator) -> None:
    weights = [(20 * np.eye(3), np.zeros(3))]
    spec = PRESETS["fsa-net"]
    pictures = np.concatenate([flat(rng.integers(0, 256, 3).tolist(), 64) for _ in range(6)])
    free = PeerModel([write_network(tmp_path / "n.onnx", 64, weights)], spec)(pictures)
    for batch in (1, 4):
        fixed = PeerModel([write_network(tmp_path / f"{batch}.onnx", 64, weights, batch=batch)], spec)(pictures)
        assert geodesic_errors_deg(fixed.rotation, free.rotation).max() < 1e-4


def test_several_files_and_mirror_images_are_averaged(tmp_path: Path) -> None:
    left, right = np.array([30.0, 0.0, 0.0]), np.array([10.0, 0.0, 0.0])  # yaw, pitch, roll
    files = [write_network(tmp_path / f"{i}.onnx", 64, [constant(v)]) for i, v in enumerate((left, right))]
    spec = PRESETS["fsa-net"]
    rotation = PeerModel(files, spec)(flat([5, 5, 5], 64)).rotation
    assert geodesic_errors_deg(rotation, from_euler_deg([[0.0, 20.0, 0.0]], "300w-lp"))[0] < 1e-4
    # A network that always says yaw 30° says −30° of the mirror image's original: together 0°.
    rotation = PeerModel(files[:1], spec, mirrored=True)(flat([5, 5, 5], 64)).rotation
    assert geodesic_errors_deg(rotation, project_to_rotation(np.eye(3)[None]))[0] < 1e-4


def test_files_of_another_signature_are_refused(tmp_path: Path) -> None:
    three = write_network(tmp_path / "three.onnx", 64, [constant(np.zeros(3))])
    with pytest.raises(WeightsError, match=r"three\.onnx: its input is .* check the preset and --size"):
        PeerModel([three], PRESETS["whenet"])
    with pytest.raises(WeightsError, match=r"three\.onnx: no output of 9 numbers a head"):
        PeerModel([three], PeerSpec(64, "matrix"))(flat([0, 0, 0], 64))
    with pytest.raises(WeightsError, match=r"three\.onnx: expected three outputs of bins"):
        PeerModel([three], PeerSpec(64, "bins"))(flat([0, 0, 0], 64))
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"no\.onnx: onnxruntime cannot open it"):
        PeerModel([tmp_path / "no.onnx"], PRESETS["fsa-net"])
    with pytest.raises(WeightsError, match="at least one"):
        PeerModel([], PRESETS["fsa-net"])
    with pytest.raises(WeightsError, match="order names each of"):
        PeerSpec(64, "euler", order=("yaw", "yaw", "roll"))


def test_the_benchmark_measures_a_peer_by_a_protocol(tmp_path: Path) -> None:
    """A network that says 5, −3, 2 of every head, against labels 10° further in yaw."""
    label = from_euler_deg([5.0, -13.0, 2.0], "300w-lp")
    store = write_store(tmp_path / "store", colours(9), [label] * 9)
    network = write_network(tmp_path / "net.onnx", 32, [constant(np.array([2.0, 5.0, -3.0]))])
    environment = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *arguments, "--protocol", "aflw2000", "--store", str(store)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    custom = ("--size", "32", "--output", "euler", "--order", "roll", "pitch", "yaw", "--margin", "1.5")
    done = run("custom", str(network), *custom, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    first = next(iter(document["results"].values()))
    low, high = first["euler_mae_deg"].pop("mean_95")
    assert (low, high) == pytest.approx((10 / 3, 10 / 3), abs=1e-3)
    assert first["euler_mae_deg"] == pytest.approx({"mean": 10 / 3, "pitch": 0, "yaw": 10, "roll": 0}, abs=1e-3)
    assert document["data"]["crop_margin"] == 1.5
    done = run("whenet", str(network))
    assert done.returncode == 1 and done.stderr.startswith("peers.py: error:") and "--size" in done.stderr
    assert run("custom", str(network)).returncode == 2
