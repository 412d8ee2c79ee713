"""The mesh is drawn where an analytic projection puts it, turned the way the pose says, at any size."""

from __future__ import annotations

import time

import numpy as np
import pytest

from semiuhpe.drawing.colour import error_colours
from semiuhpe.drawing.mesh import head_mesh, project_mesh
from semiuhpe.drawing.poses import draw_poses
from semiuhpe.drawing.style import CAMERA_DISTANCE, GREY
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, random_rotations

GROUND = 90


def pose(azimuth: float, elevation: float = 0, tilt: float = 0) -> np.ndarray:
    return from_azimuth_elevation_tilt(*np.radians([azimuth, elevation, tilt]))


def drawn(rotation: np.ndarray, size: float = 200, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """A picture of one head in the middle, and the mask of what it changed."""
    side = int(size * 1.6)
    low, high = (side - size) / 2, (side + size) / 2
    canvas = np.full((side, side, 3), GROUND, np.uint8)
    picture = draw_poses(canvas, rotation[None], [[low, low, high, high]], **options, style="mesh")  # type: ignore[arg-type]
    return picture, (picture != GROUND).any(axis=-1)


def nose() -> int:
    return int(np.argmin(head_mesh().vertices[:, 2]))


def test_mesh_is_a_closed_shell_of_the_documented_size() -> None:
    mesh = head_mesh()
    extent = np.ptp(mesh.vertices, axis=0)
    assert extent[:2].mean() == pytest.approx(2, abs=1e-3)
    assert extent[1] > 1.2 * extent[0]  # a head is taller than wide
    assert abs(mesh.vertices[nose(), 0]) < 0.05
    outward = np.sum(mesh.normals * (mesh.vertices[mesh.triangles].mean(axis=1) - mesh.vertices.mean(axis=0)), axis=1)
    assert (outward > 0).mean() > 0.7  # not all: ears, lips and nostrils fold


def test_projection_is_that_of_a_pinhole_camera_fitted_to_the_box(rng: np.random.Generator) -> None:
    for rotation in random_rotations(5, rng):
        points, depth = project_mesh(rotation, [50, 70], 30)
        expected = []
        for vertex in head_mesh().vertices:  # the slow way: the ray from the camera through the plane z = 0
            x, y, z = (sum(rotation[i][j] * vertex[j] for j in range(3)) for i in range(3))
            expected.append(
                (x / (z + CAMERA_DISTANCE) * CAMERA_DISTANCE, y / (z + CAMERA_DISTANCE) * CAMERA_DISTANCE, z)
            )
        rays = np.array(expected)
        np.testing.assert_allclose(depth, rays[:, 2], atol=1e-12)
        low, high = points.min(axis=0), points.max(axis=0)
        np.testing.assert_allclose((low + high) / 2, [50, 70])
        assert (high - low).mean() == pytest.approx(60)
        scale = np.ptp(points[:, 0]) / np.ptp(rays[:, 0])
        np.testing.assert_allclose(points - points[0], scale * (rays[:, :2] - rays[0, :2]), atol=1e-9)


@pytest.mark.parametrize("angles", [(0, 0, 0), (60, 20, -15), (-120, -30, 40), (180, 0, 0)])
def test_what_is_filled_is_the_projected_mesh(angles: tuple[float, float, float]) -> None:
    rotation = pose(*angles)
    _, mask = drawn(rotation)
    points, _ = project_mesh(rotation, [160, 160], 100)
    rows, columns = np.nonzero(mask)
    rim = 6  # the outline and its halo
    np.testing.assert_allclose([columns.min(), rows.min()], points.min(axis=0), atol=rim)
    np.testing.assert_allclose([columns.max(), rows.max()], points.max(axis=0), atol=rim)
    middles = points[head_mesh().triangles].mean(axis=1).astype(int)
    assert mask[middles[:, 1], middles[:, 0]].all()


@pytest.mark.parametrize(
    ("angles", "axis", "sign"),
    [((40, 0, 0), 0, -1), ((-40, 0, 0), 0, 1), ((0, 30, 0), 1, -1), ((0, -30, 0), 1, 1)],
)
def test_the_nose_turns_with_the_pose(angles: tuple[float, float, float], axis: int, sign: int) -> None:
    level, _ = project_mesh(np.eye(3), [0, 0], 100)
    points, _ = project_mesh(pose(*angles), [0, 0], 100)
    assert sign * (points[nose(), axis] - level[nose(), axis]) > 20


def test_tilt_leans_clockwise() -> None:
    crown = int(np.argmin(head_mesh().vertices[:, 1]))
    points, _ = project_mesh(pose(0, 0, 30), [0, 0], 100)
    assert points[crown, 0] > 30


def test_the_face_is_seen_from_the_front_and_hidden_from_behind() -> None:
    dark = head_mesh().tone < 0.5  # irises
    middles = head_mesh().triangles[dark]
    for azimuth, seen in ((0, True), (180, False)):
        picture, _ = drawn(pose(azimuth))
        points, _ = project_mesh(pose(azimuth), [160, 160], 100)
        at = points[middles].mean(axis=1).round().astype(int)
        brightness = picture[at[:, 1], at[:, 0]].sum(axis=-1).mean()
        around = picture[at[:, 1] - 14, at[:, 0]].sum(axis=-1).mean()  # the forehead, or the back of the head
        assert (brightness < 0.75 * around) == seen


def test_colours_follow_the_expected_error() -> None:
    colours = error_colours([0, 5, 10, 20, 30, 40, 90, np.nan]).astype(float)
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light[:6]) < 0).all()  # an order that is seen in grey too
    np.testing.assert_array_equal(colours[5], colours[6])
    np.testing.assert_array_equal(colours[5], colours[7])
    sure, _ = drawn(np.eye(3), expected_error_deg=[2])
    unsure, _ = drawn(np.eye(3), expected_error_deg=[35])
    assert sure[160, 160, 0] > unsure[160, 160, 0] + 40  # the ground shows through


def test_unreadable_heads_are_grey_and_fainter() -> None:
    picture, mask = drawn(np.eye(3), expected_error_deg=[60], readable=[False])
    assert (np.ptp(picture[mask].astype(int), axis=-1) <= 1).all()
    assert abs(int(picture[160, 160, 0]) - GREY[0]) < 60


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize("error", [0.0, 15.0, 39.0])
def test_it_stands_out_from_any_background(ground: int, error: float) -> None:
    canvas = np.full((120, 120, 3), ground, np.uint8)
    picture = draw_poses(canvas, pose(30, 10)[None], [[20, 20, 100, 100]], expected_error_deg=[error], style="mesh")
    points, _ = project_mesh(pose(30, 10), [60, 60], 40)
    contrast = np.abs(picture.astype(int) - ground).max(axis=-1)
    column = int(points[:, 0].mean())
    assert contrast[15:25, column].max() > 35  # the rim above the crown
    assert (canvas == ground).all()


def test_empty_arrays() -> None:
    canvas = np.zeros((9, 9, 3), np.uint8)
    out = draw_poses(
        canvas, np.zeros((0, 3, 3)), np.zeros((0, 4)), expected_error_deg=[], readable=[], labels=[], style="mesh"
    )
    assert out is not canvas
    np.testing.assert_array_equal(out, canvas)


def test_heads_outside_and_across_the_frame(rng: np.random.Generator) -> None:
    canvas = np.full((50, 70, 3), GROUND, np.uint8)
    outside: list[list[float]] = [[-500, -500, -400, -400], [80, 10, 100, 30], [1e7, 0, 1e7 + 10, 10], [0, 60, 20, 80]]
    np.testing.assert_array_equal(draw_poses(canvas, random_rotations(4, rng), outside, style="mesh"), canvas)
    whole = draw_poses(np.full((150, 170, 3), GROUND, np.uint8), pose(20)[None], [[30, 30, 110, 110]], style="mesh")
    part = draw_poses(canvas, pose(20)[None], [[-20, -20, 60, 60]], style="mesh")
    assert np.abs(part.astype(int) - whole[50:100, 50:120]).max() <= 1
    huge = draw_poses(canvas, pose(20)[None], [[-1e6, -1e6, 1e6, 1e6]], style="mesh")
    assert huge.shape == canvas.shape


@pytest.mark.parametrize("size", [20, 60, 2000])
def test_small_and_huge_heads_are_the_same_picture(size: int) -> None:
    import cv2

    picture, _ = drawn(pose(35, 10), size)
    middle, _ = drawn(pose(35, 10), 200)
    small = [cv2.resize(p, (32, 32), interpolation=cv2.INTER_AREA).astype(int) for p in (picture, middle)]
    assert np.abs(small[0] - small[1]).mean() < 9


def test_a_head_of_200_pixels_takes_15_ms() -> None:
    canvas = np.full((320, 320, 3), GROUND, np.uint8)
    box = [[60, 60, 260, 260]]
    spent = []
    for _ in range(5):
        begin = time.process_time()
        draw_poses(canvas, pose(35, 10)[None], box, expected_error_deg=[10], style="mesh")
        spent.append(time.process_time() - begin)
    assert min(spent) <= 0.015
