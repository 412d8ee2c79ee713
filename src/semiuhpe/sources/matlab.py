"""MATLAB files as the data sets of this field ship them: version 5 (`save -v6` and `-v7`), read by scipy."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import MissingExtraError
from semiuhpe.sources.importing import Rejected
from semiuhpe.sources.matlab_limits import MAX_BYTES, inflated

_LOG = logging.getLogger(__name__)

Float = NDArray[np.float64]


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Variables of a MATLAB file by name.

    Raises Rejected (a SourceError) for a file that is missing, damaged, of another version (7.3 is HDF5 under another
    name), or larger than `matlab_limits` allows, MissingExtraError where scipy is not installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("reading MATLAB files", "data") from error
    content = _bytes_of(Path(path))
    if content.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise Rejected(
            "annotation",
            f"{path}: a MATLAB 7.3 file, which is not read; load it in MATLAB or Octave and save it with -v7",
        )
    try:
        return dict(loadmat(io.BytesIO(inflated(content))))
    except Exception as error:  # scipy raises whatever the damaged bytes lead to: zlib.error, KeyError, TypeError, ...
        _LOG.debug("%s: cannot be loaded", path, exc_info=True)
        raise Rejected("annotation", f"{path}: not a MATLAB file ({error}); unpack it again") from error


def _bytes_of(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise Rejected("annotation", f"{file}: larger than {MAX_BYTES >> 20} MiB, which no annotation is")
        return file.read_bytes()
    except OSError as error:
        raise Rejected("annotation", f"{file}: cannot be read ({error.strerror or error}); unpack it again") from error


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
