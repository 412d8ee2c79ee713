"""A random scene around a person: pose, neck, gaze, camera, light. And the head box that goes with it.

The camera looks straight at the middle of the head, so the pose that is stored is the pose as seen along the optical
axis: what a crop of a photo shows once it is re-centred. The picture is a window of the image plane around the head
box, so the box sits in its middle although perspective may shift it off the axis by a degree or two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from semiuhpe.geometry.crop import MARGIN
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, from_azimuth_elevation_tilt, random_rotations
from semiuhpe.heads.context import CONTEXT
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.frame import mesh_to_head
from semiuhpe.synthesis.lighting import random_lighting
from semiuhpe.synthesis.person import Person
from semiuhpe.synthesis.renderer import View, camera_points, turn


@dataclass(frozen=True)
class Pose:
    """rotation (3, 3): camera←head; bend (3,): rotation vector of the torso relative to the head, mesh frame; uniform:
    drawn uniformly from SO(3).
    """

    rotation: Float
    bend: Float
    uniform: bool = False

    @property
    def tilt_deg(self) -> float:
        """Tilt about the facing direction, degrees."""
        return float(np.degrees(azimuth_elevation_tilt(self.rotation)[2]))


def random_pose(rng: np.random.Generator, front_bias: float = 0.0, uniform_share: float = 0.0) -> Pose:
    """Pose prior: a mixture of how people hold their heads and, with probability `uniform_share`, any rotation at all.

    Any rotation: uniform over SO(3), so that heads seen from straight above or below, lying and upside down occur.
    Else azimuth uniform over the circle, or with probability `front_bias` normal about the front (35°); elevation and
    tilt mixtures of a narrow and a wide normal, cut at ±88°: most within ±40°, some at ±80°. In both cases the neck
    takes part of the elevation and tilt, as far as necks go, and turns freely; the rest is the camera's place.
    """
    uniform = bool(rng.random() < uniform_share)
    if uniform:
        rotation = random_rotations(1, rng)[0]
        _, elevation, tilt = (float(angle) for angle in azimuth_elevation_tilt(rotation))
    else:
        azimuth = rng.uniform(-np.pi, np.pi)
        if rng.random() < front_bias:
            azimuth = np.radians(rng.normal(0, 35))
        wide = rng.random() < 0.35
        elevation = float(np.radians(np.clip(rng.normal(-5, 34 if wide else 17), -88, 88)))
        tilt = float(np.radians(np.clip(rng.normal(0, 32 if rng.random() < 0.25 else 12), -88, 88)))
        rotation = from_azimuth_elevation_tilt(azimuth, elevation, tilt)
    bend = _random_bend(elevation, tilt, rng)
    if torso_up(rotation, bend)[2] > _FROM_BELOW:
        # A camera under the body would see no head: the neck gives way as far as it can.
        others = rng.uniform(-_NECK, _NECK, (12, 3))
        bend = others[np.argmin([torso_up(rotation, other)[2] for other in others])]
    return Pose(np.asarray(rotation), bend, uniform)


_NECK = np.radians([48.0, 75.0, 35.0])
"""How far necks go: nod, turn, lean."""
_FROM_BELOW = 0.45
"""How far the torso's up may point away from the camera (sine) before the shoulders would hide the head."""


def torso_up(rotation: Float, bend: Float) -> Float:
    """Where the torso points, camera frame, (3,). rotation (3, 3): camera←head; bend (3,): as in `Pose`."""
    return np.asarray(rotation @ mesh_to_head() @ turn(np.array([[0.0, 1.0, 0.0]]), bend)[0])


def _random_bend(elevation: float, tilt: float, rng: np.random.Generator) -> Float:
    """Rotation vector (3,) of the torso relative to the head, mesh axes (x to the person's left, y up, z forward)."""
    # Of a person upside down, a face that points up in the picture is a bowed one.
    pitch = rng.uniform(0.1, 0.9) * elevation * np.cos(tilt) + np.radians(rng.normal(0, 8))
    lean = rng.uniform(0.2, 0.8) * np.arcsin(np.sin(tilt)) + np.radians(rng.normal(0, 6))
    yaw = np.radians(rng.normal(0, 28))
    return np.asarray(np.clip([pitch, yaw, lean], -_NECK, _NECK))


def random_view(person: Person, pose: Pose, rng: np.random.Generator) -> View:
    """Camera, gaze and light for a person in a pose; the window frames the head with context."""
    model = pose.rotation @ mesh_to_head()
    up = torso_up(pose.rotation, pose.bend)
    lighting = random_lighting(up, rng)
    gaze = np.radians([np.clip(rng.normal(0, 9), -22, 18), np.clip(rng.normal(0, 15), -32, 32), 0.0])
    view = View(
        model=model,
        centre=person.centre,
        distance=float(np.exp(rng.uniform(np.log(5.5), np.log(50.0)))),
        window=(0.0, 0.0, 1.0),
        bend=pose.bend,
        pivot=person.pivot,
        gaze=gaze,
        eye_pivots=person.eye_pivots,
        lights=lighting.lights,
        sky=lighting.sky,
        ground=lighting.ground,
        up=(up[0], up[1], up[2]),
        shadow=lighting.shadow,
        light_kind=lighting.kind,
        seed=(float(rng.uniform(0, 1)), float(rng.uniform(0, 1))),
    )
    return frame_head(person, view)


def head_box(person: Person, view: View) -> tuple[float, float, float, float]:
    """The canonical head box on the plane z = 1: x1, y1, x2, y2.

    Bounding box of the projected skull, ears and chin with the hair and hat that sit on them; no neck, no hair below
    the chin, no ponytail. This is what annotators of heads (as in SCUT-HEAD) draw.
    """
    points = camera_points(person.box_points, view)
    plane = points[:, :2] / points[:, 2:]
    (x1, y1), (x2, y2) = plane.min(axis=0), plane.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def frame_head(person: Person, view: View) -> View:
    """The same view with its window centred on the head box, CONTEXT × MARGIN × its mean side wide."""
    x1, y1, x2, y2 = head_box(person, view)
    half = CONTEXT * MARGIN * ((x2 - x1) + (y2 - y1)) / 4
    return replace(view, window=((x1 + x2) / 2, (y1 + y2) / 2, half))


def pixel_box(person: Person, view: View, size: int) -> tuple[float, float, float, float]:
    """The head box in continuous pixels of a size × size picture."""
    x, y, half = view.window
    box = head_box(person, view)
    scaled = [((value - (x, y)[i % 2]) / half + 1.0) * size / 2 for i, value in enumerate(box)]
    return scaled[0], scaled[1], scaled[2], scaled[3]
