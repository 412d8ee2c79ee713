"""Who looks at whom, in one picture."""

from __future__ import annotations

import numpy as np

from semiuhpe import HeadPoses


def who_looks_at_whom(heads: HeadPoses, tolerance_deg: float = 20.0) -> list[tuple[int, int]]:
    """Pairs (who, whom) by head number, one for each head that looks at another.

    A picture tells where heads are across it, not how far away. So the question is asked in the picture: of all heads, is
    there one in the direction of the face, as seen, to within the tolerance? The nearest of those is taken.
    Faces that point at the camera or away from it (less than 30° off its axis) have no direction in the picture, and heads
    less certain than the tolerance are left out. Two heads at very different depths may be mistaken for a pair: compare
    the sizes of their boxes.
    """
    centre = (heads.box[:, :2] + heads.box[:, 2:]) / 2
    across = heads.facing[:, :2]
    length = np.linalg.norm(across, axis=1)
    pairs = []
    for who in range(len(heads)):
        if length[who] < np.sin(np.radians(30.0)) or heads.expected_error_deg[who] > tolerance_deg:
            continue
        to_others = centre - centre[who]
        distance = np.linalg.norm(to_others, axis=1)
        distance[who] = np.inf  # nobody looks at themselves
        cosine = to_others @ across[who] / (np.maximum(distance, 1e-9) * length[who])
        in_sight = np.isfinite(distance) & (cosine >= np.cos(np.radians(tolerance_deg)))
        if in_sight.any():
            pairs.append((who, int(np.argmin(np.where(in_sight, distance, np.inf)))))
    return pairs


if __name__ == "__main__":
    import sys

    from semiuhpe import HeadPoseEstimator

    for who, whom in who_looks_at_whom(HeadPoseEstimator()(sys.argv[1])):
        print(f"head {who} looks at head {whom}")
