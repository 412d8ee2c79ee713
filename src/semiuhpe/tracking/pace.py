"""How often the detector runs: every k frames, k given, fixed for files, or for live sources chosen from measured times."""

from __future__ import annotations

import math

from semiuhpe.errors import InputError

_LONGEST_S = 0.5
"""A head that comes into the picture is found after this time at the latest."""

_IN_USE = 0.85
"""Share of a frame's time that may be used: what is measured is an average, and a frame that is late stays late."""


DETECTIONS_HZ = 5.0
"""How often the detector looks at a source that is not live, in its own time."""


def fixed_interval(fps: float) -> int:
    """k for a file: the detector runs `DETECTIONS_HZ` times a second of it, whatever machine it is on."""
    return max(1, round(fps / DETECTIONS_HZ))


class Pace:
    """Decides which frames the detector sees.

    every: detect on each k-th frame; None, which is for live sources alone, chooses the smallest k at which the work
    keeps up with the frame rate, from the measured times of detection and of everything else, but at least twice a
    second. Everything else is the other work on a frame, and what is done with it afterwards: drawing, encoding. fps: of
    the source.

    Raises InputError for k < 1.
    """

    def __init__(self, every: int | None, fps: float) -> None:
        if every is not None and every < 1:
            raise InputError(f"the detector runs every k frames, k at least 1, got {every}")
        self._every, self._fps = every, fps
        self._since: int | None = None
        self._detection_s: float | None = None
        self._other_s: float | None = None
        self._after_s: float | None = None

    @property
    def every(self) -> int:
        """k at the moment."""
        if self._every is not None:
            return self._every
        if self._detection_s is None or self._other_s is None:
            return 1
        spare = _IN_USE / self._fps - self._other_s - (self._after_s or 0.0)
        longest = max(1, round(_LONGEST_S * self._fps))
        return longest if spare <= 0 else max(1, min(longest, math.ceil(self._detection_s / spare)))

    def detects_now(self) -> bool:
        """Whether this frame is to be detected; asked once a frame."""
        due = self._since is None or self._since + 1 >= self.every
        self._since = 0 if due else (self._since or 0) + 1
        return due

    def hurry(self) -> None:
        """The next frame asked about is to be detected, whatever k is."""
        self._since = None

    def note(self, detection_s: float | None, other_s: float) -> None:
        """What a frame took: its detection (None: it had none) and everything else, seconds."""
        if detection_s is not None:
            self._detection_s = _average(self._detection_s, detection_s)
        self._other_s = _average(self._other_s, other_s)

    def note_after(self, seconds: float) -> None:
        """How long the last frame kept its consumer busy before the next one was asked for."""
        self._after_s = _average(self._after_s, seconds)

    def state(self) -> int | None:
        """JSON-ready, for `restore`."""
        return self._since

    def restore(self, state: int | None) -> None:
        """Go on where `state` was taken."""
        self._since = state


def _average(before: float | None, now: float) -> float:
    return now if before is None else 0.8 * before + 0.2 * now
