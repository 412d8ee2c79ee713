"""What a matrix Fisher parameter says about its own uncertainty: entropy and expected error, in numpy, without torch.

The network's nine outputs are the parameter `A` of a density `p(R) ∝ exp(tr(AᵀR))` on rotations (matrix Fisher; Mohlin
et al. 2020). With the proper SVD `A = U·diag(s)·Vᵀ`, `s1 ≥ s2 ≥ |s3|`, the normaliser depends on s only:

    c(s) = ½ ∫₋₁¹ I0(½(s2−s3)(1−x))·I0(½(s2+s3)(1+x))·exp(s1·x) dx.

Substituting `x = 1−2t²` and cutting t where the integrand is below e⁻³⁶ leaves a smooth integrand, for which 48
Gauss–Legendre nodes are exact to 1e-11 up to s = 10⁴ (to 1e-5 where s1 ≈ s2 ≈ −s3, a belief without a mode). `d = ∂ log
c/∂s` comes from the same nodes. All sums are arranged so that nothing large cancels: what is integrated is `1 − d`, not
`d`.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.geometry.rotation import Float

FLOOR_DEG = 1.0
"""No error bar is smaller: labels do not agree with each other better than that."""

_NODES = 48
_BESSEL_SWITCH = 30.0


def proper_singular_values(parameter: ArrayLike) -> Float:
    """Proper singular values `s1 ≥ s2 ≥ |s3|`, s3 with the sign of det A.

    Args:
        parameter: (..., 3, 3) matrix Fisher parameter A.

    Returns:
        (..., 3).
    """
    parameter = np.asarray(parameter, dtype=np.float64)
    u, s, vt = np.linalg.svd(parameter)
    s[..., 2] *= np.sign(np.linalg.det(u @ vt))
    return np.asarray(s)


def scaled_bessel(x: ArrayLike) -> tuple[Float, Float]:
    """Scaled modified Bessel functions `e⁻ˣ·I0(x)` and `e⁻ˣ·I1(x)`, to 1e-14, relative.

    Args:
        x: (...,) ≥ 0.

    Returns:
        The two functions, (...,) each.
    """
    x = np.asarray(x, dtype=np.float64)
    # Small x: the periodic trapezoid of (1/π)∫₀^π exp(x(cos φ − 1)) cos(νφ) dφ, whose error is I_64(x).
    angle = np.arange(33) * (np.pi / 32)
    weight = np.full(33, 1.0 / 32)
    weight[[0, -1]] /= 2
    small = np.minimum(x, _BESSEL_SWITCH)[..., None]
    kernel = np.exp(small * (np.cos(angle) - 1)) * weight
    order0, order1 = kernel.sum(axis=-1), (kernel * np.cos(angle)).sum(axis=-1)
    # Large x: the asymptotic series, whose 20th term is below 1e-18 from the switch on.
    inverse = 1.0 / np.maximum(x, _BESSEL_SWITCH)
    root = np.sqrt(inverse / (2 * np.pi))
    large = x > _BESSEL_SWITCH
    return (
        np.where(large, root * _asymptotic(inverse, 0), order0),
        np.where(large, root * _asymptotic(inverse, 1), order1),
    )


def _asymptotic(inverse: Float, order: int) -> Float:
    """Σ (−1)ᵏ aₖ(ν)/xᵏ, the factor of e⁻ˣ·√(2πx)·Iν(x), at 1/x."""
    total = np.ones_like(inverse)
    term = np.ones_like(inverse)
    for k in range(1, 21):
        term = term * ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k) * inverse
        total = total + term
    return total


@functools.cache
def _quadrature() -> tuple[Float, Float]:
    return np.polynomial.legendre.leggauss(_NODES)


def scaled_log_normalizer_and_resultant_deficit(s: ArrayLike) -> tuple[Float, Float]:
    """`log c(s) − Σs` and `1 − d(s)`, `d = ∂ log c/∂s`, by the integral of the module.

    Source: Mohlin et al. 2020.

    Args:
        s: (..., 3) proper singular values.

    Returns:
        (...,) and (..., 3).
    """
    s = np.asarray(s, dtype=np.float64)[..., None, :]
    s1, s2, s3 = s[..., 0], s[..., 1], s[..., 2]
    node, weight = _quadrature()
    rate = s1 + s3
    limit = np.sqrt(np.minimum(1.0, 18.0 / np.maximum(rate, 18.0)))
    t = limit * (node + 1) / 2
    tt = t * t  # (1 − x)/2; and (1 + x)/2 = 1 − tt
    low0, low1 = scaled_bessel((s2 - s3) * tt)
    high0, high1 = scaled_bessel((s2 + s3) * (1 - tt))
    mass = weight * limit / 2 * 2 * t * low0 * high0 * np.exp(-2 * rate * tt)
    total = mass.sum(axis=-1, keepdims=True)
    mass = mass / total
    low, high = low1 / low0, high1 / high0
    deficit = [
        2 * tt,
        tt * (1 - low) + (1 - tt) * (1 - high),
        tt * (1 + low) + (1 - tt) * (1 - high),
    ]
    return np.log(total[..., 0]), np.stack([(mass * part).sum(axis=-1) for part in deficit], axis=-1)


def entropy(parameter: ArrayLike) -> Float:
    """Differential entropy relative to the uniform density (0 = knows nothing, → −∞ = sharp): `H = log c − Σ s·d`.

    Args:
        parameter: (..., 3, 3) matrix Fisher parameter, finite.

    Returns:
        (...,) nats.
    """
    s = proper_singular_values(parameter)
    log_scaled, deficit = scaled_log_normalizer_and_resultant_deficit(s)
    return np.asarray(np.minimum(log_scaled + np.sum(s * deficit, axis=-1), 0.0))


def expected_error_deg(parameter: ArrayLike, overreg: float = 1.025) -> Float:
    """Error that the density promises: `acos E[cos θ]`, `E[cos θ] = (ω·Σd − 1)/2`.

    Args:
        parameter: (..., 3, 3) matrix Fisher parameter, finite.
        overreg: ω, the factor on log c in the training loss; it makes the density wider than the errors are, and
            multiplying by it undoes that.

    Returns:
        (...,) degrees in [`FLOOR_DEG`, 180].
    """
    _, deficit = scaled_log_normalizer_and_resultant_deficit(proper_singular_values(parameter))
    cosine = (overreg * np.sum(1 - deficit, axis=-1) - 1) / 2
    return np.asarray(np.maximum(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), FLOOR_DEG))


def parameter_of_covariance(rotation: ArrayLike, covariance: ArrayLike) -> Float:
    """The matrix Fisher parameter whose mode is `rotation` and whose small errors have this covariance.

    With `P = covariance⁻¹` it is `A = R·(½·tr(P)·I − P)`, since `tr(Kᵀ·exp(r)) ≈ tr K − ½·rᵀ·(tr(K)·I − K)·r`. A wide
    belief is narrower than the covariance that it was made of, for angles end at 180°.

    Args:
        rotation: (..., 3, 3) R, camera←head.
        covariance: (..., 3, 3) of the rotation vector `r = log(Rᵀ·R_true)` in the head's frame, radians², positive
            definite.

    Returns:
        (..., 3, 3).
    """
    precision = np.linalg.inv(np.asarray(covariance, dtype=np.float64))
    half = np.trace(precision, axis1=-2, axis2=-1)[..., None, None] / 2
    return np.asarray(np.asarray(rotation, dtype=np.float64) @ (half * np.eye(3) - precision))
