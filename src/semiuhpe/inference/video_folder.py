"""The folder that `semiuhpe predict` writes for a video: readable at every moment, resumable after a kill.

While a run lasts, `frames.jsonl` grows by a line a frame and `segments/` by playable pieces of the annotated video.
After each piece, `unfinished.json` is replaced: how much of both is good, and the state of tracking and smoothing at
that point. A resumed run cuts off what came later and goes on there; the end is as if nothing had happened. At the end
the pieces become `annotated.mp4`, the tables are written, and `video.json` takes the place of `unfinished.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from semiuhpe.files import json_text, write_atomically
from semiuhpe.geometry.crop import Image
from semiuhpe.inference.checks import InputError
from semiuhpe.inference.prediction_folder import FRAME, Start
from semiuhpe.inference.stream import Frame
from semiuhpe.inference.tables import csv_columns, row_of, write_csv, write_parquet
from semiuhpe.inference.video_writer import SegmentWriter, even_size, join

FRAMES, UNFINISHED, RESULT, VIDEO, SEGMENTS = (
    "frames.jsonl",
    "unfinished.json",
    "video.json",
    "annotated.mp4",
    "segments",
)
FORMATS = ("jsonl", "csv", "parquet")
FORMAT_VERSION = 1


class VideoFolder:
    """One video's results.

    folder: to write to. settings: JSON-ready; what must be equal for results to belong together, the source's identity
    included. start: "fresh" refuses to discard a run that was cut short, "resume" goes on with it, "overwrite" begins
    again. segment_frames: frames a piece; at most so many are done again after a kill.

    finished: a resumed folder holds the whole result already. done: frames that are kept. state: what `checkpoint` kept,
    None at the beginning. Raises InputError where the folder cannot be used so.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], start: Start, *, segment_frames: int = 250) -> None:
        self.folder, self.settings, self._segment_frames = folder, settings, segment_frames
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.unusable(error) from error
        unfinished = folder / UNFINISHED
        if start == "fresh" and unfinished.exists():
            raise InputError(
                f"{folder}: an earlier run was cut short; --resume goes on with it, --overwrite begins again"
            )
        kept = {} if start != "resume" else read_status(unfinished if unfinished.exists() else folder / RESULT)
        if kept and kept["settings"] != settings:
            earlier = kept["settings"]
            differing = sorted(k for k in {*earlier, *settings} if earlier.get(k) != settings.get(k))
            raise InputError(
                f"{folder}: holds results of other settings ({', '.join(differing)}); --overwrite, or another --output"
            )
        self.finished = bool(kept) and not unfinished.exists()
        self.done = int(kept.get("frames", 0))
        self.ended = bool(kept.get("ended", False))
        self.state: dict[str, Any] | None = kept.get("state")
        self.heads = int(kept.get("heads", 0))
        self._segments: list[tuple[str, int]] = [(str(n), int(t)) for n, t in kept.get("segments", [])]
        self._writer: SegmentWriter | None = None
        self._since = 0
        self._lines: Any = None
        if not self.finished:
            try:
                self._open(int(kept.get("bytes", 0)))
            except OSError as error:
                raise self.unusable(error) from error

    def _open(self, length: int) -> None:
        """Cut off what came after the last checkpoint, and open the lines."""
        if not self.done:
            shutil.rmtree(self.folder / SEGMENTS, ignore_errors=True)
            for name in (RESULT, VIDEO, "heads.csv", "heads.parquet"):
                (self.folder / name).unlink(missing_ok=True)
        for path in (self.folder / SEGMENTS).glob("*.mp4"):
            if path.name not in {name for name, _ in self._segments}:
                path.unlink()
        self._lines = (self.folder / FRAMES).open("r+b" if length else "w+b")
        self._lines.truncate(length)
        self._lines.seek(length)
        if not self.done:
            self._write_status(None)

    def add(self, frame: Frame, conventions: Sequence[str], drawing: Image | None, fps: float) -> None:
        """Keep a frame's heads, and its drawing as a frame of the video."""
        for gap in frame.gaps:
            self._line({"gap": gap.to_dict(), "before_frame": frame.index})
        self._line(
            {
                "frame": frame.index,
                "time_s": round(frame.time_s, 6),
                "detected": frame.detected,
                "heads": frame.heads.to_dict(conventions),
            }
        )
        if drawing is not None:
            if self._writer is None:
                path = self.folder / SEGMENTS / f"{len(self._segments):05d}.mp4"
                path.parent.mkdir(exist_ok=True)
                self._writer = SegmentWriter(path, *self._size(drawing), fps)
            self._writer.add(drawing, frame.time_s)
        self.done = frame.index + 1
        self.heads += len(frame.heads)
        self._since += 1

    def _size(self, drawing: Image) -> tuple[int, int]:
        """That of the first piece: all pieces are alike, whatever a live source does."""
        if self._segments:
            import av

            with av.open(str(self.folder / SEGMENTS / self._segments[0][0])) as container:
                context = container.streams.video[0].codec_context
                return int(context.width), int(context.height)
        return even_size(drawing)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._since >= self._segment_frames

    def checkpoint(self, state: dict[str, Any] | None, *, ended: bool = False) -> None:
        """Finish the piece; from here a killed run is resumed. state: JSON-ready, comes back as `state`."""
        try:
            if self._writer is not None:
                self._writer.close()
                self._segments.append((self._writer.path.name, self._writer.start or 0))
                self._writer = None
            self._lines.flush()
            self._since, self.ended = 0, ended
            self._write_status(state)
        except OSError as error:
            raise self.unusable(error) from error

    def _write_status(self, state: dict[str, Any] | None) -> None:
        status = {
            "format_version": FORMAT_VERSION, "settings": self.settings, "frames": self.done, "heads": self.heads,
            "bytes": self._lines.tell(), "segments": self._segments, "ended": self.ended, "state": state,
        }  # fmt: skip
        write_atomically(self.folder / UNFINISHED, json_text(status).encode())

    def _line(self, content: dict[str, Any]) -> None:
        try:
            self._lines.write(json_text(content).encode() + b"\n")
            self._lines.flush()
        except OSError as error:
            raise self.unusable(error) from error

    def abandon(self) -> None:
        """Close the files as they are; the folder stays resumable."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        if self._lines is not None:
            self._lines.close()

    def finish(
        self, header: dict[str, Any], conventions: Sequence[str], formats: Sequence[str], sound: str | None
    ) -> None:
        """Join the video, write the tables and `video.json`. sound: path of a source whose audio is kept."""
        try:
            self._lines.close()
            if self._segments:
                parts = [(self.folder / SEGMENTS / name, tick) for name, tick in self._segments]
                self._atomically(VIDEO, lambda path: join(parts, sound, path))
            columns = ["frame", "time_s", "track_id", *csv_columns(conventions)]
            if "csv" in formats:
                self._atomically("heads.csv", lambda path: _to_csv(path, self._rows(), columns))
            if "parquet" in formats:
                self._atomically("heads.parquet", lambda path: write_parquet(path, self._rows(), columns))
            result = {
                "format_version": FORMAT_VERSION, **header, "rotation_frame": FRAME, "settings": self.settings,
                "frames": self.done, "heads": self.heads,
            }  # fmt: skip
            write_atomically(self.folder / RESULT, (json_text(result, indent=1) + "\n").encode())
            (self.folder / UNFINISHED).unlink(missing_ok=True)
            shutil.rmtree(self.folder / SEGMENTS, ignore_errors=True)
            if "jsonl" not in formats:
                (self.folder / FRAMES).unlink(missing_ok=True)
        except OSError as error:
            raise self.unusable(error) from error

    def _rows(self) -> Iterator[dict[str, Any]]:
        with (self.folder / FRAMES).open(encoding="ascii") as lines:
            for line in lines:
                content = json.loads(line)
                for head in content.get("heads", []):
                    yield {"frame": content["frame"], "time_s": content["time_s"], "track_id": None, **row_of(head)}

    def _atomically(self, name: str, write: Callable[[Path], None]) -> None:
        temporary = self.folder / f".{name}.tmp"
        write(temporary)
        os.replace(temporary, self.folder / name)

    def unusable(self, error: OSError) -> InputError:
        """What to tell where the folder cannot be written."""
        return InputError(f"{self.folder}: cannot be written ({error.strerror or error}); choose another --output")


def _to_csv(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv(file, rows, columns)


def read_status(path: Path) -> dict[str, Any]:
    """What a run left in `unfinished.json` or `video.json`; empty where there is none. Raises InputError if malformed."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {**content, "settings": dict(content["settings"])}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the earlier results are malformed ({error}); choose another --output") from error


def folder_for(parent: Path, stem: str, source: str) -> Path:
    """A folder's path for a video: `parent/stem`, or `stem_2`, ... where that holds anything of another source."""
    number = 1
    while True:
        folder = parent / (stem if number == 1 else f"{stem}_{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        for name in (UNFINISHED, RESULT):
            try:
                if read_status(folder / name).get("settings", {}).get("source") == source:
                    return folder
            except InputError:
                continue
        number += 1


def is_annotated(path: Path) -> bool:
    """Whether a file is what a run drew, so no video of the user's."""
    folder = path.parent.parent if path.parent.name == SEGMENTS else path.parent
    drawn = path.name == VIDEO or path.parent.name == SEGMENTS
    return drawn and ((folder / RESULT).exists() or (folder / UNFINISHED).exists())
