"""The rotation Laplace distribution: a heavier-tailed belief for supervised losses (Yin et al. 2023).

With the matrix Fisher's parameter A, its proper singular values s and

    r(R) = √(Σ sᵢ − tr(AᵀR)) ≥ 0,        p(R | A) = exp(−r)/r / c(s)        with respect to the normalised Haar measure,

the mode is the matrix Fisher's, where the density has an integrable pole. A grid of rotations cannot integrate a
pole. But `e⁻ʳ/r` is a mixture of Gaussians in r (the Laplace transform of `u^(−½)·e^(−1/4u)`), and a Gaussian in r is a
matrix Fisher density, so that

    c(s) = ∫₀^∞ (πu)^(−½)·exp(−1/(4u))·exp(log c_F(u·s) − u·Σ sᵢ) du,

one dimension, over the exact normaliser of the matrix Fisher. In `v = log u` the integrand is smooth and dies at both
ends, where the trapezoid rule is as good as any. Derivatives come from the same nodes.

So the distribution is a mixture of matrix Fisher distributions with the parameters u·A, and what it expects is the mean of
what they expect: the rotation, the angle to the mode, and with weights of their own r (`e⁻ʳ` is the Laplace transform of
`½π^(−½)·u^(−3/2)·e^(−1/4u)`) and log r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semiuhpe.distributions.base import RotationDistribution
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.normalizer import expected_angle, log_normalizer_and_slack

SMALLEST = 1e-8
"""Under the root of r, so that the loss and its gradient stay finite at a perfect prediction."""

_EULER = 0.5772156649015329
_FIRST, _LAST, _STEP = -4.75, 18.5, 0.25  # of v; u beyond e^18.5 ≈ 1/SMALLEST is what the clamp cuts off


@dataclass(frozen=True)
class _Spectrum:
    """Of singular values (n, 3), float64, with k components of the mixture.

    log_c: (n,). weight: (n, k), which sum to 1. u: (k,). slack: (n, k, 3), `1 − d` of each component.
    """

    log_c: Tensor
    weight: Tensor
    u: Tensor
    slack: Tensor

    @staticmethod
    def of(s: Tensor) -> _Spectrum:
        v = torch.arange(_FIRST, _LAST, _STEP, dtype=s.dtype, device=s.device)
        u = torch.exp(v)
        excess, slack = log_normalizer_and_slack((u[:, None] * s[:, None, :]).reshape(-1, 3))
        excess, slack = excess.reshape(len(s), len(u)), slack.reshape(len(s), len(u), 3)
        terms = 0.5 * v - 0.25 / u - 0.5 * math.log(math.pi) + math.log(_STEP) + excess
        total = torch.logsumexp(terms, -1)
        return _Spectrum(total, torch.exp(terms - total[:, None]), u, slack)

    @property
    def slope(self) -> Tensor:
        """`∂log c/∂s`, (n, 3), by ∂(log c_F(us) − uΣs)/∂s = −u·(1 − d(us))."""
        return -torch.sum((self.weight * self.u)[..., None] * self.slack, 1)


def log_normalizer_and_slope(s: Tensor) -> tuple[Tensor, Tensor]:
    """`log c(s)` and `∂log c/∂s`.

    s: (n, 3) float64 proper singular values. Returns (n,) and (n, 3) float64; the slope is negative: c falls from
    about 1/√SMALLEST at s = 0, where every rotation is a mode, as the belief grows sharper.
    """
    spectrum = _Spectrum.of(s)
    return spectrum.log_c, spectrum.slope


class RotationLaplace(RotationDistribution):
    """A batch of rotation Laplace distributions, see the base class.

    Source: Yin et al. 2023.

    Args:
        parameter: A, (..., 3, 3) floating point, any device, camera←head.

    Raises:
        ValueError: another shape or dtype.
    """

    @cached_property
    def _spectrum(self) -> _Spectrum:
        return _Spectrum.of(self._svd.s.reshape(-1, 3))

    @property
    def _resultant(self) -> Tensor:
        spectrum = self._spectrum
        return 1.0 - torch.sum(spectrum.weight[..., None] * spectrum.slack, 1).reshape(self._svd.s.shape)

    def _log_density(self, distance: Tensor) -> Tensor:
        distance = distance.clamp_min(SMALLEST)
        return -distance.sqrt() - 0.5 * distance.log()

    @property
    def log_normalizer(self) -> Tensor:
        """`log c(A)`, (...,), differentiable. log c(0) is about −½·log SMALLEST."""
        at_the_mode = self._log_density(torch.zeros((), dtype=torch.float64)).item()
        return self.nll(self._svd.mode) + at_the_mode

    @property
    def entropy(self) -> Tensor:
        """Differential entropy relative to the Haar measure, `E[r] + E[log r] + log c`, (...,), ≤ 0, nats.

        For singular values of 1e-4 and more, below which the belief is as good as uniform and the clamp has its way.
        """
        spectrum = self._spectrum
        surprise = spectrum.log_c + torch.sum(spectrum.weight * (0.5 / spectrum.u + _log_r(spectrum.u)), -1)
        return self._like_parameter(surprise.clamp_max(0.0).reshape(self.batch_shape))

    @property
    def expected_angle(self) -> Tensor:
        """Mean angle between the true rotation and the mode if the belief is right, (...,) radians."""
        spectrum, s = self._spectrum, self._svd.s.reshape(-1, 1, 3)
        each = expected_angle((spectrum.u[:, None] * s).reshape(-1, 3)).reshape(spectrum.weight.shape)
        return self._like_parameter(torch.sum(spectrum.weight * each, -1).reshape(self.batch_shape))

    def nll(self, rotation: Tensor, overreg: float = 1.0) -> Tensor:
        """Supervised loss `r + log r + ω·log c`, with `r = √(Σ sᵢ − tr(AᵀR))`.

        Its gradient is finite everywhere; near a perfect prediction it is that of the clamped r.

        Args:
            rotation: a label, camera←head; broadcasts with (..., 3, 3).
            overreg: ω, the weight of log c.

        Returns:
            (...,) nats.
        """
        result: Tensor = _NegativeLogLikelihood.apply(self.parameter, rotation, overreg, self)
        return result

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent draws, of a component of the mixture and then from it.

        Args:
            count: how many of each distribution of the batch.
            generator: a CPU generator, the source of all randomness.

        Returns:
            (count, ..., 3, 3) camera←head.
        """
        weight = self._spectrum.weight.cpu()
        if not len(weight):
            return self.parameter.new_zeros((count, *self.parameter.shape))
        drawn = torch.multinomial(weight, count, replacement=True, generator=generator).T  # (count, n)
        factor = self._spectrum.u.cpu()[drawn].reshape(count, *self.batch_shape, 1, 1).to(self._svd.u.device)
        components = MatrixFisher(factor * self.parameter.detach().to(self._svd.u))
        return self._like_parameter(components.sample(1, generator)[0])


class _NegativeLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, rotation: Tensor, overreg: float, belief: RotationLaplace) -> Tensor:
        u, s, v = belief.proper_svd
        spectrum = belief._spectrum
        log_c, slope = spectrum.log_c.reshape(s.shape[:-1]), spectrum.slope.reshape(s.shape)
        a, target = parameter.detach().to(s), rotation.detach().to(s)
        distance = (s.sum(-1) - (a * target).sum((-2, -1))).clamp_min(SMALLEST)
        r = distance.sqrt()
        # d(r + log r)/dA through r² = Σs − tr(AᵀR), whose derivative is mode − R.
        outer = (0.5 / r + 0.5 / distance) * (distance > SMALLEST)
        from_normalizer = (u * slope[..., None, :]) @ v.mT
        ctx.save_for_backward(outer[..., None, None] * (u @ v.mT - target) + overreg * from_normalizer)
        ctx.shape, ctx.dtype, ctx.device = parameter.shape, parameter.dtype, parameter.device
        return belief._like_parameter(r + r.log() + overreg * log_c)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        to_parameter = (gradients[0].to(slope)[..., None, None] * slope).sum_to_size(ctx.shape)
        return to_parameter.to(ctx.device, ctx.dtype), None, None, None


def _log_r(u: Tensor) -> Tensor:
    """What stands for log r in the mixture, (k,): `E[log r] = Σ weight·_log_r(u)`."""
    return _log_r_table().to(u)


@lru_cache(maxsize=1)
def _log_r_table() -> Tensor:
    """Of every component u, (k,) float64: σ(u)/ρ(u), where ρ has the Laplace transform `e⁻ʳ/r` in r², and σ `e⁻ʳ·log r/r`.

    The logarithm is a convolution with `−γ − log t`, derived once:

        σ(u) = ½·[−γ·ρ(u) − ∫₀ᵘ ρ'(τ)·log(u − τ) dτ],

    and with τ = u·sigmoid(y) the integrand is smooth over all y and dies at both ends.
    """
    u = torch.exp(torch.arange(_FIRST, _LAST, _STEP, dtype=torch.float64))[:, None]
    y = torch.arange(-40.0, 50.0, 0.05, dtype=torch.float64)
    tau = u * torch.sigmoid(y)
    relative = torch.exp(0.25 / u - 0.25 / tau + 0.5 * torch.log(u / tau))  # ρ(τ)/ρ(u)
    inner = relative * (0.25 / tau - 0.5) * torch.sigmoid(-y) * functional.softplus(y)
    return 0.5 * (-_EULER - torch.log(u[:, 0]) + 0.05 * inner.sum(-1))
