"""What every source of pictures in time has in common: frames with true times, and gaps between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from semiuhpe.errors import InputError
from semiuhpe.geometry.crop import Image
from semiuhpe.images.load import load_image


@dataclass(frozen=True)
class Gap:
    """What is missing before a frame.

    reason: "dropped" (a live source was faster than its reader), "stalled" (nothing came until the deadline),
    "disconnected" (the source ended or failed and was opened again) or "damaged" (a file's frames cannot be decoded).
    seconds: how long nothing was seen. frames: how many frames are known to be missing. detail: one line, may be empty.
    """

    reason: str
    seconds: float
    frames: int = 0
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"reason": self.reason, "seconds": round(self.seconds, 4), "frames": self.frames, "detail": self.detail}


@dataclass(frozen=True)
class SourceFrame:
    """One picture of a source.

    index: counts the source's frames from 0, those that were dropped too. time_s: seconds since the source's first frame.
    image: (H, W, 3) uint8 RGB, upright. gaps: what is missing just before it. name: the file, URL or camera.
    """

    index: int
    time_s: float
    image: Image
    gaps: tuple[Gap, ...] = ()
    name: str = ""


class Opened(Protocol):
    """A source that was opened: yields times in seconds (of any origin) with upright RGB pictures.

    live: frames come by themselves and are lost if nobody takes them. fps: nominal frames a second, None if unknown.
    frame_count: None if unknown. A picture of None stands for a frame that could not be decoded.
    """

    live: bool
    fps: float | None
    frame_count: int | None

    def __iter__(self) -> Iterator[tuple[float, Image | None]]: ...

    def close(self) -> None:
        """Frees the source; called by the thread that reads it."""
        ...


def frames_of(pictures: Iterable[Any], fps: float, name: str = "frames") -> Iterator[SourceFrame]:
    """Frames from anything that yields pictures, or pairs of a time in seconds and a picture.

    Pictures alone are `1/fps` apart. Holds none of them. Raises ImageError for one that is no picture, InputError for
    times that do not grow.
    """
    last = -float("inf")
    for index, item in enumerate(pictures):
        timed = isinstance(item, tuple)
        if timed and len(item) != 2:
            raise InputError(f"{name}: a frame is a picture or (time_s, picture), got a tuple of {len(item)}")
        time_s, picture = (float(item[0]), item[1]) if timed else (index / fps, item)
        if not time_s > last:
            raise InputError(f"{name}: frame {index} at {time_s:g} s does not come after {last:g} s; sort the frames")
        last = time_s
        yield SourceFrame(index, time_s, load_image(picture), name=name)
