"""Dummy networks with the signatures of public ones: what goes in is what they expect, what comes out is a pose."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.coloured_heads import colours, write_store
from helpers.time_limits import within
from helpers.tiny_onnx import write_opentrack_network
from onnx import TensorProto, helper, numpy_helper

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.errors import WeightsError
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.evaluation.peers import PRESETS, PeerModel, PeerSpec, gram_schmidt, prepared
from semiuhpe.geometry.crop import Image, crop_head
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import (
    azimuth_elevation_tilt,
    project_to_rotation,
    rotation_vector,
    rotation_x,
    rotation_y,
    rotation_z,
)
from semiuhpe.images.load import load_image

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
    with pytest.raises(WeightsError, match=r"no\.onnx: not an ONNX file"):
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
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=within(120), check=False
        )

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


def test_opentrack_says_a_quaternion_of_the_canonical_frame(tmp_path: Path) -> None:
    """Left half white, right half black: a turn about y by 2·atan(0.3); mean grey 0: no nod."""
    network = write_opentrack_network(tmp_path / "o.onnx", turn=(0.3, 0.4), axes_deg=(3.0, 2.0, 1.0))
    model = PeerModel([network], PRESETS["opentrack"], threads=1)
    halves = flat([0, 0, 0], 129)
    halves[:, :, :64], halves[:, :, 64] = 255, 128
    bright = flat([255, 255, 255], 129)
    rotation, covariance = model.poses(np.concatenate([halves, halves[:, :, ::-1], bright]))
    angle = 2 * np.arctan(0.3)
    expected = [rotation_y(angle), rotation_y(-angle), rotation_x(2 * np.arctan(0.5 * 0.4))]
    assert geodesic_errors_deg(rotation, expected).max() < 0.01
    assert np.degrees(azimuth_elevation_tilt(rotation)[0, 0]) > 30  # to the image left
    assert covariance is not None
    np.testing.assert_allclose(
        np.degrees(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))), [[3, 2, 1]] * 3, rtol=1e-3
    )
    # RMS angle of independent errors about three axes.
    stated = model(bright).stated
    assert stated is not None
    assert stated.expected_error_deg[0] == pytest.approx(np.sqrt(9 + 4 + 1), rel=0.01)


def test_grey_is_that_of_bt_601_around_zero() -> None:
    pixels = prepared(flat([200, 90, 20], 4), PeerSpec(4, "quaternion", colour="grey", mean=(0.5,) * 3, std=(1.0,) * 3))
    assert pixels.shape == (1, 4, 4, 1)
    assert pixels[0, 0, 0, 0] == pytest.approx((0.299 * 200 + 0.587 * 90 + 0.114 * 20) / 255 - 0.5, abs=1e-6)


def test_a_quaternion_is_told_from_a_box_by_its_name(tmp_path: Path) -> None:
    path = write_network(tmp_path / "four.onnx", 64, [constant(np.ones(4))])
    with pytest.raises(WeightsError, match="no output 'quat' of 4 numbers a head, there are out0"):
        PeerModel([path], PeerSpec(64, "quaternion"))(flat([0, 0, 0], 64))


def test_the_covariance_of_a_mirror_image(tmp_path: Path) -> None:
    """Errors about x and y that go together go against each other in the mirror."""
    network = write_opentrack_network(tmp_path / "o.onnx", axes_deg=(3.0, 2.0, 1.0))
    model = onnx.load(network)
    axes = next(tensor for tensor in model.graph.initializer if tensor.name == "axes")
    lower = numpy_helper.to_array(axes).copy()
    lower[0, 1, 0] = np.radians(1.5)
    axes.CopyFrom(numpy_helper.from_array(lower, "axes"))
    onnx.save(model, network)
    grey = flat([128, 128, 128], 129)
    plain = PeerModel([network], PRESETS["opentrack"]).poses(grey)[1]
    both = PeerModel([network], PRESETS["opentrack"], mirrored=True).poses(grey)[1]
    assert plain is not None and both is not None
    assert plain[0, 0, 1] > 1e-4 and abs(both[0, 0, 1]) < 1e-9
    np.testing.assert_allclose(np.diagonal(both[0]), np.diagonal(plain[0]))


def member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()


def test_the_real_network_speaks_the_frame_of_the_official_labels(shared_data: Path) -> None:
    """And its covariance is of the head's frame: there its errors at another crop size have the stated shape."""
    file, archive = shared_data / "peers" / "head-pose-0.4-small-int8.onnx", shared_data / "AFLW_faces.tar.gz"
    if not file.is_file() or not archive.is_file():
        pytest.skip("opentrack's network or AFLW_faces is not here")
    with tarfile.open(archive) as tar:
        table = next(name for name in tar.getnames() if name.endswith("labels.csv"))
        rows = list(csv.DictReader(io.StringIO(member(tar, table).decode())))[::240]
        folder = table.removesuffix("labels.csv") + "images/"
        pictures = [load_image(member(tar, folder + row["file"])) for row in rows]
    boxes = [[float(row[name]) for name in ("x1", "y1", "x2", "y2")] for row in rows]
    label = from_euler_deg(
        [[float(row[f"{name}_deg"]) for name in ("pitch", "yaw", "roll")] for row in rows], "300w-lp"
    )
    spec = PRESETS["opentrack"]
    model = PeerModel([file], spec, threads=1)
    rotation, covariance = model.poses(
        np.stack([crop_head(*pair, 129, spec.margin) for pair in zip(pictures, boxes, strict=True)])
    )
    errors = geodesic_errors_deg(rotation, label)
    assert np.median(errors) < 3
    assert covariance is not None

    def likelihood(error: np.ndarray) -> float:
        spread = 0.3 * covariance  # a fit of the scale, the same for both frames
        far = np.einsum("ni,nij,nj->n", error, np.linalg.inv(spread), error)
        return float(np.mean(-far / 2 - np.linalg.slogdet(spread)[1] / 2))

    turned = np.swapaxes(rotation, 1, 2)
    assert likelihood(rotation_vector(turned @ label)) > likelihood(rotation_vector(label @ turned)) + 0.1


def test_evaluate_measures_a_peer_at_the_crop_that_suits_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = write_opentrack_network(tmp_path / "o.onnx", turn=(0.3, 0.0))
    store = write_store(tmp_path / "store", colours(6), [np.eye(3)] * 6)
    command = ["evaluate", "--protocol", "any", "--store", str(store), "--json"]
    assert main([*command, "--peer", f"opentrack={network}"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["crop_margin"] == 1.0
    assert next(iter(document["results"].values()))["geodesic"]["mean_deg"] < 0.5
    assert main([*command, "--peer", f"opentrack={network}", "--margin", "1.2"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["crop_margin"] == 1.2
    assert main([*command, "--peer", f"nobody={network}"]) == 1
    assert "no peer is known as 'nobody'; there are fsa-net" in capsys.readouterr().err
    for malformed in ("opentrack", "opentrack=", f"={network}"):
        assert main([*command, "--peer", malformed]) == 1
        assert f"expected NAME=FILE, got {malformed!r}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "default", "--peer", f"opentrack={network}"])
