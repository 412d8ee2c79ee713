from __future__ import annotations

import json
import sys
import types
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from semiuhpe.errors import MissingExtraError
from semiuhpe.geometry.rotation import (
    geodesic_distance,
    random_rotations,
    rotation_of_vector,
    rotation_vector,
    rotation_x,
    rotation_y,
)
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.tracking.assignment import assign
from semiuhpe.tracking.tracker import ByteTracker, MotionTracker, Tracker


def heads(boxes: list[list[float]], rotation: np.ndarray | None = None, error: float = 5.0) -> HeadPoses:
    n = len(boxes)
    rotation = np.tile(np.eye(3), (n, 1, 1)) if rotation is None else rotation
    return HeadPoses(
        rotation=rotation,
        box=np.reshape(boxes, (-1, 4)),
        detection_score=np.ones(n),
        expected_error_deg=np.full(n, error),
        error_90_deg=np.full(n, 9.0),
        entropy=-np.ones(n),
    )


def square(x: float, y: float = 50, side: float = 40) -> list[float]:
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (2, 5), (5, 2), (4, 4), (12, 9)])
def test_assignment_against_scipy(shape: tuple[int, int], rng: np.random.Generator) -> None:
    for _ in range(20):
        cost = rng.normal(size=shape)
        answer = assign(cost)
        rows, columns = linear_sum_assignment(cost)
        kept = np.flatnonzero(answer >= 0)
        assert len(set(answer[kept])) == len(kept) == min(shape)
        assert cost[kept, answer[kept]].sum() == pytest.approx(cost[rows, columns].sum())


def test_assignment_with_ties_against_every_permutation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        cost = rng.integers(0, 3, (4, 4)).astype(float)
        best = min(sum(cost[i, p[i]] for i in range(4)) for p in permutations(range(4)))
        assert cost[np.arange(4), assign(cost)].sum() == best


def test_rotation_vectors(rng: np.random.Generator) -> None:
    rotation = random_rotations(50, rng)
    assert geodesic_distance(rotation_of_vector(rotation_vector(rotation)), rotation).max() < 1e-7
    np.testing.assert_allclose(rotation_of_vector([0.3, 0, 0]), rotation_x(0.3), atol=1e-12)
    np.testing.assert_allclose(rotation_vector(rotation_y(1e-9)), [0, 1e-9, 0], atol=1e-15)
    np.testing.assert_allclose(rotation_vector(np.eye(3)), 0)
    assert np.linalg.norm(rotation_vector(rotation_x(np.pi))) == pytest.approx(np.pi)


def test_identities_last_and_are_never_reused() -> None:
    tracker = MotionTracker(memory_s=1.0)
    assert tracker.update(heads([square(50), square(200)]), 0.0).tolist() == [1, 2]
    # Moving, in another order, with a newcomer.
    assert tracker.update(heads([square(205), square(350), square(55)]), 0.1).tolist() == [2, 3, 1]
    assert tracker.update(heads([]), 0.2).tolist() == []
    assert tracker.update(heads([square(205)]), 0.3).tolist() == [2]  # back in time
    assert tracker.update(heads([square(205)]), 5.0).tolist() == [4]  # too late


def test_a_head_is_found_again_where_its_velocity_took_it() -> None:
    tracker = MotionTracker()
    for step in range(6):
        assert tracker.update(heads([square(50 + 20 * step), square(400)]), step / 10).tolist() == [1, 2]
    # 0.4 s out of sight, 80 pixels farther: two head widths, none of them overlaps.
    assert tracker.update(heads([square(400), square(230)]), 0.9).tolist() == [2, 1]


def test_the_way_heads_are_turned_tells_them_apart_when_they_cross() -> None:
    turned = np.stack([rotation_y(1.2), rotation_y(-1.2)])
    for error, swapped in [(5.0, False), (90.0, True)]:
        tracker = MotionTracker()
        assert tracker.update(heads([square(100), square(112)], turned, error), 0.0).tolist() == [1, 2]
        # At once each stands where the other was a moment ago: only the poses know.
        ids = tracker.update(heads([square(112), square(100)], turned, error), 0.04).tolist()
        assert ids == ([2, 1] if swapped else [1, 2])


def test_a_face_that_jumps_across_the_picture_is_another() -> None:
    tracker = MotionTracker()
    tracker.update(heads([square(50)]), 0.0)
    assert tracker.update(heads([square(250)]), 0.04).tolist() == [2]
    assert tracker.update(heads([square(250, side=100)]), 0.08).tolist() == [3]


def test_state_goes_on_to_the_bit(rng: np.random.Generator) -> None:
    frames = [
        heads([square(50 + 9 * i + rng.normal()), square(150 - 9 * i + rng.normal())], random_rotations(2, rng))
        for i in range(20)
    ]
    whole, first, second = MotionTracker(), MotionTracker(), MotionTracker()
    expected = [whole.update(f, i / 10).tolist() for i, f in enumerate(frames)]
    got = [first.update(f, i / 10).tolist() for i, f in enumerate(frames[:9])]
    second.restore(json.loads(json.dumps(first.state())))
    got += [second.update(f, (i + 9) / 10).tolist() for i, f in enumerate(frames[9:])]
    assert got == expected
    assert second.state() == whole.state()


class _FakeDetections:
    def __init__(self, *, data: dict[str, Any], **fields: object) -> None:
        self.data, self.tracker_id = data, fields["tracker_id"]

    def __len__(self) -> int:
        return len(self.data["row"])


class _FakeByteTrack:
    """As ByteTrack answers: in an order of its own, −1 for what it does not follow, counting over the whole process."""

    given = 7

    def __init__(self, frame_rate: float, **settings: object) -> None:
        assert frame_rate == 10

    def update(self, detections: _FakeDetections) -> _FakeDetections:
        first = self.given
        return _FakeDetections(data={"row": np.array([2, 1, 0])}, tracker_id=np.array([first, -1, first + 1]))

    def reset(self) -> None:
        self.given += 2


def test_byte_track_is_used_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trackers, supervision = types.ModuleType("trackers"), types.ModuleType("supervision")
    trackers.ByteTrackTracker, supervision.Detections = _FakeByteTrack, _FakeDetections  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackers", trackers)
    monkeypatch.setitem(sys.modules, "supervision", supervision)
    tracker: Tracker = ByteTracker(10.0)
    found = heads([square(50), square(150), square(250)])
    for _ in range(2):
        assert tracker.update(found, 0.0).tolist() == [2, -1, 1]
    again = ByteTracker(10.0)
    again.restore(json.loads(json.dumps(tracker.state())))
    assert again.update(found, 0.1).tolist() == [4, -1, 3]
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingExtraError, match=r"semiuhpe\[tracking\]"):
        ByteTracker()


def test_byte_track_itself() -> None:
    """Two heads that pass each other, one of them unseen for a while, and a third that comes up later."""
    pytest.importorskip("trackers")
    tracker = ByteTracker(10.0)
    seen = []
    for step in range(12):
        boxes = [square(50 + 9 * step), square(200 - 9 * step, y=130)]
        boxes = boxes[:1] if 6 <= step < 8 else boxes
        found = heads([*boxes, *([square(400)] if step > 8 else [])][::-1])
        seen.append(tracker.update(found, step / 10).tolist()[::-1])
    assert seen[0] == [-1, -1]  # nobody has an identity before the second detection
    first, second = seen[1]
    assert first > 0 < second != first
    assert all(ids == [first, second] for ids in seen[1:6])
    assert all(ids == [first] for ids in seen[6:8])
    assert seen[8] == [first, second]
    assert seen[9] == [first, second, -1]
    third = seen[10][2]
    assert third not in (first, second, -1)
    assert seen[11] == [first, second, third]
    again = ByteTracker(10.0)
    again.restore(json.loads(json.dumps(tracker.state())))
    for step in range(2):
        ids = again.update(heads([square(50)]), step / 10)
    assert ids.tolist() == [third + 1]
    assert again.update(heads([]), 0.3).tolist() == []


def test_heads_go_through_the_trackers_of_supervision_and_back() -> None:
    trackers = pytest.importorskip("trackers")
    inner = trackers.ByteTrackTracker(minimum_consecutive_frames=1)
    for step in range(3):
        found = heads([square(50 + 3 * step), square(200)], np.stack([rotation_x(0.1), rotation_y(0.2)]))
        followed = HeadPoses.from_supervision(inner.update(found.to_supervision()))
    assert len(set(followed.track_id.tolist()) - {-1}) == 2
    for box, rotation in zip(found.box, found.rotation, strict=True):
        (place,) = np.flatnonzero((followed.box == box).all(axis=1))
        np.testing.assert_allclose(followed.rotation[place], rotation)
