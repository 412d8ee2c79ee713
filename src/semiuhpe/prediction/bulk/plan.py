"""The work of a bulk run, cut into units that never change: what makes "exactly once" a matter of names.

A unit is a few hundred files of a folder, one row group of a Parquet file, or one webdataset shard (a tar). Units are
numbered when they are first seen and written down before any work begins; a unit's results are one Parquet file with its
number. A unit that is done twice, because a worker died after its last byte, replaces that file with the same rows.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyarrow import ArrowException, parquet

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_text, json_value
from semiuhpe.images.load import SUFFIXES
from semiuhpe.prediction.bulk.storage import Place, place

FILES_OF_A_UNIT = 256
PLANS = "plan"
_AT_ONCE, _LISTED = 16, 4096


@dataclass(frozen=True)
class Unit:
    """Some inputs that are done together.

    number: its name in the run. kind: "files", "parquet" or "tar". paths: URLs, one for the latter two. group: row group
    of a Parquet file. column: the name of its image column.
    """

    number: int
    kind: str
    paths: tuple[str, ...]
    group: int = 0
    column: str = ""

    @property
    def name(self) -> str:
        """Of the file with its results."""
        return f"part-{self.number:08d}.parquet"

    def known(self) -> Iterator[tuple[str, int]]:
        """What it holds, as a later listing of the sources would say."""
        return ((path, self.group) for path in self.paths)

    def to_json(self) -> str:
        """One line."""
        return json_text([self.number, self.kind, self.paths, self.group, self.column])

    @classmethod
    def from_json(cls, line: str) -> Unit:
        """Inverse of `to_json`."""
        number, kind, paths, group, column = json_value(line)
        return cls(number, kind, tuple(paths), group, column)


def planned(output: Place) -> list[Unit]:
    """The units that earlier runs wrote down. Raises InputError for a plan that is damaged."""
    units: list[Unit] = []
    for name in output.at(PLANS).names():
        try:
            lines = output.at(PLANS).at(name).read().decode().splitlines()
            units += [Unit.from_json(line) for line in lines]
        except (ValueError, TypeError) as error:
            raise InputError(f"{output.url}/{PLANS}/{name}: is damaged; begin again with --overwrite") from error
    return units


def extend_plan(output: Place, sources: Sequence[str], column: str, files: int = FILES_OF_A_UNIT) -> list[Unit]:
    """All units of a run: those of earlier runs, unchanged, and new ones for inputs that they do not know.

    The new ones are on disk when this returns. Raises InputError for a source that holds nothing.
    """
    units = planned(output)
    known = {key for unit in units for key in unit.known()}
    fresh: list[Unit] = []
    loose: list[str] = []
    for kind, path, groups in (found for source in sources for found in find_inputs(source, column)):
        for group in range(groups):
            if (path, group) in known:
                continue
            known.add((path, group))
            if kind == "files":
                loose.append(path)
            else:
                fresh.append(Unit(0, kind, (path,), group, column if kind == "parquet" else ""))
    fresh += [Unit(0, "files", tuple(loose[start : start + files])) for start in range(0, len(loose), files)]
    numbered = [
        Unit(number, unit.kind, unit.paths, unit.group, unit.column)
        for number, unit in enumerate(fresh, start=max((unit.number for unit in units), default=-1) + 1)
    ]
    if numbered:
        text = "".join(unit.to_json() + "\n" for unit in numbered)
        output.at(PLANS).at(f"{numbered[0].number:08d}.jsonl").write(text.encode())
    return units + numbered


def find_inputs(source: str, column: str) -> Iterator[tuple[str, str, int]]:
    """Kind, URL and number of groups of everything in a source: a file, a folder, or a URL of one."""
    at = place(source)
    kind = at.kind
    if kind == "nothing":
        raise InputError(f"{source}: no such file or folder; check the address")
    names = at.names(recursive=True) if kind == "folder" else [""]
    shown = [name for name in names if not any(part.startswith((".", "_")) for part in name.split("/"))]

    def look(name: str) -> tuple[str, str, int] | None:
        one = at.at(name) if name else at
        suffix = "." + one.path.rpartition(".")[2].lower()
        if suffix == ".parquet":
            return "parquet", one.url, _row_groups(one, column)
        if suffix == ".tar":
            return "tar", one.url, 1
        return ("files", one.url, 1) if suffix in SUFFIXES or not name else None

    found = 0
    # The end of every Parquet file must be read to know its row groups, which in object storage is mostly waiting.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(shown), _LISTED):
            for one in pool.map(look, shown[start : start + _LISTED]):
                if one is not None:
                    found += 1
                    yield one
    if not found:
        raise InputError(f"{source}: holds no pictures, Parquet files or .tar shards")


def _row_groups(one: Place, column: str) -> int:
    try:
        with one.system.open_input_file(one.path) as file:
            table = parquet.ParquetFile(file)
            if column not in table.schema_arrow.names:
                names = ", ".join(table.schema_arrow.names[:20])
                raise InputError(
                    f"{one.url}: has no column {column!r}; name that of the pictures with --column: {names}"
                )
            return int(table.num_row_groups)
    except (ArrowException, OSError) as error:
        raise InputError(f"{one.url}: is no readable Parquet file ({' '.join(str(error).split())[:120]})") from error


Content = bytes | Exception
Item = tuple[str, "Content | Callable[[], Content]"]
"""The key of an input, and its bytes, or why they could not be had; a function that fetches them where that may wait."""


def read_unit(unit: Unit) -> Iterator[Item]:
    """The inputs of a unit in order, each with a key that is its own in the whole run."""
    if unit.kind == "files":
        for path in unit.paths:
            yield path, partial(_content, path)
    elif unit.kind == "parquet":
        yield from _rows(unit)
    else:
        yield from _members(unit.paths[0])


def _content(path: str) -> Content:
    try:
        return place(path).read()
    except (OSError, InputError) as error:
        return error


def _rows(unit: Unit) -> Iterator[Item]:
    one = place(unit.paths[0])
    with one.system.open_input_file(one.path) as file:
        values = parquet.ParquetFile(file).read_row_group(unit.group, columns=[unit.column])[0]
    for row, value in enumerate(values):
        content: Any = value.as_py()
        if isinstance(content, dict):  # as Hugging Face stores pictures
            content = content.get("bytes")
        good = isinstance(content, bytes)
        yield f"{one.url}#{unit.group}/{row}", content if good else InputError("the row holds no bytes of a picture")


def _members(url: str) -> Iterator[Item]:
    """Pictures of a tar; the other members of a webdataset sample (labels, captions) are left alone."""
    seen: dict[str, int] = {}
    one = place(url)
    with one.system.open_input_stream(one.path) as stream, tarfile.open(fileobj=_Reader(stream), mode="r|") as shard:
        for member in shard:
            if not member.isfile() or not re.search(r"\.\w+$", member.name):
                continue
            if "." + member.name.rpartition(".")[2].lower() not in SUFFIXES:
                continue
            number = seen[member.name] = seen.get(member.name, 0) + 1
            key = f"{url}#{member.name}" + (f"({number})" if number > 1 else "")
            content = shard.extractfile(member)
            yield key, content.read() if content is not None else InputError("the member is no file")


class _Reader(io.RawIOBase):
    """A pyarrow stream as tarfile wants it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._stream.read(None if size < 0 else size)
        return content


def waiting(units: Iterable[Unit], output: Place) -> list[Unit]:
    """The units whose results are not there yet."""
    done = set(output.names())
    return [unit for unit in units if unit.name not in done]
