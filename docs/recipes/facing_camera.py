"""Heads that face the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semiuhpe import HeadPoses


def facing_camera(heads: HeadPoses, within_deg: float = 25.0) -> NDArray[np.bool_]:
    """Which heads face the camera to within an angle, (n,) bool. A head too uncertain to tell is not counted.

    The angle between the face's direction and the one towards the camera says it in one number, whatever the tilt; yaw
    and pitch apart would call a head that looks down by 40° frontal.
    """
    off_deg = np.degrees(np.arccos(np.clip(heads.facing @ [0.0, 0.0, -1.0], -1.0, 1.0)))
    return (off_deg <= within_deg) & (heads.expected_error_deg <= within_deg)


if __name__ == "__main__":
    import sys

    from semiuhpe import HeadPoseEstimator

    heads = HeadPoseEstimator()(sys.argv[1])
    print(f"{facing_camera(heads).sum()} of {len(heads)} heads face the camera")
