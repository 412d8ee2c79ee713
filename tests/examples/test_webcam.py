"""`examples/webcam.py` reads out the heads of a video, and shows them in a window until that is closed."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_weight_options

from semiuhpe import HeadPoseEstimator
from semiuhpe.poses.camera import Camera
from semiuhpe.prediction import window as windows

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "webcam.py"
BOX = [40.0, 60, 90, 120]


@pytest.fixture
def main() -> Callable[[list[str]], int]:
    return runpy.run_path(str(EXAMPLE))["main"]


def test_every_frame_is_read_out(
    tmp_path: Path, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    source, weights = wandering(tmp_path / "clip.mp4", 4), write_weight_options(tmp_path, [BOX], [0.9])
    assert main([str(source), *weights]) == 0
    lines = [line for line in capsys.readouterr().out.strip().split("\r") if line]
    assert len(lines) == 4
    estimator = HeadPoseEstimator(weights[1], detector=weights[3])
    for line, frame in zip(lines, estimator.stream(str(source)), strict=True):
        found = re.fullmatch(r" *(\S+) s  #1 (\S+) m, looks here +(\d+)%(\x1b\[K)?", line)
        assert found is not None, line
        camera = Camera.from_field_of_view((160, 120), horizontal_deg=65.0)
        assert float(found[1]) == pytest.approx(frame.time_s, abs=0.051)
        assert float(found[2]) == pytest.approx(float(frame.heads.position(camera).distance_m[0]), abs=0.051)
        assert float(found[3]) == pytest.approx(100 * float(frame.heads.looks_at([0, 0, 0], camera)[0]), abs=0.51)


def test_a_window_shows_the_frames_until_it_is_closed(
    tmp_path: Path,
    main: Callable[[list[str]], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[np.ndarray] = []
    closed: list[bool] = []

    class Screen:
        def show(self, image: np.ndarray) -> bool:
            shown.append(image)
            return len(shown) < 2

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(windows, "CvWindow", Screen)
    source = wandering(tmp_path / "clip.mp4", 4)
    assert main([str(source), "--show", *write_weight_options(tmp_path, [BOX], [0.9])]) == 0
    assert [image.shape for image in shown] == [(120, 160, 3)] * 2
    assert closed == [True]
    assert capsys.readouterr().out.count("\r") == 2


def test_a_source_that_is_not_there_is_one_line(
    tmp_path: Path, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.mp4"), *write_weight_options(tmp_path, [BOX], [0.9])]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("webcam.py: ") and "none.mp4" in line
