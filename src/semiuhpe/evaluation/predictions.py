"""What a model says of the heads that a protocol measures, and how it is asked: the one crop, batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.crop import MARGIN, Image, crop_head

Student = Literal["averaged", "current"]
"""Which weights of a run: the running average, which is the teacher and what is exported, or the student as it is."""


Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StatedErrors:
    """What a model says of its own error, each (n,): entropy in nats; expected error, 50 % and 90 % radius in degrees."""

    entropy: Float
    expected_error_deg: Float
    error_50_deg: Float
    error_90_deg: Float

    def __getitem__(self, chosen: Mask) -> StatedErrors:
        return StatedErrors(
            self.entropy[chosen], self.expected_error_deg[chosen], self.error_50_deg[chosen], self.error_90_deg[chosen]
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted poses of n heads.

    rotation: (n, 3, 3) float64 camera←head, identity where nothing was found. found: (n,) bool, False for heads that a
    detector missed. stated: their error bars, or None for a model that states none. detected: whether a detector gave the
    boxes, so that misses are worth a word even where there are none.
    """

    rotation: Float
    found: Mask
    stated: StatedErrors | None = None
    detected: bool = False

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, chosen: Mask) -> Predictions:
        stated = None if self.stated is None else self.stated[chosen]
        return Predictions(self.rotation[chosen], self.found[chosen], stated, self.detected)


class PoseModel(Protocol):
    """Anything that maps square crops to poses: our weights as ONNX or as a checkpoint, or a peer's network."""

    size: int
    """Pixels a side of its crops."""

    description: dict[str, Any]
    """JSON-ready: which weights these are, and how they are run."""

    def __call__(self, crops: Image) -> Predictions:
        """Poses of crops (n, size, size, 3) uint8 RGB, n ≥ 1."""


def predict(
    model: PoseModel, heads: Iterable[tuple[Image, ArrayLike]], *, batch_size: int = 64, margin: float = MARGIN
) -> Predictions:
    """Poses of heads given as picture (H, W, 3) uint8 RGB and box x1, y1, x2, y2; any number, none included.

    Crops are those of training and of inference (`semiuhpe.geometry.crop`). One batch is in memory at a time, and its
    size does not change the result.
    """
    crops = (crop_head(image, box, model.size, margin) for image, box in heads)
    parts: list[Predictions] = []
    while batch := list(itertools.islice(crops, batch_size)):
        parts.append(model(np.stack(batch)))
    return concatenate(parts)


def concatenate(parts: list[Predictions]) -> Predictions:
    """One after the other; error bars only if all parts have them."""
    if not parts:
        return Predictions(np.zeros((0, 3, 3)), np.zeros(0, bool))
    stated = None
    bars = [part.stated for part in parts if part.stated is not None]
    if len(bars) == len(parts):
        names = ("entropy", "expected_error_deg", "error_50_deg", "error_90_deg")
        stated = StatedErrors(*(np.concatenate([getattr(bar, name) for bar in bars]) for name in names))
    return Predictions(
        np.concatenate([part.rotation for part in parts]), np.concatenate([part.found for part in parts]), stated
    )


def scatter(found: Mask, predictions: Predictions) -> Predictions:
    """Predictions of the heads that a detector found, among all heads. found (n,) bool with as many True as predictions.

    What was missed gets the identity, and the widest error bars there are.
    """
    count = len(found)
    rotation = np.tile(np.eye(3), (count, 1, 1))
    rotation[found] = predictions.rotation
    if predictions.stated is None:
        return Predictions(rotation, found, detected=True)

    def spread(values: Float, missing: float) -> Float:
        whole = np.full(count, missing)
        whole[found] = values
        return whole

    bars = predictions.stated
    stated = StatedErrors(
        spread(bars.entropy, 0.0),
        spread(bars.expected_error_deg, 180.0),
        spread(bars.error_50_deg, 180.0),
        spread(bars.error_90_deg, 180.0),
    )
    return Predictions(rotation, found, stated, detected=True)


def mirrored_crops(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crops (n, S, S, 3) flipped left to right."""
    return np.ascontiguousarray(crops[:, :, ::-1])
