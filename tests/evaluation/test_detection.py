"""Figures of a head detector, on photos whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from semiuhpe.detection.average_precision import Detections
from semiuhpe.evaluation import detection


@dataclass(frozen=True)
class Spots:
    """A dark picture with a white rectangle for every box."""

    boxes: np.ndarray
    shape: tuple[int, int] = (120, 200)

    def image(self) -> np.ndarray:
        image = np.zeros((*self.shape, 3), np.uint8)
        for x1, y1, x2, y2 in self.boxes.astype(int):
            image[y1:y2, x1:x2] = 255
        return image


def bounds_of_white(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A perfect detector of a single rectangle."""
    y, x = np.nonzero(image[..., 0])
    box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
    return box, np.ones(1, np.float32)


def test_precision_recall_and_false_heads_by_hand() -> None:
    heads = [np.array([[0.0, 0, 20, 20], [50, 50, 90, 90]]), np.array([[10.0, 10, 22, 22]])]
    found = [
        Detections(np.array([[0.0, 0, 20, 20], [52, 50, 92, 90], [120, 10, 150, 40]]), np.array([0.9, 0.8, 0.7])),
        Detections(np.array([[10.0, 10, 22, 22], [14, 10, 40, 22]]), np.array([0.3, 0.6])),
    ]
    figures = detection.found_figures(found, heads, threshold=0.5)
    assert figures["heads"] == {
        ">= 10 px": 3,
        ">= 16 px": 2,
        ">= 20 px": 2,
        "10-16 px": 1,
        "16-32 px": 1,
        "32-64 px": 1,
        ">= 64 px": 0,
    }
    assert figures["precision"][">= 10 px"] == pytest.approx(
        2 / 4
    )  # the two hits; the far box and the badly placed one
    assert figures["recall"][">= 10 px"] == pytest.approx(2 / 3)
    assert figures["recall"]["10-16 px"] == 0.0  # found, but below the threshold
    assert figures["AP50"]["10-16 px"] == 1.0
    assert np.isnan(figures["AP50"][">= 64 px"])
    assert figures["false heads per photo"] == 1.0
    assert figures["photos with a false head"] == 1.0
    assert figures["on no head, per photo"] == 0.5  # one of the two shares a place with its head
    assert figures["photos with one on no head"] == 0.5


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_turn_with_their_photo(turn: int) -> None:
    photo = Spots(np.array([[30.0, 10, 70, 35]]))
    image, boxes = detection.turned(photo.image(), photo.boxes, turn)
    assert image.shape[:2] == (photo.shape if turn % 180 == 0 else photo.shape[::-1])
    np.testing.assert_array_equal(bounds_of_white(image)[0], boxes)


def test_a_detector_that_never_errs_is_perfect_at_every_turn() -> None:
    figures = detection.turned_figures(bounds_of_white, [Spots(np.array([[30.0, 10, 70, 35]]))], 0.5)
    for turn in detection.TURNS_DEG:
        assert figures[f"{turn} deg"] == {"AP50": 1.0, "precision": 1.0, "recall": 1.0}


def test_recall_by_direction() -> None:
    box = np.array([10.0, 10, 40, 40])
    hit, miss = Detections(box[None], np.array([0.9])), Detections(np.zeros((0, 4)), np.zeros(0))
    unsure = Detections(box[None], np.array([0.4]))
    figures = detection.recall_by_direction(
        [hit, miss, hit, unsure], np.tile(box, (4, 1)), np.array([-10.0, 59, -90, 180]), 0.5
    )
    assert figures == {
        "front": {"heads": 2, "recall": 0.5},
        "side": {"heads": 1, "recall": 1.0},
        "rear": {"heads": 1, "recall": 0.0},
    }


def test_empty_regions_hold_no_head_and_do_not_overlap() -> None:
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, [560, 400], (9, 2))
    photo = Spots(np.concatenate([corner, corner + 40], axis=1), (440, 600))
    regions = detection.empty_regions(photo.image(), photo.boxes, least=60)
    assert 1 <= len(regions) <= 4
    for region in regions:
        assert region.max() == 0
        assert min(region.shape[:2]) >= 60
    assert detection.empty_regions(photo.image()[:50], photo.boxes) == []
    crowded = np.array([[0.0, 0, 600, 440]])
    assert detection.empty_regions(photo.image(), crowded) == []


def test_headless_pictures_are_counted() -> None:
    found = [Detections(np.ones((n, 4)), np.full(n, s)) for n, s in ((0, 0.0), (2, 0.9), (1, 0.3), (1, 0.5))]
    assert detection.headless_figures(found, 0.5) == {
        "pictures": 4,
        "false heads per picture": 0.75,
        "pictures with a false head": 0.5,
    }
