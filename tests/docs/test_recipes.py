"""The recipes of the documentation, on heads whose answer is known."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.scripts import script

from semiuhpe import HeadPoses
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt

DOCS = Path(__file__).parents[2] / "docs"


def recipe(name: str) -> ModuleType:
    return script(f"docs/recipes/{name}.py")


def heads(
    poses: list[tuple[float, float]], centres: list[tuple[float, float]] | None = None, error: float = 5.0
) -> HeadPoses:
    n = len(poses)
    angles = np.radians(np.reshape(poses, (-1, 2)))
    middle = np.reshape(centres or [(500.0, 300.0)] * n, (-1, 2))
    return HeadPoses(
        rotation=from_azimuth_elevation_tilt(angles[:, 0], angles[:, 1], np.full(n, 0.2)),
        box=np.hstack([middle - 48, middle + 48]),
        detection_score=np.ones(n),
        expected_error_deg=np.full(n, error),
        error_90_deg=np.full(n, 2 * error),
        entropy=np.ones(n),
    )


def test_facing_the_camera() -> None:
    facing = recipe("facing_camera").facing_camera
    known = heads([(0, 0), (20, 0), (0, -24), (30, 0), (180, 0), (0, 60), (20, 20)])
    assert facing(known).tolist() == [True, True, True, False, False, False, False]
    assert facing(known, within_deg=35).tolist() == [True, True, True, True, False, False, True]
    assert not facing(heads([(0, 0)], error=50)).any()
    assert facing(HeadPoses.empty()).shape == (0,)


def test_who_looks_at_whom() -> None:
    pairs = recipe("who_looks_at_whom").who_looks_at_whom
    row = [(100.0, 300.0), (400.0, 300.0), (700.0, 320.0)]
    # The left one looks right (negative azimuth), the middle one left, the right one at the camera.
    assert pairs(heads([(-90, 0), (80, 0), (0, 0)], row)) == [(0, 1), (1, 0)]
    assert pairs(heads([(90, 0), (-60, 0), (70, -2)], row)) == [(1, 2), (2, 1)]
    assert pairs(heads([(-90, 60), (0, 80), (180, 0)], row)) == []
    assert pairs(heads([(-90, 0), (80, 0)], row[:2], error=30)) == []
    assert pairs(heads([(-90, 0)], row[:1])) == []
    assert pairs(HeadPoses.empty()) == []


def test_looking_at_the_shelf() -> None:
    looking = recipe("looking_at_shelf").looking_at
    # At 1000 pixels and 60° the focal length is 866: a box of 96 pixels is 2.165 m away; the shelf is 1.5 m below.
    shelf = (-1.0, 1.0, 1.0, 2.0)
    down = -float(np.degrees(np.arctan2(1.5, 2.165)))
    known = heads([(0, down), (0, 0), (0, 30), (60, down), (180, down)])
    assert looking(known, shelf, (1000, 600)).tolist() == [True, False, False, False, False]
    edge = heads([(0, down + 14.0)], error=5.0)  # the shelf begins at 24.8° below, this one looks 20.7° below
    assert looking(edge, shelf, (1000, 600)).tolist() == [True]
    assert looking(heads([(0, down + 14.0)], error=2.0), shelf, (1000, 600)).tolist() == [False]
    assert not looking(heads([(0, down)], error=60), shelf, (1000, 600)).any()
    assert looking(HeadPoses.empty(), shelf, (1000, 600)).shape == (0,)


@pytest.mark.parametrize("name", ["facing_camera", "who_looks_at_whom", "looking_at_shelf"])
def test_each_recipe_has_its_page(name: str) -> None:
    assert f"recipes/{name}.py" in (DOCS / "recipes.md").read_text(encoding="utf-8")
