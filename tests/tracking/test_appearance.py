"""Who comes back after seconds out of sight: descriptors, and identities over an occlusion of three seconds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.moving_pictures import box_at, people
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.tracking.appearance import LENGTH, describe, likeness
from semiuhpe.tracking.stream import PoseStream
from semiuhpe.tracking.tracker import MotionTracker
from semiuhpe.video.frames import SourceFrame

RED, BLUE, GREEN, WHITE = (170, 40, 40), (40, 60, 150), (50, 120, 60), (230, 230, 225)


def heads(boxes: list[list[float]]) -> HeadPoses:
    n = len(boxes)
    return HeadPoses(
        rotation=np.tile(np.eye(3), (n, 1, 1)),
        box=np.reshape(boxes, (-1, 4)),
        detection_score=np.ones(n),
        expected_error_deg=np.full(n, 5.0),
        error_90_deg=np.full(n, 9.0),
        entropy=-np.ones(n),
    )


def test_a_descriptor_is_shares_of_colours() -> None:
    image = people([(60, 60), (200, 60)], [RED, BLUE])
    found = describe(image, [box_at(60, 60), box_at(200, 60)])
    assert found.shape == (2, LENGTH)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert describe(image, np.zeros((0, 4))).shape == (0, LENGTH)
    # At the picture's edges, and beyond them, there is something to say as well.
    np.testing.assert_allclose(describe(image, [[-30, -30, 10, 10], [300, 180, 340, 220]]).sum(axis=1), 1)


def test_likeness_against_the_sum_of_roots(rng: np.random.Generator) -> None:
    a, b = rng.dirichlet(np.ones(9), 3), rng.dirichlet(np.ones(9), 4)
    slow = [[sum(np.sqrt(p * q) for p, q in zip(x, y, strict=True)) for y in b] for x in a]
    np.testing.assert_allclose(likeness(a, b), slow)
    assert np.diag(likeness(a, a)) == pytest.approx(1)


def test_people_are_like_themselves_in_other_places_sizes_and_light(rng: np.random.Generator) -> None:
    before = describe(people([(60, 60), (200, 60)], [RED, BLUE]), [box_at(60, 60), box_at(200, 60)])
    later = people([(250, 70), (90, 55)], [RED, BLUE], size=56, light=0.85, noise=rng)
    alike = likeness(before, describe(later, [box_at(250, 70, 56), box_at(90, 55, 56)]))
    assert (np.diag(alike) > 0.85).all()
    assert (alike[[0, 1], [1, 0]] < np.diag(alike) - 0.1).all()


def walk(seed: int, absent_s: float, reidentify_s: float) -> list[bool]:
    """Four people, of whom two at a time are behind something for a while and come out elsewhere, in changed light, with
    somebody new among them: which of the two have their identity again, and whether the newcomer has one of their own.
    """
    rng = np.random.default_rng(seed)
    clothes = [(int(r), int(g), int(b)) for r, g, b in rng.permutation([RED, BLUE, GREEN, WHITE, (60, 55, 50)])]
    places = np.stack([np.linspace(40, 280, 5), rng.uniform(45, 70, 5)], axis=1)
    tracker, time_s = MotionTracker(reidentify_s=reidentify_s), 0.0
    gone, newcomer = list(rng.permutation(4)[:2]), 4
    before: dict[int, int] = {}
    seen: dict[int, int] = {}
    for step in range(round((2 + absent_s + 1) * 5)):
        time_s = step / 5
        hidden = 2 <= time_s < 2 + absent_s
        there = [k for k in range(5) if (k != newcomer or time_s >= 2 + absent_s) and not (hidden and k in gone)]
        if time_s >= 2 + absent_s and not seen:  # they come out where the other went in
            places[gone] = places[gone[::-1]] + rng.normal(0, 4, (2, 2))
        image = people(
            [tuple(places[k]) if k in there else None for k in range(5)],
            clothes,
            light=rng.uniform(0.85, 1.1),
            noise=rng,
        )
        boxes = [box_at(*(places[k] + rng.normal(0, 1, 2))) for k in there]
        given = tracker.update(heads(boxes), time_s, describe(image, boxes) if reidentify_s else None)
        seen = dict(zip(there, given.tolist(), strict=True)) if time_s >= 2 + absent_s else {}
        if time_s < 2:
            before = dict(zip(there, given.tolist(), strict=True))
    return [*(seen[k] == before[k] for k in gone), seen[newcomer] not in before.values()]


def test_identities_survive_an_occlusion_of_three_seconds() -> None:
    kept = np.array([walk(seed, 3.0, 5.0) for seed in range(8)])
    assert kept[:, :2].mean() >= 0.9
    assert kept[:, 2].mean() >= 0.9
    # By motion alone, nobody does: memory ends after 1.5 s, and they changed places.
    alone = np.array([walk(seed, 3.0, 0.0) for seed in range(2)])
    assert not alone[:, :2].any()
    # Nor after longer than is remembered.
    assert not np.array([walk(seed, 6.0, 5.0) for seed in range(2)])[:, :2].any()


def test_state_with_looks_goes_on_to_the_bit(rng: np.random.Generator) -> None:
    frames = []
    for step in range(30):
        where = [(40 + 3 * step, 60.0), (280 - 3 * step, 70.0)]
        shown = where if not 8 <= step < 20 else where[:1]
        image = people([*shown, *([None] * (2 - len(shown)))], [RED, BLUE], noise=rng)
        frames.append((heads([box_at(*p) for p in shown]), describe(image, [box_at(*p) for p in shown])))
    whole, first, second = MotionTracker(), MotionTracker(), MotionTracker()
    expected = [whole.update(f, i / 5, look).tolist() for i, (f, look) in enumerate(frames)]
    got = [first.update(f, i / 5, look).tolist() for i, (f, look) in enumerate(frames[:12])]
    second.restore(json.loads(json.dumps(first.state())))
    got += [second.update(f, (i + 12) / 5, look).tolist() for i, (f, look) in enumerate(frames[12:])]
    assert got == expected
    assert second.state() == whole.state()
    assert got[-1] == got[0]


def test_a_stream_knows_who_steps_out_from_behind_a_pillar(tmp_path: Path) -> None:
    """Three seconds behind it, at 10 frames a second, and out at its other side; somebody else stands by all the time."""
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), threads=1)
    x = [60.0] * 10 + [150.0] * 30 + [225.0] * 10

    class Seen:
        """Finds whom the pillar does not hide."""

        step = 0

        def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            boxes = [box_at(290, 60), *([box_at(x[self.step], 60)] if x[self.step] != 150 else [])]
            return np.array(boxes), np.full(len(boxes), 0.9)

    def ids(tracker: MotionTracker) -> list[list[int]]:
        detector = Seen()
        estimator.detect = detector  # type: ignore[method-assign]
        stream, answers = PoseStream(estimator, every=1, tracker=tracker), []
        for step in range(50):
            detector.step = step
            picture = people([(290, 60), (x[step], 60)], [BLUE, RED], pillar=(105, 195))
            answers.append(stream(SourceFrame(step, step / 10, picture)).heads.track_id.tolist())
        return answers

    found = ids(MotionTracker())
    assert found[0] == [1, 2] and found[-1] == [1, 2]
    assert found[30] == [1]
    assert ids(MotionTracker(reidentify_s=0))[-1] == [1, 3]
