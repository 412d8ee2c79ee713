"""Poses that a network gave to the faces of a data set, with its own doubts: joined to heads, where they can be trusted.

A CSV has `file`, `pitch_deg`, `yaw_deg`, `roll_deg` (of a named convention), the network's own noise `sigma_deg` and the
spread over its views of a face `spread_deg`; optionally `yaw_hand_deg`, the yaw that landmarks placed by hand tell. The
noise becomes extras.label_sigma_deg, which training takes for the label's. A network of faces saturates in profile and is
lost behind it, so a head whose label is doubtful is kept without one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from semiuhpe.errors import Rejected
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import Float, circular_difference
from semiuhpe.heads.record import LABEL_SIGMA
from semiuhpe.sources.rotation_columns import EULER, check_convention
from semiuhpe.sources.tables import numbers, read_table

CONVENTION = "300w-lp"

MAX_SIGMA_DEG = 7.0
MAX_SPREAD_DEG = 10.0
MAX_YAW_DEG = 88.0
"""The labelling network saturates there: what the landmarks place beyond is not labelled."""
MAX_YAW_DIFFERENCE_DEG = 25.0

_COLUMNS = (*EULER, "sigma_deg", "spread_deg")

LabelsFile = Annotated[
    Path | None, "CSV of a network's poses (file, pitch_deg, yaw_deg, roll_deg, sigma_deg, spread_deg)"
]
"""The option of importers whose heads may be labelled so."""


@dataclass(frozen=True)
class PoseLabel:
    """What a row says. rotation: (3, 3) camera←head or None where it is in doubt; doubt: why, "" without one; extras:
    for the record."""

    rotation: Float | None
    doubt: str = ""
    extras: dict[str, Any] = field(default_factory=dict)


_NO_ROW = "no row in the listing"
NO_LABEL = PoseLabel(None, _NO_ROW, {"label_doubt": _NO_ROW})


def pose_label(row: Mapping[str, Any], convention: str = CONVENTION) -> PoseLabel:
    """The label of a row. Raises Rejected for one whose numbers are none."""
    pitch, yaw, roll, sigma, spread = numbers(row, _COLUMNS)
    by_hand = numbers(row, ("yaw_hand_deg",))[0] if row.get("yaw_hand_deg") not in (None, "") else float("nan")
    if not np.all(np.isfinite([pitch, yaw, roll, sigma, spread])):
        raise Rejected("row", f"{row.get('file')}: {', '.join(_COLUMNS)} must be finite numbers")
    extras: dict[str, Any] = {LABEL_SIGMA: sigma, "label_spread_deg": spread}
    if np.isfinite(by_hand):
        extras["yaw_hand_deg"] = by_hand
    doubt = _doubt(sigma, spread, yaw, by_hand)
    if doubt:
        extras["label_doubt"] = doubt
    return PoseLabel(None if doubt else from_euler_deg([pitch, yaw, roll], convention), doubt, extras)


def _doubt(sigma: float, spread: float, yaw: float, by_hand: float) -> str:
    """The first reason not to trust a label; comparisons with a yaw that is not known are false."""
    apart = abs(float(np.degrees(circular_difference(np.radians(yaw), np.radians(by_hand)))))
    reasons = (
        (sigma > MAX_SIGMA_DEG, f"sigma above {MAX_SIGMA_DEG:g}°"),
        (spread > MAX_SPREAD_DEG, f"spread above {MAX_SPREAD_DEG:g}°"),
        (abs(by_hand) > MAX_YAW_DEG, f"hand-placed yaw beyond {MAX_YAW_DEG:g}°"),
        (apart > MAX_YAW_DIFFERENCE_DEG, f"more than {MAX_YAW_DIFFERENCE_DEG:g}° from the hand-placed yaw"),
    )
    return next((reason for wrong, reason in reasons if wrong), "")


def doubts(labels: Iterable[PoseLabel]) -> Counter[str]:
    """How many labels are in doubt, by reason."""
    return Counter(label.doubt for label in labels if label.doubt)


class PoseLabels:
    """The labels of a listing, by file; digest: of the listing. Raises SourceError for a file that is no such listing or is malformed."""

    def __init__(self, table: Path) -> None:
        rows = read_table(table, ("file", *_COLUMNS))
        check_convention(_COLUMNS, CONVENTION, str(table))
        self.digest = hashlib.sha256(table.read_bytes()).hexdigest()
        self._labels = {row["file"]: pose_label(row) for row in rows}

    def of(self, file: str) -> PoseLabel:
        """The label of a picture, by its path relative to the data set's folder; `NO_LABEL` where there is none."""
        return self._labels.get(file, NO_LABEL)
