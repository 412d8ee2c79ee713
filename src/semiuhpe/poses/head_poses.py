"""`HeadPoses`: what is known of the heads of one picture, as arrays of equal length."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array
from semiuhpe.errors import ImageError, InputError, MissingExtraError
from semiuhpe.files.atomic import json_text, json_value
from semiuhpe.geometry import rotation as rotations
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.poses.exchange import csv_columns as csv_columns
from semiuhpe.poses.exchange import heads_from_csv, row_of, to_pandas
from semiuhpe.poses.exchange import rows_to_csv as rows_to_csv

if TYPE_CHECKING:
    from semiuhpe.geometry.crop import Image
    from semiuhpe.poses.camera import Camera
    from semiuhpe.poses.position import HeadPositions, MeanHead

Float = NDArray[np.float64]
Style = Literal["axes", "cube", "cone", "mesh"]

UNREADABLE_DEG = 40.0
"""Heads with a larger expected error are drawn grey: the direction is a guess."""

_FLOATS = ("rotation", "box", "detection_score", "expected_error_deg", "error_90_deg", "entropy")
_FIGURES = _FLOATS[2:]
_SHAPES: dict[str, tuple[int | str, ...]] = {"rotation": ("n", 3, 3), "box": ("n", 4)}


@dataclass(frozen=True, eq=False)
class HeadPoses:
    """n heads (n may be 0). All arrays are read-only, and float64 but for track_id.

    rotation: (n, 3, 3) camera←head, identity = faces the camera. box: (n, 4) x1, y1, x2, y2 pixels of the upright
    image. detection_score: (n,) in [0, 1], 1 for boxes that were given. expected_error_deg: (n,) how far off, in
    degrees, to expect the rotation. error_90_deg: (n,) the angle within which the true rotation lies in 9 of 10 cases.
    entropy: (n,) of the belief, nats relative to uniform. track_id: (n,) int64, which head of a video it is, −1 for one
    that is not tracked.

    Raises InputError where lengths or shapes do not match or a number is not finite.
    """

    rotation: Float
    box: Float
    detection_score: Float
    expected_error_deg: Float
    error_90_deg: Float
    entropy: Float
    track_id: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _picture: Callable[[], Any] | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in _FLOATS:
            value = as_array(name, getattr(self, name), _SHAPES.get(name, ("n",)))
            object.__setattr__(self, name, value)
            if len(value) != len(self.rotation):
                raise InputError(f"{name}: expected {len(self.rotation)} heads as in rotation, got {len(value)}")
            if not np.isfinite(value).all():
                raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
        given = self.track_id if np.size(self.track_id) else np.full(len(self), -1)
        object.__setattr__(self, "track_id", as_array("track_id", given, ("n",), np.int64))
        if len(self.track_id) != len(self):
            raise InputError(f"track_id: expected {len(self)} heads as in rotation, got {len(self.track_id)}")

    @classmethod
    def empty(cls) -> HeadPoses:
        """No heads."""
        return cls._of(np.zeros((0, 3, 3)), np.zeros((0, 4)), {name: np.zeros(0) for name in _FIGURES})

    @classmethod
    def _of(cls, rotation: Any, box: Any, others: dict[str, Any]) -> HeadPoses:
        return cls(rotation=rotation, box=box, **others)

    @classmethod
    def concatenate(cls, parts: Sequence[HeadPoses]) -> HeadPoses:
        """The heads of several containers, one after the other."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in (*_FLOATS, "track_id")))

    def of_picture(self, picture: Any) -> HeadPoses:
        """The same heads, which know where their picture is, so that a notebook can show them on it.

        picture: a path, an array or a PIL image. Only a path or a weak reference is kept: pictures stay as short-lived
        as their owner wants.
        """
        known: Callable[[], Any] | None
        if isinstance(picture, str | os.PathLike):
            known = lambda: picture  # noqa: E731
        else:
            try:
                known = weakref.ref(picture)
            except TypeError:  # bytes cannot be referred to weakly
                known = None
        return self._with(_picture=known)

    def _with(self, **changes: Any) -> HeadPoses:
        parts = {name: changes.get(name, getattr(self, name)) for name in (*_FLOATS, "track_id")}
        return HeadPoses(**parts, _picture=changes.get("_picture", self._picture))

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
        return self._with(**{name: getattr(self, name)[chosen] for name in (*_FLOATS, "track_id")})

    def __add__(self, other: HeadPoses) -> HeadPoses:
        """The heads of both."""
        return HeadPoses.concatenate([self, other]) if isinstance(other, HeadPoses) else NotImplemented

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

    def relative_to_camera(self, camera_matrix: ArrayLike) -> HeadPoses:
        """The same heads turned as the camera's own axes see them, so that heads of one photo can be compared.

        An estimate describes a head as seen along the ray through it: identity faces the lens, wherever in the photo
        the head is. With C the smallest rotation that takes the optical axis to that ray, the pose in the camera's
        frame is `C·R`; a head at the right edge that faces the lens is there turned to the image left.

        camera_matrix: (3, 3) intrinsics, pixels: `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]`. The ray is that of the box's
        centre; lens distortion is not undone. Raises InputError for a malformed matrix.
        """
        return self._with(rotation=self._rays(camera_matrix) @ self.rotation)

    def relative_to_ray(self, camera_matrix: ArrayLike) -> HeadPoses:
        """Inverse of `relative_to_camera`, `Cᵀ·R`: from poses in the camera's frame (labels, say) to the ray's."""
        return self._with(rotation=np.swapaxes(self._rays(camera_matrix), 1, 2) @ self.rotation)

    def _rays(self, camera_matrix: ArrayLike) -> Float:
        matrix = as_array("camera_matrix", camera_matrix, (3, 3))
        upper = np.isfinite(matrix).all() and matrix[2].tolist() == [0, 0, 1] and matrix[1, 0] == 0
        if not upper or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError("camera_matrix: expected [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0")
        return axis_to_ray((self.box[:, :2] + self.box[:, 2:]) / 2, matrix)

    def position(self, camera: Camera, head: MeanHead | None = None) -> HeadPositions:
        """Where the heads are, in metres, with errors; see `position.head_positions`. head: by default `MEAN_HEAD`."""
        from semiuhpe.poses.position import MEAN_HEAD, head_positions

        return head_positions(
            self.rotation, self.box, camera, expected_error_deg=self.expected_error_deg, head=head or MEAN_HEAD
        )

    def looks_at(
        self, target: ArrayLike | HeadPoses, camera: Camera, *, within_deg: float = 15.0, head: MeanHead | None = None
    ) -> Float:
        """How probable it is that each head looks at a target: (n,) for a point, (n, m) for the m heads of a HeadPoses.

        target: x, y, z in metres, camera frame, or heads of the same picture. within_deg: half angle of the cone around the
        target that a face has to point into; see `looking`. Raises InputError.
        """
        from semiuhpe.poses.looking import looks_at, looks_at_point

        facing, own = self.relative_to_camera(camera.matrix).facing, self.position(camera, head)
        if isinstance(target, HeadPoses):
            return looks_at(facing, self.expected_error_deg, own, target.position(camera, head), within_deg)
        return looks_at_point(facing, self.expected_error_deg, own, target, within_deg)

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
                **({"track_id": int(self.track_id[i])} if self.track_id[i] >= 0 else {}),
            }
            for i in range(len(self))
        ]

    @classmethod
    def from_dict(cls, heads: Sequence[dict[str, Any]]) -> HeadPoses:
        """Inverse of `to_dict`, up to its rounding. Raises InputError for anything else."""
        try:
            others = {name: np.array([h[name] for h in heads], dtype=np.float64) for name in _FIGURES}
            ids = np.array([h.get("track_id", -1) for h in heads], dtype=np.int64)
            rotation = rotations.project_to_rotation(np.reshape([h["rotation"] for h in heads], (-1, 3, 3)))
            return cls._of(rotation, np.reshape([h["box"] for h in heads], (-1, 4)), {**others, "track_id": ids})
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"not heads as HeadPoses.to_dict writes them ({error!r})") from error

    def to_json(self, conventions: Sequence[str] = ("300w-lp",)) -> str:
        """`to_dict` as JSON text."""
        return json_text(self.to_dict(conventions), indent=2)

    @classmethod
    def from_json(cls, text: str) -> HeadPoses:
        """Inverse of `to_json`, up to its rounding. Raises InputError for anything else."""
        try:
            content = json_value(text)
        except ValueError as error:
            raise InputError(f"not JSON as HeadPoses.to_json writes it ({error})") from error
        return cls.from_dict(content)

    def to_csv(self, conventions: Sequence[str] = ("300w-lp",)) -> str:
        """A table with a header, one row a head; with a column track_id where any head is tracked."""
        return rows_to_csv(self.to_rows(conventions), conventions, self._first_columns())

    @classmethod
    def from_csv(cls, text: str) -> HeadPoses:
        """Inverse of `to_csv`, up to its rounding. Raises InputError for anything else."""
        return cls.from_dict(heads_from_csv(text))

    def to_pandas(self, conventions: Sequence[str] = ("300w-lp",)) -> Any:
        """`to_csv` as a pandas DataFrame. Raises MissingExtraError without that package."""
        columns = [*self._first_columns(), *csv_columns(conventions)]
        return to_pandas(self.to_rows(conventions), columns)

    def to_rows(self, conventions: Sequence[str] = ("300w-lp",)) -> list[dict[str, Any]]:
        """One flat dict a head, the columns of `csv_columns` and, where a head is tracked, track_id."""
        return [row_of(head) for head in self.to_dict(conventions)]

    def _first_columns(self) -> list[str]:
        return ["track_id"] if (self.track_id >= 0).any() else []

    def to_supervision(self) -> Any:
        """A `supervision.Detections` with the angles in its data. Raises MissingExtraError without that package."""
        try:
            import supervision
        except ImportError as error:
            raise MissingExtraError("to_supervision", "tracking") from error
        data: dict[str, Any] = {
            "rotation": self.rotation,
            "entropy": self.entropy,
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
            tracker_id=self.track_id.copy() if (self.track_id >= 0).any() else None,
            data=data,
        )

    @classmethod
    def from_supervision(cls, detections: Any) -> HeadPoses:
        """Inverse of `to_supervision`, also of what trackers and filters of `supervision` made of it.

        Raises InputError for detections that did not come from there.
        """
        try:
            data, ids = detections.data, detections.tracker_id
            others = {name: np.asarray(data[name], dtype=np.float64) for name in _FIGURES[1:]}
            others["detection_score"] = np.asarray(detections.confidence, dtype=np.float64)
            known = {} if ids is None else {"track_id": np.asarray(ids)}
            return cls._of(data["rotation"], detections.xyxy, {**others, **known})
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"not detections as HeadPoses.to_supervision makes them ({error!r})") from error

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

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the poses on their picture, as PNG; None where the picture is not known any more."""
        from semiuhpe.images.load import load_image

        source = None if self._picture is None else self._picture()
        try:
            return None if source is None else png_of(self.draw(load_image(source), labels=True))
        except ImageError:  # moved or closed meanwhile: the text still tells everything
            return None

    def __repr__(self) -> str:
        if len(self) == 0:
            return "HeadPoses(no heads)"
        lines = [
            f"  azimuth {a:+7.1f}°  elevation {e:+6.1f}°  tilt {t:+7.1f}°  ±{u:.0f}°  "
            f"box {b.round().astype(int).tolist()}" + (f"  track {track}" if track >= 0 else "")
            for a, e, t, u, b, track in zip(
                self.azimuth_deg[:20], self.elevation_deg[:20], self.tilt_deg[:20],
                self.expected_error_deg[:20], self.box[:20], self.track_id[:20], strict=True,
            )
        ]  # fmt: skip
        more = [f"  … and {len(self) - 20} more"] if len(self) > 20 else []
        return "\n".join([f"HeadPoses({len(self)} head{'s' if len(self) > 1 else ''})", *lines, *more])


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    return [round(float(v), digits) + 0.0 for v in values]


def png_of(image: Image, longest_side: int = 1024) -> bytes:
    """A picture as PNG, made smaller if it is larger than a notebook shows. image: (H, W, 3) uint8 RGB."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    picture.thumbnail((longest_side, longest_side))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
