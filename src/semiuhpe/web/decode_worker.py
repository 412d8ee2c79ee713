"""The process that decodes uploads for the page; `decoding` starts it.

It says when it is ready, reads jobs from its standard input and writes pictures or refusals to its standard output. The kernel ends it where a
job takes too much processor time or memory: no decoder has a say in that.

A job: seconds, pixels and length (`JOB`), then the bytes of a file. An answer: a kind and two numbers (`ANSWER`), then
width × height × 3 bytes of RGB, or as many bytes of text as the first number says.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import warnings
from pathlib import Path
from typing import BinaryIO

from semiuhpe.errors import ImageError, TooLargeError
from semiuhpe.images.load import load_image

JOB = struct.Struct("<dQQ")
ANSWER = struct.Struct("<cQQ")
PICTURE, REFUSED, TOO_LARGE, READY = b"p", b"r", b"l", b"!"

_BYTES_OF_A_PIXEL = 24
_SPARE_BYTES = 512 << 20


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until there are no more."""
    while head := jobs.read(JOB.size):
        seconds, pixels, length = JOB.unpack(head)
        body = jobs.read(length)
        _limit_memory(pixels)
        _limit_time(seconds)
        try:
            picture = load_image(body, max_pixels=pixels)
        except (ImageError, MemoryError) as error:
            text = (str(error) or "the picture takes too much memory; reduce it first").encode()
            kind = TOO_LARGE if isinstance(error, TooLargeError) else REFUSED
            answers.write(ANSWER.pack(kind, len(text), 0) + text)
        else:
            height, width = picture.shape[:2]
            answers.write(ANSWER.pack(PICTURE, width, height))
            answers.write(picture.data)
        finally:
            _limit_time(0)
        answers.flush()


def _limit_time(seconds: float) -> None:
    """Let the process run for so long from now on, or, with 0, for ever. The server watches a clock of its own."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory(pixels: int) -> None:
    """Let the process have so much address space more than it has, where the system tells how much that is."""
    if sys.platform != "linux":
        return
    import resource

    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = has + pixels * _BYTES_OF_A_PIXEL + _SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    """Serve on the standard streams; what decoders print goes nowhere."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's affair; it closes our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(READY)
    answers.flush()
    serve(sys.stdin.buffer, answers)
