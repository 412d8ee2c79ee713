"""Average precision against a version with plain loops, and against hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.detection.average_precision import Detections, precision_recall

ALL = (0.0, float("inf"))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0.0) * max(h, 0.0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


def size(b: np.ndarray) -> float:
    return float(np.sqrt((b[2] - b[0]) * (b[3] - b[1])))


def plain_average_precision(found: list[Detections], heads: list[np.ndarray], band: tuple[float, float]) -> float:
    """All detections in one list; precision at each recall is the best at that recall or beyond."""
    ranked = sorted(
        ((-f.scores[i], p, i) for p, f in enumerate(found) for i in range(len(f.scores))), key=lambda entry: entry
    )
    free = [[band[0] <= size(h) < band[1] for h in own] for own in heads]
    in_band = [list(own) for own in free]
    total = sum(map(sum, free))
    right = wrong = 0
    points: list[tuple[float, float]] = []
    for _, p, i in ranked:
        box = found[p].boxes[i]
        best = max(
            (j for j in range(len(heads[p])) if free[p][j]), key=lambda j: overlap(box, heads[p][j]), default=None
        )
        if best is not None and overlap(box, heads[p][best]) >= 0.5:
            free[p][best] = False
            right += 1
        elif (
            any(not in_band[p][j] and overlap(box, heads[p][j]) >= 0.5 for j in range(len(heads[p])))
            or not band[0] <= size(box) < band[1]
        ):
            continue
        else:
            wrong += 1
        points.append((right / total, right / (right + wrong)))
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area


def scatter(rng: np.random.Generator) -> tuple[list[Detections], list[np.ndarray]]:
    """Photos with heads of all sizes, some found well, some badly, some twice, and false alarms."""
    found, heads = [], []
    for _ in range(6):
        corner = rng.uniform(0, 200, (int(rng.integers(0, 9)), 2))
        own = np.concatenate([corner, corner + rng.uniform(4, 50, corner.shape)], axis=1)
        again = np.repeat(own, 2, axis=0) + rng.normal(0, 3, (2 * len(own), 4))
        false = rng.uniform(0, 200, (5, 2))
        boxes = np.concatenate([again, np.concatenate([false, false + rng.uniform(4, 50, false.shape)], axis=1)])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        found.append(Detections(boxes, rng.random(len(boxes))))
        heads.append(own)
    return found, heads


@pytest.mark.parametrize("band", [ALL, (10.0, float("inf")), (10.0, 25.0)])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_version(seed: int, band: tuple[float, float]) -> None:
    found, heads = scatter(np.random.default_rng(seed))
    assert precision_recall(found, heads, 0.5, band).average_precision == pytest.approx(
        plain_average_precision(found, heads, band), abs=1e-12
    )


def test_a_second_box_on_a_head_is_wrong() -> None:
    head = np.array([[0.0, 0.0, 20.0, 20.0]])
    both = Detections(np.repeat(head, 2, axis=0), np.array([0.9, 0.8]))
    curve = precision_recall([both], [head])
    assert curve.precision.tolist() == [1.0, 0.5]
    assert curve.average_precision == 1.0


def test_hand_worked_curve() -> None:
    heads = np.array([[0, 0, 20, 20], [50, 50, 70, 70]], float)
    boxes = np.array([[0, 0, 20, 20], [100, 100, 120, 120], [50, 50, 70, 70]], float)
    curve = precision_recall([Detections(boxes, np.array([0.9, 0.8, 0.7]))], [heads])
    assert curve.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert curve.at_score(0.85) == (1.0, 0.5)
    assert curve.at_score(0.95) == (1.0, 0.0)


def test_heads_outside_the_band_are_neither_right_nor_wrong() -> None:
    heads = np.array([[0, 0, 5, 5], [50, 50, 70, 70]], float)
    found = Detections(heads.copy(), np.array([0.9, 0.8]))
    curve = precision_recall([found], [heads], band=(10.0, float("inf")))
    assert (curve.heads, curve.average_precision, len(curve.score)) == (1, 1.0, 1)


def test_nothing_found_and_nothing_to_find() -> None:
    none = Detections(np.zeros((0, 4)), np.zeros(0))
    assert precision_recall([none], [np.array([[0.0, 0, 9, 9]])]).average_precision == 0.0
    assert np.isnan(precision_recall([none], [np.zeros((0, 4))]).average_precision)
    with pytest.raises(ValueError, match="one entry a photo"):
        precision_recall([none], [])
