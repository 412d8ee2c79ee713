"""Head boxes for faces that come with landmarks: of the whole skull, or by the published margins.

The crop of this package is 1.3 × the mean side of a box of the *whole head*. So by default a head is drawn through
the landmarks and its box is taken. The published rule is another one: the extent of the landmarks with margins that are
shares of its longer side. Its square is given back here as the box that our crop turns into that very square.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.crop import MARGIN
from semiuhpe.sources.importing import Rejected
from semiuhpe.sources.landmarks.face_model import default_face_model, fit_faces, head_boxes

Float = NDArray[np.float64]
BOX_RULES = ("head", "landmarks")

TRAINING_MARGIN = 0.3
"""Middle of the published U[0.2, 0.4) for 300W-LP and AFLW; a training jitters its crops itself."""

TEST_MARGIN = 0.2
"""The published margin for AFLW2000."""


def box_with_margins(points: ArrayLike, margin: float) -> Float:
    """The published landmark rule. points (m, 2) pixels, any m ≥ 2 → (4,) x1, y1, x2, y2.

    The extent grows by margin·L left, right and below and 2·margin·L above (L its longer side), and is made square.
    Raises Rejected for points without extent.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if len(points) < 2 or not np.all(np.isfinite(points)) or np.ptp(points, axis=0).max() <= 0:
        raise Rejected("landmarks", "the landmarks have no extent")
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    longer = max(x2 - x1, y2 - y1)
    x1, x2 = x1 - margin * longer, x2 + margin * longer
    y1, y2 = y1 - 2 * margin * longer, y2 + margin * longer
    half = max(x2 - x1, y2 - y1) / (2 * MARGIN)
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    return np.concatenate([centre - half, centre + half])


def box_of_head(landmarks: ArrayLike, rotation: ArrayLike) -> tuple[Float, float]:
    """Box of the whole head and the fit's residual (face units) for 68 landmarks whose pose is known.

    landmarks (68, 2) pixels, rotation (3, 3) camera←head → (4,), residual. Raises Rejected where no face can be fitted.
    """
    try:
        fit = fit_faces(landmarks, rotation=rotation)
    except ValueError as error:
        raise Rejected("landmarks", str(error)) from error
    return head_boxes(fit, default_face_model())[0], float(fit.residual[0])


def read_points(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Points of a file, (n, 2) float64 pixels as written. Raises OSError or ValueError, with the reason, otherwise."""
    body = re.search(r"\{(.*)\}", Path(path).read_text(encoding="utf-8"), re.DOTALL)
    if body is None:
        raise ValueError("no points between braces")
    return np.array([float(word) for word in body[1].split()], dtype=np.float64).reshape(-1, 2)
