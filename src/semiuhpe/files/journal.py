"""A journal: a file of JSON lines that only grows, so that a kill costs at most the line that was being written.

A line counts when its end is there. What a kill cut short is passed over when reading and cut off when going on.
Every line is with the operating system before `add` returns, which is all that the death of a process asks for. Against
the power failing, lines are handed to the disk (fsync) at most `SYNC_S` seconds late, and at `sync` and `close`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from semiuhpe.files.atomic import json_text, json_value, open_kept

SYNC_S = 1.0


def line_of(content: Any) -> bytes:
    """A line, ASCII. Names of files that are no text keep their bytes as lone surrogates (`os.fsencode` gives them back)."""
    return json_text(content).encode("ascii") + b"\n"


def lines_of(content: bytes) -> list[Any]:
    """The lines of a journal's content, up to the first that is not whole."""
    lines = []
    for line in content.split(b"\n")[:-1]:
        try:
            lines.append(json_value(line))
        except ValueError:  # after the power failed, a file may be longer than what reached the disk
            break
    return lines


class Journal:
    """A journal that is open for adding.

    keep: so many bytes stay, the rest is cut off; None: all whole lines. Raises OSError, also for a link.
    """

    def __init__(self, path: Path, *, keep: int | None = None) -> None:
        self._file = open_kept(path)
        try:
            if keep is None:
                keep = self._file.read().rfind(b"\n") + 1
            elif keep > os.fstat(self._file.fileno()).st_size:
                raise OSError(f"{path.name} is shorter than it was")
            self._file.truncate(keep)
            self.length = self._file.seek(keep)
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def add(self, content: Any) -> None:
        """Add a line. Raises OSError."""
        line = memoryview(line_of(content))
        while line:
            count = self._file.write(line) or 0
            self.length += count
            line = line[count:]
        if time.monotonic() - self._synced > SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Hand all lines to the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if not self._file.closed:
            self.sync()
            self._file.close()
