"""Head stores from what `semiuhpe export-heads` wrote: webdataset shards, or Parquet as Hugging Face has it.

The files may have come a long way: sizes are bounded, every picture is decoded once, and a head that is broken rejects
itself only.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from semiuhpe.errors import Rejected, SemiUHPEError, SourceError
from semiuhpe.files.atomic import json_value
from semiuhpe.heads.packing import COLUMNS, DATA, PLAN
from semiuhpe.heads.record import HeadRecord
from semiuhpe.images.load import load_image
from semiuhpe.sources.importing import ApartFrom, Candidate, ImportReport, Made, Workers, import_heads
from semiuhpe.sources.source import Source

_MOST_BYTES = {"json": 1 << 20, "jpg": 64 << 20, "png": 64 << 20}
"""Of a member of a shard, by its suffix; other members are not read."""
_ROWS = 64


def import_webdataset(
    folder: Path, store: Path, *, workers: Workers = None, apart_from: ApartFrom = ()
) -> ImportReport:
    """Heads from the webdataset shards of `semiuhpe export-heads`."""
    return _imported(folder, store, "*.tar", _of_shard, workers, apart_from)


def import_huggingface(
    folder: Path, store: Path, *, workers: Workers = None, apart_from: ApartFrom = ()
) -> ImportReport:
    """Heads from the Parquet files of `semiuhpe export-heads`, as Hugging Face's datasets have them."""
    return _imported(folder, store, "*.parquet", _of_table, workers, apart_from)


def _imported(
    folder: Path,
    store: Path,
    pattern: str,
    read: Callable[[Path], Iterator[Candidate]],
    workers: int | None,
    apart: Any,
) -> ImportReport:
    folder = Path(folder)
    inner = folder / DATA if (folder / DATA).is_dir() else folder
    paths = sorted(inner.glob(pattern))
    if not paths:
        raise SourceError(
            f"{folder}: holds no {pattern}, nor does its folder {DATA}; give the folder that export-heads wrote"
        )
    candidates = (candidate for path in paths for candidate in read(path))
    return import_heads(store, candidates, _meta(folder), workers=workers, apart_from=apart)


def _meta(folder: Path) -> dict[str, Any]:
    """What the exported store said of its making."""
    path = folder / PLAN
    if not path.exists():
        return {}
    try:
        return dict(json_value(path.read_bytes())["meta"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: is malformed ({error}); export the heads again, or delete the file") from error


def _candidate(where: str, record: bytes | HeadRecord | SemiUHPEError, picture: bytes | None) -> Candidate:
    """A head to be. where: what an error names."""
    try:
        if isinstance(record, SemiUHPEError):
            raise record
        known = record if isinstance(record, HeadRecord) else HeadRecord.from_json(record)
        if picture is None:
            raise Rejected("incomplete", "has no picture")
    except SemiUHPEError as error:
        kind = error.kind if isinstance(error, Rejected) else "record"
        return Candidate.rejecting(where, Rejected(kind, f"{where}: {error}"))
    content = picture

    def make() -> Made:
        load_image(content)
        return known, content

    return Candidate(known.id, make)


def _of_shard(path: Path) -> Iterator[Candidate]:
    """The samples of a shard: members that follow each other and share the name before the first dot."""
    key, parts = "", dict[str, bytes]()
    try:
        with tarfile.open(path, mode="r|") as shard:
            for member in shard:
                stem, _, suffix = Path(member.name).name.partition(".")
                if stem != key:
                    if parts:
                        yield _sample(path, key, parts)
                    key, parts = stem, {}
                suffix = suffix.lower().replace("jpeg", "jpg")
                if not member.isfile() or suffix not in _MOST_BYTES:
                    continue
                if member.size > _MOST_BYTES[suffix]:
                    yield Candidate.rejecting(
                        f"{path}#{member.name}", Rejected("too large", f"{path}#{member.name}: larger than a head is")
                    )
                    continue
                content = shard.extractfile(member)
                parts[suffix] = b"" if content is None else content.read()
        if parts:
            yield _sample(path, key, parts)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SourceError(f"{path}: is damaged ({error}); export or fetch it again") from error


def _sample(path: Path, key: str, parts: dict[str, bytes]) -> Candidate:
    record = parts.get("json", Rejected("incomplete", "has no record"))
    return _candidate(f"{path}#{key}", record, parts.get("jpg", parts.get("png")))


def _of_table(path: Path) -> Iterator[Candidate]:
    try:
        file = pq.ParquetFile(path)
        missing = [name for name in COLUMNS.names if name not in file.schema_arrow.names]
        if missing:
            raise SourceError(f"{path}: has no column {missing[0]!r}; only what export-heads wrote can be read")
        number = 0
        for batch in file.iter_batches(_ROWS, columns=COLUMNS.names):
            for row in batch.to_pylist():
                yield _candidate(f"{path}#{number}", _record(row), (row["image"] or {}).get("bytes"))
                number += 1
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise SourceError(
            f"{path}: is damaged ({' '.join(str(error).split())[:160]}); export or fetch it again"
        ) from error


def _record(row: dict[str, Any]) -> HeadRecord | SemiUHPEError:
    try:
        return HeadRecord.from_fields({**row, "extras": dict(json_value(row["extras"]))})
    except SemiUHPEError as error:
        return error
    except (TypeError, ValueError) as error:
        return Rejected("record", f"the record is malformed ({error})")


WEBDATASET = Source("webdataset", import_webdataset, licence="as its data card says")
HUGGINGFACE = Source("huggingface", import_huggingface, licence="as its data card says")
