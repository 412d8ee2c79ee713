"""MATLAB files as the data sets of this field ship them: version 5 (`save -v7` and older), read by scipy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import MissingExtraError
from semiuhpe.sources.importing import Rejected

Float = NDArray[np.float64]


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Variables of a MATLAB file by name.

    Raises Rejected (a SourceError) for a file that is missing, damaged or of version 7.3 (which is HDF5 under
    another name), MissingExtraError where scipy is not installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("reading MATLAB files", "data") from error
    file = Path(path)
    try:
        with file.open("rb") as stream:
            head = stream.read(128)
        if head.startswith((b"MATLAB 7.3", b"\x89HDF")):
            raise Rejected(
                "annotation",
                f"{path}: a MATLAB 7.3 file, which is not read; load it in MATLAB or Octave and save it with -v7",
            )
        return dict(loadmat(str(file)))
    except OSError as error:
        raise Rejected("annotation", f"{path}: cannot be read ({error.strerror or error}); unpack it again") from error
    except Rejected:
        raise
    except Exception as error:  # scipy raises whatever the damaged bytes lead to: zlib.error, KeyError, TypeError, ...
        raise Rejected("annotation", f"{path}: not a MATLAB file ({error}); unpack it again") from error


def numbers_of(variables: dict[str, Any], name: str, path: str | os.PathLike[str]) -> Float:
    """One numeric variable, float64 of its own shape. Raises Rejected where it is missing or no numbers."""
    if name not in variables:
        raise Rejected("annotation", f"{path}: has no variable {name}")
    try:
        return np.asarray(variables[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Rejected("annotation", f"{path}: {name} does not hold numbers") from error


def angles_of(variables: dict[str, Any], path: str | os.PathLike[str]) -> Float:
    """Pitch, yaw, roll of a `Pose_Para` in radians, as written. → (3,) float64. Raises Rejected."""
    angles = numbers_of(variables, "Pose_Para", path).ravel()[:3]
    if angles.shape != (3,) or not np.all(np.isfinite(angles)):
        raise Rejected("annotation", f"{path}: Pose_Para does not begin with three finite angles")
    return angles
