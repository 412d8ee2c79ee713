"""Pseudo-labels by a committee of teachers: which are trusted, whether they agree, and the belief that they make.

Each trusted teacher's rotation and covariance are a matrix Fisher density (`uncertainty.parameter_of_covariance`); the
product of densities is the density of the summed parameters, so precise teachers count for more, about each axis by
itself. It is then widened twice. Teachers learn from the same data sets and err alike: n of them whose errors correlate
by ρ are worth n / (1 + (n − 1)·ρ). And where they disagree by more than they state, the belief is as wide as they
disagree (Birge's ratio √(χ²/(3(n − 1))), if above 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.rotation import (
    Float,
    azimuth_elevation_tilt,
    geodesic_distance,
    project_to_rotation,
    rotation_vector,
)
from semiuhpe.labelling.opinion import Opinion
from semiuhpe.poses.uncertainty import expected_error_deg, parameter_of_covariance

NO_ANSWER, OWN_SIGMA, SPREAD, RANGE = "no answer", "own sigma too large", "views apart", "beyond its range"
"""Why a teacher is not trusted with a head."""

NOBODY, NO_WITNESS, TOO_FEW, APART, UNSURE = (
    "no teacher is trusted", "only teachers that cannot tell a face", "too few teachers", "teachers apart", "belief too wide"
)  # fmt: skip
"""Why a head stays without a label."""


@dataclass(frozen=True)
class Limits:
    """How far a teacher is trusted.

    Attributes:
        azimuth_deg: largest |azimuth| of its own answer, degrees.
        own_deg: largest error that it may state of itself, RMS angle in degrees; None: as wide as a label may be.
        assumed_deg: RMS angle of its errors where it states none, degrees.
        witness: whether it can tell that there is no face: by the error it states, by finding none, or by knowing heads
            from all sides. One that cannot makes no label without one that can.
    """

    azimuth_deg: float = 180.0
    own_deg: float | None = None
    assumed_deg: float = 6.0
    witness: bool = True


@dataclass(frozen=True)
class Rules:
    """How a committee decides.

    Attributes:
        spread_deg: largest RMS angle between a teacher's views, degrees.
        apart_deg: teachers within this angle, degrees, of the one in their middle agree, and more than half must.
        min_teachers: that many must agree.
        max_sigma_deg: largest RMS angle of a label, degrees.
        correlation: of the errors of two teachers, 0 to 1.
    """

    spread_deg: float = 10.0
    apart_deg: float = 20.0
    min_teachers: int = 1
    max_sigma_deg: float = 15.0
    correlation: float = 0.5


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a committee says of one head.

    Attributes:
        parameter: (3, 3) matrix Fisher parameter, camera←head, or None where there is no label, for the `reason`.
        reason: why there is no label; "" = there is one.
        distrust: of each teacher, why it was not trusted ("" = it was).
        agree: of each teacher, whether it is part of the answer.
    """

    parameter: Float | None
    reason: str
    distrust: tuple[str, ...]
    agree: tuple[bool, ...] = field(default=())

    @property
    def rotation(self) -> Float | None:
        """The mode, (3, 3) camera←head."""
        return None if self.parameter is None else project_to_rotation(self.parameter)


def distrust(opinion: Opinion, limits: Limits, rules: Rules) -> NDArray[np.str_]:
    """Why a teacher is not trusted with each of n heads.

    Args:
        opinion: the teacher's, of n heads.
        limits: how far it is trusted.
        rules: of its committee.

    Returns:
        (n,) str, "" where it is trusted.
    """
    azimuth = np.degrees(np.abs(azimuth_elevation_tilt(opinion.rotation)[:, 0]))
    own_deg = rules.max_sigma_deg if limits.own_deg is None else limits.own_deg
    return np.select(
        [
            ~opinion.found,
            opinion.own_deg > own_deg,  # NaN, nothing stated, is no reason
            opinion.spread_deg > rules.spread_deg,
            azimuth > limits.azimuth_deg,
        ],
        [NO_ANSWER, OWN_SIGMA, SPREAD, RANGE],
        "",
    )


def verdicts(opinions: Sequence[Opinion], limits: Sequence[Limits], rules: Rules) -> list[Verdict]:
    """What a committee says of heads.

    Args:
        opinions: of each of t teachers, of the same n heads.
        limits: of each teacher.
        rules: how they decide.

    Returns:
        n verdicts.
    """
    reasons = np.stack([distrust(opinion, limit, rules) for opinion, limit in zip(opinions, limits, strict=True)])
    witness = np.array([limit.witness for limit in limits])
    rotation = np.stack([opinion.rotation for opinion in opinions])
    covariance = np.stack([opinion.covariance for opinion in opinions])
    return [
        _verdict(rotation[:, head], covariance[:, head], tuple(map(str, reasons[:, head])), witness, rules)
        for head in range(rotation.shape[1])
    ]


def _verdict(
    rotation: Float, covariance: Float, reasons: tuple[str, ...], witness: NDArray[np.bool_], rules: Rules
) -> Verdict:
    trusted = np.array([reason == "" for reason in reasons])
    if not trusted.any():
        return Verdict(None, NOBODY, reasons)
    if not (trusted & witness).any():
        return Verdict(None, NO_WITNESS, reasons)
    if trusted.sum() < rules.min_teachers:
        return Verdict(None, TOO_FEW, reasons)
    agree = np.zeros(len(trusted), bool)
    agree[trusted] = in_agreement(rotation[trusted], rules.apart_deg)
    told = tuple(bool(a) for a in agree)
    if 2 * agree.sum() <= trusted.sum() or agree.sum() < rules.min_teachers or not (agree & witness).any():
        return Verdict(None, APART, reasons, told)
    parameter = fused(rotation[agree], covariance[agree], rules.correlation)
    if float(expected_error_deg(parameter, overreg=1.0)) > rules.max_sigma_deg:
        return Verdict(None, UNSURE, reasons, told)
    return Verdict(parameter, "", reasons, told)


def in_agreement(rotation: Float, apart_deg: float) -> NDArray[np.bool_]:
    """Who is within an angle of the one in the middle, who has most others so near.

    Of several such, the middle is who is nearest to those others. Of two teachers, both agree or only one is left.

    Args:
        rotation: (t, 3, 3) camera←head, one per teacher.
        apart_deg: the angle, degrees.

    Returns:
        (t,) bool.
    """
    distance = np.degrees(geodesic_distance(rotation[:, None], rotation[None]))
    near = distance <= apart_deg
    middle = min(range(len(rotation)), key=lambda place: (-near[place].sum(), distance[place][near[place]].sum()))
    return np.asarray(near[middle])


def fused(rotation: Float, covariance: Float, correlation: float) -> Float:
    """The belief of t ≥ 1 teachers together, by the product of densities and the widening of the module.

    Args:
        rotation: (t, 3, 3) camera←head.
        covariance: (t, 3, 3) radians², head frame of each teacher, positive definite.
        correlation: of the errors of two teachers, 0 to 1.

    Returns:
        (3, 3) matrix Fisher parameter, camera←head.
    """
    count = len(rotation)
    parameter = parameter_of_covariance(rotation, covariance).sum(axis=0)
    if count == 1:
        return np.asarray(parameter)
    error = rotation_vector(np.swapaxes(rotation, 1, 2) @ project_to_rotation(parameter))
    chi_squared = np.einsum("ti,tij,tj->", error, np.linalg.inv(covariance), error)
    widening = (1 + (count - 1) * correlation) * max(1.0, chi_squared / (3 * (count - 1)))
    return np.asarray(parameter / widening)
