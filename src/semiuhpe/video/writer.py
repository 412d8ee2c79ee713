"""Annotated video, in segments that a kill cannot spoil, and their union with the sound of the source.

Each segment is a fragmented MP4: whatever has reached the disk can be played. All are encoded alike and without
reordered frames, so they are joined packet by packet, nothing is encoded twice. Every frame keeps its own time, so the
frame rate is that of the source, also where it varies.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, TypeVar

import av
import cv2
import numpy as np

from semiuhpe.errors import VideoError
from semiuhpe.files.atomic import open_new
from semiuhpe.geometry.crop import Image
from semiuhpe.video.decode import one_line, open_container

TICKS = 90_000
"""Of the written videos' clock, a second: frame rates of 24, 25, 30 and 60 and 29.97 Hz are whole numbers of it."""
_T = TypeVar("_T")
_IN_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")


def even_size(image: Image) -> tuple[int, int]:
    """Width and height of the video for such frames: chroma is halved, so both are even."""
    height, width = image.shape[:2]
    return width + width % 2, height + height % 2


def tick_of(time_s: float) -> int:
    """A time on the clock of the written videos."""
    return round(time_s * TICKS)


class SegmentWriter:
    """Encodes frames of one segment, a new file. width, height: even. fps: nominal. Raises VideoError where that fails."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self.path, self.width, self.height = path, width, height
        self.start: int | None = None
        self._last = -1
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        try:
            self._file = open_new(path)
            self._container: Any = av.open(self._file, "w", format="mp4", options=options)
            self._stream = _encoder(self._container, width, height, fps)
        except Exception as error:  # PyAV's errors derive from OSError, ValueError and others, by FFmpeg's code
            raise VideoError(
                f"{path}: the video cannot be written ({one_line(error)}); choose another --output"
            ) from error

    def add(self, image: Image, time_s: float) -> None:
        """Encode a frame. image: (H, W, 3) uint8 RGB; one of another size is fitted. time_s: later than the last."""
        tick = max(tick_of(time_s), self._last + 1)
        if self.start is None:
            self.start = tick
        self._last = tick
        frame = av.VideoFrame.from_ndarray(_fitted(image, self.width, self.height), format="rgb24")
        frame = frame.reformat(format=self._stream.pix_fmt, dst_colorspace="ITU709")
        frame.pts, frame.time_base = tick - self.start, Fraction(1, TICKS)
        self._mux(frame)

    def close(self) -> None:
        """Finish the file, and hand it to the disk."""
        self._mux(None)
        self._container.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close without finishing."""
        with contextlib.suppress(Exception):  # a container without a packet cannot be closed; it is to be deleted
            self._container.close()
        self._file.close()

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except Exception as error:
            raise VideoError(
                f"{self.path}: the video cannot be written ({one_line(error)}); free some space"
            ) from error


def _encoder(container: Any, width: int, height: int, fps: float) -> Any:
    """An H.264 stream, or MPEG-4 where FFmpeg was built without x264."""
    rate = Fraction(fps).limit_denominator(1001)
    options = {"preset": "veryfast", "crf": "20", "bf": "0"}
    try:
        stream = container.add_stream("libx264", rate=rate, options=options)
    except Exception:
        stream = container.add_stream("mpeg4", rate=rate, options={"qscale": "3", "bf": "0"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    stream.codec_context.gop_size = max(1, round(fps))
    stream.codec_context.max_b_frames = 0
    # BT.709, said and meant: players take unlabelled HD for it and SD for BT.601.
    stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
    return stream


def _fitted(image: Image, width: int, height: int) -> Image:
    """A frame at the video's size: the odd last row or column repeated, or scaled if the source changed its size."""
    if even_size(image) != (width, height):
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    extra = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    return np.ascontiguousarray(np.pad(image, extra, mode="edge")) if any(e[1] for e in extra) else image


def join(
    segments: Sequence[tuple[Path, int]], sound: str | None, output: IO[bytes], check: Callable[[], None] = lambda: None
) -> None:
    """One MP4 of segments, with the sound of a source.

    segments: paths and their first frames' ticks. sound: path of a video whose audio streams are kept, shifted as its
    first frame is; those that do not fit into MP4 become AAC. None for silence. output: an empty file, open for reading
    and writing. check: is called for every packet, and may raise to stop. Raises VideoError where that fails.
    """

    def beside(url: str, flags: int, options: dict[str, Any]) -> _Beside:
        return _Beside(output)

    try:
        # MP4 shifts its streams in units of its own clock, which is a millisecond unless told otherwise.
        options = {"movflags": "faststart", "movie_timescale": str(TICKS)}
        with av.open(output, "w", format="mp4", options=options, io_open=beside) as container:
            with av.open(str(segments[0][0])) as first:
                video = container.add_stream_from_template(first.streams.video[0])
            video.time_base = Fraction(1, TICKS)
            source: Any = None if sound is None else open_container(sound)
            try:
                tracks = [_video_packets(segments, video)]
                if source is not None and source.streams.audio:
                    tracks.append(_audio_packets(sound or "", source, container, _end_of(segments)))
                for _, _, packet in heapq.merge(*tracks, key=lambda entry: entry[:2]):
                    check()
                    container.mux(packet)
            finally:
                if source is not None:
                    source.close()
    except VideoError:
        raise
    except Exception as error:
        raise VideoError(f"{output}: the video cannot be written ({one_line(error)})") from error


class _Beside:
    """Reads a file while it is being written, at a place of its own: the index goes to the front when all else is there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._place = file, 0

    def read(self, size: int) -> bytes:
        return self._here(lambda: self._file.read(size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._here(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        """Nothing: the file is the writer's."""

    def _here(self, act: Callable[[], _T]) -> _T:
        writing = self._file.tell()
        self._file.seek(self._place)
        result = act()
        self._place = self._file.tell()
        self._file.seek(writing)
        return result


_Timed = tuple[float, int, Any]
"""Time in seconds, a number that tells equal times apart, packet."""


def _video_packets(segments: Sequence[tuple[Path, int]], stream: Any) -> Iterator[_Timed]:
    for path, start in segments:
        with av.open(str(path)) as container:
            origin: int | None = None
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is None:
                    continue
                tick = round(packet.pts * packet.time_base * TICKS)
                origin = tick if origin is None else origin
                packet.duration = round((packet.duration or 0) * packet.time_base * TICKS)
                packet.pts = packet.dts = start + tick - origin
                packet.time_base, packet.stream = Fraction(1, TICKS), stream
                yield packet.pts / TICKS, 0, packet


def _end_of(segments: Sequence[tuple[Path, int]]) -> float:
    path, start = segments[-1]
    with av.open(str(path)) as container:
        ticks = [p.pts * p.time_base for p in container.demux(container.streams.video[0]) if p.pts is not None]
    rate = 0.04 if len(ticks) < 2 else float(ticks[-1] - ticks[0]) / (len(ticks) - 1)
    return start / TICKS + (float(ticks[-1] - ticks[0]) if ticks else 0.0) + rate


def _audio_packets(sound: str, source: Any, container: Any, end: float) -> Iterator[_Timed]:
    """Audio packets of a source between its first frame (time 0) and `end`, in the order in which they are stored."""
    first = _first_time(sound)
    outputs: dict[int, tuple[Any, bool]] = {}
    for stream in source.streams.audio:
        if stream.codec_context is None or not stream.codec_context.sample_rate:
            continue
        copies = stream.codec_context.name in _IN_MP4
        target = (
            container.add_stream_from_template(stream)
            if copies
            else container.add_stream("aac", rate=stream.codec_context.sample_rate, layout=_layout(stream))
        )
        outputs[stream.index] = target, copies
    return _timed_audio(source, outputs, first, end)


def _timed_audio(source: Any, outputs: dict[int, tuple[Any, bool]], first: float, end: float) -> Iterator[_Timed]:
    written = dict.fromkeys(outputs, -1.0)
    for packet in source.demux([source.streams[index] for index in outputs]):
        index = packet.stream.index  # the last, empty packets know their stream but not its number
        target, copies = outputs[index]
        if copies:
            if packet.pts is None:
                continue
            time_s = float(packet.pts * packet.time_base) - first
            if time_s < 0 or time_s >= end or time_s <= written[index]:
                continue
            written[index] = time_s
            packet.pts = packet.dts = packet.pts - round(Fraction(first) / packet.time_base)
            packet.stream = target
            yield time_s, index + 1, packet
            continue
        for frame in _decoded(packet):
            time_s = float(frame.time or 0.0) - first
            if 0 <= time_s < end:
                # Containers round times; samples that follow each other are counted instead.
                time_s = written[index] if abs(time_s - written[index]) < 0.05 else time_s
                written[index] = time_s + frame.samples / frame.sample_rate
                frame.pts = round(time_s * frame.sample_rate)
                frame.time_base = Fraction(1, frame.sample_rate)
                for encoded in target.encode(frame):
                    yield _audio_time(encoded), index + 1, encoded
    for index, (target, copies) in outputs.items():
        if not copies:
            for encoded in target.encode(None):
                yield _audio_time(encoded), index + 1, encoded


def _audio_time(packet: Any) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except Exception:  # a damaged packet of sound is a moment of silence
        return []


def _layout(stream: Any) -> str:
    return "mono" if stream.codec_context.channels == 1 else "stereo"


def _first_time(path: str) -> float:
    """The time of a video's first frame in its own clock, which is 0 in ours."""
    with open_container(path) as container:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except Exception:  # as VideoSource, which passes over what cannot be decoded
                continue
            if frames:
                return float(frames[0].time or 0.0)
    return 0.0
