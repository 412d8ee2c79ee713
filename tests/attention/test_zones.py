"""Lines of sight against exact probabilities, and zones against geometry by hand."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.attention.beliefs import Sights, sights_of
from semiuhpe.attention.zones import DirectionZone, PictureZone, PointZone, Scene
from semiuhpe.distributions.isotropic import kappa_of_mean_angle
from semiuhpe.geometry.rotation import facing_direction, from_azimuth_elevation_tilt
from semiuhpe.poses.camera import Camera
from semiuhpe.poses.looking import facing_angle_quantiles, facing_within, looks_at_point
from semiuhpe.poses.position import head_positions

CAMERA = Camera.from_field_of_view((1280, 720), horizontal_deg=70)
BOX = np.array([[590.0, 310, 690, 410]])


def rotation(azimuth_deg: float, elevation_deg: float = 0.0) -> np.ndarray:
    return from_azimuth_elevation_tilt(np.radians([azimuth_deg]), np.radians([elevation_deg]), np.zeros(1))


def rays(azimuths_deg: list[float], elevation_deg: float = 0.0, centre: tuple[float, float] = (640, 360)) -> Sights:
    """Certain lines of sight, one of each head, from 2 m before the camera."""
    n = len(azimuths_deg)
    turned = from_azimuth_elevation_tilt(np.radians(azimuths_deg), np.full(n, np.radians(elevation_deg)), np.zeros(n))
    direction = facing_direction(turned)[:, None]
    return Sights(direction, np.tile(centre, (n, 1)).astype(float), direction, np.tile([0.0, 0, 2], (n, 1, 1)))


@pytest.mark.parametrize("error_deg", [2.0, 10.0, 40.0, 120.0])
def test_quantiles_are_where_the_probability_is(error_deg: float) -> None:
    kappa = float(kappa_of_mean_angle(np.radians(error_deg)))
    levels = np.linspace(0.05, 0.95, 7)
    angles = facing_angle_quantiles([kappa], levels)[0]
    np.testing.assert_allclose(facing_within(kappa, 0.0, angles), levels, atol=2e-4)


@pytest.mark.parametrize("error_deg", [3.0, 12.0, 35.0])
@pytest.mark.parametrize("off_deg", [0.0, 10.0, 25.0])
def test_the_share_of_lines_of_sight_is_the_probability(error_deg: float, off_deg: float) -> None:
    error = np.array([error_deg])
    sights = sights_of(rotation(off_deg), BOX, error, CAMERA)
    place = head_positions(rotation(off_deg), BOX, CAMERA, expected_error_deg=error)
    # Along the axis an unknown distance changes nothing, so this is a cone alone; then a point aside.
    assert Scene((PointZone("lens", (0, 0, 0)),), CAMERA).probabilities(sights)[0, 0] == pytest.approx(
        float(facing_within(kappa_of_mean_angle(np.radians(error)), np.radians(off_deg), np.radians(15.0))[0]), abs=0.02
    )
    aside = (0.8, -0.1, 0.6)
    exact = looks_at_point(facing_direction(rotation(off_deg)), error, place, aside)
    assert Scene((PointZone("aside", aside),), CAMERA).probabilities(sights)[0, 0] == pytest.approx(exact[0], abs=0.04)


def test_ranges_of_directions_and_their_cut() -> None:
    assert DirectionZone("left", (60, 120)).met(rays([50, 61, 90, 121, -90]), None)[:, 0].tolist() == [0, 1, 1, 0, 0]
    behind = DirectionZone("behind", (150, -150))
    assert behind.met(rays([180, 151, -151, 149, 0]), None)[:, 0].tolist() == [1, 1, 1, 0, 0]
    assert DirectionZone("all").met(rays([180, 0, -180]), None).all()
    down = DirectionZone("down", elevation_deg=(-60, -20))
    assert [down.met(rays([10], e), None)[0, 0] for e in (-30.0, 0.0, 30.0, -70.0)] == [True, False, False, False]


def test_a_box_in_the_picture_lies_in_the_direction_of_the_face() -> None:
    # To the right of the head in the picture; faces turned to the picture's right have negative azimuths.
    poster = PictureZone("poster", (900, 300, 1100, 420))
    assert poster.met(rays([-90, -45, 90, 0, 180, -10]), None)[:, 0].tolist() == [1, 1, 0, 0, 0, 0]
    assert poster.met(rays([-90], -30.0), None)[0, 0] == False  # noqa: E712
    assert PictureZone("below", (600, 600, 700, 700)).met(rays([0, 0], -60.0), None).all()
    # A head within the box looks at nothing of it, and a line along an axis is no division by zero.
    assert not PictureZone("here", (600, 300, 1100, 420)).met(rays([-90]), None).any()


def test_a_box_with_a_depth_is_a_place() -> None:
    # A head 2 m away on the axis, a screen at the lens' depth + 1 m, to the right: x from 0.9 m to 1.8 m.
    focal = CAMERA.matrix[0, 0]
    screen = PictureZone("screen", (640 + 0.9 * focal, 260, 640 + 1.8 * focal, 460), depth_m=1.0)
    assert screen.needs_camera
    # tan: 0.9 m and 1.8 m aside, 1 m nearer.
    azimuths = [-41.0, -43.0, -60.0, -62.0, 43.0, -137.0]
    assert screen.met(rays(azimuths), CAMERA)[:, 0].tolist() == [0, 1, 1, 0, 0, 0]


def test_a_point_has_a_cone_or_a_size() -> None:
    cone, ball = PointZone("p", (1.0, 0, 1.0), within_deg=10), PointZone("p", (1.0, 0, 1.0), radius_m=0.2)
    assert cone.met(rays([-45, -54, -56, 135]), CAMERA)[:, 0].tolist() == [1, 1, 0, 0]
    reach = np.degrees(np.arcsin(0.2 / np.sqrt(2)))
    assert ball.met(rays([-45, -44 - reach, -46 - reach, 135]), CAMERA)[:, 0].tolist() == [1, 1, 0, 0]


def test_zones_may_overlap_and_what_is_left_is_elsewhere() -> None:
    scene = Scene((DirectionZone("front", (-40, 40)), DirectionZone("right", (-90, 0))))
    found = scene.probabilities(rays([20, -20, -60, 120]))
    assert found.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scene.names == ("front", "right", "elsewhere")
    assert scene.probabilities(sights_of(np.zeros((0, 3, 3)), np.zeros((0, 4)), np.zeros(0))).shape == (0, 3)
