"""A head store as files that other tools stream: webdataset shards (tar) or Parquet as Hugging Face's `datasets` reads it.

Nothing is encoded again: pictures are the store's own bytes, records its own numbers. A file appears whole or not at all,
and one that is there is not written again, so an export that was killed goes on. `sources.packed` reads both back.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from semiuhpe.errors import StoreError
from semiuhpe.files.atomic import json_text, json_value, remove_leftovers, replacing, write_atomically
from semiuhpe.heads.data_card import CARD, data_card
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore

Format = Literal["webdataset", "huggingface"]
FORMATS: tuple[Format, ...] = ("webdataset", "huggingface")
SUFFIXES: dict[Format, str] = {"webdataset": ".tar", "huggingface": ".parquet"}
DATA, PLAN = "data", "heads.json"
HEADS_OF_A_FILE = 1000

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""A picture in a column, as Hugging Face stores it."""
COLUMNS = pa.schema(
    [
        ("image", IMAGE),
        ("id", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("subject", pa.string()),
        ("box", pa.list_(pa.float64())),
        ("rotation", pa.list_(pa.float64())),
        ("extras", pa.string()),
    ]
)
"""One head per row. rotation: nine numbers by rows, camera←head, or null; extras: JSON."""


def export_heads(
    store: HeadStore,
    folder: Path,
    kind: Format,
    *,
    heads_of_a_file: int = HEADS_OF_A_FILE,
    name: str = "",
    licence: str = "",
    progress: Callable[[int], Any] = lambda heads: None,
) -> int:
    """Write the heads of a store, the plan and the data card; returns how many files of heads there are.

    Files are `data/SPLIT-NNNNN.tar` or `.parquet`, heads of a split in the store's order. name, licence: for the card.
    progress: is told how many more heads are there. Raises StoreError where the folder holds something else.
    """
    if heads_of_a_file < 1:
        raise StoreError(f"a file holds at least one head, got {heads_of_a_file}")
    plan = {"format": kind, "heads_of_a_file": heads_of_a_file, "heads": len(store), "meta": store.meta}
    _claim(folder, plan)
    remove_leftovers(folder / DATA)
    write = _write_shard if kind == "webdataset" else _write_table
    count = 0
    for path, numbers in _files(store, folder / DATA, SUFFIXES[kind], heads_of_a_file):
        if not path.exists():
            write(store, numbers, path)
        count += 1
        progress(len(numbers))
    write_atomically(folder / CARD, data_card(store, kind, name or folder.name, licence).encode())
    return count


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    """Make the folder, or see that it holds what an export with the same plan began."""
    path = folder / PLAN
    try:
        known = json_value(path.read_bytes()) if path.exists() else None
        if known is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(f"{folder}: holds something else; choose another folder")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); choose another folder") from error
    if known is not None and known != json_value(json_text(plan)):
        raise StoreError(f"{folder}: holds another export; delete it or choose another folder")
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json_text(plan, indent=1) + "\n").encode())


def _files(store: HeadStore, folder: Path, suffix: str, size: int) -> Iterator[tuple[Path, Sequence[int]]]:
    """Path and heads of each file."""
    by_split: dict[str, list[int]] = {}
    for number, record in enumerate(store):
        by_split.setdefault(record.split, []).append(number)
    for split, numbers in sorted(by_split.items()):
        for index, start in enumerate(range(0, len(numbers), size)):
            yield folder / f"{split}-{index:05d}{suffix}", numbers[start : start + size]


def picture_suffix(encoded: bytes) -> str:
    """ "png" or "jpg", by a picture's first bytes."""
    return "png" if encoded.startswith(b"\x89PNG") else "jpg"


def _write_shard(store: HeadStore, numbers: Sequence[int], path: Path) -> None:
    """One sample a head: its picture, and its record as JSON."""
    with replacing(path) as file, tarfile.open(fileobj=file, mode="w") as shard:
        for number in numbers:
            encoded = store.encoded(number)
            for suffix, content in (
                (picture_suffix(encoded), encoded),
                ("json", store.record(number).to_json().encode()),
            ):
                member = tarfile.TarInfo(f"{number:08d}.{suffix}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))


def _write_table(store: HeadStore, numbers: Sequence[int], path: Path) -> None:
    rows = [_row(number, store.record(number), store.encoded(number)) for number in numbers]
    with replacing(path) as file:
        pq.write_table(pa.Table.from_pylist(rows, COLUMNS), file)


def _row(number: int, record: HeadRecord, encoded: bytes) -> dict[str, Any]:
    return {
        "image": {"bytes": encoded, "path": f"{number:08d}.{picture_suffix(encoded)}"},
        "id": record.id,
        "source": record.source,
        "split": record.split,
        "subject": record.subject,
        "box": [float(edge) for edge in record.box],
        "rotation": None if record.rotation is None else record.rotation.ravel().tolist(),
        "extras": json_text(record.extras, sort_keys=True),
    }
