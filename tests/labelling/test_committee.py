"""The belief of a committee against integrals over a fine grid of rotations, and who is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.geometry.rotation import (
    from_azimuth_elevation_tilt,
    geodesic_distance,
    project_to_rotation,
    random_rotations,
    rotation_of_vector,
    rotation_vector,
    rotation_y,
)
from semiuhpe.labelling.committee import (
    APART,
    NO_ANSWER,
    NO_WITNESS,
    NOBODY,
    OWN_SIGMA,
    RANGE,
    SPREAD,
    TOO_FEW,
    UNSURE,
    Limits,
    Rules,
    Verdict,
    fused,
    in_agreement,
    verdicts,
)
from semiuhpe.labelling.opinion import Opinion, isotropic, rms_angle_deg
from semiuhpe.poses.uncertainty import expected_error_deg, parameter_of_covariance

GRID = np.stack(np.meshgrid(*[np.linspace(-0.6, 0.6, 41)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
"""Rotation vectors around a mode, 0.03 rad apart."""


def covariance_by_integral(centre: np.ndarray, log_density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean rotation, and covariance of `log(centreᵀ·R)`, of a density given on `centre·exp(GRID)`."""
    angle = np.linalg.norm(GRID, axis=1)
    weight = np.exp(log_density - log_density.max()) * np.sinc(angle / 2 / np.pi) ** 2  # Haar in rotation vectors
    weight /= weight.sum()
    mean = project_to_rotation(np.einsum("n,nij->ij", weight, centre @ rotation_of_vector(GRID)))
    return mean, np.einsum("n,ni,nj->ij", weight, GRID, GRID)


def some_covariance(rng: np.random.Generator, degrees: float) -> np.ndarray:
    lower = np.tril(rng.normal(0, 0.3, (3, 3))) + np.eye(3)
    return np.radians(degrees) ** 2 * lower @ lower.T


def test_a_parameter_has_the_covariance_that_it_was_made_of(rng: np.random.Generator) -> None:
    rotation, covariance = random_rotations(1, rng)[0], some_covariance(rng, 4.0)
    parameter = parameter_of_covariance(rotation, covariance)
    np.testing.assert_allclose(project_to_rotation(parameter), rotation, atol=1e-9)
    density = np.einsum("ij,nij->n", parameter, rotation @ rotation_of_vector(GRID))
    mean, found = covariance_by_integral(rotation, density)
    assert geodesic_distance(mean, rotation) < 1e-4
    np.testing.assert_allclose(found, covariance, atol=0.03 * np.trace(covariance))
    assert expected_error_deg(parameter, 1.0) == pytest.approx(np.degrees(np.sqrt(np.trace(found))), rel=0.02)


@pytest.mark.parametrize("count", [2, 3])
def test_independent_teachers_against_the_product_of_their_errors(rng: np.random.Generator, count: int) -> None:
    """The oracle: each teacher's error is normal in its own frame; the product of the densities, integrated."""
    truth = random_rotations(1, rng)[0]
    covariance = np.stack([some_covariance(rng, 5.0) for _ in range(count)])
    rotation = truth @ rotation_of_vector(rng.normal(0, 0.02, (count, 3)))
    parameter = fused(rotation, covariance, correlation=0.0)
    near = truth @ rotation_of_vector(GRID)
    density = np.zeros(len(GRID))
    for r, c in zip(rotation, covariance, strict=True):
        error = rotation_vector(r.T @ near)
        density -= np.einsum("ni,ij,nj->n", error, np.linalg.inv(c), error) / 2
    mean, found = covariance_by_integral(truth, density)
    assert np.degrees(geodesic_distance(project_to_rotation(parameter), mean)) < 0.05
    spread = np.trace(found) - np.sum(rotation_vector(truth.T @ mean) ** 2)
    assert expected_error_deg(parameter, 1.0) == pytest.approx(np.degrees(np.sqrt(spread)), rel=0.03)


def test_teachers_that_err_alike_are_worth_less(rng: np.random.Generator) -> None:
    """Errors of correlation ρ: the error of their mean, drawn, against the belief."""
    sigma, correlation, count = np.radians(3.0), 0.5, 3
    common = rng.normal(0, sigma * np.sqrt(correlation), (20_000, 1, 3))
    own = rng.normal(0, sigma * np.sqrt(1 - correlation), (20_000, count, 3))
    true = np.degrees(np.sqrt(np.mean(np.sum((common + own).mean(axis=1) ** 2, axis=-1))))
    alike = np.tile(np.eye(3), (count, 1, 1))
    parameter = fused(alike, np.tile(sigma**2 * np.eye(3), (count, 1, 1)), correlation)
    assert expected_error_deg(parameter, 1.0) == pytest.approx(true, rel=0.02)


def test_the_precise_teacher_counts_for_more_about_each_axis() -> None:
    """One knows the azimuth well, the other the elevation."""
    narrow_y, narrow_x = (np.diag(np.radians(axes) ** 2) for axes in ((9.0, 1.0, 3.0), (1.0, 9.0, 3.0)))
    rotation = rotation_of_vector(np.radians([[4.0, 0, 0], [0, 4.0, 0]]))
    turn = np.degrees(rotation_vector(project_to_rotation(fused(rotation, np.stack([narrow_y, narrow_x]), 0.0))))
    np.testing.assert_allclose(turn, [4 / 82, 4 / 82, 0], atol=0.02)


def test_disagreement_widens_the_belief() -> None:
    covariance = np.tile(isotropic(3.0), (2, 1, 1))
    widths = [
        float(expected_error_deg(fused(rotation_y([0.0, np.radians(a)]), covariance, 0.0), 1.0)) for a in (0, 3, 15)
    ]
    assert widths[0] == pytest.approx(3 / np.sqrt(2), rel=0.01)
    assert widths[1] == pytest.approx(widths[0], rel=0.01)  # no more than they state
    # Birge: χ² = 2·7.5²/(3²/3) over 3 degrees of freedom.
    assert widths[2] == pytest.approx(widths[0] * np.sqrt(2 * 7.5**2 / 3 / 3), rel=0.03)


def test_agreement_is_with_the_one_in_the_middle() -> None:
    azimuth = np.radians([0.0, 12.0, 25.0, 170.0])
    assert in_agreement(rotation_y(azimuth), 15.0).tolist() == [True, True, True, False]
    assert in_agreement(rotation_y(azimuth[:2]), 15.0).all()
    assert in_agreement(rotation_y(azimuth[[0, 3]]), 15.0).sum() == 1
    assert in_agreement(rotation_y(azimuth[:1]), 15.0).all()


def opinion(
    azimuth_deg: float, *, found: bool = True, own: float = np.nan, spread: float = 1.0, sigma: float = 4.0
) -> Opinion:
    rotation = from_azimuth_elevation_tilt(np.radians([azimuth_deg]), [0.1], [0.0])
    return Opinion(rotation, np.array([found]), isotropic(np.array([sigma])), np.array([own]), np.array([spread]))


def decide(*opinions: Opinion, limits: list[Limits] | None = None, **rules: float) -> Verdict:
    (verdict,) = verdicts(opinions, limits or [Limits()] * len(opinions), Rules(**rules))  # type: ignore[arg-type]
    return verdict


def test_a_teacher_may_be_as_unsure_as_a_label() -> None:
    said = opinion(160, own=30.0, sigma=30.0)
    assert decide(said, max_sigma_deg=15.0).distrust == (OWN_SIGMA,)
    assert decide(said, max_sigma_deg=40.0).rotation is not None
    assert decide(said, limits=[Limits(own_deg=10.0)], max_sigma_deg=40.0).distrust == (OWN_SIGMA,)


@pytest.mark.parametrize(
    ("said", "limits", "reason"),
    [
        (opinion(0, found=False), Limits(), NO_ANSWER),
        (opinion(0, own=12.0), Limits(own_deg=10.0), OWN_SIGMA),
        (opinion(0, own=16.0), Limits(), OWN_SIGMA),
        (opinion(0, spread=11.0), Limits(), SPREAD),
        (opinion(-80), Limits(azimuth_deg=75.0), RANGE),
        (opinion(-70, own=14.0, spread=9.0), Limits(azimuth_deg=75.0), ""),
    ],
)
def test_when_a_teacher_is_trusted(said: Opinion, limits: Limits, reason: str) -> None:
    verdict = decide(said, limits=[limits])
    assert verdict.distrust == (reason,)
    assert verdict.reason == (NOBODY if reason else "")
    if not reason:
        assert verdict.rotation is not None and verdict.parameter is not None
        assert geodesic_distance(verdict.rotation, said.rotation[0]) < 1e-9
        assert expected_error_deg(verdict.parameter, 1.0) == pytest.approx(
            float(rms_angle_deg(said.covariance[0])), rel=0.01
        )


def test_why_a_head_stays_without_a_label() -> None:
    blind = Limits(witness=False)
    assert decide(opinion(0), limits=[blind]).reason == NO_WITNESS
    assert decide(opinion(0), opinion(3), limits=[blind, Limits()]).reason == ""
    # The back of a head: one sees it, the other, who knows faces only, calls it front.
    assert decide(opinion(5), opinion(170), limits=[blind, Limits()]).reason == APART
    assert decide(opinion(5), opinion(6), opinion(170), limits=[blind, blind, Limits()]).reason == APART
    assert decide(opinion(0), min_teachers=2).reason == TOO_FEW
    assert decide(opinion(0), opinion(21)).reason == APART
    assert decide(opinion(0, sigma=16.0)).reason == UNSURE


def test_one_of_three_is_outvoted() -> None:
    verdict = decide(opinion(10), opinion(14), opinion(100))
    assert verdict.agree == (True, True, False)
    assert verdict.rotation is not None
    expected = from_azimuth_elevation_tilt(np.radians(12), 0.1, 0.0)
    assert np.degrees(geodesic_distance(verdict.rotation, expected)) < 0.01
    assert decide(opinion(10), opinion(14), opinion(100), min_teachers=3).reason == APART
