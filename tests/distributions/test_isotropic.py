"""The isotropic matrix Fisher distribution: its moments against brute force, and their inverses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from semiuhpe.distributions.isotropic import (
    UNIFORM_SIGMA,
    kappa_of_resultant,
    kappa_of_sigma,
    resultant_of,
    sigma_of,
)
from semiuhpe.distributions.matrix_fisher import MatrixFisher

KAPPAS = np.array([0.0, 1e-3, 0.3, 2.0, 8.9, 9.1, 40.0, 700.0, 1e5])


@pytest.mark.parametrize("kappa", KAPPAS.tolist())
def test_the_root_mean_square_angle_is_the_integral(kappa: float) -> None:
    def density(theta: float) -> float:
        return float(np.exp(2 * kappa * (np.cos(theta) - 1)) * (1 - np.cos(theta)))

    upper = min(np.pi, 12 / np.sqrt(max(kappa, 1)))
    over = quad(lambda t: t * t * density(t), 0, upper, epsabs=0, epsrel=1e-11, limit=400)[0]
    below = quad(density, 0, upper, epsabs=0, epsrel=1e-11, limit=400)[0]
    assert float(sigma_of(kappa)) == pytest.approx(np.sqrt(over / below), rel=1e-9)


def test_the_resultant_is_that_of_the_matrix_fisher() -> None:
    mean = MatrixFisher(torch.from_numpy(KAPPAS)[:, None, None] * torch.eye(3, dtype=torch.float64)).mean
    np.testing.assert_allclose(resultant_of(KAPPAS), mean[:, 0, 0].numpy(), rtol=0, atol=1e-10)


def test_draws_have_the_stated_sigma() -> None:
    kappa = float(kappa_of_sigma(np.radians(12.0)))
    draws = MatrixFisher(kappa * torch.eye(3, dtype=torch.float64)).sample(40_000, torch.Generator().manual_seed(0))
    angle = torch.arccos(((draws.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
    assert float(angle.square().mean().sqrt()) == pytest.approx(np.radians(12.0), rel=0.01)


def test_inverses() -> None:
    kappas = KAPPAS[1:]
    np.testing.assert_allclose(kappa_of_sigma(sigma_of(kappas)), kappas, rtol=1e-8)
    np.testing.assert_allclose(kappa_of_resultant(resultant_of(kappas)), kappas, rtol=1e-7)


def test_the_ends() -> None:
    assert float(sigma_of(0.0)) == pytest.approx(UNIFORM_SIGMA, rel=1e-12)
    assert float(kappa_of_sigma(UNIFORM_SIGMA)) == float(kappa_of_sigma(3.1)) == 0.0
    assert float(kappa_of_resultant(0.0)) == float(kappa_of_resultant(-0.2)) == 0.0
    sharp = kappa_of_sigma(np.radians([0.01, 0.1, 1.0]))
    np.testing.assert_allclose(sharp, 1.5 / np.radians([0.01, 0.1, 1.0]) ** 2, rtol=1e-3)
