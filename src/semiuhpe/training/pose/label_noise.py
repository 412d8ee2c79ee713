"""Noisy labels: what the supervised loss takes as the target of a label that is not exact.

A label with noise is a belief p, and the loss is its cross-entropy with the student's belief q,

    −E_p[log q] = log c(A_q) − tr(A_qᵀ·E_p[R]),

so the target of every head is one matrix, E_p[R]; of an exact label it is the rotation itself. A label of known sigma is the
isotropic matrix Fisher distribution around its rotation whose root mean square angle is sigma. A store states the noise of
a label in the extras of its record: `belief`, the nine entries of a matrix Fisher parameter, camera←head, row by row, or else
`label_sigma_deg`, the root mean square angle between the label and the truth, degrees.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from semiuhpe.distributions.isotropic import kappa_of_resultant, kappa_of_sigma, resultant_of, sigma_of
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.errors import StoreError
from semiuhpe.geometry.rotation import Float
from semiuhpe.heads.record import LABEL_BELIEF, LABEL_SIGMA, HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.training.pose.recipe import LabelledData


def label_sigmas_deg(store: HeadStore) -> Float:
    """Stated noise of every label, (n,) degrees, NaN where none is stated.

    Of a belief it is the root mean square angle of the isotropic one with the same mean cosine of the angle to its mode.
    """
    beliefs, sigmas = _stated(store)
    known = np.isfinite(beliefs).all((-1, -2))
    if known.any():
        parameter = MatrixFisher(torch.from_numpy(beliefs[known]))
        # E[cos θ] = (Σ dᵢ − 1)/2, d the singular values of E[R] along the axes of the mode.
        mean_resultant = (parameter.mode.mT @ parameter.mean).diagonal(dim1=-2, dim2=-1).mean(-1)
        sigmas[known] = np.degrees(sigma_of(kappa_of_resultant(mean_resultant.numpy())))
    return sigmas


def label_means(store: HeadStore, data: LabelledData) -> Float:
    """`E_p[R]` of every label as the recipe wants it, (n, 3, 3) camera←head; the rotation itself where it is taken as exact.

    NaN where a head has no label. Raises StoreError for a noise that cannot be one.
    """
    means = store.rotations.copy()
    beliefs, sigmas = _stated(store) if data.noise else (np.full_like(means, np.nan), np.full(len(means), np.nan))
    sigmas = np.where(np.isfinite(sigmas), data.sigma_scale * sigmas, data.sigma_deg)
    noisy = (sigmas > 0) & np.isfinite(means).all((-1, -2))
    each, back = np.unique(sigmas[noisy], return_inverse=True)
    means[noisy] *= resultant_of(kappa_of_sigma(np.radians(each)))[back][:, None, None]
    known = np.isfinite(beliefs).all((-1, -2))
    if known.any():
        # A sharp belief has s ∝ 1/σ².
        means[known] = MatrixFisher(torch.from_numpy(beliefs[known] / data.sigma_scale**2)).mean.numpy()
    return means


def _stated(store: HeadStore) -> tuple[Float, Float]:
    """What the records say: parameters (n, 3, 3) and sigmas (n,) degrees, NaN where they say nothing."""
    beliefs, sigmas = np.full((len(store), 3, 3), np.nan), np.full(len(store), np.nan)
    for index, record in enumerate(store):
        if record.rotation is None:
            continue
        if record.extras.get(LABEL_BELIEF) is not None:
            beliefs[index] = _belief(store, record)
        elif record.extras.get(LABEL_SIGMA) is not None:
            sigmas[index] = _sigma(store, record)
    return beliefs, sigmas


def _belief(store: HeadStore, record: HeadRecord) -> Float:
    try:
        parameter = np.asarray(record.extras[LABEL_BELIEF], dtype=np.float64).reshape(3, 3)
    except (TypeError, ValueError):
        parameter = np.full((3, 3), np.nan)
    if not np.isfinite(parameter).all():
        raise StoreError(
            f"{store.path}: the belief of head {record.id} must be nine finite numbers; label the store again"
        )
    return parameter


def _sigma(store: HeadStore, record: HeadRecord) -> float:
    value = record.extras[LABEL_SIGMA]
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise StoreError(
            f"{store.path}: {LABEL_SIGMA} of head {record.id} must be 0 or more, got {value!r}; label the store again"
        )
    return float(value)
