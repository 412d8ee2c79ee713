"""MatrixFisher against mpmath, against a brute-force integral over all rotations, and against the laws of symmetry."""

from __future__ import annotations

import math
from functools import lru_cache

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.normalizer import log_normalizer_and_slack, scaled_bessel
from semiuhpe.geometry.rotation import image_rotation, mirror, random_rotations, to_quaternion

DEGENERATE = {
    "zero": [0.0, 0.0, 0.0],
    "tiny": [1e-9, 1e-9, -1e-9],
    "equal": [7.0, 7.0, 7.0],
    "first two equal": [7.0, 7.0, 2.0],
    "last two equal": [7.0, 2.0, 2.0],
    "opposite": [7.0, 4.0, -4.0],
    "all opposite": [5.0, 5.0, -5.0],
    "rank 1": [9.0, 0.0, 0.0],
    "rank 2": [9.0, 4.0, 0.0],
}

SPECTRA = [
    *DEGENERATE.values(),
    [1.0, 0.5, -0.2],
    [20.0, 15.0, 10.0],
    [100.0, 80.0, -60.0],
    [1e3, 1.0, -1.0],
    [1e4, 1e4, 1e4],
    [1e4, 1e4, -1e4],
    [1e4, 1e4, -9990.0],
    [1e4, 9e3, -8.99e3],
    [1e4, 3.0, -2.0],
    [1e4, 0.0, 0.0],
]


def nll(parameter: Tensor, rotation: Tensor, overreg: float = 1.025) -> Tensor:
    return MatrixFisher(parameter).nll(rotation, overreg)


def rotations(count: int, seed: int) -> Tensor:
    return torch.from_numpy(random_rotations(count, np.random.default_rng(seed)))


def parameter_of(s: list[float], seed: int = 0) -> Tensor:
    u, v = rotations(2, seed)
    return u @ torch.diag(torch.tensor(s, dtype=torch.float64)) @ v.mT


def mpmath_log_normalizer(s: list[float]) -> float:
    """The textbook integral over x, not the substituted one; split where its scale changes."""
    with mpmath.workdps(25):
        s1, s2, s3 = (mpmath.mpf(v) for v in s)

        def bessel(x: mpmath.mpf) -> mpmath.mpf:
            if x < 1000:
                return mpmath.besseli(0, x) * mpmath.exp(-x)
            return mpmath.hyp2f0(0.5, 0.5, 1 / (2 * x)) / mpmath.sqrt(2 * mpmath.pi * x)

        def integrand(u: mpmath.mpf) -> mpmath.mpf:  # u = 1 − x
            return bessel((s2 - s3) / 2 * u) * bessel((s2 + s3) / 2 * (2 - u)) * mpmath.exp(-(s1 + s3) * u) / 2

        edges = sorted({mpmath.mpf(0), mpmath.mpf(2), *(2 * mpmath.mpf(10) ** -k for k in range(1, 7))})
        return float(s1 + s2 + s3 + mpmath.log(mpmath.quad(integrand, edges)))


@lru_cache(maxsize=1)
def all_rotations() -> tuple[Tensor, Tensor]:
    """40³ = 64,000 rotations and weights: z-y-z Euler product rule, exact for matrix elements up to degree 39."""
    count = 40
    angle = 2 * math.pi * np.arange(count) / count
    cosine, weight = np.polynomial.legendre.leggauss(count)
    a, b, g = (v.ravel() for v in np.meshgrid(angle, np.arccos(cosine), angle, indexing="ij"))
    zero, one = np.zeros_like(a), np.ones_like(a)

    def turn(t: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(t), -np.sin(t), zero, np.sin(t), np.cos(t), zero, zero, zero, one], -1).reshape(
            -1, 3, 3
        )

    nod = np.stack([np.cos(b), zero, np.sin(b), zero, one, zero, -np.sin(b), zero, np.cos(b)], -1).reshape(-1, 3, 3)
    weights = np.broadcast_to(weight[None, :, None] / 2 / count**2, (count,) * 3).ravel()
    return torch.from_numpy(turn(a) @ nod @ turn(g)), torch.from_numpy(weights.copy())


def brute_density(parameter: Tensor) -> tuple[Tensor, float]:
    """Probabilities of the grid's rotations under one parameter, and log c."""
    grid, weights = all_rotations()
    exponent = (grid * parameter).sum((-2, -1))
    top = exponent.max()
    mass = weights * torch.exp(exponent - top)
    return mass / mass.sum(), float(torch.log(mass.sum()) + top)


@pytest.mark.parametrize("s", SPECTRA, ids=str)
def test_log_normalizer_equals_mpmath(s: list[float]) -> None:
    ours = MatrixFisher(torch.diag(torch.tensor(s, dtype=torch.float64))).log_normalizer.item()
    assert ours == pytest.approx(mpmath_log_normalizer(s), abs=1e-8, rel=0)


def test_slack_is_one_minus_the_derivative_of_log_c() -> None:
    spectra = torch.tensor([[20.0, 15.0, 10.0], [3.0, 2.0, -1.5], [1e3, 20.0, -19.0], [1e4, 9e3, -8.9e3]]).double()
    step = 1e-4
    for s, slack in zip(spectra, log_normalizer_and_slack(spectra)[1], strict=True):
        for k in range(3):
            shift = torch.zeros(3, dtype=torch.float64)
            shift[k] = step * max(1.0, float(s[0]) ** 0.5)
            pair = log_normalizer_and_slack(torch.stack([s + shift, s - shift]))[0]
            assert slack[k].item() == pytest.approx(-float((pair[0] - pair[1]) / (2 * shift[k])), abs=1e-6)


def test_scaled_bessel_equals_mpmath() -> None:
    with mpmath.workdps(40):
        for x in [0.0, 1e-6, 0.3, 3.75, 24.9, 25.1, 400.0, 3e3]:
            i0, i1 = mpmath.besseli(0, x), mpmath.besseli(1, x)
            value, slack = scaled_bessel(torch.tensor([x], dtype=torch.float64))
            assert value.item() == pytest.approx(float(i0 * mpmath.exp(-x)), rel=1e-12)
            assert slack.item() == pytest.approx(float(1 - i1 / i0), rel=1e-12)


@pytest.mark.parametrize("s", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_gradients_pass_gradcheck_where_an_svd_derivative_fails(s: list[float]) -> None:
    student = parameter_of(s).requires_grad_()
    target = rotations(1, 1)[0].requires_grad_()
    teacher = MatrixFisher(parameter_of([6.0, 3.0, 1.0], 2))
    assert torch.autograd.gradcheck(lambda a, r: nll(a, r, 1.025), (student, target))
    assert torch.autograd.gradcheck(lambda a: teacher.cross_entropy(MatrixFisher(a)), (student,))
    assert torch.autograd.gradcheck(lambda a: MatrixFisher(a).log_normalizer, (student,))
    assert torch.autograd.gradcheck(lambda a: MatrixFisher(teacher.mean).kl(MatrixFisher(a)), (student,))


def test_gradcheck_of_a_batch_with_broadcasting() -> None:
    student = torch.stack([parameter_of([5.0, 2.0, -1.0], k) for k in range(3)]).requires_grad_()
    target = rotations(2, 5)[:, None].requires_grad_()
    assert nll(student, target).shape == (2, 3)
    assert torch.autograd.gradcheck(nll, (student, target))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e4, 1e9, 1e15])
@pytest.mark.parametrize("s", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_everything_is_finite(s: list[float], scale: float, dtype: torch.dtype) -> None:
    parameter = (scale * parameter_of(s)).to(dtype).requires_grad_()
    loss = nll(parameter, rotations(1, 3)[0].to(dtype))
    loss.backward()
    belief = MatrixFisher(parameter)
    assert parameter.grad is not None
    assert loss.dtype == parameter.grad.dtype == dtype
    for value in (loss, parameter.grad, belief.entropy, belief.mean, belief.mode, belief.expected_angle):
        assert torch.isfinite(value).all()
    assert parameter.grad.abs().max() <= 2.03
    assert 0 <= belief.expected_angle <= math.pi


def test_half_precision_gives_a_float32_loss_and_a_half_gradient() -> None:
    parameter = parameter_of([8.0, 5.0, 2.0]).to(torch.bfloat16).requires_grad_()
    loss = nll(parameter, torch.eye(3))
    loss.backward()
    assert loss.dtype == torch.float32
    assert parameter.grad is not None
    assert parameter.grad.dtype == torch.bfloat16


def test_float32_loses_nothing_but_its_own_rounding() -> None:
    """−tr(AᵀR) and log c are 3·10⁴ each here; their difference is about −13."""
    parameter = (1e4 * rotations(1, 0)[0]).float()
    rotation = MatrixFisher(parameter).mode
    exact = nll(parameter.double(), rotation.double(), 1.0)
    assert nll(parameter, rotation, 1.0).item() == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.parametrize("s", [[0.0, 0.0, 0.0], [3.0, 2.0, 1.0], [8.0, 6.0, -5.0], [12.0, 9.0, 4.0], [11.0, 0.0, 0.0]])
def test_entropy_mean_and_angle_equal_the_integral_over_all_rotations(s: list[float]) -> None:
    parameter = parameter_of(s, 4)
    grid, weights = all_rotations()
    mass, log_c = brute_density(parameter)
    belief = MatrixFisher(parameter)
    log_density = belief.log_prob(grid)
    assert float((weights * log_density.exp()).sum()) == pytest.approx(1.0, abs=1e-6)
    assert belief.log_normalizer.item() == pytest.approx(log_c, abs=1e-6)
    assert belief.entropy.item() == pytest.approx(-float((mass * log_density).sum()), abs=1e-3)
    torch.testing.assert_close(belief.mean, (mass[:, None, None] * grid).sum(0), atol=1e-6, rtol=0)
    angle = torch.acos((((grid * belief.mode).sum((-2, -1)) - 1) / 2).clamp(-1, 1))
    assert belief.expected_angle.item() == pytest.approx(float((mass * angle).sum()), abs=1e-3)


PAIRS = [([10.0, 7.0, 3.0], [9.0, 4.0, -2.0]), ([12.0, 3.0, 0.0], [14.0, 6.0, 2.0]), ([0.0, 0.0, 0.0], [6.0, 5.0, 4.0])]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_cross_entropy_and_kl_equal_the_integral_over_all_rotations(first: list[float], second: list[float]) -> None:
    p, q = MatrixFisher(parameter_of(first, 5)), MatrixFisher(parameter_of(second, 6))
    grid, _ = all_rotations()
    mass, _ = brute_density(p.parameter)
    cross_entropy = -float((mass * q.log_prob(grid)).sum())
    assert p.cross_entropy(q).item() == pytest.approx(cross_entropy, abs=1e-3)
    assert p.cross_entropy(q).item() == pytest.approx(cross_entropy, abs=1e-3)
    assert p.kl(q).item() == pytest.approx(cross_entropy + float((mass * p.log_prob(grid)).sum()), abs=1e-3)
    assert p.kl(p).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("first", "second"), PAIRS[:2])
def test_cross_entropy_is_not_the_one_with_exchanged_eigenvector_indices(
    first: list[float], second: list[float]
) -> None:
    """In quaternions it is `log c − Σᵢⱼ mᵢzⱼ(v1ᵢ·v2ⱼ)²`; published code sums (v1ⱼ·v2ᵢ)², another number."""
    p, q = MatrixFisher(parameter_of(first, 5)), MatrixFisher(parameter_of(second, 6))
    mass, _ = brute_density(p.parameter)
    grid, _ = all_rotations()
    quaternion = quaternions_of(grid)
    moment = torch.einsum("n,ni,nj->ij", mass, quaternion, quaternion)
    m, v1 = torch.linalg.eigh(moment)
    z, v2 = torch.linalg.eigh(quadratic_form(q.parameter))
    overlap = (v1.mT @ v2) ** 2
    right = q.log_normalizer.item() - float(torch.einsum("i,j,ij->", m, z, overlap))
    wrong = q.log_normalizer.item() - float(torch.einsum("i,j,ji->", m, z, overlap))
    assert p.cross_entropy(q).item() == pytest.approx(right, abs=1e-6)
    assert abs(wrong - right) > 0.1


def quaternions_of(rotation: Tensor) -> Tensor:
    return torch.from_numpy(to_quaternion(rotation.numpy()))


def quadratic_form(a: Tensor) -> Tensor:
    """K with tr(AᵀR(q)) = qᵀKq, q = x, y, z, w."""
    lower = torch.stack([a[2, 1] - a[1, 2], a[0, 2] - a[2, 0], a[1, 0] - a[0, 1]])
    upper = a + a.mT - torch.trace(a) * torch.eye(3, dtype=a.dtype)
    return torch.cat([torch.cat([upper, lower[:, None]], 1), torch.cat([lower, torch.trace(a)[None]])[None]], 0)


@pytest.mark.parametrize("kappa", [0.0, 0.5, 16.1, 300.0, 1e4])
def test_expected_angle_of_an_isotropic_belief_is_the_exact_1d_integral(kappa: float) -> None:
    top = min(math.pi, 12 / math.sqrt(kappa + 1e-9))

    def weight(t: float) -> float:
        return (1 - math.cos(t)) * math.exp(2 * kappa * (math.cos(t) - 1))

    over = integrate.quad(lambda t: t * weight(t), 0, top, epsabs=0, epsrel=1e-11)[0]
    under = integrate.quad(weight, 0, top, epsabs=0, epsrel=1e-11)[0]
    belief = MatrixFisher(kappa * rotations(1, 0)[0])
    assert belief.expected_angle.item() == pytest.approx(over / under, rel=1e-7)


@pytest.mark.parametrize("s", [[1e4, 9e3, -8.99e3], [500.0, 2.0, -1.0], [1e4, 1e4, -1e4]])
def test_expected_angle_of_a_lopsided_belief_agrees_with_draws(s: list[float]) -> None:
    belief = MatrixFisher(parameter_of(s, 8))
    drawn = belief.sample(40_000, torch.Generator().manual_seed(0))
    angle = 2 * torch.asin(torch.linalg.matrix_norm(drawn - belief.mode).div(math.sqrt(8)).clamp(max=1))
    error = 4 * float(angle.std()) / math.sqrt(len(angle))
    assert belief.expected_angle.item() == pytest.approx(float(angle.mean()), abs=error)


@pytest.mark.parametrize("s", [[0.0, 0.0, 0.0], [4.0, 3.0, -2.0], [20.0, 10.0, 5.0], [900.0, 30.0, -29.0], [1e4] * 3])
def test_draws_are_rotations_with_the_right_mean_and_entropy(s: list[float]) -> None:
    belief = MatrixFisher(parameter_of(s, 9))
    count = 40_000
    drawn = belief.sample(count, torch.Generator().manual_seed(1))
    identity = torch.eye(3, dtype=torch.float64).expand(count, 3, 3)
    torch.testing.assert_close(drawn @ drawn.mT, identity, atol=1e-10, rtol=0)
    assert (torch.linalg.det(drawn) > 0).all()
    spread = drawn.std(0) / math.sqrt(count)
    assert ((drawn.mean(0) - belief.mean).abs() <= 5 * spread + 1e-9).all()
    log_density = belief.log_prob(drawn)
    error = 5 * float(log_density.std()) / math.sqrt(count) + 1e-9
    assert -float(log_density.mean()) == pytest.approx(belief.entropy.item(), abs=error)


def test_draws_follow_the_generator_and_the_batch() -> None:
    belief = MatrixFisher(torch.stack([parameter_of([5.0, 3.0, 1.0], k) for k in range(6)]).reshape(2, 3, 3, 3).float())
    first = belief.sample(4, torch.Generator().manual_seed(7))
    assert first.shape == (4, 2, 3, 3, 3)
    assert first.dtype == torch.float32
    assert torch.equal(first, belief.sample(4, torch.Generator().manual_seed(7)))
    assert not torch.equal(first, belief.sample(4, torch.Generator().manual_seed(8)))


def test_a_turned_view_turns_the_belief_and_changes_nothing_else() -> None:
    a = torch.stack([parameter_of([9.0, 5.0, -2.0], k) for k in range(4)])
    turn, rotation = rotations(1, 20)[0], rotations(1, 21)[0]
    quarter = torch.from_numpy(image_rotation(math.pi / 6))
    before = MatrixFisher(a)
    for left, right in [(turn, torch.eye(3).double()), (torch.eye(3).double(), turn), (quarter, turn)]:
        after = MatrixFisher(left @ a @ right)
        torch.testing.assert_close(after.mode, left @ before.mode @ right)
        torch.testing.assert_close(after.mean, left @ before.mean @ right)
        torch.testing.assert_close(after.log_prob(left @ rotation @ right), before.log_prob(rotation))
        torch.testing.assert_close(after.entropy, before.entropy)


def test_a_mirrored_view_mirrors_the_belief() -> None:
    a, rotation = parameter_of([9.0, 5.0, -2.0], 3), rotations(1, 22)[0]
    before, after = MatrixFisher(a), MatrixFisher(torch.from_numpy(mirror(a.numpy())))
    torch.testing.assert_close(after.mode, torch.from_numpy(mirror(before.mode.numpy())))
    torch.testing.assert_close(after.mean, torch.from_numpy(mirror(before.mean.numpy())))
    torch.testing.assert_close(after.entropy, before.entropy)
    torch.testing.assert_close(after.log_prob(torch.from_numpy(mirror(rotation.numpy()))), before.log_prob(rotation))


def test_the_mode_is_a_rotation_of_highest_density() -> None:
    for s in SPECTRA:
        belief = MatrixFisher(parameter_of(s, 10))
        assert torch.linalg.det(belief.mode).item() == pytest.approx(1.0)
        others = torch.cat([rotations(500, 11), belief.sample(200, torch.Generator().manual_seed(2))])
        assert (belief.log_prob(others) <= belief.log_prob(belief.mode) + 1e-9).all()
        expected = torch.tensor(s, dtype=torch.float64)
        torch.testing.assert_close(belief.singular_values, expected, atol=1e-10 * max(1.0, s[0]), rtol=0)


def test_known_entropies_of_a_perfect_predictor() -> None:
    """For ω = 1.025 the supervised loss has its minimum at κ = 20.63, H = −5.673 when the truth never varies."""
    kappa = torch.tensor(20.63, dtype=torch.float64)
    parameter = (kappa * torch.eye(3, dtype=torch.float64)).requires_grad_()
    nll(parameter, torch.eye(3, dtype=torch.float64), 1.025).backward()
    assert parameter.grad is not None
    assert parameter.grad.abs().max() < 1e-4
    assert MatrixFisher(parameter).entropy.item() == pytest.approx(-5.673, abs=1e-3)


def test_empty_batches_and_wrong_input() -> None:
    empty = MatrixFisher(torch.zeros(0, 3, 3))
    assert empty.entropy.shape == empty.expected_angle.shape == (0,)
    assert empty.mean.shape == (0, 3, 3)
    assert nll(torch.zeros(0, 3, 3), torch.zeros(0, 3, 3)).shape == (0,)
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, 3\) floating point, got shape \(9,\)"):
        MatrixFisher(torch.zeros(9))
    with pytest.raises(ValueError, match="int64"):
        MatrixFisher(torch.zeros(3, 3, dtype=torch.int64))
