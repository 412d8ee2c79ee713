from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.geometry import boxes as box_math


def random_boxes(rng: np.random.Generator, count: int, side: int = 30) -> np.ndarray:
    corner = rng.integers(0, side, (count, 2))
    return np.concatenate([corner, corner + rng.integers(1, side, (count, 2))], axis=1).astype(float)


def painted_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Count pixels of two integer boxes on a canvas."""
    canvas = np.zeros((2, 64, 64), bool)
    for layer, (x1, y1, x2, y2) in zip(canvas, (a.astype(int), b.astype(int)), strict=True):
        layer[y1:y2, x1:x2] = True
    return float((canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum())


def test_iou_counts_pixels(rng: np.random.Generator) -> None:
    first, second = random_boxes(rng, 20), random_boxes(rng, 15)
    expected = np.array([[painted_iou(a, b) for b in second] for a in first])
    np.testing.assert_allclose(box_math.iou(first, second), expected, atol=1e-12)


def test_empty_boxes_have_empty_overlaps() -> None:
    none = np.zeros((0, 4))
    assert box_math.iou(none, np.ones((3, 4))).shape == (0, 3)
    assert box_math.non_maximum_suppression(none, np.zeros(0), 0.5).shape == (0,)
    assert box_math.transform(none, np.eye(3)[:2]).shape == (0, 4)


def plain_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        if all(painted_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_suppression_equals_the_plain_loop(rng: np.random.Generator, threshold: float) -> None:
    boxes = random_boxes(rng, 40)
    scores = np.round(rng.random(40), 1)  # with ties
    assert box_math.non_maximum_suppression(boxes, scores, threshold).tolist() == plain_suppression(
        boxes, scores, threshold
    )


def test_a_part_of_a_head_falls_and_a_small_head_in_front_of_a_large_one_stays() -> None:
    boxes = np.array([[0, 0, 100, 100], [5, 5, 75, 75], [10, 10, 40, 40]], float)
    kept = box_math.non_maximum_suppression(boxes, [0.9, 0.8, 0.7], 0.5, inside_threshold=0.85)
    assert kept.tolist() == [0, 2]


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 2, 2.0])
def test_transform_bounds_the_ellipse(turn: float) -> None:
    box = np.array([10.0, 20.0, 40.0, 90.0])
    c, s = 1.7 * np.cos(turn), 1.7 * np.sin(turn)
    matrix = np.array([[c, -s, 5.0], [s, c, -3.0]]) @ np.diag([-1.0, 1.0, 1.0])
    angle = np.linspace(0, 2 * np.pi, 20001)
    rim = np.stack([25 + 15 * np.cos(angle), 55 + 35 * np.sin(angle)])
    drawn = matrix[:, :2] @ rim + matrix[:, 2:]
    expected = [*drawn.min(axis=1), *drawn.max(axis=1)]
    np.testing.assert_allclose(box_math.transform(box[None], matrix)[0], expected, atol=1e-4)


def test_clip_keeps_to_the_frame() -> None:
    np.testing.assert_array_equal(box_math.clip([[-5, 2, 80, 99]], height=50, width=60), [[0, 2, 60, 50]])
