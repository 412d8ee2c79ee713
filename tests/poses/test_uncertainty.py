from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import integrate, special

from semiuhpe.geometry.rotation import geodesic_distance, random_rotations
from semiuhpe.poses.uncertainty import (
    FLOOR_DEG,
    entropy,
    expected_error_deg,
    scaled_bessel,
    scaled_log_normalizer_and_resultant_deficit,
)


def test_bessel_functions_agree_with_scipy() -> None:
    x = np.concatenate([[0.0], np.geomspace(1e-6, 1e5, 300), [29.99, 30.0, 30.01]])
    i0, i1 = scaled_bessel(x)
    np.testing.assert_allclose(i0, special.i0e(x), rtol=1e-12)
    np.testing.assert_allclose(i1, special.i1e(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("s", [(0, 0, 0), (5, 3, 1), (9, 9, -8.9), (30, 10, -2)])
def test_normaliser_agrees_with_mpmath(s: tuple[float, float, float]) -> None:
    s1, s2, s3 = s

    def integrand(x: mpmath.mpf) -> mpmath.mpf:
        low, high = (s2 - s3) * (1 - x) / 2, (s2 + s3) * (1 + x) / 2
        return mpmath.besseli(0, low) * mpmath.besseli(0, high) * mpmath.exp(s1 * x) / 2

    rate = max(s1 + s3, 1.0)
    cuts = sorted({mpmath.mpf(-1), mpmath.mpf(1), *(1 - min(2.0, c / rate) for c in (2, 30))})
    with mpmath.workdps(20):
        exact = mpmath.log(mpmath.quad(integrand, cuts)) - (s1 + s2 + s3)
    ours, _ = scaled_log_normalizer_and_resultant_deficit(np.array(s, float))
    assert float(ours) == pytest.approx(float(exact), abs=1e-8)


@pytest.mark.parametrize("s", [(20, 20, -19.9), (300, 10, -2), (1e4, 40, 39), (9000, 9000, 9000), (1e4, 9e3, -8.9e3)])
def test_normaliser_agrees_with_adaptive_quadrature_where_it_is_sharp(s: tuple[float, float, float]) -> None:
    s1, s2, s3 = s

    def integrand(x: float) -> float:
        bessel = special.i0e((s2 - s3) * (1 - x) / 2) * special.i0e((s2 + s3) * (1 + x) / 2)
        return float(bessel * np.exp((s1 + s3) * (x - 1)) / 2)

    cuts = [max(-1.0, 1 - c / (s1 + s3)) for c in (80, 30, 8, 2, 0.5, 0.05)]
    pieces = zip([-1.0, *cuts], [*cuts, 1.0], strict=True)
    exact = np.log(sum(integrate.quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pieces if b > a))
    assert scaled_log_normalizer_and_resultant_deficit(np.array(s))[0] == pytest.approx(exact, abs=1e-8)


def test_resultant_is_the_gradient_of_the_normaliser(rng: np.random.Generator) -> None:
    for scale in (1.0, 20.0, 300.0):
        s = np.sort(rng.uniform(0.1, 1, 3))[::-1] * scale * [1, 1, rng.choice([-1, 1])]
        _, deficit = scaled_log_normalizer_and_resultant_deficit(s)
        step = 1e-4 * scale * np.eye(3)
        up, down = (scaled_log_normalizer_and_resultant_deficit(s + sign * step)[0] for sign in (1, -1))
        np.testing.assert_allclose(-(up - down) / (2e-4 * scale), deficit, rtol=1e-4, atol=1e-6)


def test_any_finite_parameter_has_a_finite_answer(rng: np.random.Generator) -> None:
    odd = [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 1, -1]), np.outer([1, 2, 3], [4, 5, 6]), -np.eye(3)]
    scaled = np.stack([scale * np.asarray(a, float) for a in odd for scale in (1e-30, 1.0, 1e4, 1e12, 1e38)])
    assert np.isfinite(entropy(scaled)).all()
    error = expected_error_deg(scaled)
    assert ((error >= FLOOR_DEG) & (error <= 180)).all()


def test_expected_error_agrees_with_the_density_on_a_grid(rng: np.random.Generator) -> None:
    rotations = random_rotations(200_000, rng)
    for kappa in (0.5, 3.0, 8.0):
        parameter = kappa * np.eye(3)
        weight = np.exp(np.einsum("ij,nij->n", parameter, rotations) - 3 * kappa)
        angle = geodesic_distance(rotations, np.eye(3))
        mean_cosine = np.average(np.cos(angle), weights=weight)
        assert expected_error_deg(parameter, 1.0) == pytest.approx(np.degrees(np.arccos(mean_cosine)), abs=0.7)


def test_entropy_is_zero_for_uniform_and_falls_with_sharpness() -> None:
    assert entropy(np.zeros((3, 3))) == pytest.approx(0, abs=1e-12)
    assert entropy(20.63 * np.eye(3)) == pytest.approx(-5.673, abs=2e-3)  # the floor that ω = 1.025 sets
    values = [float(entropy(k * np.eye(3))) for k in (1, 5, 20, 100, 1000)]
    assert values == sorted(values, reverse=True)
