"""What all distributions on rotations have in common, of each against draws, quadratures and another decomposition."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from semiuhpe.distributions.base import RotationDistribution
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.rotation_laplace import RotationLaplace
from semiuhpe.geometry.rotation import mirror, random_rotations

KINDS = (MatrixFisher, RotationLaplace)
SINGULAR_VALUES = [(10.0, 10.0, 10.0), (30.0, 12.0, 4.0), (20.0, 15.0, -12.0), (1.0, 0.5, 0.2)]


def rotations(count: int, seed: int) -> Tensor:
    return torch.from_numpy(random_rotations(count, np.random.default_rng(seed)))


def parameters(*spectra: tuple[float, float, float], seed: int = 0) -> Tensor:
    u, v = rotations(2 * len(spectra), seed).reshape(2, -1, 3, 3)
    return u @ torch.diag_embed(torch.tensor(spectra, dtype=torch.float64)) @ v.mT


def angles(a: Tensor, b: Tensor) -> Tensor:
    return 2 * torch.asin((torch.linalg.matrix_norm(a - b) / math.sqrt(8)).clamp(max=1))


def same(got: RotationDistribution, expected: RotationDistribution, rotation: Tensor) -> None:
    """Whether two beliefs agree in all that they say."""
    for name in ("parameter", "mode", "mean", "entropy", "expected_angle", "log_normalizer", "singular_values"):
        torch.testing.assert_close(getattr(got, name), getattr(expected, name), msg=partial("{}: {}".format, name))
    torch.testing.assert_close(got.log_prob(rotation), expected.log_prob(rotation))
    u, s, v = got.proper_svd
    torch.testing.assert_close(u @ torch.diag_embed(s) @ v.mT, got.parameter)
    torch.testing.assert_close(torch.linalg.det(u), torch.ones(got.batch_shape, dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_turned_mirrored_and_sharpened_beliefs_are_those_solved_anew(kind: type[RotationDistribution]) -> None:
    belief = kind(parameters(*SINGULAR_VALUES))
    turn, rotation = rotations(4, 1), rotations(4, 2)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64).diag()
    for _ in range(2):  # whether or not the belief has been asked before
        same(belief.rotated(turn), kind(turn @ belief.parameter), rotation)
        same(belief.mirrored(), kind(flip @ belief.parameter @ flip), rotation)
        same(belief.sharpened(1.7), kind(1.7 * belief.parameter), rotation)
        same(
            belief.sharpened(0.5).rotated(turn).mirrored(), kind(flip @ turn @ (belief.parameter / 2) @ flip), rotation
        )
    np.testing.assert_allclose(belief.mirrored().mode.numpy(), mirror(belief.mode.numpy()), atol=1e-12)
    torch.testing.assert_close(belief.rotated(turn).log_prob(turn @ rotation), belief.log_prob(rotation))


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_decomposes_nothing_anew(kind: type[RotationDistribution], monkeypatch: pytest.MonkeyPatch) -> None:
    belief = kind(parameters(*SINGULAR_VALUES))
    entropy = belief.entropy

    def refuse(*_: object) -> None:
        raise AssertionError("decomposed again")

    monkeypatch.setattr(torch.linalg, "svd", refuse)
    moved = belief.rotated(rotations(4, 1)).mirrored()
    assert torch.equal(moved.entropy, entropy)
    assert moved.mode.shape == moved.mean.shape == (4, 3, 3)
    assert belief.sharpened(2.0).mean.shape == (4, 3, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("s", SINGULAR_VALUES)
def test_draws_have_the_stated_moments(kind: type[RotationDistribution], s: tuple[float, float, float]) -> None:
    belief = kind(parameters(s)[0])
    drawn = belief.sample(40_000, torch.Generator().manual_seed(0))
    surprise, angle = -belief.log_prob(drawn), angles(drawn, belief.mode)
    for stated, values in ((belief.entropy, surprise), (belief.expected_angle, angle)):
        assert float(stated) == pytest.approx(float(values.mean()), abs=5 * float(values.std()) / 200)
    torch.testing.assert_close(belief.mean, drawn.mean(0), atol=0.02, rtol=0)


@pytest.mark.parametrize("q", KINDS)
@pytest.mark.parametrize("p", KINDS)
def test_cross_entropy_agrees_with_draws(p: type[RotationDistribution], q: type[RotationDistribution]) -> None:
    first = p(parameters((14.0, 9.0, 6.0), (3.0, 2.0, -1.0), seed=3))
    second = q(parameters((8.0, 6.0, 2.0), (5.0, 4.0, 3.0), seed=4))
    drawn = first.sample(40_000, torch.Generator().manual_seed(1))
    surprise = -second.log_prob(drawn)
    tolerance = 5 * float(surprise.std(0).max()) / 200
    torch.testing.assert_close(first.cross_entropy(second), surprise.mean(0), atol=tolerance, rtol=0)
    assert (first.kl(second) > 0).all()


@pytest.mark.parametrize("s", SINGULAR_VALUES)
def test_the_quadrature_equals_what_is_exact(s: tuple[float, float, float]) -> None:
    """The closed forms and the mixture are one way to an expectation, nodes over all rotations are another."""
    for kind in KINDS:
        belief = kind(parameters(s))
        by_nodes = RotationDistribution.cross_entropy(belief, belief)
        torch.testing.assert_close(by_nodes, belief.entropy, atol=2e-4, rtol=0)
        turns, weights = belief._quadrature()
        torch.testing.assert_close((weights[..., None, None] * turns).sum(0), belief.mean, atol=1e-4, rtol=0)
        angle = (weights * angles(turns, belief.mode)).sum(0)
        torch.testing.assert_close(angle, belief.expected_angle, atol=1e-4, rtol=0)


def test_gradients_of_a_cross_entropy_by_quadrature() -> None:
    teacher = RotationLaplace(parameters((6.0, 4.0, 3.0)))
    student = parameters((5.0, 4.0, 2.0), seed=5).requires_grad_()
    value = teacher.cross_entropy(MatrixFisher(student))
    value.sum().backward()
    expected = MatrixFisher(student.detach()).mean - teacher.mean
    torch.testing.assert_close(student.grad, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_log_normalizer_has_the_gradient_that_log_prob_implies(kind: type[RotationDistribution]) -> None:
    parameter = parameters((9.0, 5.0, 2.0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: kind(a).log_normalizer, parameter, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_batches_and_wrong_input(kind: type[RotationDistribution]) -> None:
    empty = kind(torch.zeros(0, 3, 3))
    assert empty.entropy.shape == empty.expected_angle.shape == empty.log_normalizer.shape == (0,)
    assert empty.mean.shape == empty.rotated(torch.zeros(0, 3, 3)).mode.shape == (0, 3, 3)
    assert empty.sample(5).shape == (5, 0, 3, 3)
    with pytest.raises(ValueError, match=kind.__name__):
        kind(torch.zeros(9))
    single = kind(torch.eye(3, dtype=torch.float16))
    assert single.entropy.dtype == single.nll(torch.eye(3)).dtype == torch.float32


def test_a_uniform_laplace_is_the_uniform() -> None:
    belief = RotationLaplace(torch.full((1, 3, 3), 0.0, dtype=torch.float64))
    assert float(belief.entropy) == pytest.approx(0.0, abs=0.01)
    assert float(belief.expected_angle) == pytest.approx(math.pi / 2 + 2 / math.pi, abs=1e-4)
