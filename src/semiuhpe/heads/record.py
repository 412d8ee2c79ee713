"""One head of a dataset at rest: everything that is known of it, besides its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from semiuhpe.errors import RecordError
from semiuhpe.files.atomic import json_text, json_value
from semiuhpe.geometry.rotation import Float

SPLITS = ("train", "val", "test", "unlabelled")

LABEL_BELIEF, LABEL_SIGMA = "belief", "label_sigma_deg"
"""Extras that state the noise of a label: a matrix Fisher parameter, nine numbers by rows, camera←head; and the root mean
square angle between the label and the truth, degrees."""


@dataclass(frozen=True)
class HeadRecord:
    """What a store knows of one head.

    Attributes:
        id: unique within its store.
        source: name of the data set.
        split: one of `SPLITS`.
        subject: who it is, so that splits can keep people apart ("" = unknown).
        box: `x1, y1, x2, y2` of the head in the pixels of the stored context crop.
        rotation: (3, 3) float64 camera←head, or None where there is no label.
        extras: JSON scalars that belong to the source (landmarks' fit error, rendering parameters, ...).

    Raises:
        RecordError: a field that is out of its range.
    """

    id: str
    source: str
    split: str
    subject: str
    box: tuple[float, float, float, float]
    rotation: Float | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise RecordError("a head record needs a non-empty id")
        if self.split not in SPLITS:
            raise RecordError(f"head {self.id}: split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        x1, y1, x2, y2 = self.box
        if not (np.all(np.isfinite(self.box)) and x2 > x1 and y2 > y1):
            raise RecordError(f"head {self.id}: the box must be finite x1, y1, x2, y2 with area, got {self.box}")
        if self.rotation is not None:
            rotation = np.asarray(self.rotation, dtype=np.float64)
            if rotation.shape != (3, 3) or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5):
                raise RecordError(f"head {self.id}: the rotation must be a (3, 3) rotation matrix")
            if np.linalg.det(rotation) < 0:
                raise RecordError(f"head {self.id}: the rotation is a reflection (determinant −1)")
            object.__setattr__(self, "rotation", rotation)

    def to_json(self) -> str:
        """Write compact JSON, exact for every float (repr round-trips).

        Returns:
            The text.
        """
        return json_text(
            {
                "id": self.id,
                "source": self.source,
                "split": self.split,
                "subject": self.subject,
                "box": [float(v) for v in self.box],
                "rotation": None if self.rotation is None else [float(v) for v in self.rotation.ravel()],
                "extras": self.extras,
            },
            separators=(",", ":"),
            sort_keys=True,
        )

    @classmethod
    def from_fields(cls, raw: Mapping[str, Any]) -> HeadRecord:
        """A record of its fields by name, box and rotation in nested lists or flat ones.

        Args:
            raw: every field by its name.

        Returns:
            The record.

        Raises:
            RecordError: values that no record has.
            KeyError, TypeError, ValueError: what is no record at all.
        """
        rotation = raw["rotation"]
        return cls(
            id=raw["id"],
            source=raw["source"],
            split=raw["split"],
            subject=raw["subject"],
            box=tuple(raw["box"]),
            rotation=None if rotation is None else np.asarray(rotation, dtype=np.float64).reshape(3, 3),
            extras=raw["extras"],
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> HeadRecord:
        """Inverse of `to_json`.

        Args:
            text: JSON.

        Returns:
            The record.

        Raises:
            RecordError: anything else.
        """
        try:
            return cls.from_fields(json_value(text))
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"a head record is malformed ({error}); import the source again") from error
