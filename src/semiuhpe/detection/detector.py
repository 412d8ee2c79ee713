"""`HeadDetector`: the box of every head in a photo, whichever way it is turned. Needs onnxruntime, not torch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.arrays import image_size
from semiuhpe.detection.canvas import draw, padded
from semiuhpe.detection.head_probability import HeadProbability
from semiuhpe.detection.head_probability import of_card as probabilities_of_card
from semiuhpe.detection.score_calibration import ScoreCalibration, of_card
from semiuhpe.detection.settings import check_settings
from semiuhpe.detection.tiling import View, plan_views
from semiuhpe.errors import InputError, WeightsError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.weights import WeightsFile, embedded_detector, open_weights
from semiuhpe.weights.session import InferenceSession, open_session

SCORE_THRESHOLD = 0.5
"""Probability from which a box counts: on validation photos of crowds 93 % are right there."""
_PER_VIEW = 2000
_PIXELS_AT_ONCE, _ON_CARDS = 1_000_000, 8_000_000
"""Of the network's input, in one pass. A processor gains nothing by more, and each million takes 170 MB."""
_LEAST = 0.02
"""Raw scores below this are not looked at."""

_Found = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Boxes (n, 4) and scores (n,)."""


class HeadDetector:
    """Finds heads, faces and backs of heads alike.

    Args:
        weights: "default" for the embedded ones, or the path of an .onnx file that `semiuhpe train-detector` exported.
        score_threshold: boxes below it are left out, in [0, 1]; None = 0.5, and where a pose network confirms the
            heads, as in `HeadPoseEstimator`, what the model card says.
        max_side: pixels of the longer side at which a photo is seen whole.
        max_tiles: at most this many closer views of a large photo; 0 for none.
        overlap_threshold: of two boxes with a larger IoU, the better one stays; 0.45 is best on validation photos.
        device: "cpu", "cuda" or "cuda:1" (these need onnxruntime-gpu), or "auto", which is CUDA where it is there.
        threads: of onnxruntime, at most one per core; None = as many as there are cores.
        calibration: from the network's score to a probability; None = the model card's.

    Raises:
        WeightsError: weights that are missing, damaged or not a head detector's.
        DeviceError: a device that is not there.
        InputError: other wrong settings.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        *,
        score_threshold: float | None = None,
        max_side: int = 960,
        max_tiles: int = 16,
        overlap_threshold: float = 0.45,
        device: str = "auto",
        threads: int | None = None,
        calibration: ScoreCalibration | None = None,
    ) -> None:
        check_settings(
            score_threshold=score_threshold,
            overlap_threshold=overlap_threshold,
            side=max_side,
            threads=threads,
            side_name="max_side",
        )
        if max_tiles < 0:
            raise InputError(f"max_tiles is at least 0, got {max_tiles}")
        self.overlap_threshold = overlap_threshold
        self.max_side, self.max_tiles = max_side, max_tiles
        self.weights: WeightsFile = open_weights(embedded_detector(weights))
        self._own_threshold: float | None = score_threshold
        self._probabilities = probabilities_of_card(self.weights.card, str(self.weights.path))
        self.calibration = of_card(self.weights.card, str(self.weights.path)) if calibration is None else calibration
        self._arguments = {"weights": weights, "device": device, "threads": threads, "calibration": calibration}
        self._session = _session(self.weights, device, threads)
        single = self._session.get_inputs()[0].shape[0] == 1  # as older exports
        most = _PIXELS_AT_ONCE if self._session.get_providers()[0].startswith("CPU") else _ON_CARDS
        self._pixels_at_once = 0 if single else most

    @property
    def score_threshold(self) -> float:
        """Boxes that score less are left out of what this detector finds by itself."""
        return SCORE_THRESHOLD if self._own_threshold is None else self._own_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self._own_threshold = value

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self._arguments,
            "score_threshold": self._own_threshold,
            "overlap_threshold": self.overlap_threshold,
            "max_side": self.max_side,
            "max_tiles": self.max_tiles,
        }

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        HeadDetector.__init__(self, **arguments)  # a pickled detector is opened anew

    def __call__(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the heads of a photo.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Boxes (n, 4) float32 x1, y1, x2, y2 in its pixels, inside the frame, best first; and scores (n,) float32 in
            [0, 1]. Without heads the shapes are (0, 4) and (0,).

        Raises:
            InputError: anything but such an image.
        """
        (found,) = self.batch([image])
        return found

    def batch(self, images: Iterable[NDArray[np.uint8]]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Do as `__call__` with each image; what is of like size goes through the network together.

        Args:
            images: each (H, W, 3) uint8 RGB; all are held.

        Returns:
            Boxes and scores of each image, as of `__call__`.

        Raises:
            InputError: anything but such images.
        """
        return self._batch(images, self.score_threshold)

    def head_probability(self, pose_weights: str) -> HeadProbability | None:
        """How the answer of a pose network joins the score, with the threshold that this detector was given.

        Args:
            pose_weights: SHA-256 of its file.

        Returns:
            The curve; None where the card has none for it: the score then stands alone.
        """
        found = self._probabilities.get(pose_weights)
        if found is None or self._own_threshold is None:
            return found
        return replace(found, threshold=self._own_threshold)

    def candidates(
        self, images: Iterable[NDArray[np.uint8]], least: float
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Do as `batch`, with the boxes scored from `least` on, which only a pose network's answer can make heads.

        Args:
            images: each (H, W, 3) uint8 RGB.
            least: lowest score, in [0, 1].

        Returns:
            Boxes and scores of each image, as of `__call__`.
        """
        return self._batch(images, min(self.score_threshold, least))

    def _batch(
        self, images: Iterable[NDArray[np.uint8]], threshold: float
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        photos = list(images)
        sizes = [image_size(image) for image in photos]
        views = [plan_views(height, width, self.max_side, self.max_tiles) for height, width in sizes]
        looks = [(image, view) for image, own in zip(photos, views, strict=True) for view in own]
        seen = iter(self._seen(looks, threshold))
        return [
            self._together(list(itertools.islice(seen, len(own))), size) for own, size in zip(views, sizes, strict=True)
        ]

    def _together(self, found: list[_Found], size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The heads of a photo from those of its views. size: its height and width."""
        boxes = box_math.clip(np.concatenate([b for b, _ in found]), *size)
        scores = np.concatenate([s for _, s in found])
        solid = box_math.area(boxes) > 0
        boxes, scores = boxes[solid], scores[solid]
        kept = box_math.non_maximum_suppression(boxes, scores, self.overlap_threshold, inside_threshold=0.85)
        return boxes[kept].astype(np.float32), scores[kept].astype(np.float32)

    def look(self, image: NDArray[np.uint8], view: View) -> _Found:
        """What one view of a photo shows.

        Args:
            image: the photo, (H, W, 3) uint8 RGB.
            view: the part of it, and its scale.

        Returns:
            Boxes (n, 4) float64 in the photo's pixels, best first, and scores (n,) float64.
        """
        (found,) = self._seen([(image, view)], self.score_threshold)
        return found

    def _seen(self, looks: Sequence[tuple[NDArray[np.uint8], View]], threshold: float) -> list[_Found]:
        """`look` of many photos and views, in their order."""
        alike: dict[tuple[int, int], list[int]] = {}
        for number, (_, view) in enumerate(looks):
            alike.setdefault((padded(view.height * view.scale), padded(view.width * view.scale)), []).append(number)
        found: dict[int, _Found] = {}
        for (height, width), numbers in alike.items():
            at_once = max(1, self._pixels_at_once // (height * width))
            for start in range(0, len(numbers), at_once):
                some = numbers[start : start + at_once]
                canvases = np.stack([_canvas(*looks[number], height, width) for number in some])
                boxes, scores = self._session.run(["boxes", "scores"], {"pixels": canvases})
                if not self._pixels_at_once:
                    boxes, scores = boxes[None], scores[None]
                for number, own_boxes, own_scores in zip(some, boxes, scores, strict=True):
                    found[number] = self._chosen(own_boxes, own_scores, looks[number][1], threshold)
        return [found[number] for number in range(len(looks))]

    def _chosen(
        self, raw_boxes: NDArray[np.float32], raw_scores: NDArray[np.float32], view: View, threshold: float
    ) -> _Found:
        """The heads among all cells of the network's answer about a view, in the photo's pixels."""
        candidates = np.flatnonzero(raw_scores >= _LEAST)
        boxes = np.asarray(raw_boxes[candidates], dtype=np.float64)
        boxes = box_math.clip(boxes, view.height * view.scale, view.width * view.scale)
        scores = self.calibration(np.asarray(raw_scores[candidates], dtype=np.float64), np.sqrt(box_math.area(boxes)))
        good = np.flatnonzero(view.trusts(boxes) & (scores >= threshold))
        if len(good) > _PER_VIEW:
            good = good[np.argsort(-scores[good], kind="stable")[:_PER_VIEW]]
        boxes, scores = boxes[good], scores[good]
        kept = box_math.non_maximum_suppression(boxes, scores, self.overlap_threshold)
        return boxes[kept] / view.scale + [view.x, view.y, view.x, view.y], scores[kept]


def _canvas(image: NDArray[np.uint8], view: View, height: int, width: int) -> NDArray[np.uint8]:
    matrix = np.array([[view.scale, 0.0, -view.scale * view.x], [0.0, view.scale, -view.scale * view.y]])
    return draw(image, matrix, height, width)


def _session(weights: WeightsFile, device: str, threads: int | None) -> InferenceSession:
    session = open_session(weights.content, weights.path, device, threads, remedy="export again")
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != ["pixels"] or not {"boxes", "scores"} <= outputs:
        raise WeightsError(
            f"{weights.path}: not a head detector's weights (its inputs are {', '.join(inputs)}); give a detector's"
        )
    return session
