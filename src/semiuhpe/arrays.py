"""Checks of what a caller hands in; each failure is one line that says what was expected and what came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import InputError


def as_array(name: str, value: Any, shape: tuple[int | str, ...], dtype: type = np.float64) -> NDArray[Any]:
    """`value` as a read-only array of `shape` (a name stands for any length, equal names for equal lengths).

    Raises InputError: "NAME: expected shape (n, 4), got (3, 5)".
    """
    try:
        array: NDArray[Any] = np.array(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected numbers of shape {_text(shape)}, got {type(value).__name__}") from error
    if array.size == 0 and shape and isinstance(shape[0], str):
        # An empty list has shape (0,), whatever its elements would have been.
        array = array.reshape([0 if isinstance(n, str) else n for n in shape])
    named: dict[str, int] = {}
    matches = array.ndim == len(shape) and all(
        (named.setdefault(want, have) == have) if isinstance(want, str) else want == have
        for want, have in zip(shape, array.shape, strict=True)
    )
    if not matches:
        raise InputError(f"{name}: expected shape {_text(shape)}, got {array.shape}")
    array.setflags(write=False)
    return array


def evenly_spread(count: int, limit: int) -> NDArray[np.int64]:
    """`limit` of the numbers from 0 to count − 1, the first and the last among them; all where there are no more, or limit is 0."""
    if not 0 < limit < count:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def image_size(image: Any) -> tuple[int, int]:
    """Height and width of a picture, pixels. Raises InputError unless it is (H, W, 3) uint8 RGB with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        kind = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"image: expected (H, W, 3) uint8 RGB, got {kind}")
    height, width = image.shape[:2]
    if height == 0 or width == 0:
        raise InputError(f"image: expected at least one pixel, got {height} × {width}")
    return height, width


def as_boxes(boxes: Any) -> NDArray[np.float64]:
    """Head boxes `x1, y1, x2, y2` as (n, 4) float64; one bare box (4,) is taken as n = 1.

    Raises InputError for another shape, a value that is not finite, or a box without area.
    """
    if np.shape(boxes) == (4,):
        boxes = [boxes]
    array = as_array("boxes", boxes, ("n", 4))
    good = usable_boxes(array)
    if not np.all(good):
        worst = int(np.argmin(good))
        values = ", ".join(f"{v:g}" for v in array[worst])
        raise InputError(f"boxes[{worst}]: a box is finite x1, y1, x2, y2 with x2 > x1 and y2 > y1, got ({values})")
    return array


def usable_boxes(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes (n, 4) are finite and have area. → (n,) bool."""
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))


def _text(shape: tuple[int | str, ...]) -> str:
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
