"""Videos, network streams and cameras as `Opened` sources: true times, upright pictures."""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import VideoError
from semiuhpe.geometry.crop import Image

MAX_FRAME_PIXELS = 40_000_000
"""Largest frame that is decoded; 8K has 33 million pixels. Some frames wait in a queue, so it is less than a photo's."""
_FILE_FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "asf", "flv", "ogg", "ivf", "mxf",
    "dv", "rm", "wtv", "nut", "yuv4mpegpipe", "mjpeg", "obu",
)  # fmt: skip
"""What a file may be. Above all no playlist (concat, hls, dash, sdp): FFmpeg opens whatever files and addresses it names."""
_MAX_DAMAGED = 300
"""Packets in a row that cannot be decoded before the rest of a video is given up."""


class VideoSource:
    """A video file, or a stream's URL, decoded by PyAV.

    source: path or URL. open_s, read_s: seconds after which opening or reading gives up (None: files do not need it).
    skip: so many frames at the beginning are decoded but not yielded; exact where seeking by time is not.

    Times count from the first frame. A URL without a duration is live. Raises VideoError for what is no readable video.
    """

    def __init__(self, source: str, *, open_s: float | None = None, read_s: float | None = None, skip: int = 0) -> None:
        self.name, self._skip = source, skip
        check_file(source)
        try:
            self._container: Any = open_container(
                source, timeout=None if open_s is None and read_s is None else (open_s, read_s)
            )
        except Exception as error:  # PyAV's errors derive from OSError, ValueError and others, by FFmpeg's code
            reason = getattr(error, "strerror", None) or one_line(error)
            raise VideoError(f"{source}: not a video that can be opened ({reason}); check the source") from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f"{source}: holds no video stream; give a file with pictures in it")
        self.stream: Any = self._container.streams.video[0]
        if self.stream.codec_context is None:
            self.close()
            raise VideoError(f"{source}: its pictures are in a code that FFmpeg cannot decode; export it as H.264")
        self.stream.thread_type = "AUTO"
        # FFmpeg checks it for every frame, also where a stream changes its size on the way.
        self.stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        if width * height > MAX_FRAME_PIXELS:
            self.close()
            raise VideoError(
                f"{source}: frames of {width} × {height} are more than {MAX_FRAME_PIXELS:,} pixels; reduce them"
            )
        rate = self.stream.average_rate or self.stream.guessed_rate
        self.fps: float | None = float(rate) if rate else None
        length = self._container.duration / av.time_base if self._container.duration else None
        is_url = "://" in source
        self.live = is_url and not length
        count = self.stream.frames or (round(length * self.fps) if length and self.fps else 0)
        self.frame_count: int | None = count or None

    def __iter__(self) -> Iterator[tuple[float, Image | None]]:
        damaged, frame_s, number = 0, 1 / (self.fps or 25.0), 0
        first = last = -math.inf
        for packet in self._packets():
            try:
                frames = packet.decode()
                damaged = 0
            except Exception as error:  # damaged data raise anything; the next key frame mends it
                damaged += 1
                if damaged > _MAX_DAMAGED:
                    raise VideoError(f"{self.name}: the video is damaged ({one_line(error)})") from error
                yield max(last - first, 0.0) if number else 0.0, None
                continue
            for frame in frames:
                # A frame without a time, or with that of its predecessor, comes one nominal frame later.
                stamped = frame.time
                time_s = last + frame_s if number and (stamped is None or stamped <= last) else stamped or 0.0
                first, last, number = time_s if number == 0 else first, time_s, number + 1
                if number > self._skip:
                    yield time_s - first, upright(frame)

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except Exception as error:
                raise VideoError(f"{self.name}: reading failed ({one_line(error)})") from error
            yield packet

    def close(self) -> None:
        """Close the container; a second time does nothing."""
        self._container.close()


def open_container(source: str, timeout: Any = None) -> Any:
    """A PyAV container of a file or URL; a file can only be a video that holds its pictures itself.

    Raises what PyAV raises.
    """
    options = {"rtsp_transport": "tcp"} if source.lower().startswith("rtsp") else {}
    if "://" not in source:
        options |= {"format_whitelist": ",".join(_FILE_FORMATS), "protocol_whitelist": "file"}
        source = f"file:{source}"  # a name such as concat:a|b.mp4 is a name
    return av.open(source, options=options, timeout=timeout)


class CameraSource:
    """A camera by its number, through OpenCV. Raises VideoError where there is none."""

    live = True
    frame_count: int | None = None

    def __init__(self, number: int) -> None:
        import cv2

        self._capture: Any = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise VideoError(f"camera {number}: cannot be opened; check that it is connected and not in use")
        self.name = f"camera {number}"
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps: float | None = rate if 0 < rate < 1000 else None

    def __iter__(self) -> Iterator[tuple[float, Image | None]]:
        while True:
            good, picture = self._capture.read()
            if not good:
                raise VideoError(f"{self.name}: no picture came; check its cable")
            yield time.monotonic(), np.ascontiguousarray(picture[..., ::-1])

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def check_file(source: str) -> None:
    """Raise VideoError where a path is no ordinary, non-empty file. URLs pass."""
    if "://" in source:
        return
    path = Path(source)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path}: cannot be read ({reason}); check the path") from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(f"{path}: is no ordinary file; name a video file")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty; copy it again")


def upright(frame: Any) -> Image:
    """A decoded frame as (H, W, 3) uint8 RGB, turned as its display matrix says."""
    picture: Image = frame.to_ndarray(format="rgb24")
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return apply_display_matrix(picture, np.frombuffer(bytes(data), dtype="=i4"))
    return picture


def apply_display_matrix(picture: Image, matrix: NDArray[np.int32]) -> Image:
    """A picture turned and mirrored as the nine numbers of a display matrix say, in quarter turns.

    The matrix maps a stored pixel (x, y) to (a·x + c·y, b·x + d·y) with a, b, c, d = numbers 0, 1, 3, 4.
    """
    if matrix.size < 9:
        return picture
    a, b, c, d = (int(np.sign(int(matrix[i]))) if abs(int(matrix[i])) > 1 << 15 else 0 for i in (0, 1, 3, 4))
    if (a == 0) == (b == 0) or (c == 0) == (d == 0) or a * d == b * c:  # no quarter turn: left as it is
        return picture
    # The new picture's axes in terms of the old: x' = a·x + c·y. Where a is 0, columns come from rows.
    turned = picture if a else picture.swapaxes(0, 1)
    across, down = (a, d) if a else (c, b)
    return np.ascontiguousarray(turned[::down, ::across])


def one_line(error: BaseException) -> str:
    """An error's text on one short line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
