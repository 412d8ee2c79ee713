"""The rotation Laplace distribution: a heavier-tailed belief for supervised losses (Yin et al. 2023; method §1).

With the matrix Fisher's parameter A, its proper singular values s and

    r(R) = √(Σ sᵢ − tr(AᵀR)) ≥ 0,        p(R | A) = exp(−r)/r / c(s)        with respect to the normalised Haar measure,

the mode is the matrix Fisher's, where the density has an integrable pole. A grid of rotations cannot integrate a
pole. But `e⁻ʳ/r` is a mixture of Gaussians in r (the Laplace transform of `u^(−½)·e^(−1/4u)`), and a Gaussian in r is a
matrix Fisher density, so that

    c(s) = ∫₀^∞ (πu)^(−½)·exp(−1/(4u))·exp(log c_F(u·s) − u·Σ sᵢ) du,

one dimension, over the exact normaliser of the matrix Fisher. In `v = log u` the integrand is smooth and dies at both
ends, where the trapezoid rule is as good as any. Derivatives come from the same nodes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.normalizer import log_normalizer_and_slack

SMALLEST = 1e-8
"""Under the root of r, so that the loss and its gradient stay finite at a perfect prediction (method §1)."""

_FIRST, _LAST, _STEP = -4.75, 18.5, 0.25  # of v; u beyond e^18.5 ≈ 1/SMALLEST is what the clamp cuts off


def log_normalizer_and_slope(s: Tensor) -> tuple[Tensor, Tensor]:
    """`log c(s)` and `∂log c/∂s`.

    s: (n, 3) float64 proper singular values. Returns (n,) and (n, 3) float64; the slope is negative: c falls from
    about 1/√SMALLEST at s = 0, where every rotation is a mode, as the belief grows sharper.
    """
    v = torch.arange(_FIRST, _LAST, _STEP, dtype=s.dtype, device=s.device)
    u = torch.exp(v)
    excess, slack = log_normalizer_and_slack((u[:, None] * s[:, None, :]).reshape(-1, 3))
    excess, slack = excess.reshape(len(s), -1), slack.reshape(len(s), -1, 3)
    terms = 0.5 * v - 0.25 / u - 0.5 * math.log(math.pi) + math.log(_STEP) + excess
    total = torch.logsumexp(terms, -1)
    weight = torch.exp(terms - total[:, None])
    # ∂(log c_F(us) − uΣs)/∂s = −u·(1 − d(us))
    return total, -torch.sum((weight * u)[..., None] * slack, 1)


def nll(parameter: Tensor, rotation: Tensor, overreg: float = 1.0) -> Tensor:
    """Supervised loss `r + log r + ω·log c`, one value a head.

    parameter: (..., 3, 3) floating point. rotation: (..., 3, 3) camera←head; the two broadcast. overreg: ω. Returns
    (...,) with the dtype of parameter. Its gradient is finite everywhere; near a perfect prediction it is that of the clamped r.
    """
    result: Tensor = _NegativeLogLikelihood.apply(parameter, rotation, overreg)
    return result


def log_prob(parameter: Tensor, rotation: Tensor) -> Tensor:
    """Log density with respect to the Haar measure. (..., 3, 3), (..., 3, 3) → (...,)."""
    return -nll(parameter, rotation, 1.0)


class _NegativeLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, rotation: Tensor, overreg: float) -> Tensor:
        belief = MatrixFisher(parameter.detach().double())
        a, target = belief.parameter, rotation.detach().double()
        u, s, v = belief.proper_svd
        log_c, slope = log_normalizer_and_slope(s.reshape(-1, 3))
        log_c, slope = log_c.reshape(belief.batch_shape), slope.reshape(s.shape)
        distance = (s.sum(-1) - (a * target).sum((-2, -1))).clamp_min(SMALLEST)
        r = distance.sqrt()
        # d(r + log r)/dA through r² = Σs − tr(AᵀR), whose derivative is mode − R.
        outer = (0.5 / r + 0.5 / distance) * (distance > SMALLEST)
        from_normaliser = (u * slope[..., None, :]) @ v.mT
        ctx.save_for_backward(outer[..., None, None] * (u @ v.mT - target) + overreg * from_normaliser)
        ctx.shape, ctx.dtype = parameter.shape, parameter.dtype
        return (r + r.log() + overreg * log_c).to(parameter.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        to_parameter = (gradients[0].double()[..., None, None] * slope).sum_to_size(ctx.shape)
        return to_parameter.to(ctx.dtype), None, None
