"""Whether labels and teachers share their zero: the constant turn between the two, on heads near the front.

Renders, fits of landmarks and networks each have a zero pose of their own making. Where they differ by a constant turn, no
network that learns from several of them can be right about all, and the error hides: each agrees with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semiuhpe.arrays import evenly_spread
from semiuhpe.geometry.rotation import Float, azimuth_elevation_tilt, project_to_rotation, rotation_vector
from semiuhpe.heads.store import HeadStore
from semiuhpe.labelling.opinion import Opinion
from semiuhpe.labelling.teachers import SCALES, Teacher

FRONT_DEG = 35.0
"""Largest azimuth, elevation and tilt of the heads that are compared: there every teacher is at its best."""

_AT_ONCE = 32
_ROBUST_DEG = 5.0  # answers much further away than this count little
_ROUNDS = 20
_RESAMPLES = 200
_SIGNS = (
    -1.0,
    1.0,
    1.0,
)  # a positive turn about x, y, z lowers elevation, raises azimuth, raises tilt (near the front)


@dataclass(frozen=True)
class ZeroOffset:
    """The constant turn from labels to answers, in degrees: how much further up (elevation), to the image left (azimuth)
    and tilted the answers are, each with its standard error. heads: how many were compared.
    """

    elevation_deg: float
    azimuth_deg: float
    tilt_deg: float
    errors_deg: tuple[float, float, float]
    heads: int


def mean_turn(labels: Float, answers: Float) -> Float:
    """Robust constant turn T with `answer ≈ label·T`, head frame. (n, 3, 3), (n, 3, 3), n ≥ 1 → rotation vector (3,), radians.

    A chordal mean with the weights 1/(1 + (θ/5°)²) of each head's angle θ to it, which a few wild answers do not move.
    """
    turns = np.swapaxes(labels, 1, 2) @ answers
    weights = np.ones(len(turns))
    for _ in range(_ROUNDS):
        mean = project_to_rotation(np.einsum("n,nij->ij", weights, turns))
        angle = np.linalg.norm(rotation_vector(turns @ mean.T), axis=-1)
        weights = 1 / (1 + (angle / np.radians(_ROBUST_DEG)) ** 2)
    return np.asarray(rotation_vector(mean))


def zero_offset(labels: Float, answers: Float) -> ZeroOffset:
    """The offset of n ≥ 2 heads, with standard errors by resampling heads. Raises ValueError for fewer."""
    if len(labels) < 2:
        raise ValueError(f"a zero needs two heads near the front or more, got {len(labels)}")
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(labels), (_RESAMPLES, len(labels)))
    spread = np.std([mean_turn(labels[rows], answers[rows]) for rows in drawn], axis=0)
    elevation, azimuth, tilt = np.degrees(mean_turn(labels, answers)) * _SIGNS
    errors = np.degrees(spread)
    return ZeroOffset(
        float(elevation),
        float(azimuth),
        float(tilt),
        (float(errors[0]), float(errors[1]), float(errors[2])),
        len(labels),
    )


def near_front(store: HeadStore, limit: int, least_pixels: float = 40.0) -> list[int]:
    """Up to `limit` labelled heads within `FRONT_DEG` of the front, no smaller than `least_pixels`, evenly spread."""
    found = []
    for index, record in enumerate(store):
        if record.rotation is None or record.box[2] - record.box[0] < least_pixels:
            continue
        if np.abs(np.degrees(azimuth_elevation_tilt(record.rotation))).max() <= FRONT_DEG:
            found.append(index)
    if len(found) > limit:
        found = [found[place] for place in evenly_spread(len(found), limit)]
    return found


def offset_of_store(store: HeadStore, teacher: Teacher, indices: Sequence[int]) -> ZeroOffset:
    """The offset from a store's labels to a teacher's answers, on those heads of `indices` of which the teacher is sure."""
    labels, answers = [], []
    for start in range(0, len(indices), _AT_ONCE):
        chosen = indices[start : start + _AT_ONCE]
        pairs = [(store.image(index), store.record(index).box) for index in chosen]
        opinion = teacher.opinion(pairs, SCALES, mirrored=True)
        sure = opinion.found & _is_sure(opinion)
        labels.append(store.rotations[list(chosen)][sure])
        answers.append(opinion.rotation[sure])
    return zero_offset(np.concatenate(labels), np.concatenate(answers))


def _is_sure(opinion: Opinion) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    own = np.where(np.isfinite(opinion.own_deg), opinion.own_deg, 0.0)
    return np.asarray((own < 10.0) & (opinion.spread_deg < 8.0))
