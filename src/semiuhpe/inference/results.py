"""`HeadPoses`: what is known of the heads of one picture, as arrays of equal length."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.errors import MissingExtraError
from semiuhpe.geometry import rotation as rotations
from semiuhpe.geometry.euler import CONVENTIONS, euler_deg
from semiuhpe.inference.checks import InputError, as_array

if TYPE_CHECKING:
    from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]
Style = Literal["axes", "cube", "cone", "mesh"]

UNREADABLE_DEG = 40.0
"""Heads with a larger expected error are drawn grey: the direction is a guess."""


@dataclass(frozen=True, eq=False)
class HeadPoses:
    """n heads (n may be 0). All arrays are float64 and read-only.

    rotation: (n, 3, 3) camera←head, identity = faces the camera. box: (n, 4) x1, y1, x2, y2 pixels of the upright
    image. detection_score: (n,) in [0, 1], 1 for boxes that were given. expected_error_deg: (n,) how far off, in
    degrees, to expect the rotation. error_90_deg: (n,) the angle within which the true rotation lies in 9 of 10 cases.
    entropy: (n,) of the belief, nats relative to uniform.

    Raises InputError where lengths or shapes do not match or a number is not finite.
    """

    rotation: Float
    box: Float
    detection_score: Float
    expected_error_deg: Float
    error_90_deg: Float
    entropy: Float

    def __post_init__(self) -> None:
        shapes: dict[str, tuple[int | str, ...]] = {"rotation": ("n", 3, 3), "box": ("n", 4)}
        for item in fields(self):
            value = as_array(item.name, getattr(self, item.name), shapes.get(item.name, ("n",)))
            object.__setattr__(self, item.name, value)
            if len(value) != len(self.rotation):
                raise InputError(f"{item.name}: expected {len(self.rotation)} heads as in rotation, got {len(value)}")
            if not np.isfinite(value).all():
                raise InputError(f"{item.name}: expected finite numbers, got NaN or infinity")

    @classmethod
    def empty(cls) -> HeadPoses:
        """No heads."""
        return cls(np.zeros((0, 3, 3)), np.zeros((0, 4)), *(np.zeros(0) for _ in fields(cls)[2:]))

    @classmethod
    def concatenate(cls, parts: Sequence[HeadPoses]) -> HeadPoses:
        """The heads of several containers, one after the other."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, index: int | slice | ArrayLike) -> HeadPoses:
        """Some of the heads, by number, slice, list of numbers or boolean mask; always a HeadPoses."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"head {index} of {len(self)}")
            index = [int(index)]
        chosen = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(chosen, slice) and chosen.size == 0:
            chosen = np.zeros(0, np.int64)
        return HeadPoses(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def __iter__(self) -> Iterator[HeadPoses]:
        return (self[i] for i in range(len(self)))

    @property
    def facing(self) -> Float:
        """(n, 3) unit vectors in which the faces point, camera frame (x right, y down, z into the scene)."""
        return rotations.facing_direction(self.rotation)

    @property
    def azimuth_deg(self) -> Float:
        """(n,) in (−180, 180]; 0 faces the camera, positive turns to the image left, 180 is seen from behind."""
        return np.asarray(np.degrees(rotations.azimuth_elevation_tilt(self.rotation)[:, 0]))

    @property
    def elevation_deg(self) -> Float:
        """(n,) in [−90, 90]; positive looks up."""
        return np.asarray(np.degrees(rotations.azimuth_elevation_tilt(self.rotation)[:, 1]))

    @property
    def tilt_deg(self) -> Float:
        """(n,) in (−180, 180]; positive leans clockwise as the camera sees a head that faces it."""
        return np.asarray(np.degrees(rotations.azimuth_elevation_tilt(self.rotation)[:, 2]))

    @property
    def quaternion(self) -> Float:
        """(n, 4) x, y, z, w with w ≥ 0."""
        return rotations.to_quaternion(self.rotation)

    def euler(self, convention: str = "300w-lp") -> Float:
        """(n, 3) pitch, yaw, roll in degrees by a named convention; see docs/conventions.md for their folds."""
        return np.asarray(euler_deg(self.rotation, convention))

    def to_dict(self, conventions: Sequence[str] = ("300w-lp",)) -> list[dict[str, Any]]:
        """One JSON-ready dict a head."""
        euler = {name: self.euler(name) for name in conventions}
        azimuth, elevation, tilt = self.azimuth_deg, self.elevation_deg, self.tilt_deg
        quaternion = self.quaternion
        return [
            {
                "box": _rounded(self.box[i], 2),
                "detection_score": round(float(self.detection_score[i]), 4),
                "rotation": [_rounded(row, 6) for row in self.rotation[i]],
                "quaternion_xyzw": _rounded(quaternion[i], 6),
                "azimuth_deg": round(float(azimuth[i]), 2),
                "elevation_deg": round(float(elevation[i]), 2),
                "tilt_deg": round(float(tilt[i]), 2),
                "euler_deg": {
                    name: dict(zip(("pitch", "yaw", "roll"), _rounded(euler[name][i], 2), strict=True))
                    for name in euler
                },
                "expected_error_deg": round(float(self.expected_error_deg[i]), 2),
                "error_90_deg": round(float(self.error_90_deg[i]), 2),
                "entropy": round(float(self.entropy[i]), 4),
            }
            for i in range(len(self))
        ]

    @classmethod
    def from_dict(cls, heads: Sequence[dict[str, Any]]) -> HeadPoses:
        """Inverse of `to_dict`, up to its rounding. Raises InputError for anything else."""
        try:
            return cls(
                rotations.project_to_rotation(np.reshape([h["rotation"] for h in heads], (-1, 3, 3))),
                np.reshape([h["box"] for h in heads], (-1, 4)),
                *(np.array([h[item.name] for h in heads], dtype=np.float64) for item in fields(cls)[2:]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not heads as HeadPoses.to_dict writes them ({error!r})") from error

    def to_json(self, conventions: Sequence[str] = ("300w-lp",)) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(conventions), indent=2)

    def to_csv(self, conventions: Sequence[str] = ("300w-lp",)) -> str:
        """A table with a header, one row a head."""
        return rows_to_csv(self.to_rows(conventions), conventions)

    def to_rows(self, conventions: Sequence[str] = ("300w-lp",)) -> list[dict[str, Any]]:
        """One flat dict a head, the columns of `csv_columns`."""
        rows = []
        for head in self.to_dict(conventions):
            row = {key: head[key] for key in _PLAIN}
            row |= dict(zip(("x1", "y1", "x2", "y2"), head["box"], strict=True))
            row |= dict(zip(("qx", "qy", "qz", "qw"), head["quaternion_xyzw"], strict=True))
            for name, angles in head["euler_deg"].items():
                row |= {f"{name}_{angle}_deg": value for angle, value in angles.items()}
            rows.append(row)
        return rows

    def to_supervision(self) -> Any:
        """A `supervision.Detections` with the angles in its data. Raises MissingExtraError without that package."""
        try:
            import supervision
        except ImportError as error:
            raise MissingExtraError("to_supervision", "tracking") from error
        data = {
            "rotation": self.rotation,
            "azimuth_deg": self.azimuth_deg,
            "elevation_deg": self.elevation_deg,
            "tilt_deg": self.tilt_deg,
            "expected_error_deg": self.expected_error_deg,
            "error_90_deg": self.error_90_deg,
        }
        return supervision.Detections(
            xyxy=self.box.astype(np.float32),
            confidence=self.detection_score.astype(np.float32),
            class_id=np.zeros(len(self), int),
            data=data,
        )

    def draw(
        self, image: Image, style: Style = "axes", *, labels: bool = False, unreadable_deg: float = UNREADABLE_DEG
    ) -> Image:
        """A copy of the image with the poses drawn. Raises InputError for an unknown style.

        image: (H, W, 3) uint8 RGB. style: "axes", "cube", "cone" or "mesh"; cone and mesh are coloured by the expected
        error, bright where it is small. labels: write azimuth, elevation and the error bar, in degrees, below each head.
        unreadable_deg: a head with a larger expected error is grey, with its error bar below it, whatever `labels` says.
        """
        from semiuhpe.drawing.poses import STYLES, draw_poses

        if style not in STYLES:
            raise InputError(f"style must be one of {', '.join(map(repr, STYLES))}, got {style!r}")
        readable = self.expected_error_deg <= unreadable_deg
        figures = zip(self.azimuth_deg, self.elevation_deg, self.expected_error_deg, readable, strict=True)
        texts = [
            f"az {a:+.0f}° el {e:+.0f}° ±{u:.0f}°" if labels else "" if known else f"±{u:.0f}°"
            for a, e, u, known in figures
        ]
        return draw_poses(
            image, self.rotation, self.box, style=style, expected_error_deg=self.expected_error_deg,
            readable=readable, labels=texts, worst_deg=unreadable_deg,
        )  # fmt: skip

    def __repr__(self) -> str:
        if len(self) == 0:
            return "HeadPoses(no heads)"
        lines = [
            f"  azimuth {a:+7.1f}°  elevation {e:+6.1f}°  tilt {t:+7.1f}°  ±{u:.0f}°  box {b.round().astype(int).tolist()}"
            for a, e, t, u, b in zip(
                self.azimuth_deg[:20], self.elevation_deg[:20], self.tilt_deg[:20],
                self.expected_error_deg[:20], self.box[:20], strict=True,
            )
        ]  # fmt: skip
        more = [f"  … and {len(self) - 20} more"] if len(self) > 20 else []
        return "\n".join([f"HeadPoses({len(self)} head{'s' if len(self) > 1 else ''})", *lines, *more])


_PLAIN = (
    "detection_score",
    "azimuth_deg",
    "elevation_deg",
    "tilt_deg",
    "expected_error_deg",
    "error_90_deg",
    "entropy",
)


def csv_columns(conventions: Sequence[str]) -> list[str]:
    """The columns of `HeadPoses.to_rows`. Raises InputError for an unknown convention."""
    unknown = [name for name in conventions if name not in CONVENTIONS]
    if unknown:
        raise InputError(f"unknown convention {unknown[0]!r}; choose from {', '.join(CONVENTIONS)}")
    euler = [f"{name}_{angle}_deg" for name in conventions for angle in ("pitch", "yaw", "roll")]
    return ["x1", "y1", "x2", "y2", *_PLAIN, "qx", "qy", "qz", "qw", *euler]


def rows_to_csv(rows: Sequence[dict[str, Any]], conventions: Sequence[str], first: Sequence[str] = ()) -> str:
    """CSV text with the columns `first` and those of `csv_columns`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*first, *csv_columns(conventions)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    return [round(float(v), digits) + 0.0 for v in values]
