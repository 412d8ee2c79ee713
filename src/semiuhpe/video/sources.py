"""One union of sources: image, folder, glob pattern, text list, video file, camera number, URL of a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from semiuhpe.images.load import is_picture, list_files
from semiuhpe.video.decode import CameraSource, VideoSource, check_file
from semiuhpe.video.frames import Opened

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts", ".wmv", ".flv", ".3gp", ".ogv",
)  # fmt: skip
_URL = re.compile(r"^(rtsps?|rtmps?|https?|udp|tcp|srt|rtp|mms)://", re.IGNORECASE)
_SIGNATURES = re.compile(
    rb"....ftyp(?!avif|avis|heic|heix|mif1)|\x1aE\xdf\xa3|RIFF....AVI |\x00\x00\x01[\xba\xb3]|FLV\x01"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|OggS",
    re.DOTALL,
)


@dataclass(frozen=True)
class MovingSource:
    """A video file, camera or stream. name: its path, URL or "camera N". kind: "file", "camera" or "url"."""

    name: str
    kind: str

    def opener(self, skip: int = 0, read_s: float = 10.0) -> Callable[[], Opened]:
        """A function that opens it anew; `skip` frames of a file are left out, `read_s` bounds a network read."""
        if self.kind == "camera":
            return lambda: CameraSource(int(self.name.split()[-1]))
        if self.kind == "url":
            return lambda: VideoSource(self.name, open_s=read_s, read_s=read_s, skip=skip)
        return lambda: VideoSource(self.name, skip=skip)

    @property
    def stem(self) -> str:
        """A short name for files about it."""
        if self.kind == "file":
            return Path(self.name).stem
        # Of a URL only host and path: user, password and query are nobody's business.
        bare = re.sub(r"^\w+://([^/@]*@)?", "", self.name).split("?")[0]
        return re.sub(r"[^\w.-]+", "_", bare).strip("_.")[:80] or "stream"

    @property
    def public_name(self) -> str:
        """The name without the user, password and query of a URL, for outputs and messages."""
        if self.kind != "url":
            return self.name
        return re.sub(r"^(\w+://)([^/@]*@)?", r"\1", self.name).split("?")[0]


def moving_source(source: str | int | os.PathLike[str]) -> MovingSource | None:
    """What a source is if it moves: a camera number (also as text, unless a file has that name), a URL, a video file.

    None for all that does not: pictures, folders, patterns, lists, and what does not exist.
    """
    if isinstance(source, int):
        return MovingSource(f"camera {source}", "camera")
    text = os.fspath(source)
    if _URL.match(text):
        return MovingSource(text, "url")
    path = Path(text)
    if text.isdecimal() and not path.exists():
        return MovingSource(f"camera {int(text)}", "camera")
    return MovingSource(text, "file") if is_video(path) else None


def is_video(path: Path) -> bool:
    """Whether a file is a video by its first bytes, or by its name where those say nothing."""
    try:
        if not path.is_file() or is_picture(path):
            return False
    except OSError:  # no name that a file can have
        return False
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return _SIGNATURES.match(file.read(16)) is not None
    except OSError:
        return False


def list_sources(
    sources: Sequence[str | os.PathLike[str]], *, recursive: bool = False, ignore: Callable[[Path], bool] | None = None
) -> tuple[list[Path], list[MovingSource]]:
    """Pictures, and all that moves, of SOURCEs; each once, in order.

    Folders, patterns and .txt lists are looked into as in `media.list_images`, and videos in them are found as well.
    ignore: of what a folder, pattern or list holds, leave out where it is true. Raises ImageError for a source that
    does not exist or holds neither.
    """
    still: dict[Path, None] = {}
    moving: dict[MovingSource, None] = {}
    for source in sources:
        found = moving_source(source)
        if found is not None:
            moving.setdefault(found)
            continue
        for path in _files([source], recursive):
            if ignore is not None and path != Path(source) and ignore(path):
                continue
            found = MovingSource(str(path), "file") if is_video(path) else None
            if found is not None:
                moving.setdefault(found)
            else:
                still.setdefault(path)
    return list(still), list(moving)


def _files(sources: Iterable[str | os.PathLike[str]], recursive: bool) -> list[Path]:
    return list_files(sources, recursive=recursive, also=is_video)


def check_source(source: MovingSource) -> None:
    """Raise VideoError where a file can be seen not to be readable, before any work."""
    if source.kind == "file":
        check_file(source.name)
