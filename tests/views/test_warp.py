"""Views against the slow way: flip, turn, scale and shift one after the other on points and on pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semiuhpe.geometry.crop import PAD_COLOUR, block_factor, crop_head
from semiuhpe.geometry.rotation import geodesic_distance, image_rotation, mirror, random_rotations
from semiuhpe.views.warp import (
    CANONICAL,
    View,
    ViewRange,
    decode_factor,
    draw,
    draw_view,
    keyed_generator,
    turn_label,
    view_matrix,
)

BOX = (40.0, 30.0, 90.0, 100.0)


def smooth_picture(rng: np.random.Generator, size: int = 140) -> np.ndarray:
    coarse = rng.uniform(0, 255, (7, 7, 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


views = st.builds(
    View,
    scale=st.floats(0.5, 2.0),
    shift_x=st.floats(-0.3, 0.3),
    shift_y=st.floats(-0.3, 0.3),
    rotation=st.floats(-np.pi, np.pi),
    flip=st.booleans(),
)


@given(views, st.floats(0, 140), st.floats(0, 140))
@settings(max_examples=60, deadline=None)
def test_matrix_is_flip_then_turn_then_scale_then_shift(view: View, x: float, y: float) -> None:
    point = np.array([x, y]) - [65.0, 65.0]
    if view.flip:
        point[0] = -point[0]
    cos, sin = np.cos(view.rotation), np.sin(view.rotation)
    # Counter-clockwise as seen, with y pointing down.
    point = np.array([cos * point[0] + sin * point[1], -sin * point[0] + cos * point[1]])
    side = 1.3 * 60.0 * view.scale
    expected = point * 64 / side + 32 - np.array([view.shift_x, view.shift_y]) * 64
    matrix = view_matrix(BOX, view, 64)
    np.testing.assert_allclose(matrix @ [x, y, 1.0], expected, atol=1e-9)


def test_canonical_view_is_the_crop_of_inference(rng: np.random.Generator) -> None:
    image = smooth_picture(rng)
    np.testing.assert_array_equal(draw(image, BOX, CANONICAL, 64), crop_head(image, BOX, 64))


def test_flip_mirrors_the_picture_and_the_label(rng: np.random.Generator) -> None:
    image = smooth_picture(rng)
    flipped = draw(image, BOX, View(flip=True), 64)
    assert np.abs(flipped[:, ::-1].astype(int) - draw(image, BOX, CANONICAL, 64)).max() <= 1
    rotation = random_rotations(5, rng)
    np.testing.assert_allclose(turn_label(rotation, View(flip=True)), mirror(rotation), atol=1e-12)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_agree_with_rot90(rng: np.random.Generator, quarter: int) -> None:
    image = smooth_picture(rng)
    turned = draw(image, BOX, View(rotation=quarter * np.pi / 2), 64)
    expected = np.rot90(draw(image, BOX, CANONICAL, 64), quarter)
    assert np.abs(turned.astype(int) - expected).max() <= 1


@given(st.floats(-np.pi, np.pi), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_label_moves_with_projected_points(theta: float, seed: int) -> None:
    """Turn a picture of a head's axes: where they are drawn then is where the turned label draws them."""
    rng = np.random.default_rng(seed)
    view = View(rotation=theta, flip=bool(seed % 2))
    rotation = random_rotations(1, rng)[0]
    linear = view_matrix(BOX, view, 64)[:, :2] * (1.3 * 60.0) / 64
    moved = linear @ rotation[:2, :]
    if view.flip:
        moved[:, 0] *= -1  # the mirrored head's own left–right axis is mirrored too
    np.testing.assert_allclose(turn_label(rotation, view)[:2, :], moved, atol=1e-9)


def test_turned_label_is_the_left_product(rng: np.random.Generator) -> None:
    rotation = random_rotations(10, rng)
    turned = turn_label(rotation, View(rotation=0.4))
    assert geodesic_distance(turned, image_rotation(0.4) @ rotation).max() == 0
    # "roll −= θ" in Euler angles is something else away from the front.
    np.testing.assert_allclose(geodesic_distance(turned, rotation), 0.4, atol=1e-9)


def test_context_fills_the_corners(rng: np.random.Generator) -> None:
    """A turned view of a stored head has no padding that would tell the angle."""
    size = 256
    image = np.full((size, size, 3), 200, np.uint8)
    side = size / 2 / 1.3
    box = (size / 2 - side / 2, size / 2 - side / 2, size / 2 + side / 2, size / 2 + side / 2)
    assert draw(image, box, View(rotation=np.pi / 4, scale=1.2), 112).min() == 200


@pytest.mark.parametrize("smallest", [0.8, 0.6])
def test_a_resized_crop_is_a_window_anywhere_in_the_crop(smallest: float) -> None:
    """Area and place as torchvision's RandomResizedCrop draws them, seen in the corners of the drawn pictures."""
    ranges = ViewRange(scale=(smallest**0.5, 1.0), resized_crop=True)
    square = view_matrix(BOX, CANONICAL, 1)
    windows = []
    for i in range(3000):
        matrix = np.vstack([view_matrix(BOX, draw_view(ranges, keyed_generator(0, i)), 1), [0, 0, 1]])
        windows.append(square @ np.linalg.inv(matrix) @ [[0, 1], [0, 1], [1, 1]])
    low, high = np.array(windows)[:, :, 0], np.array(windows)[:, :, 1]
    assert low.min() >= -1e-9
    assert high.max() <= 1 + 1e-9
    side = high[:, 0] - low[:, 0]
    np.testing.assert_allclose(side, high[:, 1] - low[:, 1])
    tenths = np.arange(0.1, 1, 0.1)
    torchvision_areas = np.random.default_rng(0).uniform(smallest, 1, 3000)
    np.testing.assert_allclose(np.quantile(side**2, tenths), np.quantile(torchvision_areas, tenths), atol=0.02)
    for axis in range(2):
        place = low[:, axis] / (1 - side)
        np.testing.assert_allclose(np.quantile(place, np.arange(0.1, 1, 0.1)), np.arange(0.1, 1, 0.1), atol=0.04)
    moved = np.abs((low + high) / 2 - 0.5).max()
    assert moved == pytest.approx((1 - smallest**0.5) / 2, abs=0.006)  # 5.3 % and 11.3 % of the crop


def test_drawn_views_cover_their_ranges_and_nothing_more() -> None:
    ranges = ViewRange(scale=(0.5, 2.0), shift=0.1, rotation=0.5, flip=0.3)
    drawn = [draw_view(ranges, keyed_generator(0, i)) for i in range(2000)]
    scales = np.array([v.scale for v in drawn])
    assert 0.5 <= scales.min() < 0.52
    assert 1.95 < scales.max() <= 2.0
    assert np.median(scales) == pytest.approx(1.0, abs=0.06)
    rotations = np.array([v.rotation for v in drawn])
    assert np.abs(rotations).max() <= 0.5
    assert np.std(rotations) == pytest.approx(0.5 / np.sqrt(3), rel=0.05)
    assert np.mean([v.flip for v in drawn]) == pytest.approx(0.3, abs=0.05)


def test_a_share_of_the_views_is_turned_by_any_angle() -> None:
    ranges = ViewRange(scale=(0.5, 2.0), shift=0.1, rotation=0.3, flip=0.5, any_rotation=0.25)
    drawn = [draw_view(ranges, keyed_generator(1, i)) for i in range(4000)]
    turns = np.array([v.rotation for v in drawn])
    by_any = np.array([v.reflect for v in drawn])
    assert by_any.mean() == pytest.approx(0.25, abs=0.02)
    assert np.abs(turns[~by_any]).max() <= 0.3
    counts, _ = np.histogram(turns[by_any], np.linspace(-np.pi, np.pi, 9))
    assert counts.min() > 90, "uniform: about 125 in each eighth of the circle"
    for ranges in (ViewRange(any_rotation=1.0), ViewRange(rotation=0.3, reflect=True)):
        assert all(draw_view(ranges, keyed_generator(2, i)).reflect for i in range(50))


def test_views_without_any_rotation_are_those_of_before() -> None:
    ranges = ViewRange(scale=(0.5, 2.0), shift=0.1, rotation=0.37, flip=0.5)
    for i in range(200):
        number = keyed_generator(3, i).random(5)[3]
        view = draw_view(ranges, keyed_generator(3, i))
        assert view.rotation == (2 * number - 1) * 0.37
        assert not view.reflect


@pytest.mark.parametrize("context", [0.6, 1.0, 1.4])
def test_a_view_turned_by_any_angle_shows_no_padding(context: float) -> None:
    """Even of a head whose photo ends right beside it, the shape of what is padded cannot tell by how much it was turned."""
    size = round(context * 130)
    image = np.full((size, size, 3), 200, np.uint8)
    box = (size / 2 - 50, size / 2 - 50, size / 2 + 50, size / 2 + 50)
    for turn in np.linspace(-np.pi, np.pi, 9):
        view = View(rotation=turn, scale=1.4, shift_x=0.15, shift_y=-0.15, reflect=True)
        assert draw(image, box, view, 64).min() == 200
        assert draw(image, box, View(rotation=turn, scale=1.4, shift_x=0.15), 64).min() == min(PAD_COLOUR)


def test_a_key_makes_the_same_view_again() -> None:
    ranges = ViewRange(scale=(0.5, 2.0), shift=0.1, rotation=0.5, flip=0.5)
    assert draw_view(ranges, keyed_generator(1, 2, 3)) == draw_view(ranges, keyed_generator(1, 2, 3))
    assert draw_view(ranges, keyed_generator(1, 2, 3)) != draw_view(ranges, keyed_generator(1, 3, 2))


@given(views, st.integers(30, 150), st.sampled_from([48, 112]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_warp_is_bilinear_interpolation_point_by_point(view: View, source: int, size: int, seed: int) -> None:
    """In floating point: each pixel of a view looks up the one place that it shows; the padding lies outside."""
    image = np.random.default_rng(seed).integers(0, 256, (source, source + 7, 3), dtype=np.uint8)
    box = (0.3 * source, 0.3 * source, 0.7 * source, 0.7 * source)
    matrix = view_matrix(box, view, size)
    if block_factor(matrix) > 1:
        return  # averaged first
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    y, x = np.mgrid[0:size, 0:size] + 0.5
    at_x, at_y = (inverse[k, 0] * x + inverse[k, 1] * y + inverse[k, 2] - 0.5 for k in range(2))
    padded = np.full((source + 4, source + 11, 3), PAD_COLOUR, np.float64)
    padded[2:-2, 2:-2] = image
    left, top = (np.clip(np.floor(v), -2, limit).astype(int) for v, limit in ((at_x, source + 7), (at_y, source)))
    right, low = (np.clip(a - b, 0, 1)[..., None] for a, b in ((at_x, left), (at_y, top)))
    corners = [padded[top + 2 + i, left + 2 + j] for i in (0, 1) for j in (0, 1)]
    upper, lower = (corners[2 * i] * (1 - right) + corners[2 * i + 1] * right for i in (0, 1))
    expected = upper * (1 - low) + lower * low
    apart = np.abs(draw(image, box, view, size) - expected)
    # Some versions of OpenCV place their taps on a grid of 1/32 pixel.
    assert apart.mean() <= 1.5
    assert np.percentile(apart, 90) <= 4


def test_a_view_of_a_large_picture_is_that_of_a_small_one(rng: np.random.Generator) -> None:
    """Small pictures are warped with a fourth channel, large ones without."""
    image = smooth_picture(rng, 150)
    large = np.pad(image, ((0, 350), (0, 350), (0, 0)), mode="edge")
    view = View(scale=0.7, rotation=0.3)
    np.testing.assert_array_equal(draw(image, BOX, view, 40), draw(large, BOX, view, 40))


@pytest.mark.parametrize(
    ("scale", "factor"), [(1.0, 1), (1.9, 1), (2.0, 2), (2.9, 2), (3.5, 1), (4.5, 4), (6.2, 2), (9, 1)]
)
def test_pictures_are_decoded_smaller_only_where_blocks_are_averaged(scale: float, factor: int) -> None:
    box = (100.0, 100.0, 100 + 64 / 1.3, 100 + 64 / 1.3)
    assert decode_factor(box, [View(scale=scale)], 64) == factor
    assert decode_factor(box, [View(scale=scale), CANONICAL], 64) == 1
