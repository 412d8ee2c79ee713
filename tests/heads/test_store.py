from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from semiuhpe.errors import StoreError
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import FORMAT_VERSION, HeadStore, HeadStoreWriter, table_of

SOURCE = Path(__file__).resolve().parents[2] / "src"


def picture(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)


def encoded(number: int) -> bytes:
    return cv2.imencode(".png", picture(number)[:, :, ::-1])[1].tobytes()


def head(number: int, *, labelled: bool = True) -> HeadRecord:
    rotation = random_rotations(1, np.random.default_rng(number))[0] if labelled else None
    split = "train" if labelled else "unlabelled"
    return HeadRecord(f"head-{number}", "made", split, f"p{number // 2}", (1.0, 2.0, 8.5, 9.0), rotation, {"n": number})


def fill(path: Path, count: int, **settings: object) -> None:
    with HeadStoreWriter(path, **settings) as writer:  # type: ignore[arg-type]
        writer.add_many((head(i, labelled=i % 3 != 2), encoded(i)) for i in range(count))


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    fill(tmp_path / "s", 5, meta={"recipe": [1, 2]})
    store = HeadStore(tmp_path / "s")
    assert len(store) == 5
    assert store.meta == {"recipe": [1, 2]}
    for i, record in enumerate(store):
        wanted = head(i, labelled=i % 3 != 2)
        assert record.to_json() == wanted.to_json() == store.record(i).to_json()
        assert store.encoded(i) == encoded(i)
        np.testing.assert_array_equal(store.image(i), picture(i))
    assert store.boxes.shape == (5, 4)
    rotations = store.rotations
    assert rotations.shape == (5, 3, 3)
    assert np.isnan(rotations).all(axis=(1, 2)).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(rotations[1], head(1).rotation)


def test_an_empty_store_has_shapes(tmp_path: Path) -> None:
    fill(tmp_path / "s", 0)
    store = HeadStore(tmp_path / "s")
    assert len(store) == 0
    assert store.boxes.shape == (0, 4)
    assert store.rotations.shape == (0, 3, 3)
    assert store.table.num_rows == 0


def test_an_id_is_stored_once(tmp_path: Path) -> None:
    with HeadStoreWriter(tmp_path / "s") as writer:
        assert head(0).id not in writer
        assert writer.add(head(0), encoded(0))
        assert not writer.add(head(0), encoded(7))
        assert writer.add_many([(head(0), encoded(1)), (head(1), encoded(1)), (head(1), encoded(2))]) == 1
        assert head(1).id in writer
        assert len(writer) == 2
    store = HeadStore(tmp_path / "s")
    assert [r.id for r in store] == ["head-0", "head-1"]
    assert store.encoded(0) == encoded(0)


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> object:
        yield head(1), encoded(1)
        raise RuntimeError("the photo vanished")

    with HeadStoreWriter(tmp_path / "s") as writer:
        writer.add(head(0), encoded(0))
        with pytest.raises(RuntimeError, match="vanished"):
            writer.add_many(broken())  # type: ignore[arg-type]
        assert head(1).id not in writer
        assert writer.add(head(2), encoded(2))
    store = HeadStore(tmp_path / "s")
    assert [r.id for r in store] == ["head-0", "head-2"]
    assert store.encoded(1) == encoded(2)


def test_a_store_is_continued_with_the_same_meta_only(tmp_path: Path) -> None:
    fill(tmp_path / "s", 2, meta={"seed": 1})
    fill(tmp_path / "s", 4, meta={"seed": 1})
    with HeadStoreWriter(tmp_path / "s") as writer:  # no meta: whatever is there
        assert writer.meta == {"seed": 1}
    with pytest.raises(StoreError, match="other settings"):
        HeadStoreWriter(tmp_path / "s", meta={"seed": 2})
    assert len(HeadStore(tmp_path / "s")) == 4
    assert HeadStore(tmp_path / "s").meta == {"seed": 1}


_WRITE_FOR_EVER = """
import sys
from tests_store import encoded, head
from semiuhpe.heads.store import HeadStoreWriter
writer = HeadStoreWriter(sys.argv[1], meta={"seed": 1})
number = 0
while True:
    writer.add_many([(head(i), encoded(i)) for i in range(number, number + 4)])
    number += 4
    print(number, flush=True)
"""


@pytest.mark.parametrize("wait_s", [0.0, 0.013, 0.05])
def test_kill_9_loses_no_batch_and_the_store_goes_on(tmp_path: Path, wait_s: float) -> None:
    (tmp_path / "tests_store.py").write_bytes(Path(__file__).read_bytes())
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOR_EVER, str(tmp_path / "s")],
        env={"PYTHONPATH": f"{SOURCE}:{tmp_path}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for _ in range(5):
        promised = int(child.stdout.readline())
    time.sleep(wait_s)
    child.send_signal(signal.SIGKILL)
    promised = max([promised, *(int(line) for line in child.stdout.read().split("\n") if line.strip())])
    child.wait()

    left = HeadStore(tmp_path / "s")
    assert len(left) >= promised
    assert len(left) % 4 == 0, "half a batch survived"
    for i, record in enumerate(left):
        assert record.to_json() == head(i).to_json()
        assert left.encoded(i) == encoded(i)
    assert left.table.num_rows == len(left)  # the kill left no table; a reader makes one

    count = len(left)
    del left  # a store is not read and written in one process at once
    with HeadStoreWriter(tmp_path / "s", meta={"seed": 1}) as writer:
        assert writer.add_many((head(i), encoded(i)) for i in range(count + 3)) == 3
    whole = HeadStore(tmp_path / "s")
    assert [r.id for r in whole] == [f"head-{i}" for i in range(count + 3)]
    assert whole.encoded(count + 2) == encoded(count + 2)


def test_the_table_is_the_records(tmp_path: Path) -> None:
    fill(tmp_path / "s", 4)
    store = HeadStore(tmp_path / "s")
    written = pq.read_table(tmp_path / "s" / "heads.parquet")
    assert written.equals(store.table)
    assert written.equals(table_of(store.records))
    row = written.to_pylist()[2]
    assert row["rotation"] is None
    assert row["extras"] == '{"n": 2}'
    np.testing.assert_array_equal(np.reshape(written.to_pylist()[1]["rotation"], (3, 3)), head(1).rotation)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 nonsense"])
def test_a_lost_or_damaged_table_is_rebuilt(tmp_path: Path, content: bytes | None) -> None:
    fill(tmp_path / "s", 3)
    table = tmp_path / "s" / "heads.parquet"
    whole = table.read_bytes()
    table.unlink() if content is None else table.write_bytes(content)
    assert HeadStore(tmp_path / "s").table.num_rows == 3
    assert table.read_bytes() == whole


def test_a_pickled_store_reads_in_another_process(tmp_path: Path) -> None:
    fill(tmp_path / "s", 3)
    store = HeadStore(tmp_path / "s")
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(copy.image(2), store.image(2))
    assert [r.to_json() for r in copy] == [r.to_json() for r in store]


def test_two_readers_of_one_store_in_one_process(tmp_path: Path) -> None:
    """A data set that is listed twice, or validation beside training."""
    fill(tmp_path / "s", 2)
    first, second = HeadStore(tmp_path / "s"), HeadStore(tmp_path / "s")
    assert first.encoded(1) == second.encoded(1)


def test_errors_name_the_store_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no head store here; make one with"):
        HeadStore(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="this is a file"):
        HeadStoreWriter(tmp_path / "file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(StoreError, match="not empty and holds no head store"):
        HeadStoreWriter(tmp_path / "photos")


@pytest.mark.parametrize("damage", ["beheaded", "halved", "zeros", "text", "empty"])
def test_a_damaged_store_is_a_store_error(tmp_path: Path, damage: str) -> None:
    fill(tmp_path / "s", 3)
    data = tmp_path / "s" / "heads.lmdb" / "data.mdb"
    size = data.stat().st_size
    whole = data.read_bytes()
    damaged = {
        "beheaded": whole[:100],
        "halved": whole[: size // 2],
        "zeros": bytes(size),
        "text": b"no database" * 900,
        "empty": b"",
    }
    data.write_bytes(damaged[damage])
    with pytest.raises(StoreError, match="import the source again"):
        HeadStore(tmp_path / "s")
    if damage != "empty":  # an empty file is what a kill before the first batch leaves: a writer begins there
        with pytest.raises(StoreError, match="import the source again"):
            HeadStoreWriter(tmp_path / "s")


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "s", 1)
    with lmdb.open(str(tmp_path / "s" / "heads.lmdb"), max_dbs=4) as env, env.begin(write=True) as txn:
        txn.put(b"version", str(FORMAT_VERSION + 1).encode(), db=env.open_db(b"info", txn=txn))
    with pytest.raises(StoreError, match=f"store format {FORMAT_VERSION + 1}"):
        HeadStore(tmp_path / "s")
    with pytest.raises(StoreError, match=f"store format {FORMAT_VERSION + 1}"):
        HeadStoreWriter(tmp_path / "s")


def test_a_png_whose_chunk_does_not_end_is_damaged_and_one_with_something_behind_it_is_not(tmp_path: Path) -> None:
    ok, encoded = cv2.imencode(".png", np.full((6, 5, 3), 90, np.uint8))
    good = encoded.tobytes()
    assert ok and good[33 + 4 : 33 + 8] == b"IDAT"
    with HeadStoreWriter(tmp_path / "s") as writer:
        writer.add(head(0), good + b"PK\x03\x04 something else")
        writer.add(head(1), good[:33] + (2**31 - 1).to_bytes(4, "big") + good[37:])
        writer.add(head(2), good)
    store = HeadStore(tmp_path / "s")
    assert (store.image(0) == 90).all() and (store.image(2) == 90).all()
    with pytest.raises(StoreError, match="picture of head head-1 is damaged"):
        store.image(1)


def test_a_damaged_picture_and_a_number_too_high(tmp_path: Path) -> None:
    with HeadStoreWriter(tmp_path / "s") as writer:
        writer.add(head(0), b"\xff\xd8 no picture")
        writer.add(head(1), b"")
    store = HeadStore(tmp_path / "s")
    for number in (0, 1):
        with pytest.raises(StoreError, match=f"picture of head head-{number} is damaged"):
            store.image(number)
    with pytest.raises(StoreError, match="no head number 2"):
        store.encoded(2)


def test_an_id_of_any_length_and_script(tmp_path: Path) -> None:
    """A file's path may be longer than an LMDB key (511 bytes)."""
    names = ["ä" * 400, "ä" * 400 + "b", "x", "x/y z"]
    with HeadStoreWriter(tmp_path / "s") as writer:
        for name in names:
            assert writer.add(HeadRecord(name, "s", "train", "", (0.0, 0.0, 1.0, 1.0)), encoded(0))
            assert name in writer
            assert not writer.add(HeadRecord(name, "s", "train", "", (0.0, 0.0, 1.0, 1.0)), encoded(0))
    assert [r.id for r in HeadStore(tmp_path / "s")] == names


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_jpeg_decoded_smaller_is_the_mean_of_its_blocks(tmp_path: Path, factor: int) -> None:
    coarse = np.random.default_rng(0).uniform(0, 255, (7, 9, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (163, 121), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    with HeadStoreWriter(tmp_path / "s") as writer:
        writer.add(head(0), cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
        writer.add(head(1), cv2.imencode(".png", smooth)[1].tobytes())
    store = HeadStore(tmp_path / "s")
    got, taken = store.smaller_image(0, factor)
    assert (taken, got.shape) == (factor, (-(-121 // factor), -(-163 // factor), 3))
    height, width = 121 // factor * factor, 163 // factor * factor
    blocks = store.image(0)[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    apart = np.abs(got[: height // factor, : width // factor] - blocks.mean(axis=(1, 3)))
    assert apart.mean() < 1
    assert apart.max() < 6
    as_png, taken = store.smaller_image(1, factor)
    assert taken == 1
    np.testing.assert_array_equal(as_png, smooth[..., ::-1])


READ_ALL = """
import sys
from semiuhpe.errors import StoreError
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
for path in sys.argv[1:]:
    try:
        store = HeadStore(path)
        for number in range(len(store)):
            try:
                store.image(number)
            except StoreError:
                pass
        outcome = "read"
        del store
    except StoreError as error:
        assert chr(10) not in str(error) and path in str(error), error
        outcome = "refused"
    try:
        with HeadStoreWriter(path) as writer:
            "head-1" in writer, len(writer)
    except StoreError as error:
        outcome += " refused"
    print(outcome)
"""


def test_damaged_pages_are_a_typed_error(tmp_path: Path) -> None:
    """Each page in turn is another's, zeros, or noise; what is left is read, or there is one error."""
    fill(tmp_path / "s", 60)
    content = (tmp_path / "s" / "heads.lmdb" / "data.mdb").read_bytes()
    rng, damaged = np.random.default_rng(0), []
    for page in range(2, len(content) // 4096):
        for kind, data in (("zeros", bytes(4096)), ("noise", rng.bytes(4096)), ("other", content[8192:12288])):
            path = tmp_path / f"{kind}-{page}"
            (path / "heads.lmdb").mkdir(parents=True)
            changed = content[: page * 4096] + data + content[(page + 1) * 4096 :]
            (path / "heads.lmdb" / "data.mdb").write_bytes(changed)
            damaged.append(str(path))
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", READ_ALL, *damaged]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == len(damaged)
    assert outcomes.count("refused refused") > len(damaged) // 10
