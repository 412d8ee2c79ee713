"""The crop against a slow oracle that averages the source area under every output pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semiuhpe.geometry.crop import MARGIN, PAD_COLOUR, crop_head, crop_matrix, crop_square, warp


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(0, 255, (6, 6, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def area_average(image: np.ndarray, x: float, y: float, side: float, size: int, samples: int = 8) -> np.ndarray:
    """Mean of a grid of bilinear samples under every output pixel; outside the image, the padding."""
    step = side / size
    grid = (np.arange(size * samples) + 0.5) * step / samples - side / 2
    padded = cv2.copyMakeBorder(image, 64, 64, 64, 64, cv2.BORDER_CONSTANT, value=PAD_COLOUR)
    columns, rows = np.meshgrid(grid + x - 0.5 + 64, grid + y - 0.5 + 64)
    taken = cv2.remap(padded, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR).astype(np.float64)
    return taken.reshape(size, samples, size, samples, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("side", [20.0, 60.0, 133.7, 200.0])
def test_agrees_with_area_averaging(side: float) -> None:
    image = smooth(220, 260)
    ours = warp(image, crop_matrix(130.3, 111.8, side, 40), 40)
    assert np.abs(ours - area_average(image, 130.3, 111.8, side, 40)).max() < 4.1  # of 255


def test_fine_detail_is_averaged_not_skipped() -> None:
    checkers = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=-1)
    small = warp(checkers, crop_matrix(200, 200, 390, 39), 39)
    assert np.abs(small.astype(int) - 127).max() < 25


def test_identity_is_exact() -> None:
    image = smooth(50, 50)
    np.testing.assert_array_equal(warp(image, crop_matrix(25, 25, 50, 50), 50), image)


def test_what_lies_outside_is_padded_and_the_box_stays_centred() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    crop = crop_head(image, (-30, 40, 30, 100), 60)
    assert (crop[30, 5] == PAD_COLOUR).all()
    assert (crop[30, 55] == 200).all()
    border = np.flatnonzero((crop[30] == 200).all(axis=-1))[0]
    assert border == pytest.approx(30, abs=1)  # the frame's edge is the box's middle
    far = crop_head(image, (500, 500, 560, 560), 60)
    assert (far == PAD_COLOUR).all() or far.max() <= max(PAD_COLOUR)


@given(
    st.floats(-100, 300),
    st.floats(-100, 300),
    st.floats(2, 400),
    st.floats(2, 400),
    st.integers(8, 64),
    st.integers(0, 255),
)
@settings(max_examples=60, deadline=None)
def test_a_plain_picture_stays_plain(x: float, y: float, width: float, height: float, size: int, value: int) -> None:
    image = np.full((90, 120, 3), value, np.uint8)
    crop = crop_head(image, (x, y, x + width, y + height), size)
    assert crop.shape == (size, size, 3)
    low, high = np.minimum(PAD_COLOUR, value), np.maximum(PAD_COLOUR, value)
    assert (crop >= low).all()
    assert (crop <= high).all()


def test_square_has_the_mean_side_and_the_centre_of_the_box() -> None:
    assert crop_square((10, 20, 50, 80)) == (30, 50, MARGIN * 50)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 5, 1, 9), (0, 0, np.nan, 5), (0, 0, np.inf, 5)])
def test_boxes_without_area_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="head box"):
        crop_square(box)
