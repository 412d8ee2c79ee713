"""`semiuhpe.predict`: what the command does, from Python; photos in batches, one that is bad costs nobody else."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.moving_pictures import wandering
from helpers.noting import noting
from helpers.tiny_onnx import write_detector_weights, write_pose_weights
from PIL import Image

import semiuhpe
from semiuhpe import HeadPoses, InputError, PredictOptions, predict
from semiuhpe.cli.main import main
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.images.urls import PhotoUrl
from semiuhpe.prediction import window
from semiuhpe.prediction.networks import open_networks
from semiuhpe.prediction.reporting import Reporter
from semiuhpe.video.sources import MovingSource

HEADS: list[list[float]] = [[40.0, 60, 160, 200], [200, 80, 300, 190]]


@pytest.fixture
def networks(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "weights").mkdir()
    detector = write_detector_weights(tmp_path / "weights", HEADS, [0.9, 0.6])
    return {"weights": write_pose_weights(tmp_path / "weights"), "detector": detector, "threads": 1}


def photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        size = (120, 160, 3) if number % 3 else (160, 120, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(count)]


def images(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "predictions.json").read_text())["images"]


class Told(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    failure = done = note


def test_it_is_what_the_command_does(
    tmp_path: Path, networks: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "in", 3)
    wandering(tmp_path / "in" / "clip.mp4", 5)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    told = Told()
    result = predict(
        tmp_path / "in", tmp_path / "a", PredictOptions(**networks, tables=["csv"], labels=True), reporter=told
    )
    assert (result.folder, result.photos.count, result.photos.heads) == (tmp_path / "a", 4, 6)
    assert [(v.folder, v.frames, v.failure) for v in result.videos] == [(tmp_path / "a" / "clip", 5, "")]
    assert len(result.failures) == 1 and "bad.png" in result.failures[0]
    assert len(told.lines) == 3
    assert capsys.readouterr() == ("", "")
    options = [f"--{name}={value}" for name, value in networks.items()]
    assert (
        main(
            [
                "predict",
                str(tmp_path / "in"),
                "-o",
                str(tmp_path / "b"),
                *options,
                "--csv",
                "--format",
                "csv",
                "--labels",
            ]
        )
        == 1
    )
    files = {p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file()}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_photos_go_through_the_networks_together(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = photos(tmp_path / "in", 20)
    batches: list[int] = []
    detect, crops = HeadDetector.batch, []
    run = HeadPoseEstimator._run

    def counted(self: HeadDetector, pictures: Any) -> Any:
        batches.append(len(pictures))
        return detect(self, pictures)

    def counted_crops(self: HeadPoseEstimator, stacked: Any) -> Any:
        crops.append(len(stacked))
        return run(self, stacked)

    monkeypatch.setattr(HeadDetector, "batch", counted)
    monkeypatch.setattr(HeadPoseEstimator, "_run", counted_crops)
    options = PredictOptions(**networks, tables=["csv"], style=None)
    predict(paths, tmp_path / "together", options)
    assert batches == [16, 4]
    assert crops == [32, 8]
    for path in paths:
        predict([path], tmp_path / "alone", options)
    assert images(tmp_path / "together") == sorted(
        images(tmp_path / "alone"), key=lambda one: paths.index(Path(one["file"]))
    )
    assert [one["file"] for one in images(tmp_path / "together")] == [str(path) for path in paths]


def test_the_real_detector_runs_once_for_photos_of_like_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = photos(tmp_path / "in", 6)
    options = PredictOptions(threads=1, style=None, detector_side=320)
    sizes: list[tuple[int, ...]] = []
    opened = HeadDetector.__init__

    class Counting:
        def __init__(self, session: Any) -> None:
            self._session = session

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def run(self, names: list[str], feed: dict[str, np.ndarray]) -> Any:
            sizes.append(feed["pixels"].shape)
            return self._session.run(names, feed)

    def counted(self: HeadDetector, *positional: Any, **named: Any) -> None:
        opened(self, *positional, **named)
        self._session = Counting(self._session)

    monkeypatch.setattr(HeadDetector, "__init__", counted)
    predict(paths, tmp_path / "out", options)
    assert sorted(size[0] for size in sizes) == [2, 4]  # the upright ones, and the others


def test_boxes_from_a_program_reach_the_network_together(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = photos(tmp_path / "in", 3)
    sizes: list[int] = []
    run = HeadPoseEstimator._run
    monkeypatch.setattr(HeadPoseEstimator, "_run", noting(sizes, lambda self, some: len(some), run))
    boxes: dict[str, Any] = {
        "0.png": [[10, 10, 50, 60], [5, 5, 40, 50]],
        str(paths[2]): np.array([[0, 0, 60, 80, 0.5]]),
    }
    options = PredictOptions(weights=networks["weights"], boxes=boxes, threads=1)
    told = Told()
    predict(paths, tmp_path / "out", options, reporter=told)
    assert sizes == [3]
    found = [HeadPoses.from_dict(one["heads"]) for one in images(tmp_path / "out")]
    assert [heads.detection_score.tolist() for heads in found] == [[1, 1], [], [0.5]]
    assert "1 picture without an entry in the boxes that were given" in told.lines
    with pytest.raises(InputError, match="names none of the photos"):
        predict(paths, tmp_path / "out", PredictOptions(boxes={"other.png": [[0, 0, 9, 9]]}))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"style": "portrait"}, "style"),
        ({"tables": ["xml"]}, "tables"),
        ({"start": "again"}, "start"),
        ({"euler": ("mine",)}, "convention"),
        ({"tracker": "sort"}, "tracker"),
        ({"crops": True, "boxes": {}}, "one of"),
        ({"detector_class": 3}, "--detector-layout"),
        ({"detector_layout": "yolov8"}, "--detector"),
        ({"show": True, "style": None}, "--show"),
    ],
)
def test_options_that_cannot_be_are_told_before_any_work(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        PredictOptions(**wrong)


def test_the_name_is_the_call_whatever_was_imported_before() -> None:
    code = "import semiuhpe.prediction.run, semiuhpe.cli.predict\nfrom semiuhpe import predict\nprint(callable(predict), predict.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True predict", done.stderr
    assert importlib.util.find_spec("semiuhpe.predict") is None
    assert semiuhpe.predict is predict


def test_a_photo_of_the_web_is_fetched_once(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def load(self: PhotoUrl) -> np.ndarray:
        fetched.append(self.url)
        return np.zeros((90, 120, 3), np.uint8)

    monkeypatch.setattr(PhotoUrl, "load", load)
    url = "https://me:secret@host/holiday/a.jpg?token=abc"
    for _ in range(2):
        assert predict(url, tmp_path / "out", PredictOptions(**networks)).photos.count == 1
    assert fetched == [url]
    (entry,) = images(tmp_path / "out")
    assert entry["file"].startswith("https://host/holiday/a.jpg#")
    assert (tmp_path / "out" / entry["drawing"]).is_file()
    assert not any(b"secret" in p.read_bytes() or b"token" in p.read_bytes() for p in (tmp_path / "out").iterdir())


class FakeWindow:
    def __init__(self, frames: int) -> None:
        self.shown: list[Any] = []
        self.frames, self.closed = frames, False

    def show(self, image: Any) -> bool:
        self.shown.append(image)
        return len(self.shown) < self.frames

    def close(self) -> None:
        self.closed = True


def test_frames_are_shown_as_they_are_done(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, fake = wandering(tmp_path / "clip.mp4", 6), FakeWindow(3)
    monkeypatch.setattr(window, "_first_that_opens", lambda: fake)
    result = predict(clip, tmp_path / "out", PredictOptions(**networks, show=True))
    assert result.videos[0].frames == 6  # of a file nothing is lost where its window is closed
    assert len(fake.shown) == 6 and fake.closed
    assert fake.shown[0].ndim == 3


class Endless:
    """A camera."""

    live, fps, frame_count = True, 30.0, None

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for number in itertools.count():
            time.sleep(0.01)
            yield number / 30, np.full((120, 160, 3), number % 256, np.uint8)

    def close(self) -> None: ...


def test_a_camera_ends_with_its_window_and_the_next_has_one_of_its_own(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[FakeWindow] = []

    def fake() -> FakeWindow:
        opened.append(FakeWindow(3))
        return opened[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(window, "_first_that_opens", fake)
    monkeypatch.setattr(MovingSource, "opener", lambda self, *skip: Endless)
    result = predict([0, "1"], tmp_path / "out", PredictOptions(**networks, show=True))
    assert [video.name for video in result.videos] == ["camera 0", "camera 1"]
    assert [len(one.shown) for one in opened] == [0, 3, 3]  # the first was to see that there can be one
    assert all(video.frames >= 3 and not video.failure for video in result.videos)
    assert all(one.closed for one in opened)


class FakeTk:
    """As much of tkinter as a window needs; its user presses q at the third picture."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.updates, self.destroyed = 0, 0

    def bind(self, key: str, action: Any) -> None:
        self.keys[key] = action

    def update(self) -> None:
        self.updates += 1
        if self.updates == 3:
            self.keys["q"](None)

    def destroy(self) -> None:
        self.destroyed += 1

    def winfo_screenwidth(self) -> int:
        return 100

    winfo_screenheight = winfo_screenwidth

    def title(self, text: str) -> None: ...

    def protocol(self, name: str, action: Any) -> None: ...


def test_tk_shows_what_fits_its_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    root, shown = FakeTk(), []
    label = types.SimpleNamespace(pack=lambda: None, configure=lambda image: shown.append(image))
    tkinter = types.SimpleNamespace(Tk=lambda: root, Label=lambda parent: label)
    monkeypatch.setitem(sys.modules, "tkinter", tkinter)
    image_tk = types.SimpleNamespace(PhotoImage=lambda picture, master: picture.size)
    monkeypatch.setitem(sys.modules, "PIL.ImageTk", image_tk)
    monkeypatch.setattr("PIL.ImageTk", image_tk, raising=False)
    opened = window.TkWindow()
    assert [opened.show(np.zeros((100, 400, 3), np.uint8)) for _ in range(4)] == [True, True, False, False]
    opened.close()
    assert shown == [(100, 25)] * 3
    assert root.destroyed == 1


def test_windows_are_tried_in_turn_and_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> None:
        raise RuntimeError("no display")

    calls: list[str] = []
    monkeypatch.setattr(window, "TkWindow", nothing)
    monkeypatch.setattr(cv2, "namedWindow", nothing)
    with pytest.raises(window.WindowError, match=r"no display.*opencv-python"), window.open_window(True):
        pass
    with window.open_window(False) as none:
        assert none is None
    visible = iter([1.0, 1.0, 0.0])
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: calls.append("open"))
    monkeypatch.setattr(cv2, "imshow", lambda title, image: calls.append(f"show {image[0, 0].tolist()}"))
    monkeypatch.setattr(cv2, "waitKey", lambda ms: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: next(visible))
    monkeypatch.setattr(cv2, "destroyWindow", lambda *_: calls.append("close"))
    with window.open_window(True) as opened:
        assert opened is not None
        assert [opened.show(np.full((2, 2, 3), [1, 2, 3], np.uint8)) for _ in range(4)] == [True, True, False, False]
    assert calls == ["open", *["show [3, 2, 1]"] * 3, "close"]


def test_the_settings_tell_the_threshold_that_was_applied() -> None:
    """With the pose network that is the curve's, not the detector's own; one that the user gave stands."""
    _, settings = open_networks(PredictOptions())
    curve = HeadPoseEstimator().head_probability
    assert curve is not None and settings["score_threshold"] == curve.threshold
    assert open_networks(PredictOptions(score_threshold=0.3))[1]["score_threshold"] == 0.3
