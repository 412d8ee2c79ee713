"""Is it a head? One probability from the detector's score, the size of the box, and how well a pose can be read in it.

What a detector takes for a head, a button or the fold of a sleeve, shows the pose network no direction: its stated error
is then several times that of a head of this size. A logistic curve, fitted on validation photos and kept in the detector's
model card, joins both answers. A curve holds for the pose network that it was fitted with, and for no other: one that has
learnt less states larger errors, and heads would be lost. So a card has a curve per pose network, by the SHA-256 of its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.score_calibration import features as score_features
from semiuhpe.detection.score_calibration import sigmoid
from semiuhpe.errors import WeightsError

Float = NDArray[np.float64]

KEY = "head_probability"
"""Of the model card."""

_ERROR_UNIT_DEG = 10.0
_NAMES = ("offset", "by_logit", "by_size", "by_error", "by_error_and_size", "candidates", "threshold")


@dataclass(frozen=True)
class HeadProbability:
    """probability = sigmoid(offset + by_logit·logit(score) + by_size·s + by_error·e + by_error_and_size·e·s).

    score: the detector's calibrated one; s = ln(size / 32), size in pixels of the photo; e = ln(expected error / 10°).
    candidates: the detector's score from which a box is worth asking the pose network. threshold: the probability from
    which a box is a head.
    """

    offset: float
    by_logit: float
    by_size: float
    by_error: float
    by_error_and_size: float
    candidates: float
    threshold: float

    def __call__(self, scores: Float, sizes: Float, expected_error_deg: Float) -> Float:
        """Scores (n,) in [0, 1], sizes (n,), square roots of areas, stated errors (n,) → probabilities (n,)."""
        weights = np.array([self.offset, self.by_logit, self.by_size, self.by_error, self.by_error_and_size])
        return sigmoid(features(scores, sizes, expected_error_deg) @ weights)


def features(scores: Float, sizes: Float, expected_error_deg: Float) -> Float:
    """What the curve is linear in, in the order of `HeadProbability`'s weights. → (n, 5)"""
    of_score = score_features(scores, sizes)
    error = np.log(np.clip(np.asarray(expected_error_deg, dtype=np.float64), 0.1, 180.0) / _ERROR_UNIT_DEG)
    return np.column_stack([of_score, error, error * of_score[:, 2]])


def of_card(card: Mapping[str, Any], origin: str) -> dict[str, HeadProbability]:
    """Those of a model card, by the SHA-256 of the pose network's file. Raises WeightsError if one is malformed."""
    raw = card.get(KEY, {})
    if not isinstance(raw, Mapping):
        raise WeightsError(f"{origin}: {KEY} of the model card must be an object by pose network; calibrate again")
    return {sha256: _curve(one, origin) for sha256, one in raw.items()}


def _curve(raw: Any, origin: str) -> HeadProbability:
    try:
        values = [float(raw[name]) for name in _NAMES]
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{origin}: {KEY} of the model card is malformed ({error}); calibrate again") from error
    if not np.all(np.isfinite(values)) or values[1] <= 0 or not 0 < values[-2] < 1 or not 0 <= values[-1] <= 1:
        raise WeightsError(
            f"{origin}: {KEY} of the model card must be finite with by_logit above 0 and candidates and threshold between 0 and 1, got {values}"
        )
    return HeadProbability(*values)
