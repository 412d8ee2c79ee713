"""Pose from 68 two-dimensional landmarks (iBUG order), by fitting a deformable 3-D face.

The face is linear, `X(z) = mean + Σ z_k·mode_k` with z ~ N(0, 1) (Cootes et al. 1995; as a probabilistic prior,
Torresani, Hertzmann & Bregler 2008), seen by a weak-perspective camera, `x = s·(R·X)_xy + t`. This is the camera of
the 3DMM fits behind the 300W-LP and AFLW2000 labels, so poses agree with theirs, and the mean face is in their zero pose.
Gauss–Newton on the maximum a posteriori, with Student-t weights, because landmarks of a half-hidden face slide.

Jaw points (0–16) do not count: annotators draw them on the silhouette, which is another place of the head in each pose.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.rotation import from_quaternion, project_to_rotation, rotation_x

Float = NDArray[np.float64]

LANDMARKS = 68
INNER = slice(17, 68)
"""Brows, nose, eyes and mouth: the landmarks that are points of anatomy in every pose."""

MIRRORED: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    27,
    28,
    29,
    30,
    35,
    34,
    33,
    32,
    31,
    45,
    44,
    43,
    42,
    47,
    46,
    39,
    38,
    37,
    36,
    41,
    40,
    54,
    53,
    52,
    51,
    50,
    49,
    48,
    59,
    58,
    57,
    56,
    55,
    64,
    63,
    62,
    61,
    60,
    67,
    66,
    65,
)
"""Which landmark each one becomes when the picture is flipped."""

HAND_PITCH_DEG = 3.7
"""By how much fits to landmarks that people clicked look up too far (docs/zero.md): people place brows, nose and mouth
otherwise than the fits behind the official labels do, in whose frame the mean face is."""

_FREEDOM = 6.0  # of the Student-t; small enough that a hidden brow cannot turn the face
_ITERATIONS = 30
_BATCH = 256


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A linear face in the canonical head frame (x right, y down, z into the scene for a face that looks at the camera).

    mean (68, 3) and modes (k, 68, 3), in face units (one is about 45 mm); each mode's
    coefficient has unit variance. noise: standard deviation of a landmark's coordinate, face units.
    head (m, 3): points whose hull is the whole mean head with short hair: skull, ears, chin.
    """

    mean: Float
    modes: Float
    noise: float
    head: Float

    def rigid(self, noise: float = 0.06) -> FaceModel:
        """The mean face alone, which leaves individual looks to the noise."""
        return FaceModel(self.mean, self.modes[:0], noise, self.head)


@dataclass(frozen=True, eq=False)
class FaceFit:
    """Fits of n faces.

    rotation (n, 3, 3) camera←head. scale (n,) pixels per face unit. shift (n, 2) pixels: where the model's origin
    falls. coefficients (n, k). residual (n,): root-mean-square distance of the inner landmarks in face units, the
    measure by which bad annotations stand out (a rigid mean face leaves about 0.1, this one about 0.05).
    """

    rotation: Float
    scale: Float
    shift: Float
    coefficients: Float
    residual: Float

    def project(self, points: ArrayLike) -> Float:
        """Points of the head frame in each picture. (m, 3) or (n, m, 3) → (n, m, 2) pixels."""
        turned = np.asarray(points, dtype=np.float64) @ np.swapaxes(self.rotation, -1, -2)
        return np.asarray(self.scale[:, None, None] * turned[..., :2] + self.shift[:, None])


@cache
def default_face_model() -> FaceModel:
    """The model that comes with the package.

    Its mean is the average of the official AFLW2000-3D landmarks, made symmetric, so a mean face has their zero pose; its
    modes are the main ways in which MakeHuman's faces differ. Its noise is that of landmarks clicked by people.
    """
    data = files("semiuhpe.sources.landmarks").joinpath("data/face_model.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        mean, modes, head = (np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "modes", "head"))
        return FaceModel(mean, modes, float(arrays["noise"]), head)


def fit_faces(points: ArrayLike, model: FaceModel | None = None, *, rotation: ArrayLike | None = None) -> FaceFit:
    """Fit the face model to landmarks of n faces. points (n, 68, 2) or (68, 2), pixels (x right, y down).

    rotation: (n, 3, 3) or (3, 3) camera←head where the pose is known already; then only place, size and shape are fitted,
    which leaves a profile no freedom to be another pose. Raises ValueError for another shape, values that are not
    finite, or a face whose points all coincide.
    """
    model = default_face_model() if model is None else model
    points = np.asarray(points, dtype=np.float64)
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or points.shape[1:] != (LANDMARKS, 2):
        raise ValueError(f"landmarks must have shape (n, 68, 2), got {points.shape}")
    if not np.all(np.isfinite(points)):
        raise ValueError("landmarks must be finite numbers")
    if np.any(np.ptp(points[:, INNER], axis=1).max(axis=1, initial=0.0) <= 0):
        raise ValueError("the landmarks of a face all coincide")
    known = None if rotation is None else np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    if known is not None and len(known) != len(points):
        raise ValueError(f"{len(points)} faces need as many rotations, got {len(known)}")
    parts = [
        _fit(points[i : i + _BATCH, INNER], model, None if known is None else known[i : i + _BATCH])
        for i in range(0, len(points), _BATCH)
    ]
    if not parts:
        return FaceFit(np.zeros((0, 3, 3)), np.zeros(0), np.zeros((0, 2)), np.zeros((0, len(model.modes))), np.zeros(0))
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return FaceFit(*joined)


def _fit(points: Float, model: FaceModel, known: Float | None) -> tuple[Float, Float, Float, Float, Float]:
    mean, modes = model.mean[INNER], model.modes[:, INNER]
    count, kinds = len(points), len(modes)
    rotation, scale, shift = affine_pose(points, mean) if known is None else _placed(points, mean, known)
    coefficients = np.zeros((count, kinds))
    prior = np.r_[np.zeros(6), np.ones(kinds)]
    for _ in range(_ITERATIONS):
        turned, errors = _residuals(points, mean, modes, rotation, scale, shift, coefficients)
        weights = (_FREEDOM + 2) / (_FREEDOM + np.sum((errors / model.noise) ** 2, axis=-1)) / model.noise**2
        jacobian = _jacobian(turned, rotation, modes)
        if known is not None:
            jacobian[..., :3] = 0.0
        flat = jacobian.reshape(count, -1, 6 + kinds)
        weighted = (jacobian * weights[..., None, None]).reshape(flat.shape)
        hessian = np.swapaxes(weighted, 1, 2) @ flat + np.diag(prior)
        gradient = np.einsum("nfp,nf->np", weighted, errors.reshape(count, -1))
        gradient[:, 6:] -= coefficients
        # A trace of Levenberg damping: a flat profile leaves the width of the face nearly free.
        diagonal = np.einsum("npp->np", hessian)
        damping = (1e-4 * diagonal + (diagonal == 0))[:, None, :] * np.eye(6 + kinds)
        step = np.linalg.solve(hessian + damping, gradient[..., None])[..., 0]
        turn = step[:, :3] * np.minimum(1.0, 0.5 / np.maximum(np.linalg.norm(step[:, :3], axis=1), 1e-12))[:, None]
        rotation = _turns(turn) @ rotation
        shift = shift + scale[:, None] * step[:, 4:6]
        scale = scale * np.exp(np.clip(step[:, 3], -0.5, 0.5))
        coefficients = coefficients + step[:, 6:]
    rotation = project_to_rotation(rotation) if known is None else known
    _, errors = _residuals(points, mean, modes, rotation, scale, shift, coefficients)
    residual = np.sqrt(np.mean(np.sum(errors**2, axis=-1), axis=1))
    return rotation, scale, shift, coefficients, residual


def _placed(points: Float, shape: Float, rotation: Float) -> tuple[Float, Float, Float]:
    """Least-squares scale and shift of a rigid shape whose pose is known; the scale stays positive. As `affine_pose`."""
    turned = (shape @ np.swapaxes(rotation, 1, 2))[..., :2]
    centre, middle = turned.mean(axis=1), points.mean(axis=1)
    turned, seen = turned - centre[:, None], points - middle[:, None]
    scale = np.sum(turned * seen, axis=(1, 2)) / np.sum(turned**2, axis=(1, 2))
    scale = np.maximum(scale, 0.1 * np.sqrt(np.sum(seen**2, axis=(1, 2)) / np.sum(turned**2, axis=(1, 2))))
    return rotation, scale, middle - scale[:, None] * centre


def official_pose(rotation: ArrayLike, *, hand_placed: bool) -> Float:
    """Fitted poses in the frame of the official 300W-LP and AFLW2000 labels. (..., 3, 3) camera←head → the same shape.

    hand_placed: whether people placed the landmarks; those of a network that learnt the official ones need no correction.
    """
    rotation = np.asarray(rotation, dtype=np.float64)
    return np.asarray(rotation @ rotation_x(np.radians(HAND_PITCH_DEG))) if hand_placed else rotation


def affine_pose(points: Float, shape: Float) -> tuple[Float, Float, Float]:
    """Closed-form weak-perspective pose of a rigid shape: the least-squares affine camera, made orthogonal.

    points (n, m, 2), shape (m, 3) → rotation (n, 3, 3), scale (n,), shift (n, 2).
    """
    centre = shape.mean(axis=0)
    centred, seen = shape - centre, points - points.mean(axis=1, keepdims=True)
    affine = np.swapaxes(seen, 1, 2) @ centred @ np.linalg.inv(centred.T @ centred)
    u, s, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    scale = np.maximum(s.mean(axis=1), 1e-12)
    shift = points.mean(axis=1) - scale[:, None] * (rotation @ centre)[:, :2]
    return rotation, scale, shift


def _residuals(
    points: Float, mean: Float, modes: Float, rotation: Float, scale: Float, shift: Float, coefficients: Float
) -> tuple[Float, Float]:
    """The turned shape (n, m, 3) and observed − projected (n, m, 2), both in face units."""
    shape = mean + np.einsum("nk,kmd->nmd", coefficients, modes)
    turned = shape @ np.swapaxes(rotation, 1, 2)
    return turned, (points - shift[:, None]) / scale[:, None, None] - turned[..., :2]


def _jacobian(turned: Float, rotation: Float, modes: Float) -> Float:
    """Derivative of the projection in face units by (turn about x, y, z, log scale, shift x, y, coefficients)."""
    x, y, z = np.moveaxis(turned, -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)
    rigid = [np.stack(row, axis=-1) for row in ((zero, z, -y, x, one, zero), (-z, zero, x, y, zero, one))]
    bends = np.einsum("nab,kmb->nmak", rotation[:, :2], modes)
    return np.concatenate([np.stack(rigid, axis=-2), bends], axis=-1)


def _turns(vectors: Float) -> Float:
    """Rotation of each rotation vector. (n, 3) radians → (n, 3, 3)."""
    half = np.linalg.norm(vectors, axis=-1, keepdims=True) / 2
    return from_quaternion(np.concatenate([vectors * 0.5 * np.sinc(half / np.pi), np.cos(half)], axis=-1))


def head_boxes(fit: FaceFit, model: FaceModel | None = None) -> Float:
    """Box of the whole head of each fitted face: skull top to chin, ears and short hair included.

    → (n, 4) x1, y1, x2, y2 in pixels. The mean head is drawn with the fitted pose and scale, together with the fitted
    chin and jaw, so an open mouth or a long face lengthens the box.
    """
    model = default_face_model() if model is None else model
    shape = model.mean + np.einsum("nk,kmd->nmd", fit.coefficients, model.modes)
    seen = np.concatenate([fit.project(model.head), fit.project(shape[:, 4:13])], axis=1)
    return np.concatenate([seen.min(axis=1), seen.max(axis=1)], axis=-1)
