from __future__ import annotations

import gc
import json
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.noting import noting

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.moving_pictures import box_at, centre_at, scene, wandering
from helpers.tiny_onnx import write_pose_weights
from PIL import Image

from semiuhpe.errors import InputError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.rotation import geodesic_distance
from semiuhpe.tracking.box_flow import carry, grey_of
from semiuhpe.tracking.pace import Pace
from semiuhpe.tracking.stream import Frame, PoseStream
from semiuhpe.video.frames import Gap, SourceFrame


class Script:
    """A detector that finds what the script says, one list of boxes a call."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls = list(answers), 0

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        return np.reshape(answer, (-1, 4)), np.full(len(answer), 0.9)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_pose_weights(tmp_path)


def wandering_boxes(count: int, every: int = 1) -> list[list[list[float]]]:
    return [[box_at(*centre_at(i))] for i in range(0, count, every)]


def overlap(frame: Frame, index: int) -> float:
    return float(box_math.iou(frame.heads.box, [box_at(*centre_at(index))]).max(initial=0.0))


def test_boxes_are_carried_with_the_picture() -> None:
    before, after = scene([(50, 60), (110, 60)]), scene([(53.5, 58), (106, 63)])
    boxes = np.array([box_at(50, 60), box_at(110, 60), box_at(80, 15, 16)])
    moved, seen = carry(grey_of(before)[0], grey_of(after)[0], 1.0, boxes)
    assert seen.tolist() == [True, True, False]  # the plain ground has nothing to follow
    np.testing.assert_allclose(moved[:2], [box_at(53.5, 58), box_at(106, 63)], atol=0.8)
    np.testing.assert_array_equal(moved[2], boxes[2])


def test_boxes_grow_with_what_comes_nearer_also_in_large_pictures() -> None:
    before = scene([(400, 300)], 200, 960, 720)
    after = scene([(410, 300)], 216, 960, 720)
    (first, scale), (second, _) = grey_of(before), grey_of(after)
    assert scale == 0.5
    moved, seen = carry(first, second, scale, np.array([box_at(400, 300, 200)]))
    assert seen.all()
    np.testing.assert_allclose(moved[0], box_at(410, 300, 216), atol=4)


def test_a_video_keeps_its_times_identity_and_boxes_between_detections(tmp_path: Path, weights: Path) -> None:
    video = wandering(tmp_path / "a.mp4", 24)
    detector = Script(*wandering_boxes(24, 6))
    frames = list(HeadPoseEstimator(weights, detector=detector).stream(video, every=6))
    assert detector.calls == 4
    assert [f.detected for f in frames] == [i % 6 == 0 for i in range(24)]
    assert [f.index for f in frames] == list(range(24))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(24) / 25, atol=1e-4)
    assert all(f.heads.track_id.tolist() == [1] for f in frames)
    assert min(overlap(f, f.index) for f in frames) > 0.85
    assert frames[0].image.shape == (120, 160, 3)
    assert frames[3]._repr_png_().startswith(b"\x89PNG")


def test_without_tracking_each_frame_stands_alone(tmp_path: Path, weights: Path) -> None:
    detector = Script(*wandering_boxes(5))
    images = [scene([centre_at(i)]) for i in range(5)]
    frames = list(HeadPoseEstimator(weights, detector=detector).stream(images, track=False, fps=10))
    assert detector.calls == 5
    assert all(f.heads.track_id.tolist() == [-1] for f in frames)
    assert [f.time_s for f in frames] == [0, 0.1, 0.2, 0.3, 0.4]


def test_photos_are_frames_too(tmp_path: Path, weights: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(scene([(50, 50)])).save(tmp_path / name)
    estimator = HeadPoseEstimator(weights, detector=Script([box_at(50, 50)]))
    frames = list(estimator.stream(tmp_path))
    assert [Path(f.name).name for f in frames] == ["a.png", "b.png"]
    assert all(len(f.heads) == 1 for f in frames)


def test_a_head_that_the_detector_misses_goes_on_for_two_runs(weights: Path) -> None:
    boxes = wandering_boxes(10)
    for k in (3, 4, 5, 6):
        boxes[k] = []
    images = [scene([centre_at(i)]) for i in range(10)]
    frames = list(HeadPoseEstimator(weights, detector=Script(*boxes)).stream(images, every=1))
    assert [f.heads.track_id.tolist() for f in frames] == [[1]] * 5 + [[]] * 2 + [[1]] * 3
    assert overlap(frames[4], 4) > 0.85


class Strangers:
    """A tracker that takes every detection for somebody new."""

    given = 0

    def update(self, heads: Any, time_s: float) -> np.ndarray:
        self.given += len(heads)
        return np.arange(self.given - len(heads), self.given) + 1

    def carry(self, track_id: Any, heads: Any, time_s: float) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize(("overlap", "shown"), [(0.28, 2), (0.32, 1), (0.9, 1)])
def test_a_carried_head_is_the_detected_one_from_an_overlap_of_three_tenths(
    weights: Path, overlap: float, shown: int
) -> None:
    side = 40.0
    shift = side * (1 - overlap) / (1 + overlap)  # of two equal squares with this IoU
    boxes = [box_at(60, 60)], [box_at(60 + shift, 60)]
    assert float(box_math.iou(np.array(boxes[0]), np.array(boxes[1]))[0, 0]) == pytest.approx(overlap)
    images = [scene([(60, 60)])] * 2  # nothing moves, so the carried box stays exactly where it was
    estimator = HeadPoseEstimator(weights, detector=Script(*boxes))
    frames = list(estimator.stream(images, every=1, tracker=Strangers()))
    assert [len(frame.heads) for frame in frames] == [1, shown]


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_a_files_detector_frames_do_not_depend_on_the_clock(
    tmp_path: Path, weights: Path, fps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = wandering(tmp_path / "a.mp4", 30, fps=fps)
    every = round(fps / 5)  # five times a second
    results = []
    for frame_s in (1e-6, 0.02, 30.0):
        ticks = iter(np.cumsum(np.random.default_rng(0).uniform(0, 2 * frame_s, 10_000)).tolist())
        monkeypatch.setattr(time, "perf_counter", lambda ticks=ticks: next(ticks))
        estimator = HeadPoseEstimator(weights, detector=Script([box_at(60, 60)]))
        frames = list(estimator.stream(video))
        assert [frame.detected for frame in frames] == [index % every == 0 for index in range(30)]
        results.append([frame.heads.to_dict() for frame in frames])
    assert results[0] == results[1] == results[2]


def test_a_live_source_is_kept_up_with(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(np.arange(10_000) * 0.04)  # every look at the clock, and so every piece of work, is 40 ms later
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    moving = PoseStream(HeadPoseEstimator(weights, detector=Script([box_at(50, 60)])), fps=25.0, live=True)
    image = scene([(50, 60)])
    detected = [moving(SourceFrame(index, index / 25, image)).detected for index in range(60)]
    assert moving.every == 12  # hopeless: at least twice a second
    assert 5 <= sum(detected) <= 7


def test_the_scene_is_cut_and_the_detector_runs_at_once(weights: Path) -> None:
    detector = Script([box_at(50, 60)], [])
    images = [scene([(50, 60)])] * 3 + [np.zeros((120, 160, 3), np.uint8)] * 2
    frames = list(HeadPoseEstimator(weights, detector=detector).stream(images, every=100))
    assert [f.detected for f in frames] == [True, False, False, True, False]
    assert [len(f.heads) for f in frames] == [1, 1, 1, 0, 0]


def test_after_an_outage_the_detector_runs_at_once(weights: Path) -> None:
    moving = PoseStream(HeadPoseEstimator(weights, detector=Script([box_at(50, 60)])), every=100)
    image = scene([(50, 60)])
    frames = [
        SourceFrame(0, 0.0, image),
        SourceFrame(1, 0.1, image),
        SourceFrame(2, 9.0, image, (Gap("stalled", 8.9),)),
    ]
    assert [moving(f).detected for f in frames] == [True, False, True]


def test_all_heads_of_a_frame_are_one_batch(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = HeadPoseEstimator._run
    monkeypatch.setattr(HeadPoseEstimator, "_run", noting(sizes, lambda self, crops: len(crops), original))
    centres = [(30.0, 30.0), (80.0, 60.0), (130.0, 90.0)]
    # The second frame's detector misses one of the three: it is carried along in the same batch.
    detector = Script([box_at(*c) for c in centres], [box_at(*c) for c in centres[:2]])
    frames = list(HeadPoseEstimator(weights, detector=detector).stream([scene(centres)] * 2, every=1))
    assert sizes == [3, 3]
    assert [sorted(f.heads.track_id) for f in frames] == [[1, 2, 3]] * 2


def test_smoothing_calms_the_rotation(weights: Path) -> None:
    rng = np.random.default_rng(0)
    images = [
        np.clip(scene([(80, 60)]).astype(int) + rng.integers(-60, 60, 3), 0, 255).astype(np.uint8) for _ in range(40)
    ]
    estimator = HeadPoseEstimator(weights, detector=Script([box_at(80, 60)]))
    jitter = []
    for smooth_s in (0.0, 0.5):
        rotation = np.concatenate([f.heads.rotation for f in estimator.stream(images, every=1, smooth_s=smooth_s)])
        jitter.append(geodesic_distance(rotation[1:], rotation[:-1])[10:].mean())
    assert jitter[1] < 0.3 * jitter[0]


def test_state_goes_on_to_the_bit(weights: Path) -> None:
    images = [scene([centre_at(i), (120, 100 - 2 * i)]) for i in range(16)]
    boxes = [[box_at(*centre_at(i)), box_at(120, 100 - 2 * i)] for i in range(0, 16, 3)]
    sources = [SourceFrame(i, i / 25, image) for i, image in enumerate(images)]
    options: dict[str, Any] = {"every": 3, "smooth_s": 0.2}
    whole = PoseStream(HeadPoseEstimator(weights, detector=Script(*boxes)), **options)
    expected = [whole(f).heads.to_dict() for f in sources]
    detector = Script(*boxes)
    first, second = (PoseStream(HeadPoseEstimator(weights, detector=detector), **options) for _ in range(2))
    got = [first(f).heads.to_dict() for f in sources[:8]]
    second.restore(json.loads(json.dumps(first.state())))
    second.prime(sources[7].image)
    got += [second(f).heads.to_dict() for f in sources[8:]]
    assert got == expected
    assert second.state() == whole.state()


def test_the_pace_follows_measured_times() -> None:
    pace = Pace(None, 25.0)
    assert pace.detects_now()
    pace.note(0.1, 0.015)  # of each 40 ms 34 may be used, so 19 are left: six frames pay for a detection
    assert pace.every == 6
    assert [pace.detects_now() for _ in range(12)] == [*[False] * 5, True] * 2
    pace.hurry()
    assert pace.detects_now()
    for _ in range(60):
        pace.note(0.1, 0.05)  # hopeless, but a newcomer waits half a second at most
    assert pace.every == 12
    for _ in range(60):
        pace.note(0.01, 0.001)
    assert pace.every == 1
    assert [Pace(3, 25.0).every, Pace(None, 25.0).every] == [3, 1]


def test_what_is_done_with_the_frames_counts_too(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(None, 25.0)
    pace.note(0.1, 0.015)
    pace.note_after(0.008)  # of the 19 ms that were left, 11 ms
    assert pace.every == 10
    noted: list[float] = []
    monkeypatch.setattr(Pace, "note_after", lambda self, seconds: noted.append(seconds))
    frames = HeadPoseEstimator(weights, detector=Script([])).stream([scene([])] * 3)
    for _ in frames:
        time.sleep(0.02)
    assert len(noted) == 3
    assert min(noted) >= 0.02


def test_memory_stays_bounded(weights: Path) -> None:
    alive, most = 0, 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def frames(count: int) -> Iterator[np.ndarray]:
        nonlocal alive, most
        for _ in range(count):
            image = np.full((48, 64, 3), 90, np.uint8)
            weakref.finalize(image, gone)
            alive += 1
            most = max(most, alive)
            yield image

    estimator = HeadPoseEstimator(weights, detector=Script([[10, 10, 40, 40]]))
    kept = [frame.heads for frame in estimator.stream(frames(300), every=2, smooth_s=0.2)]
    gc.collect()
    assert len(kept) == 300
    assert alive <= 1
    assert most <= 4


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"track": False, "smooth_s": 1.0}, {"track": False, "every": 2}, {"smooth_s": -1.0}]
)
def test_settings_that_do_not_go_together_fail_at_once(weights: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HeadPoseEstimator(weights, detector=Script([])).stream([np.zeros((9, 9, 3), np.uint8)], **options)
    with pytest.raises(InputError, match="a source is"):
        HeadPoseEstimator(weights, detector=Script([])).stream(5.5)
