"""`HeadDetector`: the box of every head in a photo, whichever way it is turned. Needs onnxruntime, not torch."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import WeightsError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.inference.checks import InputError, image_size
from semiuhpe.inference.preprocess import draw, padded
from semiuhpe.inference.score_calibration import ScoreCalibration, of_card
from semiuhpe.inference.session import InferenceSession, open_session
from semiuhpe.inference.tiling import View, plan_views
from semiuhpe.weights import WeightsFile, open_weights

SCORE_THRESHOLD = 0.5
"""Probability from which a box counts: on validation photos 93 % are right there. A false head would get a pose too."""
_PER_VIEW = 2000
_LEAST = 0.02
"""Raw scores below this are not looked at."""


class HeadDetector:
    """Finds heads, faces and backs of heads alike.

    weights: "default" for the embedded ones, or the path of an .onnx file that `semiuhpe train-detector` exported.
    score_threshold: boxes below it are left out, in [0, 1]. max_side: pixels of the longer side at which a photo is
    seen whole. max_tiles: at most this many closer views of a large photo; 0 for none. overlap_threshold: of two boxes
    with a larger IoU, the better one stays. device: "cpu", "cuda" or "cuda:1" (these need onnxruntime-gpu), or "auto",
    which is CUDA where it is there. threads: of onnxruntime, at most one a core; None = as many as there are cores.
    calibration: from the network's score to a probability; None = the model card's.

    Raises WeightsError if the weights are missing, damaged or not a head detector's, DeviceError for a device that is
    not there, InputError for other wrong settings.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        *,
        score_threshold: float = SCORE_THRESHOLD,
        max_side: int = 960,
        max_tiles: int = 16,
        overlap_threshold: float = 0.5,
        device: str = "auto",
        threads: int | None = None,
        calibration: ScoreCalibration | None = None,
    ) -> None:
        if not 0 <= score_threshold <= 1 or not 0 < overlap_threshold <= 1:
            raise InputError(
                f"score_threshold and overlap_threshold are between 0 and 1, got {score_threshold}, {overlap_threshold}"
            )
        if max_side < 64 or max_tiles < 0 or (threads is not None and threads < 1):
            raise InputError(
                "max_side is at least 64, max_tiles at least 0 and threads at least 1, "
                f"got {max_side}, {max_tiles}, {threads}"
            )
        self.score_threshold, self.overlap_threshold = score_threshold, overlap_threshold
        self.max_side, self.max_tiles = max_side, max_tiles
        self.weights: WeightsFile = open_weights("head_detector" if weights == "default" else weights)
        self.calibration = of_card(self.weights.card, str(self.weights.path)) if calibration is None else calibration
        self._session = _session(self.weights, device, threads)

    def __call__(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the heads of a photo.

        image: (H, W, 3) uint8 RGB. → boxes (n, 4) float32 x1, y1, x2, y2 in its pixels, inside the frame, best first;
        scores (n,) float32 in [0, 1]. Without heads the shapes are (0, 4) and (0,). Raises InputError otherwise.
        """
        height, width = image_size(image)
        found = [self.look(image, view) for view in plan_views(height, width, self.max_side, self.max_tiles)]
        boxes = box_math.clip(np.concatenate([b for b, _ in found]), height, width)
        scores = np.concatenate([s for _, s in found])
        solid = box_math.area(boxes) > 0
        boxes, scores = boxes[solid], scores[solid]
        kept = box_math.non_maximum_suppression(boxes, scores, self.overlap_threshold, inside_threshold=0.85)
        return boxes[kept].astype(np.float32), scores[kept].astype(np.float32)

    def look(self, image: NDArray[np.uint8], view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What one view of a photo shows: boxes (n, 4) float64 in the photo's pixels, best first, and scores (n,)."""
        matrix = np.array([[view.scale, 0.0, -view.scale * view.x], [0.0, view.scale, -view.scale * view.y]])
        canvas = draw(image, matrix, padded(view.height * view.scale), padded(view.width * view.scale))
        raw_boxes, raw_scores = self._session.run(["boxes", "scores"], {"pixels": canvas[None]})
        candidates = np.flatnonzero(raw_scores >= _LEAST)
        boxes = np.asarray(raw_boxes[candidates], dtype=np.float64)
        boxes = box_math.clip(boxes, view.height * view.scale, view.width * view.scale)
        scores = self.calibration(np.asarray(raw_scores[candidates], dtype=np.float64), np.sqrt(box_math.area(boxes)))
        good = np.flatnonzero(view.trusts(boxes) & (scores >= self.score_threshold))
        if len(good) > _PER_VIEW:
            good = good[np.argsort(-scores[good], kind="stable")[:_PER_VIEW]]
        boxes, scores = boxes[good], scores[good]
        kept = box_math.non_maximum_suppression(boxes, scores, self.overlap_threshold)
        return boxes[kept] / view.scale + [view.x, view.y, view.x, view.y], scores[kept]


def _session(weights: WeightsFile, device: str, threads: int | None) -> InferenceSession:
    session = open_session(weights.content, weights.path, device, threads, remedy="export again")
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != ["pixels"] or not {"boxes", "scores"} <= outputs:
        raise WeightsError(
            f"{weights.path}: not a head detector's weights (its inputs are {', '.join(inputs)}); give a detector's"
        )
    return session
