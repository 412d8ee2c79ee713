"""The matrix Fisher distribution on rotations: what a network believes about a pose.

Density with respect to the normalised Haar measure: `p(R | A) = exp(tr(AᵀR)) / c(A)`, A any real 3×3 matrix (Downs
1972; Mohlin et al. 2020). With the proper SVD `A = U·diag(s)·Vᵀ`, U and V rotations, `s1 ≥ s2 ≥ |s3|`:

- the mode is `U·Vᵀ`, the normaliser depends on s only, and `d = ∂log c/∂s` gives `E[R] = U·diag(d)·Vᵀ`;
- `∂log c/∂A = E[R]`, so no derivative of the SVD is ever needed and every gradient below is finite for every A:
  A = 0, equal singular values and rank 1 included;
- entropy `H = log c − Σ sᵢdᵢ` is relative to Haar: 0 for the uniform belief, → −∞ for a sharp one;
- turning R turns A alike: `R → QR` means `A → QA`, `R → RQ` means `A → AQ`, the mirror `R → MRM` means `A → MAM`.

Inside, everything is float64 (on the CPU where the device has none); results have the dtype and device of A.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from semiuhpe.distributions.bingham import sample_bingham
from semiuhpe.distributions.normalizer import expected_angle, log_normalizer_and_slack

OVERREG = 1.025
"""Weight of log c in the supervised loss: above 1 it keeps a perfect fit from growing infinitely sharp (§5, Mohlin)."""


class MatrixFisher:
    """A batch of matrix Fisher distributions.

    parameter: (..., 3, 3) floating point, any device; row-major network outputs reshaped to 3×3, camera←head like the
    rotations it is a belief about. Raises ValueError for another shape or dtype.

    `log_normalizer`, `log_prob`, `cross_entropy(other)` and `kl(other)` are differentiable once (the latter two in
    `other` only: this distribution is then a fixed target). Everything else is detached.
    """

    def __init__(self, parameter: Tensor) -> None:
        if parameter.shape[-2:] != (3, 3) or not parameter.is_floating_point():
            got = f"shape {tuple(parameter.shape)} of {parameter.dtype}"
            raise ValueError(f"a matrix Fisher parameter must be (..., 3, 3) floating point, got {got}")
        self.parameter = parameter

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the batch, without the 3×3."""
        return self.parameter.shape[:-2]

    @cached_property
    def _solution(self) -> _Solution:
        return _Solution(self.parameter)

    def _like_parameter(self, value: Tensor) -> Tensor:
        return value.to(device=self.parameter.device, dtype=_result_dtype(self.parameter))

    @property
    def singular_values(self) -> Tensor:
        """Proper singular values s1 ≥ s2 ≥ |s3|, s3 with the sign of det A. (..., 3)."""
        return self._like_parameter(self._solution.s)

    @property
    def proper_svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rotations U and V (..., 3, 3) and proper singular values s (..., 3) with A = U·diag(s)·Vᵀ, float64."""
        return self._solution.u, self._solution.s, self._solution.v

    @property
    def mode(self) -> Tensor:
        """The most probable rotation, `U·Vᵀ`. (..., 3, 3); for A of rank < 2 one of several, always a rotation."""
        return self._like_parameter(self._solution.u @ self._solution.v.mT)

    @property
    def mean(self) -> Tensor:
        """`E[R] = U·diag(d)·Vᵀ`, (..., 3, 3); not a rotation, but shorter the less certain the belief."""
        return self._like_parameter(self._solution.mean)

    @property
    def log_normalizer(self) -> Tensor:
        """`log c(A)`, (...,), differentiable. log c(0) = 0."""
        return _linear_loss(self.parameter, torch.zeros_like(self.parameter), 1.0)

    @property
    def entropy(self) -> Tensor:
        """Differential entropy relative to the Haar measure, (...,), ≤ 0, nats."""
        return self._like_parameter(self._solution.entropy)

    @property
    def expected_angle(self) -> Tensor:
        """Mean angle between the true rotation and the mode if the belief is right, (...,) radians.

        Uniform: π/2 + 2/π (126.5°). By quadrature over the rotation angle and axis, to about 1e-6.
        """
        s = self._solution.s
        return self._like_parameter(expected_angle(s.reshape(-1, 3)).reshape(s.shape[:-1]))

    def log_prob(self, rotation: Tensor) -> Tensor:
        """Log density, `tr(AᵀR) − log c`, differentiable. rotation: broadcasts with (..., 3, 3) → (...,)."""
        return -_linear_loss(self.parameter, rotation, 1.0)

    def cross_entropy(self, other: MatrixFisher) -> Tensor:
        """`−E_self[log p_other] = log c(A_other) − tr(A_otherᵀ·E_self[R])`, (...,), differentiable in `other`."""
        # The target stays in float64: rounding E[R] would be multiplied by the size of the other's parameter.
        return _linear_loss(other.parameter, self._solution.mean.to(_working_device(other.parameter)), 1.0)

    def kl(self, other: MatrixFisher) -> Tensor:
        """`KL(self ‖ other) ≥ 0`, (...,) nats, differentiable in `other`; same gradient as `cross_entropy`."""
        return self.cross_entropy(other) - self.entropy.to(other.parameter.device)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Exact independent draws. → (count, ..., 3, 3). generator: a CPU generator, the source of all randomness."""
        solution = self._solution
        s = solution.s.reshape(-1, 3).cpu()
        s1, s2, s3 = s.unbind(-1)
        # In the frame of the mode tr(S·R) is a quadratic form of the quaternion (w, x, y, z), see Prentice 1986.
        decay = 2.0 * torch.stack([torch.zeros_like(s1), s2 + s3, s1 + s3, s1 + s2], -1).clamp_min(0.0)
        drawn = _quaternion_to_rotation(sample_bingham(decay, count, generator)).to(solution.u.device)
        turned = solution.u @ drawn.reshape(count, *self.batch_shape, 3, 3) @ solution.v.mT
        return self._like_parameter(turned)


def nll(parameter: Tensor, rotation: Tensor, overreg: float = OVERREG) -> Tensor:
    """Supervised loss `ω·log c(A) − tr(AᵀR)`, one value a head.

    parameter: (..., 3, 3). rotation: (..., 3, 3) camera←head. overreg: ω. Returns (...,) with the dtype of parameter;
    the gradient `ω·E[R] − R` is exact and bounded for every A.
    """
    return _linear_loss(parameter, rotation, overreg)


def cross_entropy_loss(student: Tensor, teacher_mean: Tensor) -> Tensor:
    """Unsupervised loss: cross-entropy of the teacher's belief and the student's, one value a head.

    student: (..., 3, 3) parameter. teacher_mean: (..., 3, 3) `MatrixFisher(teacher).mean`, taken as constant; turn it
    like a rotation where the student sees a turned view. Returns (...,); its gradient is `E_student[R] − E_teacher[R]`.
    """
    return _linear_loss(student, teacher_mean.detach(), 1.0)


def _linear_loss(parameter: Tensor, target: Tensor, weight: float) -> Tensor:
    """`weight·log c(A) − tr(Aᵀ·target)` with its closed-form gradient."""
    result: Tensor = _LinearLoss.apply(parameter, target, weight)
    return result


class _LinearLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, target: Tensor, weight: float) -> Tensor:
        device = _working_device(parameter)
        a, m = parameter.to(device, torch.float64), target.to(device, torch.float64)
        solution = _Solution(parameter)
        # Σs ≈ tr(AᵀM) for a good sharp fit: subtracted in float64, before anything is rounded.
        value = weight * (solution.s.sum(-1) + solution.excess) - torch.sum(a * m, (-2, -1))
        ctx.save_for_backward(solution.mean, a, m)
        ctx.weight = weight
        ctx.parameter_like, ctx.target_like = _Like(parameter), _Like(target)
        return value.to(parameter.device, _result_dtype(parameter))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        mean, a, m = ctx.saved_tensors
        grad = grad.to(mean.device, torch.float64)[..., None, None]
        to_parameter = ctx.parameter_like.restore(grad * (ctx.weight * mean - m)) if ctx.needs_input_grad[0] else None
        to_target = ctx.target_like.restore(-grad * a) if ctx.needs_input_grad[1] else None
        return to_parameter, to_target, None


class _Like:
    """Brings a float64 gradient to the shape (undoing broadcasts), dtype and device of the input that it belongs to."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape, self.dtype, self.device = tensor.shape, tensor.dtype, tensor.device

    def restore(self, gradient: Tensor) -> Tensor:
        return gradient.sum_to_size(self.shape).to(self.device, self.dtype)


class _Solution:
    """Proper SVD and normaliser of a batch, detached, float64. u, v (..., 3, 3) rotations; s (..., 3)."""

    def __init__(self, parameter: Tensor) -> None:
        a = parameter.detach().to(_working_device(parameter), torch.float64)
        u, s, vt = torch.linalg.svd(a)
        v = vt.mT
        # A cross product makes the last column proper; its sign against the column it replaces goes to s3.
        u3 = torch.linalg.cross(u[..., 0], u[..., 1])
        v3 = torch.linalg.cross(v[..., 0], v[..., 1])
        sign = torch.sign(torch.sum(u3 * u[..., 2], -1) * torch.sum(v3 * v[..., 2], -1))
        self.s = torch.stack([s[..., 0], s[..., 1], s[..., 2] * sign], -1)
        self.u = torch.cat([u[..., :2], u3[..., None]], -1)
        self.v = torch.cat([v[..., :2], v3[..., None]], -1)
        excess, slack = log_normalizer_and_slack(self.s.reshape(-1, 3))
        self.excess, self.slack = excess.reshape(s.shape[:-1]), slack.reshape(s.shape)

    @property
    def mean(self) -> Tensor:
        return (self.u * (1.0 - self.slack)[..., None, :]) @ self.v.mT

    @property
    def entropy(self) -> Tensor:
        # log c − Σ s·d with the large Σ s taken out of both terms.
        return (self.excess + torch.sum(self.s * self.slack, -1)).clamp_max(0.0)


def _quaternion_to_rotation(quaternion: Tensor) -> Tensor:
    """Unit quaternions w, x, y, z. (..., 4) → (..., 3, 3)."""
    w, x, y, z = quaternion.unbind(-1)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(entries, -1).reshape(*quaternion.shape[:-1], 3, 3)


def _working_device(tensor: Tensor) -> torch.device:
    """Where float64 can be had: Apple's mps has none."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device


def _result_dtype(tensor: Tensor) -> torch.dtype:
    """float32 for half precisions, which cannot hold a log-density."""
    return tensor.dtype if tensor.dtype in (torch.float32, torch.float64) else torch.float32
