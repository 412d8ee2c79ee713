"""The rotation Laplace against a fine two-dimensional integral, and where the reference's grid fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.rotation_laplace import RotationLaplace, log_normalizer_and_slope
from semiuhpe.geometry.rotation import random_rotations

SINGULAR_VALUES = [
    (10, 10, 10), (50, 20, 5), (200, 200, 200), (2000, 2000, 2000), (1, 0.5, 0.2), (20, 15, -12), (0.1, 0.1, 0.1),
    (1e4, 1e4, 9e3), (300, 10, -9),
]  # fmt: skip


def log_normalizer_oracle(s: tuple[float, float, float]) -> float:
    """`log E[e⁻ʳ/r]` over the unit quaternions (cos t, n·sin t), where r = g(n)·sin t and the Haar weight is sin² t.

    The pole cancels against the weight. The directions n are stretched so that the integrand is flat for a sharp belief.
    """
    decay = 2 * np.array([s[1] + s[2], s[0] + s[2], s[0] + s[1]])
    x, w = np.polynomial.legendre.leggauss(240)
    height, around = (x[:, None] + 1) / 2, (x + 1) * np.pi / 4
    level = np.sqrt(1 - height**2)
    m = np.stack(np.broadcast_arrays(height, level * np.cos(around), level * np.sin(around)))
    g = np.sum(m**2 / decay[:, None, None], axis=0) ** -0.5
    upper = np.minimum(np.pi / 2, 60 / g)[..., None]
    t = (x + 1) / 2 * upper
    inner = (w / 2 * upper * np.sin(t) * np.exp(-g[..., None] * np.sin(t))).sum(-1)
    octant = (w[:, None] / 2 * w * np.pi / 4 * g**2 * inner).sum()
    return float(np.log(8 * octant / (np.pi**2 * np.sqrt(decay.prod()))))


@pytest.mark.parametrize("s", SINGULAR_VALUES)
def test_normaliser_against_a_fine_integral(s: tuple[float, float, float]) -> None:
    got, _ = log_normalizer_and_slope(torch.tensor([s], dtype=torch.float64))
    assert float(got[0]) == pytest.approx(log_normalizer_oracle(s), abs=1e-7)


@pytest.mark.parametrize("s", SINGULAR_VALUES[:6])
def test_slope_is_the_derivative(s: tuple[float, float, float]) -> None:
    point = torch.tensor([s], dtype=torch.float64)
    _, slope = log_normalizer_and_slope(point)
    for axis in range(3):
        step = torch.zeros(1, 3, dtype=torch.float64)
        step[0, axis] = 1e-5 * s[0]
        high, low = (log_normalizer_and_slope(point + sign * step)[0] for sign in (1, -1))
        assert float(slope[0, axis]) == pytest.approx(float(high - low) / (2e-5 * s[0]), rel=1e-4, abs=1e-9)


def test_density_integrates_to_one() -> None:
    """By Monte Carlo over a mild belief; the pole has finite variance only in the mean, so the tolerance is wide."""
    rotations = torch.tensor(random_rotations(200_000, np.random.default_rng(0)))
    parameter = torch.tensor([[2.0, 0.4, 0.0], [0.0, 1.5, 0.3], [0.2, 0.0, 1.0]], dtype=torch.float64)
    density = RotationLaplace(parameter).log_prob(rotations).exp()
    assert float(density.mean()) == pytest.approx(1.0, abs=0.02)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    parameter = (6 * torch.randn(4, 3, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    rotation = torch.tensor(random_rotations(4, np.random.default_rng(1)))
    assert torch.autograd.gradcheck(lambda a: RotationLaplace(a).nll(rotation, 1.025), parameter, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e3])
def test_finite_at_a_perfect_prediction_and_for_no_belief(size: float) -> None:
    parameter = (size * torch.eye(3)).requires_grad_()
    loss = RotationLaplace(parameter).nll(torch.eye(3))
    loss.backward()
    assert torch.isfinite(loss)
    assert parameter.grad is not None
    assert torch.isfinite(parameter.grad).all()


def test_turning_the_world_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    parameter, (turn, label) = torch.tensor(rng.normal(0, 8, (3, 3))), torch.tensor(random_rotations(2, rng))
    turned, plain = RotationLaplace(turn @ parameter), RotationLaplace(parameter)
    assert float(turned.nll(turn @ label)) == pytest.approx(float(plain.nll(label)))


def test_tails_are_heavier_than_the_matrix_fishers() -> None:
    """What it is for: a label that is wrong by 90° costs less, relative to one that is off by 10°."""
    from semiuhpe.geometry.rotation import rotation_y

    parameter = 20 * torch.eye(3, dtype=torch.float64)
    near, far = (torch.tensor(rotation_y(np.radians(angle))) for angle in (10, 90))
    laplace = float(RotationLaplace(parameter).nll(far) - RotationLaplace(parameter).nll(near))
    fisher = MatrixFisher(parameter)
    assert 0 < laplace < 0.5 * float(fisher.log_prob(near) - fisher.log_prob(far))
