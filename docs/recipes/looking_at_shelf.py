"""How many heads look at the shelf."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe import HeadPoses


def looking_at(
    heads: HeadPoses, region: ArrayLike, image_size: tuple[int, int], field_of_view_deg: float = 60.0
) -> NDArray[np.bool_]:
    """Which heads look at a region of the wall that the camera is mounted on, or of one parallel to it. (n,) bool.

    region: x1, y1, x2, y2 in metres on the camera's plane, x to the image right, y down, the camera at (0, 0): a shelf
    that is 2 m wide, below the camera, is (-1, 0.3, 1, 1.5). image_size: width, height in pixels. field_of_view_deg: of
    the camera, across the image. How far away a head is follows from its box: a head with hair is about 0.24 m high.

    A head counts if its line of sight meets the region, allowed to be off by its own expected error; a head less certain
    than 40° never counts.
    """
    width, height = image_size
    focal = width / 2 / np.tan(np.radians(field_of_view_deg) / 2)
    centre = (heads.box[:, :2] + heads.box[:, 2:]) / 2 - [width / 2, height / 2]
    depth = focal * 0.24 / np.maximum(heads.box[:, 3] - heads.box[:, 1], 1e-9)
    place = np.column_stack([centre * (depth / focal)[:, None], depth])
    towards = -heads.facing[:, 2]  # > 0: the face is turned to the camera's plane
    reach = np.where(towards > 0.05, depth / np.maximum(towards, 0.05), np.inf)
    with np.errstate(invalid="ignore"):
        met = place[:, :2] + reach[:, None] * heads.facing[:, :2]
    low, high = np.reshape(region, (2, 2)).astype(float)
    nearest = np.clip(np.nan_to_num(met, nan=np.inf), low, high)
    # The angle, seen from the head, between where it looks and the nearest point of the region.
    sight = np.column_stack([nearest, np.zeros(len(heads))]) - place
    cosine = np.sum(sight * heads.facing, axis=1) / np.maximum(np.linalg.norm(sight, axis=1), 1e-9)
    off_deg = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return (off_deg <= heads.expected_error_deg + 1e-6) & (heads.expected_error_deg <= 40.0)


if __name__ == "__main__":
    import sys

    from semiuhpe import HeadPoseEstimator
    from semiuhpe.images.load import load_image

    image = load_image(sys.argv[1])
    heads = HeadPoseEstimator()(image)
    looking = looking_at(heads, (-1.0, 0.3, 1.0, 1.5), (image.shape[1], image.shape[0]))
    print(f"{looking.sum()} of {len(heads)} heads look at the shelf")
