"""Labels of heads: what they say in longer and shorter forms, and how they are drawn where `placement` puts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.lettering import letter_size, text, text_extent
from semiuhpe.drawing.placement import Place, Rectangles, place_labels, whole_pixels
from semiuhpe.drawing.style import Colour, Float, head_centre_and_radius, stroke
from semiuhpe.geometry.crop import Image

Forms = Sequence[str]
"""A label, from its fullest form to its shortest; lines end in a line feed; () or ("",) for none."""

_BACKGROUND = 24
_VEIL = 0.7
"""How much of the picture a label's ground hides."""


def label_forms(
    names: Sequence[str], angles_deg: ArrayLike | None, expected_error_deg: ArrayLike, readable: ArrayLike
) -> list[Forms]:
    """What to write at n heads.

    names: of the heads, such as their numbers; "" for none. angles_deg: (n, 3) azimuth, elevation and tilt to write,
    None for none; expected_error_deg: (n,) is written with them, and where a head is not readable (n,).
    """
    forms: list[Forms] = []
    errors = np.asarray(expected_error_deg, dtype=np.float64)
    for number, (name, error, known) in enumerate(zip(names, errors, np.asarray(readable, bool), strict=True)):
        bar = f"±{error:.0f}°"
        brief = [_joined(name, bar), name] if angles_deg is not None or not known else [name]
        if angles_deg is not None:
            azimuth, elevation, tilt = (f"{round(float(a)):+d}°" for a in np.asarray(angles_deg)[number])
            line = _joined(name, f"az {azimuth} el {elevation} tilt {tilt} {bar}")
            block = f"{_joined(name, bar)}\naz {azimuth}\nel {elevation}\ntilt {tilt}"
            brief = [line, block, *brief]
        forms.append([form for form in brief if form])
    return forms


def _joined(name: str, rest: str) -> str:
    return f"{name}  {rest}" if name else rest


def paint_labels(
    canvas: Image,
    labels: Sequence[str | Forms],
    boxes: Float,
    colours: Sequence[Colour],
    reserved: Sequence[Sequence[int]] = (),
) -> list[Place | None]:
    """Every head's label in place, and where it is. boxes: (n, 4). colours: of their left edges. reserved: rectangles
    to keep clear."""
    picture = canvas.shape[1], canvas.shape[0]
    sizes = [letter_size(canvas.shape[:2], head_centre_and_radius(box)[1]) for box in boxes]
    forms = [[label] if isinstance(label, str) else list(label) for label in labels]
    kept = [[form for form in own if form] for own in forms]
    visible = _inside(boxes, picture)
    extents = [
        [_extent(form, size) for form in own] if seen else []
        for own, size, seen in zip(kept, sizes, visible, strict=True)
    ]
    rectangles = whole_pixels(boxes)
    places = place_labels(extents, rectangles, picture, reserved)
    for number, place in enumerate(places):
        if place is not None:
            _leader(canvas, place, rectangles[number], colours[number])
    for number, place in enumerate(places):
        if place is not None:
            _plate(canvas, place, kept[number][place.form], sizes[number], colours[number])
    return places


def _inside(boxes: Float, picture: tuple[int, int]) -> list[bool]:
    """Which boxes (n, 4) are in the picture, at least in part: a head outside of it has no label."""
    touches = (boxes[:, :2] < picture).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    return [bool(value) for value in np.atleast_1d(touches)]


def _padding(size: int) -> int:
    return max(2, size // 5)


def _extent(form: str, size: int) -> tuple[int, int]:
    """Width and height of a label with its ground, and a margin of a pixel around that."""
    lines = [text_extent(line, size, rim=0) for line in form.split("\n")]
    width = max(line[0] for line in lines) + 3 * _padding(size)
    return width + 2, sum(line[1] for line in lines) + 2


def _plate(canvas: Image, place: Place, form: str, size: int, colour: Colour) -> None:
    left, top, right, bottom = place.rectangle
    left, top, right, bottom = left + 1, top + 1, right - 1, bottom - 1
    veil(canvas, (left, top, right, bottom))
    edge = _padding(size)
    canvas[top:bottom, left : left + edge] = colour
    for line in form.split("\n"):
        text(canvas[:bottom, :right], line, left + 2 * edge, top, size, rim=0)
        top += text_extent(line, size, rim=0)[1]


def veil(canvas: Image, rectangle: tuple[int, int, int, int]) -> None:
    """Darken a part of the picture in place, so that white letters are legible on it."""
    left, top, right, bottom = rectangle
    region = canvas[top:bottom, left:right]
    region[:] = (region * (1 - _VEIL) + _BACKGROUND * _VEIL).astype(np.uint8)


def _leader(canvas: Image, place: Place, box: Rectangles, colour: Colour) -> None:
    """A thin line from a label that does not touch its head's box to that box."""
    label = np.array(place.rectangle, dtype=np.float64)
    own = box.astype(np.float64)
    start = np.clip((own[:2] + own[2:]) / 2, label[:2], label[2:])
    end = np.clip(start, own[:2], own[2:])
    if np.abs(end - start).sum() > 2:
        middle = (own[:2] + own[2:]) / 2
        stroke(canvas, start, end + 0.25 * (middle - end), colour, 1, outline=False)
