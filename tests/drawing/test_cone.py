"""The cone opens where the face points, as wide as the expected error."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.drawing.cone import LENGTH, NARROWEST_DEG, WIDEST_DEG, cone_points
from semiuhpe.drawing.poses import draw_poses
from semiuhpe.geometry.rotation import facing_direction, from_azimuth_elevation_tilt, random_rotations
from semiuhpe.poses.head_poses import HeadPoses, Style

BOX = np.array([[160.0, 160, 240, 240]])


def changed(picture: np.ndarray, ground: int) -> np.ndarray:
    rows, columns = np.nonzero((picture != ground).any(axis=-1))
    return np.stack([columns, rows], axis=1)


@pytest.mark.parametrize("error", [0.5, 12.0, 39.0, 170.0])
def test_its_half_angle_is_the_expected_error(error: float, rng: np.random.Generator) -> None:
    for rotation in random_rotations(4, rng):
        points = cone_points(rotation, error)
        facing = facing_direction(rotation)
        np.testing.assert_allclose(points[1], LENGTH * facing)
        sides = points[2:] / np.linalg.norm(points[2:], axis=1, keepdims=True)
        half = np.degrees(np.arccos(sides @ facing))
        np.testing.assert_allclose(half, np.clip(error, NARROWEST_DEG, WIDEST_DEG))
        crown = points[2] - points[1]
        np.testing.assert_allclose(crown / np.linalg.norm(crown), -rotation[:, 1])


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize(("azimuth", "elevation", "axis", "sign"), [(70, 0, 0, -1), (-70, 0, 0, 1), (0, 60, 1, -1)])
def test_it_opens_where_the_face_points(ground: int, azimuth: float, elevation: float, axis: int, sign: int) -> None:
    rotation = from_azimuth_elevation_tilt(np.radians(azimuth), np.radians(elevation), 0.0)
    canvas = np.full((400, 400, 3), ground, np.uint8)
    picture = draw_poses(canvas, rotation[None], BOX, expected_error_deg=[10], style="cone")
    pixels = changed(picture, ground)
    assert sign * (pixels[:, axis].mean() - 200) > 20
    assert np.abs(picture.astype(int) - ground).max() > 80
    assert (canvas == ground).all()


def test_a_face_towards_the_camera_shows_the_base_and_one_turned_away_the_apex() -> None:
    canvas = np.zeros((400, 400, 3), np.uint8)
    towards, away = (
        draw_poses(canvas, from_azimuth_elevation_tilt(a, 0.0, 0.0)[None], BOX, expected_error_deg=[30], style="cone")
        for a in (0.0, np.pi)
    )
    near, far = (changed(p, 0) for p in (towards, away))
    assert np.ptp(near[:, 0]) > 1.2 * np.ptp(far[:, 0])  # perspective
    assert towards[215, 215].sum() > away[215, 230].sum()  # the base is light, the outside is dark


def test_empty_outside_and_absurd_heads(rng: np.random.Generator) -> None:
    canvas = np.full((50, 70, 3), 7, np.uint8)
    np.testing.assert_array_equal(draw_poses(canvas, np.zeros((0, 3, 3)), np.zeros((0, 4)), style="cone"), canvas)
    boxes: list[list[float]] = [
        [-9000, -9000, -8900, -8900],
        [0, 0, 1, 1],
        [-1e6, -1e6, 1e6, 1e6],
        [1e7, 0, 1e7 + 10, 10],
    ]
    assert (
        draw_poses(canvas, random_rotations(4, rng), boxes, expected_error_deg=[0, 1, 30, 180], style="cone").shape
        == canvas.shape
    )


@pytest.mark.parametrize("style", ["axes", "box", "cube", "cone", "mesh"])
def test_unreadable_heads_carry_their_error_bar(style: Style) -> None:
    canvas = np.zeros((400, 400, 3), np.uint8)

    def heads(error: float) -> HeadPoses:
        return HeadPoses(
            rotation=np.eye(3)[None],
            box=BOX,
            detection_score=[1.0],
            expected_error_deg=[error],
            error_90_deg=[error],
            entropy=[1.0],
        )

    pictures = [heads(e).draw(canvas, style, legend=False) for e in (39.0, 41.0)]
    below = [(p[244:280, 150:250] > 170).all(axis=-1).sum() for p in pictures]  # white letters
    assert below[1] > below[0] + 8
    grey = pictures[1].astype(int)
    assert np.ptp(grey, axis=-1).max() <= 1
    assert np.ptp(pictures[0].astype(int), axis=-1).max() > 30
    lenient = heads(41.0).draw(canvas, style, unreadable_deg=60, legend=False)
    assert np.ptp(lenient.astype(int), axis=-1).max() > 30
