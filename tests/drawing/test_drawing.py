from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from semiuhpe.drawing.axes import draw_axes
from semiuhpe.drawing.poses import draw_poses
from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.drawing.style import BLUE, GREEN, GREY, RED
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, random_rotations

BOX = np.array([[60.0, 60, 140, 140]])


def where(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Mean position x, y of a colour's pixels relative to the head's centre."""
    rows, columns = np.nonzero((image == colour).all(axis=-1))
    assert len(rows), f"nothing is {colour}"
    return np.array([columns.mean(), rows.mean()]) - 99.5


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_axes_point_where_the_head_points(grey: int) -> None:
    canvas = np.full((200, 200, 3), grey, np.uint8)
    drawn = draw_axes(canvas, from_azimuth_elevation_tilt(np.pi / 3, 0.0, 0.0)[None], BOX)
    assert where(drawn, RED)[0] > 5  # right of the image
    assert where(drawn, GREEN)[1] > 15  # down
    assert where(drawn, BLUE)[0] < -10  # the face turns to the image left
    assert (canvas == grey).all()


def test_unreadable_heads_are_grey() -> None:
    drawn = draw_axes(np.zeros((200, 200, 3), np.uint8), np.eye(3)[None], BOX, readable=[False])
    where(drawn, GREY)
    assert not (drawn == RED).all(axis=-1).any()


def test_the_cubes_face_is_in_front() -> None:
    drawn = draw_poses(np.zeros((200, 200, 3), np.uint8), np.eye(3)[None], BOX, style="cube")
    red, blue = drawn[..., 0].astype(int), drawn[..., 2].astype(int)
    near, far = np.nonzero(blue > red + 60)[1], np.nonzero(red > blue + 60)[1]
    assert np.ptp(near) > np.ptp(far)  # perspective: the nearer face is larger


@pytest.mark.parametrize("painter", [draw_axes, partial(draw_poses, style="cube")])
def test_any_size_and_place_is_drawn(painter: object, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    boxes = np.array([[-500.0, -500, -400, -400], [0, 0, 1, 1], [-100, -100, 900, 900], [1e7, 0, 1e7 + 10, 10]])
    out = painter(image, random_rotations(4, rng), boxes)  # type: ignore[operator]
    assert out.shape == image.shape
    assert painter(image, np.zeros((0, 3, 3)), np.zeros((0, 4))) is not image  # type: ignore[operator]


def test_labels_stay_inside_the_picture() -> None:
    drawn = draw_axes(
        np.zeros((200, 200, 3), np.uint8), np.eye(3)[None], np.array([[0.0, 150, 60, 210]]), labels=["az +10"]
    )
    assert (drawn[110:, :120] > 190).all(axis=-1).sum() > 10


def test_contact_sheet_keeps_aspect_and_order(rng: np.random.Generator) -> None:
    tall, wide = np.full((100, 50, 3), 200, np.uint8), np.full((50, 100, 3), 100, np.uint8)
    sheet = contact_sheet([tall, wide, tall], columns=2, tile=64, captions=["a", "b", "c"])
    assert sheet.shape == (2 * 76, 128, 3)
    assert (sheet[32, 32] == 200).all()
    assert (sheet[2, 2] == 32).all()
    assert (sheet[32, 96] == 100).all()
    assert (sheet[76 + 32, 32] == 200).all()
    assert contact_sheet([]).shape[2] == 3
