"""The file that lists the zones of a scene, and its camera.

    {"camera": {"horizontal_fov_deg": 70, "size": [1280, 720]},
     "zones": [{"name": "road", "azimuth_deg": [-15, 15], "elevation_deg": [-20, 10]},
               {"name": "poster", "box": [900, 80, 1200, 420], "depth_m": 3.5},
               {"name": "teacher", "point_m": [0, 0, 0.2], "within_deg": 20}]}

What each key means, `zones` and docs/attention.md say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.attention.zones import ELSEWHERE, UNSURE, DirectionZone, PictureZone, PointZone, Scene, Zone
from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_value
from semiuhpe.poses.camera import Camera


def read_scene(path: Path, size: tuple[int, int] | None = None) -> Scene:
    """Read a zones file.

    Args:
        path: of the JSON file.
        size: width and height of the pictures, pixels, where they are known.

    Returns:
        Its zones and its camera.

    Raises:
        InputError: a file that cannot be read or is no such file; the message names it.
    """
    try:
        content = json_value(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); docs/attention.md shows one") from error
    try:
        return scene_of(content, size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def scene_of(content: Any, size: tuple[int, int] | None = None) -> Scene:
    """Make the scene of a zones file's content.

    Args:
        content: what the JSON holds.
        size: width and height of the pictures, pixels, where they are known.

    Returns:
        Its zones and its camera.

    Raises:
        InputError: malformed content.
    """
    if not isinstance(content, dict) or not isinstance(content.get("zones"), list) or not content["zones"]:
        raise InputError('expected {"zones": [...], "camera": {...}} with at least one zone')
    _only(content, {"zones", "camera"}, "the file")
    camera = None if content.get("camera") is None else _camera(content["camera"], size)
    zones = tuple(_zone(entry, number) for number, entry in enumerate(content["zones"], 1))
    names = [zone.name for zone in zones]
    for name in names:
        if names.count(name) > 1 or name in (ELSEWHERE, UNSURE):
            raise InputError(f"zone {name!r}: a name is unique, and neither {ELSEWHERE!r} nor {UNSURE!r}")
    missing = [zone.name for zone in zones if zone.needs_camera and camera is None]
    if missing:
        raise InputError(
            f'zone {missing[0]!r}: a place in space needs "camera": {{"horizontal_fov_deg": ...}}; give the lens\' field of view'
        )
    return Scene(zones, camera)


def _zone(entry: Any, number: int) -> Zone:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise InputError(f'zone {number}: expected {{"name": "...", ...}}')
    name, where = entry["name"], f"zone {entry['name']!r}"
    kinds = [kind for kind in ("azimuth_deg", "elevation_deg", "box", "point_m") if kind in entry]
    if kinds in (["azimuth_deg"], ["elevation_deg"], ["azimuth_deg", "elevation_deg"]):
        _only(entry, {"name", "azimuth_deg", "elevation_deg"}, where)
        azimuth = _numbers(entry.get("azimuth_deg", (-180, 180)), 2, f"{where}: azimuth_deg")
        elevation = _numbers(entry.get("elevation_deg", (-90, 90)), 2, f"{where}: elevation_deg")
        if elevation[0] >= elevation[1]:
            raise InputError(f"{where}: elevation_deg is [lower, upper], got {list(elevation)}")
        return DirectionZone(name, (azimuth[0], azimuth[1]), (elevation[0], elevation[1]))
    if kinds == ["box"]:
        _only(entry, {"name", "box", "depth_m"}, where)
        x1, y1, x2, y2 = _numbers(entry["box"], 4, f"{where}: box")
        if x2 <= x1 or y2 <= y1:
            raise InputError(f"{where}: box is [x1, y1, x2, y2] with x2 > x1 and y2 > y1")
        return PictureZone(name, (x1, y1, x2, y2), _positive(entry.get("depth_m"), f"{where}: depth_m"))
    if kinds == ["point_m"]:
        _only(entry, {"name", "point_m", "within_deg", "radius_m"}, where)
        x, y, z = _numbers(entry["point_m"], 3, f"{where}: point_m")
        if "within_deg" in entry and "radius_m" in entry:
            raise InputError(f"{where}: give within_deg or radius_m, not both")
        within = _positive(entry.get("within_deg", 15.0), f"{where}: within_deg")
        return PointZone(name, (x, y, z), within or 15.0, _positive(entry.get("radius_m"), f"{where}: radius_m"))
    raise InputError(f"{where}: give it azimuth_deg and elevation_deg, or box, or point_m")


def _camera(entry: Any, size: tuple[int, int] | None) -> Camera:
    if not isinstance(entry, dict):
        raise InputError('camera: expected {"horizontal_fov_deg": ..., "size": [width, height]}')
    _only(entry, {"horizontal_fov_deg", "vertical_fov_deg", "focal_px", "matrix", "size"}, "camera")
    given = entry.get("size", size)
    if given is None:
        raise InputError('camera: give "size": [width, height], the pictures\' pixels')
    width, height = _numbers(given, 2, "camera: size")
    ways = [way for way in ("horizontal_fov_deg", "vertical_fov_deg", "focal_px", "matrix") if way in entry]
    if len(ways) != 1:
        raise InputError("camera: give one of horizontal_fov_deg, vertical_fov_deg, focal_px and matrix")
    if ways == ["matrix"]:
        return Camera(entry["matrix"], (int(width), int(height)))
    (value,) = _numbers([entry[ways[0]]], 1, f"camera: {ways[0]}")
    if ways == ["focal_px"]:
        return Camera.from_focal_length(value, (int(width), int(height)))
    horizontal = value if ways == ["horizontal_fov_deg"] else None
    vertical = value if ways == ["vertical_fov_deg"] else None
    return Camera.from_field_of_view((int(width), int(height)), horizontal_deg=horizontal, vertical_deg=vertical)


def _only(entry: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _numbers(value: Any, count: int, where: str) -> Sequence[float]:
    numeric = isinstance(value, list | tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value
    )
    if not numeric or len(value) != count:
        raise InputError(f"{where} is {'a number' if count == 1 else f'a list of {count} numbers'}, got {value!r}")
    return [float(v) for v in value]


def _positive(value: Any, where: str) -> float | None:
    if value is None:
        return None
    (number,) = _numbers([value], 1, where)
    if number <= 0:
        raise InputError(f"{where} is positive, got {number:g}")
    return number
