"""How good a head detector is: what it finds, what it takes for a head, by size, turn and direction of the heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.average_precision import Detections, match, precision_recall, sizes
from semiuhpe.detection.false_heads import on_no_head
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]
Detector = Callable[[Image], tuple[NDArray[np.float32], NDArray[np.float32]]]

BANDS = {
    ">= 10 px": (10.0, float("inf")),
    ">= 16 px": (16.0, float("inf")),
    ">= 20 px": (20.0, float("inf")),
    "10-16 px": (10.0, 16.0),
    "16-32 px": (16.0, 32.0),
    "32-64 px": (32.0, 64.0),
    ">= 64 px": (64.0, float("inf")),
}
"""Square roots of the heads' areas, pixels of the photos as they are."""

DIRECTIONS = {"front": (0.0, 60.0), "side": (60.0, 120.0), "rear": (120.0, 180.1)}
"""|azimuth| of a head, degrees: from, below."""

TURNS_DEG = (0, 90, 180)


class BoxedPhoto(Protocol):
    """A photo with the boxes (n, 4) of all its heads."""

    @property
    def boxes(self) -> Float:
        """(n, 4) float64, pixels of the photo."""

    def image(self) -> Image:
        """(H, W, 3) uint8 RGB."""


def detect(detector: Detector, images: Iterable[Image]) -> list[Detections]:
    """What a detector finds in each image."""
    found = []
    for image in images:
        boxes, scores = detector(image)
        found.append(Detections(boxes.astype(np.float64), scores.astype(np.float64)))
    return found


def at_least(found: Sequence[Detections], score: float) -> list[Detections]:
    """The detections that score at least so much."""
    return [Detections(f.boxes[f.scores >= score], f.scores[f.scores >= score]) for f in found]


def found_figures(found: Sequence[Detections], heads: Sequence[Float], threshold: float) -> dict[str, Any]:
    """Figures of photos whose heads are boxed. found: down to low scores, as average precision needs them.

    AP50, and precision and recall at the threshold (IoU 0.5), by band; of heads of 10 pixels and more, per photo: false
    heads (no head's box to an IoU of 0.5), and those that lie on no head at all.
    """
    curves = {name: precision_recall(found, heads, 0.5, band) for name, band in BANDS.items()}
    at_threshold = {name: curve.at_score(threshold) for name, curve in curves.items()}
    wrong, nowhere = [], []
    for own, boxes in zip(at_least(found, threshold), heads, strict=True):
        verdict, _ = match(own, boxes, 0.5, BANDS[">= 10 px"])
        wrong.append(int(np.sum(verdict == 0)))
        nowhere.append(int(np.sum(on_no_head(own.boxes, boxes) & (verdict == 0))))
    return {
        "photos": len(found),
        "heads": {name: curve.heads for name, curve in curves.items()},
        "AP50": {name: curve.average_precision for name, curve in curves.items()},
        "precision": {name: value for name, (value, _) in at_threshold.items()},
        "recall": {name: value for name, (_, value) in at_threshold.items()},
        "false heads per photo": float(np.mean(wrong)),
        "photos with a false head": float(np.mean(np.array(wrong) > 0)),
        "on no head, per photo": float(np.mean(nowhere)),
        "photos with one on no head": float(np.mean(np.array(nowhere) > 0)),
    }


def headless_figures(found: Sequence[Detections], threshold: float) -> dict[str, Any]:
    """Figures of pictures that show no head."""
    counts = np.array([len(own.boxes) for own in at_least(found, threshold)])
    return {
        "pictures": len(counts),
        "false heads per picture": float(counts.mean()),
        "pictures with a false head": float(np.mean(counts > 0)),
    }


def turned(image: Image, boxes: Float, turn_deg: int) -> tuple[Image, Float]:
    """A photo and its boxes turned counter-clockwise by a multiple of 90°, without resampling."""
    height, width = image.shape[:2]
    matrices = {
        0: [[1, 0, 0], [0, 1, 0]],
        90: [[0, 1, 0], [-1, 0, width]],
        180: [[-1, 0, width], [0, -1, height]],
        270: [[0, -1, height], [1, 0, 0]],
    }
    quarter = turn_deg % 360
    return np.ascontiguousarray(np.rot90(image, quarter // 90)), box_math.transform(boxes, np.array(matrices[quarter]))


def turned_figures(detector: Detector, photos: Sequence[BoxedPhoto], threshold: float) -> dict[str, Any]:
    """AP50, precision and recall of heads of 16 pixels and more on photos turned by each of `TURNS_DEG`."""
    figures: dict[str, Any] = {}
    for turn in TURNS_DEG:
        pairs = [turned(photo.image(), photo.boxes, turn) for photo in photos]
        found = detect(detector, (image for image, _ in pairs))
        curve = precision_recall(found, [boxes for _, boxes in pairs], 0.5, BANDS[">= 16 px"])
        precision, recall = curve.at_score(threshold)
        figures[f"{turn} deg"] = {"AP50": curve.average_precision, "precision": precision, "recall": recall}
    return {"photos": len(photos), **figures}


def recall_by_direction(
    found: Sequence[Detections], boxes: Float, azimuths_deg: Float, threshold: float
) -> dict[str, Any]:
    """Recall on pictures of one known head each, whose direction is known. boxes: (n, 4), azimuths_deg: (n,)."""
    hit = np.array(
        [
            bool(np.any(box_math.iou(own.boxes, box[None]) >= 0.5))
            for own, box in zip(at_least(found, threshold), boxes, strict=True)
        ]
    )
    figures: Mapping[str, Any] = {}
    angle = np.abs(azimuths_deg)
    figures = {
        name: {"heads": int(inside.sum()), "recall": float(hit[inside].mean()) if inside.any() else float("nan")}
        for name, (low, high) in DIRECTIONS.items()
        for inside in [(angle >= low) & (angle < high)]
    }
    return dict(figures)


def empty_regions(image: Image, heads: Float, least: int = 96, most: int = 4, seed: int = 0) -> list[Image]:
    """Parts of a photo that no head touches: bodies, hands, furniture. heads: all of the photo's, (n, 4).

    Up to `most` of the largest of 200 rectangles of sides of at least `least` pixels that are drawn at random and do
    not overlap each other.
    """
    height, width = image.shape[:2]
    if min(height, width) < least:
        return []
    rng = np.random.default_rng(seed)
    size = np.stack([rng.uniform(least, width, 200), rng.uniform(least, height, 200)], axis=1)
    corner = rng.uniform(0, 1, (200, 2)) * ([width, height] - size)
    drawn = np.floor(np.concatenate([corner, corner + size], axis=1))
    grown = np.concatenate([heads[:, :2] - 2, heads[:, 2:] + 2], axis=1)
    free = drawn[~np.any(_touch(drawn, grown), axis=1)]
    chosen: list[Float] = []
    for rectangle in free[np.argsort(-sizes(free), kind="stable")]:
        if len(chosen) < most and not (chosen and _touch(rectangle[None], np.array(chosen)).any()):
            chosen.append(rectangle)
    return [np.ascontiguousarray(image[y1:y2, x1:x2]) for x1, y1, x2, y2 in np.array(chosen, int).reshape(-1, 4)]


def _touch(boxes: Float, others: Float) -> NDArray[np.bool_]:
    """Whether each box (n, 4) shares area with each of the others (m, 4). → (n, m)"""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.all(high > low, axis=2))
