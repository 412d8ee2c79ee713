"""What `semiuhpe predict` wrote of a video, as arrays: who was seen when, facing where, and when nobody could be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.rotation import project_to_rotation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

LONGEST_HOLD_S = 0.5
"""A head that is seen again within so long was there all the time; a longer absence is told as one."""
_USUAL_FRAME_S = 1 / 30


@dataclass(frozen=True)
class RecordingGap:
    """A time in which the recording itself has nothing.

    Attributes:
        start_s: when it begins, seconds from the first frame.
        end_s: when it ends, seconds.
        reason: as of `video.frames.Gap`.
    """

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True)
class Sightings:
    """n sightings of heads, ordered by track, then by time.

    Attributes:
        track_id: (n,) identities, −1 left out.
        time_s: (n,) of the frame, seconds.
        seconds: (n,) how long a sighting stands for.
        rotation: (n, 3, 3) relative to the ray through the head, as estimates are.
        box: (n, 4) x1, y1, x2, y2 pixels.
        expected_error_deg: (n,) degrees.
        gaps: of the recording.
        start_s: of the recording, seconds.
        end_s: of the recording, seconds.
        untracked: heads without an identity, which are in none of the figures.
    """

    track_id: Int
    time_s: Float
    seconds: Float
    rotation: Float
    box: Float
    expected_error_deg: Float
    gaps: tuple[RecordingGap, ...]
    start_s: float
    end_s: float
    untracked: int = 0

    def __len__(self) -> int:
        return len(self.track_id)

    @property
    def persons(self) -> list[int]:
        """Identities, by their number."""
        return [int(key) for key in np.unique(self.track_id)]


def read_sightings(path: Path) -> Sightings:
    """Read the sightings of a `frames.jsonl`, also of a run that is not finished.

    Args:
        path: of the file.

    Returns:
        The sightings.

    Raises:
        InputError: a file that cannot be read or is no such list; the message names the file, and the line.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return sightings_of(lines, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error


def sightings_of(lines: Iterable[str], name: str = "frames") -> Sightings:
    """Gather the sightings of the lines of a `frames.jsonl`; a last line that a kill cut short is left out.

    Args:
        lines: one JSON object per frame or gap.
        name: what errors call the file.

    Returns:
        The sightings.

    Raises:
        InputError: a line that is no frame, or heads without identities.
    """
    times: list[float] = []
    rows: list[tuple[int, float, Any, Any, float]] = []
    gaps: list[RecordingGap] = []
    missing: list[Any] = []
    untracked = 0
    broken = ""
    for number, line in enumerate(lines, 1):
        if broken:
            raise InputError(broken)
        try:
            content = json_value(line)
            if "gap" in content:
                missing.append(content["gap"])
                continue
            at = float(content["time_s"])
            if times and not at > times[-1]:
                raise ValueError(f"time {at:g} s does not come after {times[-1]:g} s")
            for gap in missing:
                gaps.append(
                    RecordingGap(max(times[-1] if times else 0.0, at - float(gap["seconds"])), at, str(gap["reason"]))
                )
            missing = []
            times.append(at)
            for head in content["heads"]:
                track = int(head.get("track_id", -1))
                untracked += track < 0
                if track >= 0:
                    error = float(head["expected_error_deg"])
                    rows.append((track, at, np.reshape(head["rotation"], (3, 3)), np.reshape(head["box"], 4), error))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            broken = (
                f"{name}: line {number} is no frame as semiuhpe predict writes it ({error!r}); give its frames.jsonl"
            )
    if broken and not times:
        raise InputError(broken)
    if not rows and untracked:
        raise InputError(f"{name}: its heads have no identities; run semiuhpe predict without --no-track")
    return _arranged(rows, np.array(times), tuple(gaps), untracked)


def _arranged(rows: list[Any], times: Float, gaps: tuple[RecordingGap, ...], untracked: int) -> Sightings:
    rows.sort(key=lambda row: (row[0], row[1]))
    track = np.array([row[0] for row in rows], dtype=np.int64)
    time_s = np.array([row[1] for row in rows], dtype=np.float64)
    frame_s = float(np.median(np.diff(times))) if len(times) > 1 else _USUAL_FRAME_S
    rotation = np.reshape([row[2] for row in rows], (-1, 3, 3)).astype(np.float64)
    start, end = (float(times[0]), float(times[-1]) + frame_s) if len(times) else (0.0, 0.0)
    return Sightings(
        track,
        time_s,
        _seconds(track, time_s, frame_s, gaps),
        project_to_rotation(rotation),
        np.reshape([row[3] for row in rows], (-1, 4)).astype(np.float64),
        np.array([row[4] for row in rows], dtype=np.float64),
        gaps,
        start,
        end,
        untracked,
    )


def _seconds(track: Int, time_s: Float, frame_s: float, gaps: tuple[RecordingGap, ...]) -> Float:
    """How long each sighting stands for: until the next of the same head, but not over an absence or a gap."""
    usual = np.full(len(track), frame_s)
    if len(track) < 2:
        return usual
    until = np.diff(time_s)
    goes_on = (np.diff(track) == 0) & (until <= max(LONGEST_HOLD_S, 1.5 * frame_s))
    for gap in gaps:
        goes_on &= ~((time_s[:-1] < gap.end_s) & (time_s[1:] > gap.start_s))
    usual[:-1] = np.where(goes_on, until, np.minimum(usual[:-1], np.where(until > 0, until, usual[:-1])))
    return usual
