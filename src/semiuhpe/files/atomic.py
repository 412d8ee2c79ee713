"""Files that are written whole or not at all, and JSON that every parser reads.

A new file first has a temporary name in the same folder: unpredictable, opened exclusively and never through a link, so
that in a folder which others may write to no link that they planted leads elsewhere. Then it is renamed: whoever looks
sees the old content or all of the new. The content is handed to the disk (fsync) before, so this holds when the power
fails as well. What a kill leaves is a file that `remove_leftovers` knows by its name.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

_LEFTOVER = re.compile(r"\.semiuhpe-[0-9a-f]{16}\.tmp")
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_new(path: Path) -> IO[bytes]:
    """A file that did not exist, for writing and reading, with the user's usual permissions.

    Raises FileExistsError where the name is taken, be it by a link that leads nowhere.
    """
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, 0o666), "w+b")


def open_kept(path: Path) -> IO[bytes]:
    """A file to go on with, or a new one; unbuffered, for reading and writing. Raises OSError for a link."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _SAFE, 0o666), "r+b", buffering=0)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """An open file that takes the place of `path` when the block ends, and vanishes if the block raises."""
    temporary = _temporary(path)
    file = open_new(temporary)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_by_name(path: Path) -> Iterator[Path]:
    """`replacing` for what opens files by itself: the path of an empty file of ours, to be written and closed."""
    temporary = _temporary(path)
    open_new(temporary).close()
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    """A name beside `path` that nobody can foresee."""
    return path.with_name(f".semiuhpe-{secrets.token_hex(8)}.tmp")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file: after a kill there is the old content or the new, never half of it."""
    with replacing(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed runs left under temporary names. Only where no other run may be writing."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _LEFTOVER.fullmatch(entry.name)]
    for name in names:
        (folder / name).unlink(missing_ok=True)


def json_text(value: Any, **layout: Any) -> str:
    """A value as JSON that every parser reads: what is not finite, and so undefined, becomes null.

    Python's own writer would say `NaN` and `Infinity`, which are no JSON. layout: as `json.dumps` takes it.
    """
    try:
        return json.dumps(value, allow_nan=False, **layout)
    except ValueError:
        return json.dumps(finite(value), allow_nan=False, **layout)


def json_value(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text that anyone may have written. Raises ValueError, also where it is nested more deeply
    than Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def finite(value: Any) -> Any:
    """The same nested values with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
