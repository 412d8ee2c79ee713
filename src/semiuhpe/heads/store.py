"""The head store: a dataset of heads at rest, one folder on disk for every source.

`heads.lmdb` is the truth: under each number it holds the record and the encoded context crop, written in one
transaction, so a kill at any moment loses at most the batch that was being written and never leaves half a head.
`heads.parquet` is the same records as a table that any tool opens, rebuilt from the LMDB whenever a writer closes (and
lazily by a reader, should a kill have come before that).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semiuhpe.errors import RecordError, StoreError
from semiuhpe.files.atomic import json_text, json_value, write_atomically
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import Float
from semiuhpe.heads.record import HeadRecord
from semiuhpe.images.limits import MAX_SCANS

FORMAT_VERSION = 1
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_PNG = b"\x89PNG\r\n\x1a\n"
_SCAN = b"\xff\xda"  # of a JPEG, each of which may be another pass over all pixels
_MAP_SIZE = 1 << 40  # address space, not disk: LMDB's file grows as it fills

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("subject", pa.string()),
        ("box", pa.list_(pa.float64(), 4)),
        # Of 9, or null: pyarrow up to 24 writes no null among lists of a fixed size.
        ("rotation", pa.list_(pa.float64())),
        ("extras", pa.string()),
    ]
)


def _number(index: int) -> bytes:
    return b"%012d" % index


def _key(head_id: str) -> bytes:
    """The id as an LMDB key, which may have 511 bytes at most; longer ones are named by their hash."""
    key = head_id.encode()
    return key if len(key) <= 511 else b"sha256:" + hashlib.sha256(key).hexdigest().encode()


# LMDB forbids opening a folder twice in one process, so those who open the same store share its environment; it is
# closed when the last of them is gone. The process id is part of the key: an environment must not cross a fork.
_SHARED: weakref.WeakValueDictionary[tuple[int, str], _Environment] = weakref.WeakValueDictionary()


class _Environment:
    """One open LMDB folder with its four tables."""

    def __init__(self, folder: Path, *, readonly: bool) -> None:
        options: dict[str, Any] = {"map_size": _MAP_SIZE, "max_dbs": 4, "readonly": readonly, "readahead": False}
        try:
            self.env = lmdb.open(str(folder), **options)
        except lmdb.ReadonlyError:
            # Readers take part in locking, so that one may read while another process writes; read-only media need none.
            self.env = lmdb.open(str(folder), lock=False, **options)
        # A file that was cut short would be read through the memory map, and kill the process.
        pages = self.env.info()["last_pgno"] + 1
        if (folder / "data.mdb").stat().st_size < pages * self.env.stat()["psize"]:
            raise OSError("its file has been cut short")
        self.images = self.env.open_db(b"images", create=not readonly)
        self.records = self.env.open_db(b"records", create=not readonly)
        self.ids = self.env.open_db(b"ids", create=not readonly)
        self.info = self.env.open_db(b"info", create=not readonly)
        self.readonly = readonly


def _environment(store: Path, *, readonly: bool) -> _Environment:
    folder = (store / "heads.lmdb").resolve()
    key = (os.getpid(), str(folder))
    known = _SHARED.get(key)
    if known is not None and (readonly or not known.readonly):
        return known
    if known is not None:
        raise StoreError(f"{store}: the store is open for reading in this process; close that reader before writing")
    try:
        opened = _Environment(folder, readonly=readonly)
    except (lmdb.Error, OSError) as error:
        raise StoreError(f"{store}: the head store cannot be opened ({error}); import the source again") from error
    _SHARED[key] = opened
    return opened


def _check_version(store: Path, version: bytes) -> None:
    if version != str(FORMAT_VERSION).encode():
        raise StoreError(
            f"{store}: store format {version.decode(errors='replace')}, this version reads {FORMAT_VERSION}; import again"
        )


def table_of(records: Iterable[HeadRecord]) -> pa.Table:
    """The records as a pyarrow table, one row per head; `extras` is JSON text."""
    rows = list(records)
    return pa.table(
        {
            "id": [r.id for r in rows],
            "source": [r.source for r in rows],
            "split": [r.split for r in rows],
            "subject": [r.subject for r in rows],
            "box": [[float(v) for v in r.box] for r in rows],
            "rotation": [None if r.rotation is None else [float(v) for v in r.rotation.ravel()] for r in rows],
            "extras": [json_text(r.extras, sort_keys=True) for r in rows],
        },
        schema=_SCHEMA,
    )


@contextlib.contextmanager
def _reading(store: Path) -> Iterator[None]:
    """Damaged pages and records as one error that names the store."""
    try:
        yield
    except RecordError as error:
        raise StoreError(f"{store}: {error}") from error
    except (lmdb.Error, ValueError) as error:
        raise StoreError(f"{store}: the head store is damaged ({error}); import the source again") from error


def _records(txn: Any, db: _Environment) -> list[HeadRecord]:
    """All records, one by one: LMDB's cursor ends the process where the next page is none."""
    records = []
    for index in range(int(txn.stat(db.records)["entries"])):
        value = txn.get(_number(index), db=db.records)
        if value is None:
            raise RecordError(f"the head store is damaged (it has no record {index}); import the source again")
        records.append(HeadRecord.from_json(value))
    return records


class HeadStoreWriter:
    """Adds heads to a store; opening an existing store continues it. A context manager.

    Args:
        path: folder of the store.
        meta: JSON object kept with the store (how it was made); None = that of the store.

    Raises:
        StoreError: an existing store has a different meta, so that a resumed job cannot mix two recipes; or the folder
            holds something else, or a store that is damaged, open for reading in this process or of another format.
    """

    def __init__(self, path: str | os.PathLike[str], meta: dict[str, Any] | None = None) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path}: a head store is a folder, and this is a file; choose another path")
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / "heads.lmdb").is_dir():
            raise StoreError(f"{self.path}: the folder is not empty and holds no head store; choose another path")
        (self.path / "heads.lmdb").mkdir(parents=True, exist_ok=True)
        self._db = _environment(self.path, readonly=False)
        with _reading(self.path), self._db.env.begin(write=True) as txn:
            known = txn.get(b"meta", db=self._db.info)
            if known is None:
                txn.put(b"version", str(FORMAT_VERSION).encode(), db=self._db.info)
                txn.put(b"meta", json_text(meta or {}, sort_keys=True).encode(), db=self._db.info)
            _check_version(self.path, txn.get(b"version", default=b"0", db=self._db.info))
            if known is not None and meta is not None and json_value(known) != json.loads(json_text(meta)):
                raise StoreError(
                    f"{self.path}: the store was begun with other settings; delete it or choose another path"
                )
            self.meta: dict[str, Any] = json_value(known) if known is not None else (meta or {})

    def __enter__(self) -> HeadStoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, head_id: str) -> bool:
        with _reading(self.path), self._db.env.begin(db=self._db.ids) as txn:
            return txn.get(_key(head_id)) is not None

    def __len__(self) -> int:
        with _reading(self.path), self._db.env.begin() as txn:
            return int(txn.stat(self._db.records)["entries"])

    def add(self, record: HeadRecord, encoded: bytes) -> bool:
        """Add one head.

        Args:
            record: what is known of it.
            encoded: its context crop as JPEG or PNG bytes.

        Returns:
            False if its id was already there.
        """
        return self.add_many([(record, encoded)]) == 1

    def add_many(self, heads: Iterable[tuple[HeadRecord, bytes]]) -> int:
        """Add heads in one transaction: after a kill either all of them are there or none.

        Args:
            heads: records, each with its context crop as JPEG or PNG bytes.

        Returns:
            How many were new.
        """
        added = 0
        with _reading(self.path), self._db.env.begin(write=True) as txn:
            index = int(txn.stat(self._db.records)["entries"])
            for record, encoded in heads:
                if not txn.put(_key(record.id), _number(index), db=self._db.ids, overwrite=False):
                    continue
                txn.put(_number(index), encoded, db=self._db.images, append=True)
                txn.put(_number(index), record.to_json().encode(), db=self._db.records, append=True)
                index += 1
                added += 1
        return added

    def close(self) -> None:
        """Write the table and release the store."""
        with _reading(self.path), self._db.env.begin() as txn:
            records = _records(txn, self._db)
        del self._db
        _write_table(self.path, records)


def _is_cut_short(content: bytes) -> bool:
    """Whether a chunk of a PNG says that it is longer than what follows: OpenCV would make room for all of it, up to 2 GB."""
    position = len(_PNG)
    # The last chunk, IEND, has no data: eight bytes before what follows it is its name. What follows may be anything.
    while content.startswith(_PNG) and position + 8 <= len(content) and content[position - 8 : position - 4] != b"IEND":
        position += int.from_bytes(content[position : position + 4], "big") + 12  # length, kind, data, checksum
        if position > len(content):
            return True
    return False


def _write_table(path: Path, records: list[HeadRecord]) -> None:
    buffer = io.BytesIO()
    pq.write_table(table_of(records), buffer)
    write_atomically(path / "heads.parquet", buffer.getvalue())


class HeadStore:
    """Read access to a store by number; cheap to pickle, so loader workers reopen it for themselves.

    Args:
        path: folder of the store.

    Raises:
        StoreError: the folder holds no store, a damaged one, or one of another format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / "heads.lmdb" / "data.mdb").is_file():
            raise StoreError(
                f"{self.path}: no head store here; make one with `semiuhpe synthesize` or `semiuhpe prepare`"
            )
        self._open()
        with _reading(self.path), self._db.env.begin() as txn:
            _check_version(self.path, txn.get(b"version", default=b"0", db=self._db.info))
            self.meta: dict[str, Any] = json_value(txn.get(b"meta", default=b"{}", db=self._db.info))
            self.records = _records(txn, self._db)

    def _open(self) -> None:
        self._process = os.getpid()
        self._db = _environment(self.path, readonly=True)

    def __getstate__(self) -> dict[str, Any]:
        hidden = {"_db", "_process"}
        return {key: value for key, value in self.__dict__.items() if key not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[HeadRecord]:
        return iter(self.records)

    def record(self, index: int) -> HeadRecord:
        """What is known of one head.

        Args:
            index: its number.

        Returns:
            The record.
        """
        return self.records[index]

    def encoded(self, index: int) -> bytes:
        """The context crop of one head as it was stored.

        Args:
            index: its number.

        Returns:
            JPEG or PNG bytes.

        Raises:
            StoreError: no such number, or a damaged store.
        """
        if self._process != os.getpid():  # LMDB must not be used across a fork
            self._open()
        with _reading(self.path), self._db.env.begin(db=self._db.images) as txn:
            value = txn.get(_number(index))
        if value is None:
            raise StoreError(f"{self.path}: no head number {index} (the store holds {len(self)})")
        return bytes(value)

    def image(self, index: int) -> Image:
        """The context crop of one head.

        Args:
            index: its number.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            StoreError: no such number, or a damaged picture.
        """
        return self._decoded(index, self.encoded(index), 1)

    def smaller_image(self, index: int, factor: int) -> tuple[Image, int]:
        """The context crop decoded smaller, where its format can: JPEG, half the time for 2.

        Args:
            index: number of the head.
            factor: 1, 2, 4 or 8.

        Returns:
            (⌈H/f⌉, ⌈W/f⌉, 3) uint8 RGB and f, which is the factor or 1. Pixel i covers [f·i, f·(i+1)) of the crop.

        Raises:
            StoreError: no such number, or a damaged picture.
        """
        encoded = self.encoded(index)
        factor = factor if encoded[:2] == b"\xff\xd8" else 1
        return self._decoded(index, encoded, factor), factor

    def _decoded(self, index: int, content: bytes, factor: int) -> Image:
        encoded = np.frombuffer(content, np.uint8)
        try:
            whole = encoded.size and not _is_cut_short(content) and content.count(_SCAN) <= MAX_SCANS
            image = cv2.imdecode(encoded, _REDUCED.get(factor, cv2.IMREAD_COLOR_RGB)) if whole else None
        except cv2.error:  # a header that claims more pixels than OpenCV decodes
            image = None
        if image is None:
            raise StoreError(f"{self.path}: the picture of head {self.records[index].id} is damaged; import it again")
        # Smaller and as RGB at once is more than OpenCV does.
        return np.asarray(image if factor == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    @property
    def table(self) -> pa.Table:
        """The records as a table; rewrites `heads.parquet` if a kill left it behind the LMDB."""
        target = self.path / "heads.parquet"
        try:
            if target.is_file() and pq.read_metadata(target).num_rows == len(self):
                return pq.read_table(target)
        except (pa.ArrowException, OSError):
            pass  # it is only a copy
        with contextlib.suppress(OSError):  # on read-only media the table lives in memory alone
            _write_table(self.path, self.records)
        return table_of(self.records)

    @property
    def boxes(self) -> Float:
        """(n, 4) float64 head boxes, pixels of each context crop."""
        return np.array([r.box for r in self.records], dtype=np.float64).reshape(-1, 4)

    @property
    def rotations(self) -> Float:
        """(n, 3, 3) float64 camera←head; NaN where a head has no label."""
        unknown = np.full((3, 3), np.nan)
        return np.array([unknown if r.rotation is None else r.rotation for r in self.records]).reshape(-1, 3, 3)
