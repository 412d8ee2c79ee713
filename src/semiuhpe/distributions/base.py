"""What every distribution on rotations of this package can say, in the manner of torch.distributions.

A belief about a pose has a parameter A, any real 3×3 matrix, with the proper SVD `A = U·diag(s)·Vᵀ`, U and V rotations,
`s1 ≥ s2 ≥ |s3|`. Its density depends on R through `tr(AᵀR)` and s alone, so that

- the mode is `U·Vᵀ`, and `E[R] = U·diag(d)·Vᵀ` with a resultant d that depends on s only;
- turning R turns A alike: `R → QR` means `A → QA`, the mirror `R → MRM` means `A → MAM`; s, and all that follows from it
  alone, is what it was. `rotated` and `mirrored` therefore carry along what has been solved.

Densities are relative to the normalised Haar measure. Inside, everything is float64 (on the CPU where the device has none);
results have the dtype and device of A.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

_HEIGHTS, _AZIMUTHS, _ANGLES = 16, 24, 24
"""Nodes of the quadrature over all rotations: axes on a sphere, and angles."""

_CUT = 36.0  # densities are cut off where they are below e⁻³⁶ of their peak
_AT_ONCE = 64


@dataclass(frozen=True)
class ProperSVD:
    """`A = U·diag(s)·Vᵀ` of a batch, detached, float64. u, v: (..., 3, 3) rotations. s: (..., 3). mode: (..., 3, 3), `U·Vᵀ`."""

    u: Tensor
    s: Tensor
    v: Tensor
    mode: Tensor

    @staticmethod
    def of(parameter: Tensor) -> ProperSVD:
        """Decompose (..., 3, 3)."""
        u, s, vt = torch.linalg.svd(parameter.detach().to(working_device(parameter), torch.float64))
        v = vt.mT
        # A cross product makes the last column proper; its sign against the column it replaces goes to s3.
        u3 = torch.linalg.cross(u[..., 0], u[..., 1])
        v3 = torch.linalg.cross(v[..., 0], v[..., 1])
        sign = torch.sign(torch.sum(u3 * u[..., 2], -1) * torch.sum(v3 * v[..., 2], -1))
        u, v = torch.cat([u[..., :2], u3[..., None]], -1), torch.cat([v[..., :2], v3[..., None]], -1)
        return ProperSVD(u, torch.stack([s[..., 0], s[..., 1], s[..., 2] * sign], -1), v, u @ v.mT)

    def rotated(self, turn: Tensor) -> ProperSVD:
        """That of `Q·A`."""
        return replace(self, u=turn.to(self.u) @ self.u, mode=_turned(turn, self.mode))

    def mirrored(self) -> ProperSVD:
        """That of `M·A·M`."""
        return ProperSVD(mirrored_matrix(self.u), self.s, mirrored_matrix(self.v), mirrored_matrix(self.mode))


class RotationDistribution(ABC):
    """A batch of distributions on rotations.

    `log_normalizer`, `log_prob(R)`, `nll(R)`, `cross_entropy(other)` and `kl(other)` are differentiable once (the
    latter two in `other` only: this distribution is then a fixed target). Everything else is detached.

    Args:
        parameter: (..., 3, 3) floating point, any device; row-major network outputs reshaped to 3×3, camera←head like
            the rotations it is a belief about.

    Raises:
        ValueError: another shape or dtype.
    """

    def __init__(self, parameter: Tensor) -> None:
        if parameter.shape[-2:] != (3, 3) or not parameter.is_floating_point():
            got = f"shape {tuple(parameter.shape)} of {parameter.dtype}"
            raise ValueError(f"a {type(self).__name__} parameter must be (..., 3, 3) floating point, got {got}")
        self.parameter = parameter

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the batch, without the 3×3."""
        return self.parameter.shape[:-2]

    @cached_property
    def _svd(self) -> ProperSVD:
        return ProperSVD.of(self.parameter)

    @cached_property
    @abstractmethod
    def _spectrum(self) -> Any:
        """What follows from the singular values alone, float64."""

    @property
    @abstractmethod
    def _resultant(self) -> Tensor:
        """d of `E[R] = U·diag(d)·Vᵀ`, (..., 3) float64."""

    @cached_property
    def _mean(self) -> Tensor:
        return (self._svd.u * self._resultant[..., None, :]) @ self._svd.v.mT

    def _like_parameter(self, value: Tensor) -> Tensor:
        return value.to(device=self.parameter.device, dtype=result_dtype(self.parameter))

    @property
    def proper_svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rotations U and V (..., 3, 3) and proper singular values s (..., 3) with A = U·diag(s)·Vᵀ, float64."""
        return self._svd.u, self._svd.s, self._svd.v

    @property
    def singular_values(self) -> Tensor:
        """Proper singular values s1 ≥ s2 ≥ |s3|, s3 with the sign of det A. (..., 3)."""
        return self._like_parameter(self._svd.s)

    @property
    def mode(self) -> Tensor:
        """The most probable rotation, `U·Vᵀ`. (..., 3, 3); for A of rank < 2 one of several, always a rotation."""
        return self._like_parameter(self._svd.mode)

    @property
    def mean(self) -> Tensor:
        """`E[R] = U·diag(d)·Vᵀ`, (..., 3, 3); not a rotation, but shorter the less certain the belief."""
        return self._like_parameter(self._mean)

    @property
    @abstractmethod
    def log_normalizer(self) -> Tensor:
        """`log c(A)`, (...,), differentiable."""

    @property
    @abstractmethod
    def entropy(self) -> Tensor:
        """Differential entropy relative to the Haar measure, (...,), ≤ 0, nats; → −∞ for a sharp belief."""

    @property
    @abstractmethod
    def expected_angle(self) -> Tensor:
        """Mean angle between the true rotation and the mode if the belief is right, (...,) radians.

        Uniform: π/2 + 2/π (126.5°).
        """

    @abstractmethod
    def nll(self, rotation: Tensor, overreg: float = 1.0) -> Tensor:
        """Supervised loss, one value per head: the negative log-likelihood with `overreg` (ω) as the weight of log c.

        Args:
            rotation: camera←head, broadcasts with (..., 3, 3).
            overreg: ω.

        Returns:
            (...,) nats; its gradient is finite for every A.
        """

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent draws.

        Args:
            count: how many of each distribution of the batch.
            generator: a CPU generator, the source of all randomness.

        Returns:
            (count, ..., 3, 3) camera←head.
        """

    @abstractmethod
    def _log_density(self, distance: Tensor) -> Tensor:
        """Log density without its normaliser, as a function of r² = Σs − tr(AᵀR) > 0, elementwise."""

    def log_prob(self, rotation: Tensor) -> Tensor:
        """Log density with respect to the Haar measure, differentiable.

        Args:
            rotation: camera←head, broadcasts with (..., 3, 3).

        Returns:
            (...,) nats.
        """
        return -self.nll(rotation)

    def cross_entropy(self, other: RotationDistribution) -> Tensor:
        """Cross-entropy `−E_self[log p_other]`, differentiable in `other`.

        By quadrature over all rotations: to about 1e-3 where the belief's singular values are within a factor of 50.

        Args:
            other: a batch of the same shape.

        Returns:
            (...,) nats.
        """
        rotations, weights = self._quadrature()
        each = other.log_prob(rotations.to(working_device(other.parameter)))
        return -torch.sum(weights.to(each.device, each.dtype) * each, 0)

    def kl(self, other: RotationDistribution) -> Tensor:
        """Kullback–Leibler divergence `KL(self ‖ other) ≥ 0`, differentiable in `other`.

        Args:
            other: a batch of the same shape.

        Returns:
            (...,) nats; with the same gradient as `cross_entropy`.
        """
        return self.cross_entropy(other) - self.entropy.to(other.parameter.device)

    def rotated(self, turn: Tensor) -> Self:
        """The belief about `Q·R`: A → QA.

        What has been solved is turned and not solved again, mode and mean with the precision that Q has.

        Args:
            turn: (..., 3, 3) Q, a rotation, e.g. of the camera.

        Returns:
            The turned batch.
        """
        return self._moved(turn @ self.parameter, self._svd.rotated(turn), lambda mean: _turned(turn, mean))

    def mirrored(self) -> Self:
        """The belief about the mirror image: `R → MRM`, A → MAM, with `M = diag(−1, 1, 1)`.

        Returns:
            The mirrored batch.
        """
        return self._moved(mirrored_matrix(self.parameter), self._svd.mirrored(), mirrored_matrix)

    def sharpened(self, factor: float) -> Self:
        """The belief with the parameter `factor·A`: the same mode and axes, another certainty.

        Args:
            factor: > 0.

        Returns:
            The sharpened batch.
        """
        if factor == 1:
            return self
        sharper = type(self)(factor * self.parameter)
        sharper.__dict__["_svd"] = replace(self._svd, s=factor * self._svd.s)
        return sharper

    def _moved(self, parameter: Tensor, svd: ProperSVD, move: Callable[[Tensor], Tensor]) -> Self:
        moved = type(self)(parameter)
        moved.__dict__ |= {"_svd": svd, "_spectrum": self._spectrum, "_mean": move(self._mean)}
        return moved

    def _quadrature(self) -> tuple[Tensor, Tensor]:
        """Rotations (k, ..., 3, 3) and their weights (k, ...), which sum to 1, float64.

        In the frame of the mode a rotation by 2t about the axis n has `r² = Σ λᵢnᵢ²·sin²t`, λ = 2(s2+s3), 2(s1+s3), 2(s1+s2),
        and the Haar weight `sin²t`. Axes are stretched by 1/√λ, where a sharp belief is the same in all directions.
        """
        s1, s2, s3 = self._svd.s[..., None].unbind(-2)
        decay = 2.0 * torch.stack([s2 + s3, s1 + s3, s1 + s2], -1)
        decay = decay.clamp_min(1e-9).clamp_min(1e-6 * decay.amax(-1, keepdim=True))
        sphere, sphere_weight = _sphere()
        stretched = sphere.to(decay) / decay.sqrt()  # (..., axes, 3)
        growth = 1.0 / torch.linalg.vector_norm(stretched, dim=-1)  # r = growth·sin t
        axis = stretched * growth[..., None]
        nodes, node_weight = (part.to(decay) for part in _unit_interval())
        upper = torch.clamp(_CUT / growth, max=math.pi / 2)[..., None]
        t = upper * nodes**2  # finer towards the mode, where a density may have a pole
        sine = torch.sin(t)
        log_weight = self._log_density((growth[..., None] * sine) ** 2) + 2 * torch.log(sine)
        weight = torch.exp(log_weight - log_weight.amax((-1, -2), keepdim=True)) * upper * nodes * node_weight
        weight = weight * (sphere_weight.to(decay) * growth**3)[..., None]
        weight = (weight / weight.sum((-1, -2), keepdim=True)).flatten(-2).movedim(-1, 0)
        quaternion = torch.cat([torch.cos(t)[..., None], axis[..., None, :] * sine[..., None]], -1)
        turns = quaternion_to_rotation(quaternion.flatten(-3, -2).movedim(-2, 0))
        return self._svd.u @ turns @ self._svd.v.mT, weight


def quaternion_to_rotation(quaternion: Tensor) -> Tensor:
    """Unit quaternions w, x, y, z. (..., 4) → (..., 3, 3)."""
    w, x, y, z = quaternion.unbind(-1)
    entries = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(entries, -1).reshape(*quaternion.shape[:-1], 3, 3)


def working_device(tensor: Tensor) -> torch.device:
    """Where float64 can be had: Apple's mps has none."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device


def result_dtype(tensor: Tensor) -> torch.dtype:
    """float32 for half precisions, which cannot hold a log-density."""
    return tensor.dtype if tensor.dtype in (torch.float32, torch.float64) else torch.float32


def _turned(turn: Tensor, matrix: Tensor) -> Tensor:
    """`Q·X` in the precision of Q, which is all that is known of it. X is float64, and so is the result."""
    return (turn.to(matrix.device) @ matrix.to(turn.dtype)).to(torch.float64)


def mirrored_matrix(matrix: Tensor) -> Tensor:
    """`M·X·M`, M = diag(−1, 1, 1): four signs, and so exact."""
    sign = torch.tensor([-1.0, 1.0, 1.0], dtype=matrix.dtype, device=matrix.device)
    return sign[:, None] * matrix * sign


@lru_cache(maxsize=1)
def _sphere() -> tuple[Tensor, Tensor]:
    """Unit vectors (k, 3) and weights (k,): Gauss–Legendre in height, evenly spread in azimuth."""
    height, weight = np.polynomial.legendre.leggauss(_HEIGHTS)
    azimuth = 2 * np.pi * (np.arange(_AZIMUTHS) + 0.5) / _AZIMUTHS
    height, azimuth = np.repeat(height, _AZIMUTHS), np.tile(azimuth, _HEIGHTS)
    level = np.sqrt(1 - height**2)
    points = np.stack([height, level * np.cos(azimuth), level * np.sin(azimuth)], -1)
    return torch.from_numpy(points), torch.from_numpy(np.repeat(weight, _AZIMUTHS))


@lru_cache(maxsize=1)
def _unit_interval() -> tuple[Tensor, Tensor]:
    """Gauss–Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_ANGLES)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
