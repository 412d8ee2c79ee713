"""The matrix Fisher distribution on rotations: what a network believes about a pose.

Density with respect to the normalised Haar measure: `p(R | A) = exp(tr(AᵀR)) / c(A)`, A any real 3×3 matrix (Downs
1972; Mohlin et al. 2020). With the proper SVD `A = U·diag(s)·Vᵀ`, U and V rotations, `s1 ≥ s2 ≥ |s3|`:

- the mode is `U·Vᵀ`, the normaliser depends on s only, and `d = ∂log c/∂s` gives `E[R] = U·diag(d)·Vᵀ`;
- `∂log c/∂A = E[R]`, so no derivative of the SVD is ever needed and every gradient below is finite for every A:
  A = 0, equal singular values and rank 1 included;
- entropy `H = log c − Σ sᵢdᵢ` is relative to Haar: 0 for the uniform belief, → −∞ for a sharp one;
- turning R turns A alike, see `semiuhpe.distributions.base`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from semiuhpe.distributions.base import (
    ProperSVD,
    RotationDistribution,
    quaternion_to_rotation,
    result_dtype,
    working_device,
)
from semiuhpe.distributions.bingham import sample_bingham
from semiuhpe.distributions.normalizer import expected_angle, log_normalizer_and_slack

OVERREG = 1.025
"""Weight of log c in the supervised loss: above 1 it keeps a perfect fit from growing infinitely sharp (§5, Mohlin)."""


@dataclass(frozen=True)
class _Spectrum:
    """Of singular values (..., 3), float64. excess: (...,), `log c − Σs`. slack: (..., 3), `1 − ∂log c/∂s`."""

    excess: Tensor
    slack: Tensor

    @staticmethod
    def of(s: Tensor) -> _Spectrum:
        excess, slack = log_normalizer_and_slack(s.reshape(-1, 3))
        return _Spectrum(excess.reshape(s.shape[:-1]), slack.reshape(s.shape))


class MatrixFisher(RotationDistribution):
    """A batch of matrix Fisher distributions, see the base class. log c(0) = 0, and every gradient has a closed form.

    Source: Downs 1972; Mohlin et al. 2020.

    Args:
        parameter: A, (..., 3, 3) floating point, any device, camera←head.

    Raises:
        ValueError: another shape or dtype.
    """

    @cached_property
    def _spectrum(self) -> _Spectrum:
        return _Spectrum.of(self._svd.s)

    @property
    def _resultant(self) -> Tensor:
        return 1.0 - self._spectrum.slack

    def _log_density(self, distance: Tensor) -> Tensor:
        return -distance

    @property
    def log_normalizer(self) -> Tensor:
        """`log c(A)`, (...,), differentiable. log c(0) = 0."""
        return self._linear_loss(torch.zeros_like(self.parameter), 1.0)

    @property
    def entropy(self) -> Tensor:
        """Differential entropy relative to the Haar measure, (...,), ≤ 0, nats."""
        # log c − Σ s·d with the large Σ s taken out of both terms.
        spectrum = self._spectrum
        return self._like_parameter((spectrum.excess + torch.sum(self._svd.s * spectrum.slack, -1)).clamp_max(0.0))

    @property
    def expected_angle(self) -> Tensor:
        """Mean angle between the true rotation and the mode if the belief is right, (...,) radians.

        Uniform: π/2 + 2/π (126.5°). By quadrature over the rotation angle and axis, to about 1e-6.
        """
        s = self._svd.s
        return self._like_parameter(expected_angle(s.reshape(-1, 3)).reshape(s.shape[:-1]))

    def nll(self, rotation: Tensor, overreg: float = 1.0) -> Tensor:
        """Supervised loss `ω·log c(A) − tr(AᵀR)`; its gradient `ω·E[R] − R` is exact and bounded for every A.

        Source: Mohlin et al. 2020; ω, the weight of log c, in its §5.

        Args:
            rotation: a label, or `E[R]` of the belief that a label is, camera←head; broadcasts with (..., 3, 3).
            overreg: ω, 1 for the likelihood itself.

        Returns:
            (...,) nats.
        """
        return self._linear_loss(rotation, overreg)

    def cross_entropy(self, other: RotationDistribution) -> Tensor:
        """Cross-entropy `−E_self[log p_other]`, differentiable in `other`.

        Of another matrix Fisher it is `log c(A_other) − tr(A_otherᵀ·E_self[R])`, exact, with the gradient `E_other[R] −
        E_self[R]`; of anything else by quadrature.

        Args:
            other: a batch of the same shape.

        Returns:
            (...,) nats.
        """
        if not isinstance(other, MatrixFisher):
            return super().cross_entropy(other)
        # The target stays in float64: rounding E[R] would be multiplied by the size of the other's parameter.
        return other._linear_loss(self._mean.to(working_device(other.parameter)), 1.0)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Exact independent draws.

        Source: a quadratic form of the quaternion, Prentice 1986.

        Args:
            count: how many of each distribution of the batch.
            generator: a CPU generator, the source of all randomness.

        Returns:
            (count, ..., 3, 3) camera←head.
        """
        svd = self._svd
        s1, s2, s3 = svd.s.reshape(-1, 3).cpu().unbind(-1)
        # In the frame of the mode tr(S·R) is a quadratic form of the quaternion (w, x, y, z), see Prentice 1986.
        decay = 2.0 * torch.stack([torch.zeros_like(s1), s2 + s3, s1 + s3, s1 + s2], -1).clamp_min(0.0)
        drawn = quaternion_to_rotation(sample_bingham(decay, count, generator)).to(svd.u.device)
        turned = svd.u @ drawn.reshape(count, *self.batch_shape, 3, 3) @ svd.v.mT
        return self._like_parameter(turned)

    def _linear_loss(self, target: Tensor, weight: float) -> Tensor:
        """`weight·log c(A) − tr(Aᵀ·target)` with its closed-form gradient."""
        result: Tensor = _LinearLoss.apply(self.parameter, target, weight, self._svd, self._spectrum.excess, self._mean)
        return result


class _LinearLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, parameter: Tensor, target: Tensor, weight: float, svd: ProperSVD, excess: Tensor, mean: Tensor
    ) -> Tensor:
        device = working_device(parameter)
        a, m = parameter.to(device, torch.float64), target.to(device, torch.float64)
        # Σs ≈ tr(AᵀM) for a good sharp fit: subtracted in float64, before anything is rounded.
        value = weight * (svd.s.sum(-1) + excess) - torch.sum(a * m, (-2, -1))
        ctx.save_for_backward(mean, a, m)
        ctx.weight = weight
        ctx.parameter_like, ctx.target_like = _Like(parameter), _Like(target)
        return value.to(parameter.device, result_dtype(parameter))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        mean, a, m = ctx.saved_tensors
        grad = grad.to(mean.device, torch.float64)[..., None, None]
        to_parameter = ctx.parameter_like.restore(grad * (ctx.weight * mean - m)) if ctx.needs_input_grad[0] else None
        to_target = ctx.target_like.restore(-grad * a) if ctx.needs_input_grad[1] else None
        return to_parameter, to_target, None, None, None, None


class _Like:
    """Brings a float64 gradient to the shape (undoing broadcasts), dtype and device of the input that it belongs to."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape, self.dtype, self.device = tensor.shape, tensor.dtype, tensor.device

    def restore(self, gradient: Tensor) -> Tensor:
        return gradient.sum_to_size(self.shape).to(self.device, self.dtype)
