"""The matrix Fisher distribution as published implementations compute it: what the benchmarks compare with.

Singular values by `torch.linalg.svd` with its automatic derivative, I0e by the polynomials of Numerical Recipes
(Abramowitz & Stegun 9.8.1-2), log c by 512 equidistant points on [−1, 1] in float32, and three more such integrals for its
gradient. Written from the formulas.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import OVERREG

POINTS = 512


def i0e_polynomial(x: Tensor) -> Tensor:
    """e⁻ˣ·I0(x), x ≥ 0, by two polynomials that meet at 3.75 (relative error below 2e-7)."""
    small = (x / 3.75) ** 2
    low = torch.full_like(small, 0.0045813)
    for coefficient in (0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0):
        low = low * small + coefficient
    large = 3.75 / x.clamp_min(3.75)
    high = torch.full_like(large, 0.00392377)
    for coefficient in (
        -0.01647633,
        0.02635537,
        -0.02057706,
        0.00916281,
        -0.00157565,
        0.00225319,
        0.01328592,
        0.39894228,
    ):
        high = high * large + coefficient
    return torch.where(x < 3.75, low * torch.exp(-x), high * torch.rsqrt(x.clamp_min(3.75)))


class TrapezoidLogNormalizer(torch.autograd.Function):
    """log c of proper singular values (n, 3) and its gradient, one 512-point trapezoid for each of the four."""

    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        ctx.save_for_backward(s)
        x, weight = TrapezoidLogNormalizer._rule(s)
        integral = (TrapezoidLogNormalizer._integrand(s[:, 0], s[:, 1], s[:, 2], x) * weight).sum(-1)
        return s.sum(-1) + torch.log(0.5 * integral)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (s,) = ctx.saved_tensors
        x, weight = TrapezoidLogNormalizer._rule(s)
        columns = []
        for k, i, j in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
            values = TrapezoidLogNormalizer._integrand(s[:, k], s[:, i], s[:, j], x) * weight
            columns.append((values * x).sum(-1) / values.sum(-1))
        return torch.stack(columns, -1) * grad[:, None]

    @staticmethod
    def _rule(s: Tensor) -> tuple[Tensor, Tensor]:
        weight = torch.full((POINTS,), 2.0 / (POINTS - 1), dtype=s.dtype)
        weight[[0, -1]] /= 2
        return torch.linspace(-1.0, 1.0, POINTS, dtype=s.dtype), weight

    @staticmethod
    def _integrand(single: Tensor, high: Tensor, low: Tensor, x: Tensor) -> Tensor:
        first = i0e_polynomial(0.5 * (high - low)[:, None] * (1 - x))
        second = i0e_polynomial(0.5 * (high + low)[:, None].abs() * (1 + x))
        return first * second * torch.exp((low + single)[:, None] * (x - 1))


def trapezoid_log_normalizer(parameter: Tensor) -> Tensor:
    """log c(A), (n, 3, 3) → (n,), differentiable through the SVD."""
    u, s, vt = torch.linalg.svd(parameter)
    sign = torch.det(u.detach() @ vt.detach())
    proper = torch.stack([s[:, 0], s[:, 1], s[:, 2] * sign], -1)
    return TrapezoidLogNormalizer.apply(proper)


def trapezoid_nll(parameter: Tensor, rotation: Tensor) -> Tensor:
    return OVERREG * trapezoid_log_normalizer(parameter) - (parameter * rotation).sum((-2, -1))


def trapezoid_belief(parameter: Tensor) -> tuple[Tensor, Tensor]:
    """E[R] (n, 3, 3) as the gradient of log c through the SVD, and entropy log c − tr(AᵀE[R]) (n,); detached."""
    with torch.enable_grad():
        leaf = parameter.detach().requires_grad_()
        log_c = trapezoid_log_normalizer(leaf)
        (mean,) = torch.autograd.grad(log_c.sum(), leaf)
    return mean, log_c.detach() - (parameter * mean).sum((-2, -1))


def trapezoid_cross_entropy(student: Tensor, teacher_mean: Tensor) -> Tensor:
    """log c(A) − tr(AᵀE[R]) of the teacher's E[R]; (n, 3, 3), (n, 3, 3) → (n,), differentiable in the student."""
    return trapezoid_log_normalizer(student) - (student * teacher_mean).sum((-2, -1))
