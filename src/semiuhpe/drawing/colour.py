"""Expected error as a colour: viridis turned round, bright where the pose is sure, dark where it is not.

Its last, nearly black fifth is left out: it could not be told from a dark picture.

Viridis (Stéfan van der Walt and Nathaniel Smith, CC0) falls steadily in lightness, so its order can be seen in grey, in
print and with any kind of colour blindness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_VIRIDIS = np.array(
    [
        (253, 231, 37),
        (180, 222, 44),
        (109, 205, 89),
        (53, 183, 121),
        (31, 158, 137),
        (38, 130, 142),
        (49, 104, 142),
        (62, 74, 137),
    ],
    dtype=np.float64,
)


def error_colours(expected_error_deg: ArrayLike, worst_deg: float = 40.0) -> NDArray[np.uint8]:
    """Colours of expected errors: yellow at 0, green, then blue, indigo from `worst_deg` on.

    Args:
        expected_error_deg: (n,) degrees; one that is not a number counts as the worst.
        worst_deg: where the range of colours ends, degrees.

    Returns:
        (n, 3) uint8 RGB.
    """
    error = np.nan_to_num(np.asarray(expected_error_deg, dtype=np.float64), nan=worst_deg, posinf=worst_deg)
    place = np.clip(error / worst_deg, 0, 1) * (len(_VIRIDIS) - 1)
    channels = [np.interp(place, np.arange(len(_VIRIDIS)), _VIRIDIS[:, c]) for c in range(3)]
    return np.asarray(np.stack(channels, axis=-1).round(), dtype=np.uint8)
