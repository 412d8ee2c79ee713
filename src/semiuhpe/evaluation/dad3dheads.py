"""The DAD-3DHeads benchmark: the JSON that it takes, and its pose error computed here.

One entry a head, `item_id → {"68_landmarks_2d": [], "N_landmarks_3d": [], "7_landmarks_3d": [], "rotation_matrix": 3×3}`,
the matrix being head → camera with the data set's y-up head (a frontal head is `diag(1, −1, −1)`). The benchmark scores
the pose before it looks at the landmarks, which are left empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import SourceError
from semiuhpe.evaluation import metrics
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.euler import from_matrix, to_matrix
from semiuhpe.geometry.rotation import Float, project_to_rotation
from semiuhpe.heads.record import HeadRecord

CONVENTION = "dad-3dheads"
_EMPTY = ("68_landmarks_2d", "N_landmarks_3d", "7_landmarks_3d")


def item_id(record: HeadRecord) -> str:
    """The benchmark's name of a head: the extra `item_id`, or the record's id."""
    return str(record.extras.get("item_id", record.id))


def submission(items: Sequence[str], rotation: ArrayLike) -> dict[str, Any]:
    """The benchmark's JSON. items: n names. rotation: (n, 3, 3) camera←head."""
    matrices = to_matrix(rotation, CONVENTION)
    return {
        item: {**{name: [] for name in _EMPTY}, "rotation_matrix": matrix.tolist()}
        for item, matrix in zip(items, matrices, strict=True)
    }


def read_submission(path: Path) -> dict[str, Float]:
    """Poses of a submission, item → (3, 3) camera←head. Raises SourceError for a file that is none."""
    try:
        content = json_value(path.read_bytes())
        matrices = {item: np.array(entry["rotation_matrix"], dtype=np.float64) for item, entry in content.items()}
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path}: no DAD-3DHeads submission ({error!r}); write one with semiuhpe submit") from error
    for item, matrix in matrices.items():
        if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3):
            raise SourceError(f"{path}: the matrix of {item} is no 3×3 rotation; write the file again")
    return {item: project_to_rotation(from_matrix(matrix, CONVENTION)) for item, matrix in matrices.items()}


def score(submitted: Mapping[str, Float], labels: Mapping[str, Float]) -> dict[str, Any]:
    """Pose error (mean Frobenius norm) and geodesic error of submitted poses, both item → (3, 3) camera←head.

    Raises SourceError if a labelled item was not submitted: the benchmark averages over all of them.
    """
    missing = sorted(set(labels) - set(submitted))
    if missing or not labels:
        raise SourceError(
            f"{len(missing)} of {len(labels)} labelled heads are not in the submission, {', '.join(missing[:3]) or 'none'}; "
            "write it for the same store and split"
        )
    predicted, label = np.stack([submitted[i] for i in labels]), np.stack(list(labels.values()))
    return {
        "heads": len(labels),
        "pose_error": float(metrics.frobenius_errors(predicted, label).mean()),
        "geodesic": metrics.summary(metrics.geodesic_errors_deg(predicted, label)),
    }
