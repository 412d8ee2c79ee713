"""Devices, threads, and the one door to onnxruntime."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_onnx import write_detector_weights, write_foreign_detector, write_pose_weights

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.errors import DeviceError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.weights import devices, session
from semiuhpe.weights.devices import card_number, usable_threads
from semiuhpe.weights.session import open_session, providers, read_network, session_options

PACKAGE = Path(semiuhpe.__file__).parent


def imports_of(path: Path) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_onnxruntime_is_imported_in_one_place() -> None:
    importers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.partition(".")[0] == "onnxruntime" for name in imports_of(path))
    }
    # The quantiser is a part of onnxruntime; its module imports the door first.
    assert importers == {"weights/session.py", "models/quantize.py"}
    text = (PACKAGE / "models" / "quantize.py").read_text()
    assert text.index("semiuhpe.weights.session") < text.index("from onnxruntime")


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0"), ("1", "1"), ("", "")])
def test_telemetry_is_off_unless_the_user_says_otherwise(before: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"PYTHONPATH": str(PACKAGE.parent)} | ({} if before is None else {"ORT_DISABLE_TELEMETRY": before})
    code = "import os, semiuhpe.weights.session; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip("\n") == after


@pytest.mark.parametrize(
    "name", ["gpu", "mps", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "", "cpu:0", 0, None]
)
def test_an_unknown_device_is_an_error(name: Any, tmp_path: Path) -> None:
    for opened in (
        lambda: card_number(name),
        lambda: HeadPoseEstimator(device=name),
        lambda: HeadDetector(device=name),
    ):
        with pytest.raises(DeviceError, match="choose auto, cpu, cuda, or cuda:1"):
            opened()


def test_the_command_line_knows_the_same_devices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in ("predict", "demo", "evaluate"):
        with pytest.raises(SystemExit) as end:
            main([command, "x", "--device", "mps"])
        assert end.value.code == 2
        assert "unknown device 'mps'; choose auto, cpu, cuda, or cuda:1" in capsys.readouterr().err


def test_cuda_without_a_card_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    pose = write_pose_weights(tmp_path)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(DeviceError, match=r"onnxruntime-gpu.*or choose device 'cpu'"):
            HeadPoseEstimator(pose, device=device)
        with pytest.raises(DeviceError, match="onnxruntime-gpu"):
            HeadDetector(write_detector_weights(tmp_path, []), device=device)
    assert providers("auto") == ["CPUExecutionProvider"]


class Recorded:
    """Stands in for onnxruntime's sessions: what they were opened with, and CUDA where it was asked for."""

    opened: list[list[Any]]

    def __init__(self, content: bytes, options: Any, providers: list[Any]) -> None:
        self.opened.append(providers)
        plain = [name for name in providers if isinstance(name, str)]
        self.real = REAL(content, options, providers=plain)
        self.names = [name if isinstance(name, str) else name[0] for name in providers]

    def get_providers(self) -> list[str]:
        return self.names

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


REAL = session.InferenceSession
WITH_CUDA = ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    monkeypatch.setattr(Recorded, "opened", [], raising=False)
    monkeypatch.setattr(session, "InferenceSession", Recorded)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: WITH_CUDA)
    return Recorded.opened


@pytest.mark.parametrize(("device", "card"), [("cuda", 0), ("cuda:1", 1), ("auto", 0), ("cpu", None)])
def test_a_device_moves_detector_and_pose_network(
    device: str, card: int | None, opened: list[list[Any]], tmp_path: Path, rng: np.random.Generator
) -> None:
    detector = write_detector_weights(tmp_path, [[2.0, 2, 30, 30]])
    foreign = write_foreign_detector(tmp_path / "yolo.onnx", {"output0": np.zeros((1, 5, 4))})
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), detector=detector, device=device)
    assert len(estimator(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))) == 1
    ForeignDetector(foreign, "yolov8", device=device)
    HeadPoseEstimator(estimator.weights.path, device=device).detector  # noqa: B018 - the embedded one is opened now
    cuda = [] if card is None else [("CUDAExecutionProvider", {"device_id": card})]
    assert opened == [[*cuda, "CPUExecutionProvider"]] * 5


def test_cuda_that_is_named_but_does_not_start(
    opened: list[list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Recorded, "get_providers", lambda self: ["CPUExecutionProvider"])
    pose = write_pose_weights(tmp_path)
    with pytest.raises(DeviceError, match="cannot be used"):
        HeadPoseEstimator(pose, device="cuda")
    with caplog.at_level("WARNING", "semiuhpe"):
        HeadPoseEstimator(pose)
    assert "runs on the processor" in caplog.text


def test_threads_are_at_most_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 2)
    assert [usable_threads(n) for n in (1, 2, 3, 1000)] == [1, 2, 2, 2]
    assert session_options(1000).intra_op_num_threads == 2
    assert session_options(1).intra_op_num_threads == 1
    assert session_options(None).intra_op_num_threads == 0  # as many as onnxruntime finds cores


def test_a_thousand_threads_return(tmp_path: Path, rng: np.random.Generator) -> None:
    estimator = HeadPoseEstimator(threads=1000)
    assert len(estimator(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))) >= 0


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx: cannot be read"):
        read_network(tmp_path / "none.onnx")
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(WeightsError, match="larger than 2 GiB"):
        read_network(huge)
    with pytest.raises(WeightsError, match=r"bad\.onnx: onnxruntime cannot open it .*; try another"):
        open_session(b"\x08\x0a", Path("bad.onnx"), "cpu", 1, remedy="try another")
