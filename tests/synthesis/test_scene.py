"""Poses, labels and boxes of random scenes; and that the shader draws what the label says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semiuhpe.geometry.rotation import azimuth_elevation_tilt, from_azimuth_elevation_tilt, geodesic_distance
from semiuhpe.synthesis.fields import below_neckline, inside_hairline, torso_share
from semiuhpe.synthesis.frame import landmark_vertices, mesh_to_head
from semiuhpe.synthesis.identity import random_expression, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import random_outfit
from semiuhpe.synthesis.parts import FLAT, Look, Part, Topology, make_part
from semiuhpe.synthesis.person import Person, build_person
from semiuhpe.synthesis.renderer import Renderer, camera_points, picture_points, turn
from semiuhpe.synthesis.scene import Pose, pixel_box, random_pose, random_view, torso_up

SIZE = 192


@pytest.fixture(scope="module")
def person(assets: HeadAssets) -> Person:
    rng = np.random.default_rng(3)
    identity = random_identity(3, rng, assets)
    outfit = replace(
        random_outfit(rng, identity, assets),
        hand="",
        hat="",
        glasses=False,
        mask=("", ""),
        scarf=False,
        headphones=False,
    )
    return build_person(identity, random_expression(rng, identity), outfit, assets, rng)


def test_azimuth_is_uniform_and_steep_poses_occur(rng: np.random.Generator) -> None:
    angles = np.degrees([azimuth_elevation_tilt(random_pose(rng).rotation) for _ in range(4000)])
    counts, _ = np.histogram(angles[:, 0], bins=8, range=(-180, 180))
    assert counts.min() > 0.8 * 500
    assert counts.max() < 1.2 * 500
    for column in (1, 2):
        assert (np.abs(angles[:, column]) < 40).mean() > 0.85
        assert np.abs(angles[:, column]).max() > 75


def test_a_share_of_the_poses_is_uniform_over_all_rotations(rng: np.random.Generator) -> None:
    poses = [random_pose(rng, 0.3, 0.25) for _ in range(6000)]
    uniform = [pose for pose in poses if pose.uniform]
    assert abs(len(uniform) / 6000 - 0.25) < 0.02
    azimuth, elevation, tilt = np.degrees(azimuth_elevation_tilt(np.stack([pose.rotation for pose in uniform]))).T
    # Of SO(3), |elevation| > 60° is 1 − sin 60°, and azimuth and tilt are uniform whatever the elevation.
    assert abs((np.abs(elevation) > 60).mean() - (1 - np.sin(np.radians(60)))) < 0.03
    for angle in (azimuth, tilt):
        counts, _ = np.histogram(angle, bins=6, range=(-180, 180))
        assert np.abs(counts / len(uniform) - 1 / 6).max() < 0.035
    # Mean resultant of uniform rotations is the zero matrix.
    assert np.abs(np.mean([pose.rotation for pose in uniform], axis=0)).max() < 0.06
    assert not any(pose.uniform for pose in (random_pose(rng, 0.3) for _ in range(50)))


def test_necks_bend_as_necks_do_in_every_pose(rng: np.random.Generator) -> None:
    poses = [random_pose(rng, 0.0, 1.0) for _ in range(800)]
    bends = np.degrees([pose.bend for pose in poses])
    assert (np.abs(bends) <= [48.01, 75.01, 35.01]).all()
    assert bends.std(axis=0).min() > 10
    # The camera is hardly ever under the body, although the heads themselves point everywhere.
    depth = np.array([torso_up(pose.rotation, pose.bend)[2] for pose in poses])
    head = np.array([torso_up(pose.rotation, np.zeros(3))[2] for pose in poses])
    assert (head > 0.75).mean() > 0.08
    assert (depth > 0.75).mean() < 0.03


def test_front_bias_moves_mass_to_the_front(rng: np.random.Generator) -> None:
    angles = np.degrees([azimuth_elevation_tilt(random_pose(rng, 0.8).rotation)[0] for _ in range(1000)])
    assert (np.abs(angles) < 70).mean() > 0.75


def test_the_label_is_the_pose_of_the_projected_points(
    assets: HeadAssets, person: Person, rng: np.random.Generator
) -> None:
    """An independent solver, given only 3-D landmarks and their pixels, must find the stored rotation."""
    points = person.vertices[landmark_vertices()]
    for _ in range(20):
        pose = random_pose(rng)
        view = random_view(person, pose, rng)
        pixels = picture_points(camera_points(points, view), view, SIZE)
        x, y, half = view.window
        focal = SIZE / 2 / half
        camera = np.array([[focal, 0, SIZE / 2 - focal * x], [0, focal, SIZE / 2 - focal * y], [0, 0, 1.0]])
        head = (points - person.centre) @ mesh_to_head().T
        ok, vector, shift = cv2.solvePnP(head, pixels, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        assert ok
        assert np.degrees(geodesic_distance(cv2.Rodrigues(vector)[0], pose.rotation)) < 0.01
        np.testing.assert_allclose(shift.ravel(), [0, 0, view.distance], atol=1e-3 * view.distance)


def test_the_head_is_rigid_whatever_the_torso_does(assets: HeadAssets, person: Person) -> None:
    share = torso_share(assets.base.mesh.vertices)
    assert share[landmark_vertices()].max() == 0.0
    chest = np.abs(assets.base.mesh.vertices - [0, 4.5, 0.8]).max(axis=1).argmin()
    assert share[chest] == 1.0


def test_fields_agree_with_anatomy(assets: HeadAssets) -> None:
    points = {
        "crown": (0, 8.45, 0.1),
        "nape hair": (0, 6.9, -0.7),
        "forehead": (0, 7.7, 1.5),
        "nose": (0, 6.94, 1.68),
        "chest": (0, 4.5, 0.9),
    }
    array = np.array(list(points.values()), dtype=float)
    hair = dict(zip(points, inside_hairline(array), strict=True))
    assert hair["crown"] > 0.2
    assert hair["nape hair"] > 0.1
    assert max(hair["forehead"], hair["nose"], hair["chest"]) < -0.15
    shirt = dict(zip(points, below_neckline(array), strict=True))
    assert shirt["chest"] > 0.3
    assert shirt["nose"] < -1


def test_the_torso_turns_by_the_shaders_law(person: Person, rng: np.random.Generator) -> None:
    view = random_view(person, Pose(np.eye(3), np.array([0.2, 0.5, -0.1])), rng)
    points = rng.standard_normal((5, 3)) + person.pivot
    moved = camera_points(points, view, np.ones(5))
    expected = turn(points - person.pivot, view.bend) + person.pivot
    np.testing.assert_allclose(moved, camera_points(expected, view), atol=1e-12)
    np.testing.assert_allclose(camera_points(points, view, np.zeros(5)), camera_points(points, view), atol=1e-12)


def test_the_box_is_in_the_middle_and_an_annotators(person: Person, rng: np.random.Generator) -> None:
    for _ in range(10):
        view = random_view(person, random_pose(rng), rng)
        x1, y1, x2, y2 = pixel_box(person, view, SIZE)
        np.testing.assert_allclose([(x1 + x2) / 2, (y1 + y2) / 2], SIZE / 2, atol=1e-6)
        np.testing.assert_allclose((x2 - x1 + y2 - y1) / 2, SIZE / 2.6, rtol=1e-6)
        # Every landmark of the face lies inside.
        pixels = picture_points(camera_points(person.vertices[landmark_vertices()], view), view, SIZE)
        assert (pixels > [x1 - 1, y1 - 1]).all()
        assert (pixels < [x2 + 1, y2 + 1]).all()


def sphere(centre: NDArray[np.float64], radius: float = 0.06) -> Part:
    """A white ball as a part that nothing moves."""
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) * radius
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    topology = Topology(np.arange(6), np.zeros((6, 2), np.float32), faces, faces)
    return make_part("ball", corners + centre, topology, np.zeros((6, 4)), Look(FLAT))


@pytest.mark.parametrize("degrees", [(0, 0, 0), (70, 10, 0), (-120, -30, 20), (180, 40, -50), (20, 80, 0)])
def test_the_shader_draws_where_the_label_says(
    person: Person, renderer: Renderer, rng: np.random.Generator, degrees: tuple[float, float, float]
) -> None:
    """Balls at the nose, a brow and the chin appear at the pixels that numpy computes from the label."""
    pose = Pose(from_azimuth_elevation_tilt(*np.radians(degrees)), np.zeros(3))
    view = random_view(person, pose, rng)
    for vertex in landmark_vertices()[[30, 24, 8]]:
        point = person.vertices[vertex]
        ball = renderer.upload(sphere(point))
        alpha = renderer.draw([ball], view)[..., 3].astype(float)
        ball.release()
        y, x = np.indices(alpha.shape)
        found = np.array([(alpha * (x + 0.5)).sum(), (alpha * (y + 0.5)).sum()]) / alpha.sum()
        expected = picture_points(camera_points(point[None], view), view, renderer.size)[0]
        np.testing.assert_allclose(found, expected, atol=0.6)


def test_the_picture_fills_its_box(person: Person, renderer: Renderer, rng: np.random.Generator) -> None:
    """What is drawn of skin and hair reaches the edges of the head box at the top and at the sides."""
    uploaded = [renderer.upload(part) for part in person.parts]
    for azimuth in (0.0, np.pi / 2, np.pi):
        view = random_view(person, Pose(from_azimuth_elevation_tilt(azimuth, 0, 0), np.zeros(3)), rng)
        alpha = renderer.draw(uploaded, view)[..., 3]
        x1, y1, _, y2 = pixel_box(person, view, renderer.size)
        top = np.flatnonzero((alpha > 128).any(axis=1))[0]
        left = np.flatnonzero((alpha[int(y1) : int((y1 + y2) / 2)] > 128).any(axis=0))[0]
        assert abs(top - y1) < 5
        assert abs(left - x1) < 8
        assert (alpha[int((y1 + y2) / 2), 90:102] > 250).all()  # no hole in the head, from behind either
    for item in uploaded:
        item.release()


def test_two_renderers_do_not_disturb_each_other(
    assets: HeadAssets, person: Person, renderer: Renderer, rng: np.random.Generator
) -> None:
    """Each has an OpenGL context of its own, and only one can be current."""
    view = random_view(person, random_pose(rng), rng)
    uploaded = [renderer.upload(part) for part in person.parts]
    before = renderer.draw(uploaded, view)
    other = type(renderer)(64, assets.texture)
    theirs = [other.upload(part) for part in person.parts]
    assert other.draw(theirs, view).shape == (64, 64, 4)
    np.testing.assert_array_equal(renderer.draw(uploaded, view), before)
    for item in theirs + uploaded:
        item.release()
    np.testing.assert_array_equal(renderer.draw([], view), 0)
