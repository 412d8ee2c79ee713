"""Uploads are decoded in processes of their own, which end where one takes too long or crashes.

So what a stranger sends can neither hold up the server nor take it down. There are several such processes: while one
chews on a hostile file until its time is up, others serve honest ones.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.errors import ImageError, TooLargeError
from semiuhpe.geometry.crop import Image
from semiuhpe.web.decode_worker import ANSWER, JOB, PICTURE, READY, TOO_LARGE

_LOG = logging.getLogger(__name__)
_ENDED_BY_THE_CLOCK = (-signal.SIGPROF, -signal.SIGKILL) if hasattr(signal, "SIGPROF") else ()
_WALL, _START_SECONDS = 5.0, 60.0
_PROGRAM = """
import sys
sys.path[:1] = []  # not what lies in the current folder
sys.path.append(sys.argv[1])
from semiuhpe.web.decode_worker import main
main()
"""


class TooSlowError(ImageError):
    """A picture took more time to decode than it may have."""


class Decoders:
    """Pictures from the bytes of files, by a few processes that are started when first needed.

    seconds: of processor time that one picture may take; of a clock's time five times as many, since other programs may
    keep the processor busy. count: pictures that are decoded at once. A context manager; `close` ends the processes.
    """

    def __init__(self, seconds: float, count: int = 2) -> None:
        self._seconds = seconds
        self._free: queue.SimpleQueue[_Decoder] = queue.SimpleQueue()
        self._all = [_Decoder() for _ in range(count)]
        for decoder in reversed(self._all):
            self._free.put(decoder)

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, body: bytes, max_pixels: int) -> Image:
        """A picture as `load_image` reads it. Waits for a process that is free, which takes no longer than those that
        are busy may. Raises ImageError, and TooSlowError where the time was up."""
        decoder = self._free.get()
        try:
            return decoder.decode(body, max_pixels, self._seconds)
        finally:
            self._free.put(decoder)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for decoder in self._all:
            decoder.close()


class _Decoder:
    """One process, started when first needed, and anew after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = self._closed = False

    def decode(self, body: bytes, max_pixels: int, seconds: float) -> Image:
        if self._closed:
            raise ImageError("the server is ending; send the picture again later")
        process = self._process = self._process or _launched()
        try:
            if not self._ready:  # the time of a picture begins when the process has
                with _clock(_START_SECONDS, process):
                    self._ready = _read(process, 1) == READY
            with _clock(_WALL * seconds, process):
                return _exchange(process, body, max_pixels, seconds)
        except (OSError, EOFError) as error:
            code = process.wait()
            if self._closed:
                raise ImageError("the server is ending; send the picture again later") from error
            _LOG.warning("decoding an upload ended its process, which returned %d", code)
            self._process, self._ready = _launched(), False  # now, so that the next picture need not wait for it
            if code in _ENDED_BY_THE_CLOCK:
                raise TooSlowError(
                    f"the picture takes more than {seconds:g} s to decode; reduce it, or save it as a JPEG"
                ) from error
            raise ImageError("the picture is damaged (its decoder crashed); copy or export it again") from error

    def close(self) -> None:
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _launched() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PROGRAM, str(Path(__file__).parents[2])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def _clock(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process that is not through in time."""
    clock = threading.Timer(seconds, process.kill)
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _exchange(process: subprocess.Popen[bytes], body: bytes, max_pixels: int, seconds: float) -> Image:
    """Send a job, and read its answer. Raises ImageError where that is a refusal, OSError or EOFError where it ended."""
    jobs: Any = process.stdin
    jobs.write(JOB.pack(seconds, max_pixels, len(body)))
    jobs.write(body)
    jobs.flush()
    kind, first, second = ANSWER.unpack(_read(process, ANSWER.size))
    if kind != PICTURE:
        refusal = TooLargeError if kind == TOO_LARGE else ImageError
        raise refusal(_read(process, first).decode(errors="replace"))
    return np.frombuffer(_read(process, first * second * 3), dtype=np.uint8).reshape(second, first, 3)


def _read(process: subprocess.Popen[bytes], size: int) -> bytes:
    answers: Any = process.stdout
    content: bytes = answers.read(size)
    if len(content) < size:
        raise EOFError
    return content
