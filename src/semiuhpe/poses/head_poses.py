"""`HeadPoses`: what is known of the heads of one picture, as arrays of equal length."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array
from semiuhpe.errors import InputError
from semiuhpe.geometry import rotation as rotations
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.poses import exchange
from semiuhpe.poses.exchange_forms import ExchangeForms

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from semiuhpe.geometry.crop import Image
    from semiuhpe.poses.camera import Camera
    from semiuhpe.poses.position import HeadPositions, MeanHead

Float = NDArray[np.float64]
Style = Literal["axes", "box", "cube", "cone", "mesh"]

UNREADABLE_DEG = 40.0
"""Heads with a larger expected error are drawn grey: the direction is a guess."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadPoses(ExchangeForms):
    """n heads (n may be 0): a plain value, which can be pickled and holds no picture.

    All arrays are read-only, and float64 but for track_id.

    Attributes:
        rotation: (n, 3, 3) camera←head, identity = faces the camera.
        box: (n, 4) x1, y1, x2, y2 pixels of the upright image.
        detection_score: (n,) in [0, 1], 1 for boxes that were given.
        expected_error_deg: (n,) how far off, in degrees, to expect the rotation.
        error_90_deg: (n,) the angle within which the true rotation lies in 9 of 10 cases, degrees.
        entropy: (n,) of the belief, nats relative to uniform.
        track_id: (n,) int64, which head of a video it is, −1 for one that is not tracked.

    Raises:
        InputError: lengths or shapes do not match, or a number is not finite.
    """

    rotation: Float
    box: Float
    detection_score: Float
    expected_error_deg: Float
    error_90_deg: Float
    entropy: Float
    track_id: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    if TYPE_CHECKING:  # what is taken is wider than what is kept

        def __init__(
            self,
            *,
            rotation: ArrayLike,
            box: ArrayLike,
            detection_score: ArrayLike,
            expected_error_deg: ArrayLike,
            error_90_deg: ArrayLike,
            entropy: ArrayLike,
            track_id: ArrayLike = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for stored in exchange.STORED:
            value = as_array(stored.name, getattr(self, stored.name), ("n", *stored.shape))
            object.__setattr__(self, stored.name, value)
        for stored in exchange.STORED:
            value = getattr(self, stored.name)
            if len(value) != len(self.rotation):
                raise InputError(f"{stored.name}: expected {len(self)} heads as in rotation, got {len(value)}")
            if not np.isfinite(value).all():
                raise InputError(f"{stored.name}: expected finite numbers, got NaN or infinity")
        given = self.track_id if np.size(self.track_id) else np.full(len(self), -1)
        object.__setattr__(self, "track_id", as_array("track_id", given, ("n",), np.int64))
        if len(self.track_id) != len(self):
            raise InputError(f"track_id: expected {len(self)} heads as in rotation, got {len(self.track_id)}")

    def __getstate__(self) -> dict[str, Any]:
        return self.arrays()

    def __setstate__(self, arrays: dict[str, Any]) -> None:
        HeadPoses.__init__(self, **arrays)  # what numpy unpickles is writable

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are equal."""
        if not isinstance(other, HeadPoses):
            return NotImplemented
        theirs = other.arrays()
        return all(np.array_equal(value, theirs[name]) for name, value in self.arrays().items())

    __hash__ = None  # type: ignore[assignment]

    def arrays(self) -> dict[str, Any]:
        """All that is stored, by name.

        Returns:
            Name → array: what `HeadPoses(**...)` takes.
        """
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def empty(cls) -> HeadPoses:
        """No heads.

        Returns:
            A `HeadPoses` of length 0.
        """
        none: dict[str, Any] = {stored.name: np.zeros((0, *stored.shape)) for stored in exchange.STORED}
        return cls(**none)

    @classmethod
    def concatenate(cls, parts: Sequence[HeadPoses]) -> HeadPoses:
        """Join the heads of several containers, one after the other.

        Args:
            parts: any number of them, perhaps none.

        Returns:
            A `HeadPoses` as long as all parts together.
        """
        if not parts:
            return cls.empty()
        arrays = [part.arrays() for part in parts]
        return cls(**{name: np.concatenate([one[name] for one in arrays]) for name in arrays[0]})

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
        return HeadPoses(**{name: value[chosen] for name, value in self.arrays().items()})

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
        """Euler angles by a named convention; see docs/conventions.md for their folds.

        Args:
            convention: one of `geometry.euler.CONVENTIONS`.

        Returns:
            (n, 3) pitch, yaw, roll in degrees.

        Raises:
            ConventionError: an unknown name.
        """
        return np.asarray(euler_deg(self.rotation, convention))

    def relative_to_camera(self, camera_matrix: ArrayLike) -> HeadPoses:
        """Turn the same heads as the camera's own axes see them, so that heads of one photo can be compared.

        An estimate describes a head as seen along the ray through it: identity faces the lens, wherever in the photo
        the head is. With C the smallest rotation that takes the optical axis to that ray, the pose in the camera's
        frame is `C·R`; a head at the right edge that faces the lens is there turned to the image left. The ray is that
        of the box's centre; lens distortion is not undone.

        Args:
            camera_matrix: (3, 3) intrinsics, pixels: `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]`.

        Returns:
            The heads with rotation `C·R`, camera←head.

        Raises:
            InputError: a malformed matrix.
        """
        return replace(self, rotation=self._rays(camera_matrix) @ self.rotation)

    def relative_to_ray(self, camera_matrix: ArrayLike) -> HeadPoses:
        """Inverse of `relative_to_camera`, `Cᵀ·R`: from poses in the camera's frame (labels, say) to the ray's.

        Args:
            camera_matrix: (3, 3) intrinsics, pixels, as of `relative_to_camera`.

        Returns:
            The heads with rotation `Cᵀ·R`, ray←head.

        Raises:
            InputError: a malformed matrix.
        """
        return replace(self, rotation=np.swapaxes(self._rays(camera_matrix), 1, 2) @ self.rotation)

    def _rays(self, camera_matrix: ArrayLike) -> Float:
        matrix = as_array("camera_matrix", camera_matrix, (3, 3))
        upper = np.isfinite(matrix).all() and matrix[2].tolist() == [0, 0, 1] and matrix[1, 0] == 0
        if not upper or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError("camera_matrix: expected [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0")
        return axis_to_ray((self.box[:, :2] + self.box[:, 2:]) / 2, matrix)

    def position(self, camera: Camera, head: MeanHead | None = None) -> HeadPositions:
        """Where the heads are, in metres, with errors; see `position.head_positions`.

        Args:
            camera: that took the picture.
            head: how large heads are; None = `MEAN_HEAD`.

        Returns:
            `HeadPositions` of the n heads, metres, camera frame.
        """
        from semiuhpe.poses.position import MEAN_HEAD, head_positions

        return head_positions(
            self.rotation, self.box, camera, expected_error_deg=self.expected_error_deg, head=head or MEAN_HEAD
        )

    def looks_at(
        self, target: ArrayLike | HeadPoses, camera: Camera, *, within_deg: float = 15.0, head: MeanHead | None = None
    ) -> Float:
        """How probable it is that each head looks at a target.

        Args:
            target: x, y, z in metres, camera frame, or the m heads of a `HeadPoses` of the same picture.
            camera: that took the picture.
            within_deg: half angle of the cone around the target that a face has to point into, degrees; see `looking`.
            head: how large heads are; None = `MEAN_HEAD`.

        Returns:
            Probabilities, (n,) for a point, (n, m) for heads.

        Raises:
            InputError: a malformed target or angle.
        """
        from semiuhpe.poses.looking import looks_at, looks_at_point

        facing, own = self.relative_to_camera(camera.matrix).facing, self.position(camera, head)
        if isinstance(target, HeadPoses):
            return looks_at(facing, self.expected_error_deg, own, target.position(camera, head), within_deg)
        return looks_at_point(facing, self.expected_error_deg, own, target, within_deg)

    @overload
    def draw(
        self,
        image: Pillow.Image,
        style: Style = "axes",
        *,
        labels: bool = False,
        unreadable_deg: float = ...,
        numbers: bool | None = None,
        legend: bool | None = None,
    ) -> Pillow.Image: ...

    @overload
    def draw(
        self,
        image: Image | str | os.PathLike[str],
        style: Style = "axes",
        *,
        labels: bool = False,
        unreadable_deg: float = ...,
        numbers: bool | None = None,
        legend: bool | None = None,
    ) -> Image: ...

    def draw(
        self,
        image: Any = None,
        style: Style = "axes",
        *,
        labels: bool = False,
        unreadable_deg: float = UNREADABLE_DEG,
        numbers: bool | None = None,
        legend: bool | None = None,
    ) -> Any:
        """Draw the poses on a copy of the picture.

        Args:
            image: the picture that the heads are of: (H, W, 3) uint8 RGB, a path, which is opened, or a PIL image.
            style: "axes", "box", "cube", "cone" or "mesh"; box, cone and mesh are coloured by the expected error,
                bright where it is small.
            labels: write azimuth, elevation, tilt and the error bar, in degrees, at each head.
            unreadable_deg: a head with a larger expected error, degrees, is grey, with its error bar where there is
                room.
            numbers: write which head it is, from 1 as in the tables of `semiuhpe predict`, or its track_id where heads
                are tracked; None = where there are several.
            legend: write into a free corner what colours and grey mean; None = where there is such a head.

        Returns:
            (H, W, 3) uint8 RGB; for a PIL image a PIL image, which a notebook shows.

        Raises:
            InputError: an unknown style, or no picture.
            ImageError: a picture that cannot be read.
        """
        from PIL import Image as Pillow

        from semiuhpe.drawing.labels import label_forms
        from semiuhpe.drawing.poses import STYLES, draw_poses
        from semiuhpe.images.load import load_image

        if image is None:
            raise InputError("draw: heads hold no picture; give the one they are of, heads.draw(image) or a path")
        if style not in STYLES:
            raise InputError(f"style must be one of {', '.join(map(repr, STYLES))}, got {style!r}")
        readable = self.expected_error_deg <= unreadable_deg
        named = len(self) > 1 if numbers is None else numbers
        angles = np.stack([self.azimuth_deg, self.elevation_deg, self.tilt_deg], axis=-1) if labels else None
        texts = label_forms(self._names() if named else [""] * len(self), angles, self.expected_error_deg, readable)
        drawn = draw_poses(
            load_image(image),
            self.rotation,
            self.box,
            style=style,
            expected_error_deg=self.expected_error_deg,
            readable=readable,
            labels=texts,
            worst_deg=unreadable_deg,
            legend=legend,
        )
        return Pillow.fromarray(drawn) if isinstance(image, Pillow.Image) else drawn

    def _names(self) -> list[str]:
        """Track ids where heads are tracked ("" for one that is not), else numbers from 1."""
        if (self.track_id >= 0).any():
            return [str(track) if track >= 0 else "" for track in self.track_id]
        return [str(number + 1) for number in range(len(self))]

    def __repr__(self) -> str:
        if len(self) == 0:
            return "HeadPoses(no heads)"
        lines = [
            f"  azimuth {a:+7.1f}°  elevation {e:+6.1f}°  tilt {t:+7.1f}°  ±{u:.0f}°  "
            f"box {b.round().astype(int).tolist()}" + (f"  track {track}" if track >= 0 else "")
            for a, e, t, u, b, track in zip(
                self.azimuth_deg[:20],
                self.elevation_deg[:20],
                self.tilt_deg[:20],
                self.expected_error_deg[:20],
                self.box[:20],
                self.track_id[:20],
                strict=True,
            )
        ]
        more = [f"  … and {len(self) - 20} more"] if len(self) > 20 else []
        return "\n".join([f"HeadPoses({len(self)} head{'s' if len(self) > 1 else ''})", *lines, *more])


def png_of(image: Image, longest_side: int = 1024) -> bytes:
    """A picture as PNG, made smaller if it is larger than a notebook shows. image: (H, W, 3) uint8 RGB."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    picture.thumbnail((longest_side, longest_side))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
