"""The heads that a model gets most wrong, drawn: labelled pose on the left, predicted pose on the right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.drawing.axes import LENGTH, draw_axes
from semiuhpe.drawing.sheet import head_tile
from semiuhpe.drawing.style import BLUE, head_centre_and_radius, outlined_stroke, stroke_width
from semiuhpe.evaluation.labels import Float, Kind, Labels
from semiuhpe.evaluation.run import Evaluation
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, facing_direction, from_azimuth_elevation_tilt

COUNT = 24
TILE = 160


@dataclass(frozen=True, eq=False)
class WorstHead:
    """One of them. picture: (TILE, 2·TILE, 3) uint8, label | prediction. label, predicted: what they are, in words."""

    id: str
    error_deg: float
    picture: Image
    label: str
    predicted: str


def worst_heads(evaluation: Evaluation, count: int = COUNT) -> list[WorstHead]:
    """The `count` measured heads of the largest error, largest first; of equal errors the earlier head."""
    errors = evaluation.errors_deg
    labels, predictions = evaluation.labels[evaluation.measured], evaluation.predictions[evaluation.measured]
    numbers = evaluation.numbers[evaluation.measured]
    found = []
    for place in np.argsort(-errors, kind="stable")[:count]:
        number = int(numbers[place])
        tile, box = head_tile(evaluation.heads.image(number), evaluation.heads.record(number).box, TILE)
        rotation = predictions.rotation[place]
        drawn = draw_axes(tile, rotation[None], box[None])
        found.append(
            WorstHead(
                id=str(labels.ids[place]),
                error_deg=float(errors[place]),
                picture=np.concatenate([_labelled(tile, box, labels, int(place), evaluation.kind), drawn], axis=1),
                label=_words(labels.azimuth[place], labels.elevation[place]),
                predicted=_words(*azimuth_elevation_tilt(rotation)[:2]),
            )
        )
    return found


def _labelled(tile: Image, box: Float, labels: Labels, place: int, kind: Kind) -> Image:
    """The label drawn: three axes of a rotation, the facing direction alone of a direction (level, of an azimuth)."""
    if kind == "rotation":
        return draw_axes(tile, labels.rotation[place][None], box[None])
    elevation = labels.elevation[place] if kind == "direction" else 0.0
    direction = facing_direction(from_azimuth_elevation_tilt(labels.azimuth[place], elevation, 0.0))
    centre, radius = head_centre_and_radius(box)
    canvas = np.ascontiguousarray(tile).copy()
    outlined_stroke(canvas, centre, centre + LENGTH * radius * direction[:2], BLUE, stroke_width(radius))
    return canvas


def _words(azimuth: float, elevation: float) -> str:
    words = f"azimuth {np.degrees(azimuth):+.0f}°"
    return f"{words}, elevation {np.degrees(elevation):+.0f}°" if np.isfinite(elevation) else words
