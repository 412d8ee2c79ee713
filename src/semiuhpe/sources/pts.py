"""The iBUG `.pts` format: a header, then one point a line between braces."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_points(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Points of a file, (n, 2) float64 pixels as written. Raises OSError or ValueError, with the reason, otherwise."""
    body = re.search(r"\{(.*)\}", Path(path).read_text(encoding="utf-8"), re.DOTALL)
    if body is None:
        raise ValueError("no points between braces")
    return np.array([float(word) for word in body[1].split()], dtype=np.float64).reshape(-1, 2)
