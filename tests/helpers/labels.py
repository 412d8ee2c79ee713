"""Labels of heads that have one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semiuhpe.heads.record import HeadRecord


def label_of(record: HeadRecord) -> NDArray[np.float64]:
    """The rotation (3, 3); a test fails at a head without one."""
    assert record.rotation is not None, f"{record.id} has no label"
    return record.rotation
