"""The folder that `semiuhpe predict` writes for a video: readable at every moment, resumable after a kill.

While a run lasts, `frames.jsonl` is a journal that grows by a line a frame, and `segments/` grows by playable pieces of
the annotated video, each of the same number of frames. After each piece `unfinished.json` is replaced: how much of both
is good, and the state of tracking and smoothing at that point. This one renaming is the checkpoint, so line, state and
piece always belong together, whenever a kill or Ctrl-C strikes: a resumed run cuts off what came after the last
checkpoint and does it again, and as pieces end at fixed frames, even the encoded video is what it would have been. At
the end the pieces become `annotated.mp4`, the tables are written, and `video.json` takes the place of `unfinished.json`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import (
    json_text,
    json_value,
    remove_leftovers,
    replacing,
    replacing_by_name,
    write_atomically,
)
from semiuhpe.files.journal import Journal
from semiuhpe.geometry.crop import Image
from semiuhpe.poses.exchange import csv_columns, row_of, write_csv, write_parquet
from semiuhpe.prediction.head_crops import CROPS, delete_frames_from, names_of_frame, with_crops, write_crops
from semiuhpe.prediction.photo_folder import FRAME
from semiuhpe.prediction.run_settings import Start, check_same, verdict_on_settings
from semiuhpe.tracking.stream import Frame
from semiuhpe.video.writer import SegmentWriter, even_size, join, tick_of

FRAMES, UNFINISHED, RESULT, VIDEO, SEGMENTS = (
    "frames.jsonl",
    "unfinished.json",
    "video.json",
    "annotated.mp4",
    "segments",
)
CSV, PARQUET, RECORDING = "heads.csv", "heads.parquet", "heads.rrd"
FORMATS = ("jsonl", "csv", "parquet", "rerun")
FORMAT_VERSION = 2

SEGMENT_FRAMES = 100
"""Frames a piece: what a kill costs at most."""

_SEGMENT = re.compile(r"(\d{6,})_(\d+)\.mp4")


class VideoFolder:
    """One video's results.

    folder: to write to. settings: JSON-ready; what must be equal for results to belong together, the source's identity
    included. start: "fresh" refuses to discard an earlier run's results, "resume" goes on with them, "overwrite" begins
    again. segment_frames: frames a piece. Nobody else may be writing to the folder (`locks.FolderLock`).

    finished: a resumed folder holds the whole result already. done: frames that are kept. state: what `checkpoint` kept,
    None at the beginning. Raises InputError where the folder cannot be used so.
    """

    def __init__(
        self, folder: Path, settings: dict[str, Any], start: Start, *, segment_frames: int = SEGMENT_FRAMES
    ) -> None:
        self.folder, self.settings, self._segment_frames = folder, settings, segment_frames
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.unusable(error) from error
        if start == "fresh" and holds_video(folder):
            raise InputError(
                f"{folder}: holds results of an earlier run; --resume goes on with it, --overwrite begins again"
            )
        kept = {} if start != "resume" else read_status(folder)
        if kept:
            check_same(folder, kept["settings"], settings)
        self.finished = bool(kept) and "state" not in kept
        self.done = int(kept.get("frames", 0))
        self.ended = bool(kept.get("ended", False))
        self.state: dict[str, Any] | None = kept.get("state")
        self.heads, self.detections = int(kept.get("heads", 0)), int(kept.get("detector_frames", 0))
        self._segments: list[Path] = []
        self._writer: SegmentWriter | None = None
        self._since = 0
        self._lines: Journal | None = None
        try:
            for part in (folder, folder / CROPS):
                if part.is_dir():
                    remove_leftovers(part)
            if self.finished:  # and perhaps killed before all was tidy
                self._clear(kept.get("tables", FORMATS))
            else:
                self._open(int(kept.get("bytes", 0)), int(kept.get("segments", 0)))
        except OSError as error:
            raise self.unusable(error) from error

    def _open(self, length: int, segments: int) -> None:
        """Cut off what came after the last checkpoint, and open the journal."""
        if not self.done:
            shutil.rmtree(self.folder / SEGMENTS, ignore_errors=True)
            for name in (RESULT, VIDEO, CSV, PARQUET, RECORDING):
                (self.folder / name).unlink(missing_ok=True)
        self._segments = sorted((self.folder / SEGMENTS).glob("*.mp4"), key=lambda path: _numbers(path)[0])
        delete_frames_from(self.folder, self.done)
        while len(self._segments) > segments:
            self._segments.pop().unlink()
        if len(self._segments) < segments:
            raise OSError(f"{SEGMENTS}/ holds less than it did")
        self._lines = Journal(self.folder / FRAMES, keep=length)
        if not self.done:
            self._write_status(None)

    def add(
        self, frame: Frame, conventions: Sequence[str], drawing: Image | None, fps: float, crops: Sequence[Image] = ()
    ) -> None:
        """Keep a frame's heads, its drawing as a frame of the video, and crops of the heads as pictures."""
        names = names_of_frame(frame.index, frame.heads) if crops else []
        for gap in frame.gaps:
            self._line({"gap": gap.to_dict(), "before_frame": frame.index})
        self._line(
            {
                "frame": frame.index,
                "time_s": round(frame.time_s, 6),
                "detected": frame.detected,
                "heads": with_crops(frame.heads.to_dict(conventions), names),
            }
        )
        try:
            write_crops(self.folder, dict(zip(names, crops, strict=True)))
        except OSError as error:
            raise self.unusable(error) from error
        if drawing is not None:
            if self._writer is None:
                self._writer = self._new_segment(drawing, frame.time_s, fps)
            self._writer.add(drawing, frame.time_s)
        self.done = frame.index + 1
        self.heads += len(frame.heads)
        self.detections += frame.detected
        self._since += 1

    def _new_segment(self, drawing: Image, time_s: float, fps: float) -> SegmentWriter:
        """The next piece. Its name tells its number and its first frame's tick."""
        path = self.folder / SEGMENTS / f"{len(self._segments):06d}_{tick_of(time_s)}.mp4"
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise self.unusable(error) from error
        return SegmentWriter(path, *self._size(drawing), fps)

    def _size(self, drawing: Image) -> tuple[int, int]:
        """That of the first piece: all pieces are alike, whatever a live source does."""
        if self._segments:
            import av

            with av.open(str(self._segments[0])) as container:
                context = container.streams.video[0].codec_context
                return int(context.width), int(context.height)
        return even_size(drawing)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._since >= self._segment_frames

    def checkpoint(self, state: dict[str, Any] | None, *, ended: bool = False) -> None:
        """Finish the piece; from here a killed run is resumed. state: JSON-ready, comes back as `state`.

        Only where a piece is full, or at the end: a piece that ends elsewhere would make another video.
        """
        try:
            if self._writer is not None:
                self._writer.close()
                self._segments.append(self._writer.path)
                self._writer = None
            self._journal.sync()
            self._since, self.ended = 0, ended
            self._write_status(state)
        except OSError as error:
            raise self.unusable(error) from error

    def _write_status(self, state: dict[str, Any] | None) -> None:
        status = {
            "format_version": FORMAT_VERSION, "settings": self.settings, "frames": self.done, "heads": self.heads,
            "detector_frames": self.detections, "bytes": self._journal.length, "segments": len(self._segments),
            "ended": self.ended, "state": state,
        }  # fmt: skip
        write_atomically(self.folder / UNFINISHED, json_text(status).encode())

    @property
    def _journal(self) -> Journal:
        if self._lines is None:
            raise ValueError("this video is finished")
        return self._lines

    def _line(self, content: dict[str, Any]) -> None:
        try:
            self._journal.add(content)
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
        self, header: dict[str, Any], conventions: Sequence[str], formats: Sequence[str], sound: str | None,
        check: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Join the video, write the tables and `video.json`.

        sound: path of a source whose audio is kept. check: is called often, and may raise to stop; resumed, the folder
        is finished then.
        """
        try:
            self._journal.close()
            if self._segments:
                parts = [(path, _numbers(path)[1]) for path in self._segments]
                with replacing(self.folder / VIDEO) as file:
                    join(parts, sound, file, check)
            self.write_tables(conventions, formats, check)
            result = {
                "format_version": FORMAT_VERSION, **header, "rotation_frame": FRAME, "settings": self.settings,
                "frames": self.done, "detector_frames": self.detections, "heads": self.heads, "tables": list(formats),
            }  # fmt: skip
            write_atomically(self.folder / RESULT, (json_text(result, indent=1) + "\n").encode())
            self._clear(formats)
        except OSError as error:
            raise self.unusable(error) from error

    def write_tables(
        self, conventions: Sequence[str], formats: Sequence[str], check: Callable[[], None] = lambda: None
    ) -> None:
        """Write those of the tables that are not there. check: as for `finish`."""
        columns = ["frame", "time_s", "track_id", *csv_columns(conventions)]
        try:
            if "csv" in formats and not (self.folder / CSV).exists():
                with replacing(self.folder / CSV) as file:
                    _to_csv(file, self._rows(check), columns)
            if "parquet" in formats and not (self.folder / PARQUET).exists():
                with replacing(self.folder / PARQUET) as file:
                    write_parquet(file, self._rows(check), columns)
            if "rerun" in formats and not (self.folder / RECORDING).exists():
                self._write_recording(check)
        except FileNotFoundError as error:
            raise InputError(f"{self.folder}: keeps no {FRAMES} to make tables of; --overwrite begins again") from error
        except OSError as error:
            raise self.unusable(error) from error

    def _write_recording(self, check: Callable[[], None]) -> None:
        from semiuhpe.prediction.rerun_log import write_recording

        video = self.folder / VIDEO
        with (self.folder / FRAMES).open(encoding="ascii") as lines, replacing_by_name(self.folder / RECORDING) as path:
            write_recording(path, _checked(lines, check), video if video.exists() else None, self.folder.name)

    def _clear(self, formats: Sequence[str]) -> None:
        """Delete what a finished run does not need any more."""
        shutil.rmtree(self.folder / SEGMENTS, ignore_errors=True)
        for name in (UNFINISHED, *(() if "jsonl" in formats else (FRAMES,))):
            (self.folder / name).unlink(missing_ok=True)

    def _rows(self, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
        with (self.folder / FRAMES).open(encoding="ascii") as lines:
            for line in lines:
                check()
                content = json_value(line)
                for head in content.get("heads", []):
                    yield {"frame": content["frame"], "time_s": content["time_s"], "track_id": None, **row_of(head)}

    def unusable(self, error: OSError) -> InputError:
        """What to tell where the folder cannot be written."""
        return InputError(f"{self.folder}: cannot be written ({error.strerror or error}); choose another --output")


def _checked(lines: Iterable[str], check: Callable[[], None]) -> Iterator[str]:
    for line in lines:
        check()
        yield line


def _numbers(segment: Path) -> tuple[int, int]:
    """Number and first tick of a piece, from its name; pieces of other names come last, as what is to be deleted."""
    match = _SEGMENT.fullmatch(segment.name)
    return (int(match[1]), int(match[2])) if match else (1 << 62, 0)


def _to_csv(file: IO[bytes], rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    write_csv(text, rows, columns)
    text.detach()  # flushes, and leaves the file open


def read_status(folder: Path) -> dict[str, Any]:
    """What a run left in `video.json`, or if it was cut short in `unfinished.json`; empty where there is none.

    Raises InputError if it is malformed.
    """
    path = folder / RESULT
    path = path if path.exists() else folder / UNFINISHED
    if not path.exists():
        return {}
    try:
        content = json_value(path.read_text(encoding="utf-8"))
        if path.name == UNFINISHED and content["format_version"] != FORMAT_VERSION:
            raise ValueError("of another version")
        return {**content, "settings": dict(content["settings"])}
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the earlier results are malformed ({error}); choose another --output") from error


def holds_video(folder: Path) -> bool:
    """Whether a folder holds anything that a run over a video would replace."""
    return any(
        os.path.lexists(folder / name)
        for name in (UNFINISHED, RESULT, VIDEO, FRAMES, CSV, PARQUET, RECORDING, SEGMENTS, CROPS)
    )


def verdict_on_video(folder: Path, settings: dict[str, Any], *, live: bool) -> str | None:
    """An `output_folder.Verdict` on a video's folder. live: the source is, so nothing of it can be gone on with."""
    try:
        status = read_status(folder)
    except InputError:
        return "holds results that cannot be read"
    if not status:
        return ""
    return "holds what a live source gave earlier" if live else verdict_on_settings(status["settings"], settings)


def folder_for(parent: Path, stem: str, source: str) -> Path:
    """A folder's path for a video: `parent/stem`, or `stem_2`, ... where that holds anything of another source."""
    number = 1
    while True:
        folder = parent / (stem if number == 1 else f"{stem}_{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        try:
            if read_status(folder).get("settings", {}).get("source") == source:
                return folder
        except InputError:
            pass
        number += 1


def is_annotated(path: Path) -> bool:
    """Whether a file is what a run drew or cut out of a video, so none of the user's."""
    inside = path.parent.name in (SEGMENTS, CROPS)
    folder = path.parent.parent if inside else path.parent
    drawn = path.name == VIDEO or inside
    return drawn and ((folder / RESULT).exists() or (folder / UNFINISHED).exists())
