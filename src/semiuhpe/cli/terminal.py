"""What commands print: no control character of a file's name reaches the terminal, and no output that fails is a traceback."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""All of C0 but tab, line feed and carriage return; C1; what turns the direction of text; halves of characters."""
_UNSAFE = {keep: re.compile(f"[{_CONTROL}{'' if keep else chr(13)}]") for keep in (True, False)}


def printable(text: str, *, carriage_return: bool = False) -> str:
    """A text with every control character as its number, such as \\x1b. carriage_return: leave those."""
    return _UNSAFE[carriage_return].sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class PlainStream:
    """A text stream that writes what is `printable`. Everything else is the stream's own."""

    def __init__(self, stream: TextIO, *, carriage_return: bool) -> None:
        self._stream, self._carriage_return = stream, carriage_return

    def write(self, text: str) -> int:
        """As of a text stream."""
        return self._stream.write(printable(text, carriage_return=self._carriage_return))

    def writelines(self, lines: Any) -> None:
        """As of a text stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """Have everything that is printed be `printable`, until the block ends. Progress bars return to the line's begin."""
    os.environ.setdefault("NO_COLOR", "1")  # argparse's colours, from Python 3.14 on, are control characters too
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # where one was closed before Python began
        sys.stdout = PlainStream(sys.stdout or nowhere, carriage_return=False)
        sys.stderr = PlainStream(sys.stderr or nowhere, carriage_return=True)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def open_closed_streams() -> None:
    """Put the null device where a standard stream was closed: the next file to be opened would take its number, and
    whatever a library prints would end up in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def give_up_output() -> None:
    """Send what is still to be printed nowhere: it failed once, and would again when Python ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
