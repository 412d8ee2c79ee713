"""From the network's score to the probability that the box is a head's.

The network's score is its guess of the box's IoU, and small boxes are hard to place: a sure head of 15 pixels scores
what a doubtful thing of 150 does. A logistic curve in the score's logit and the logarithm of the size, fitted on
validation photos and kept in the model card, makes one threshold mean the same at every size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import WeightsError

Float = NDArray[np.float64]

KEY = "score_calibration"
"""Of the model card."""

_UNIT = 32.0


@dataclass(frozen=True)
class ScoreCalibration:
    """probability = sigmoid(offset + by_logit · logit(score) + by_size · ln(size / 32)), size in the network's pixels."""

    offset: float
    by_logit: float
    by_size: float

    def __call__(self, scores: Float, sizes: Float) -> Float:
        """Scores (n,) in [0, 1] and sizes (n,), square roots of areas → probabilities (n,)."""
        return sigmoid(features(scores, sizes) @ np.array([self.offset, self.by_logit, self.by_size]))


IDENTITY = ScoreCalibration(0.0, 1.0, 0.0)


def features(scores: Float, sizes: Float) -> Float:
    """What the curve is linear in: 1, the score's logit, the logarithm of the size. → (n, 3)"""
    clipped = np.clip(np.asarray(scores, dtype=np.float64), 1e-6, 1 - 1e-6)
    log_size = np.log(np.maximum(np.asarray(sizes, dtype=np.float64), 1.0) / _UNIT)
    return np.stack([np.ones_like(clipped), np.log(clipped / (1 - clipped)), log_size], axis=-1)


def sigmoid(x: Float) -> Float:
    """Without overflow at either end."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def of_card(card: Mapping[str, Any], origin: str) -> ScoreCalibration:
    """The calibration of a model card, or the identity where it has none. Raises WeightsError if it is malformed."""
    raw = card.get(KEY)
    if raw is None:
        return IDENTITY
    try:
        values = [float(raw[name]) for name in ("offset", "by_logit", "by_size")]
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{origin}: {KEY} of the model card is malformed ({error}); export again") from error
    if not np.all(np.isfinite(values)) or values[1] <= 0:
        raise WeightsError(f"{origin}: {KEY} of the model card must be finite with by_logit above 0, got {values}")
    return ScoreCalibration(*values)
