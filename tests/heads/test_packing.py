"""Heads go out as webdataset shards and Hugging Face Parquet, and come back to the bit; the data card says what they are."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError, StoreError
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads import packing
from semiuhpe.heads.packing import FORMATS, SUFFIXES, export_heads
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.sources.packed import import_huggingface, import_webdataset

META = {"source": "tests", "options": {"seed": 3}}
IMPORTERS = {"webdataset": import_webdataset, "huggingface": import_huggingface}
SPLITS = ("train", "val", "test", "unlabelled")


def picture(rng: np.random.Generator, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path: Path, rng: np.random.Generator) -> HeadStore:
    """Heads of every split, with odd ids and extras, with and without labels and subjects, JPEG and PNG."""
    rotations = random_rotations(11, rng)
    with HeadStoreWriter(tmp_path / "store", META) as writer:
        for number in range(11):
            split = SPLITS[number % 4]
            record = HeadRecord(
                id=f"söme/p.{number}.jpg#0",
                source=f"set {number % 2}",
                split=split,
                subject="" if number % 3 else f"p{number}",
                box=(1.1, 2.0, 20.0 + number / 7, 21.0),
                rotation=None if split == "unlabelled" else rotations[number],
                extras={"fit": 0.1 * number, "note": "ä|b", "list": [1, None]},
            )
            writer.add(record, picture(rng, "PNG" if number % 2 else "JPEG"))
    return HeadStore(tmp_path / "store")


def content(store: HeadStore) -> dict[str, tuple[str, bytes]]:
    return {record.id: (record.to_json(), store.encoded(number)) for number, record in enumerate(store)}


@pytest.mark.parametrize("kind", FORMATS)
def test_heads_come_back_to_the_bit(tmp_path: Path, store: HeadStore, kind: Any) -> None:
    seen: list[int] = []
    files = export_heads(store, tmp_path / "out", kind, heads_of_a_file=2, progress=seen.append)
    assert files == 7
    assert sum(seen) == len(store)
    report = IMPORTERS[kind](tmp_path / "out", tmp_path / "back")
    assert (report.added, report.rejected) == (len(store), [])
    back = HeadStore(tmp_path / "back")
    assert content(back) == content(store)
    assert back.meta == store.meta
    order = [r.id for split in sorted(SPLITS) for r in store if r.split == split]
    assert [r.id for r in back] == order, "of a split in the store's order"
    del back  # who writes must be alone
    again = IMPORTERS[kind](tmp_path / "out", tmp_path / "back")
    assert (again.added, again.present) == (0, len(store))


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_that_was_killed_goes_on(
    tmp_path: Path, store: HeadStore, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_heads(store, tmp_path / "whole", kind, heads_of_a_file=2)
    whole = {p.name: p.read_bytes() for p in (tmp_path / "whole" / "data").iterdir()}
    count = 0

    def killed(heads: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_heads(store, tmp_path / "out", kind, heads_of_a_file=2, progress=killed)
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "data").iterdir()}
    assert len(done) == 3
    (tmp_path / "out" / "data" / f".semiuhpe-{'0' * 16}.tmp").write_bytes(b"half")
    export_heads(store, tmp_path / "out", kind, heads_of_a_file=2)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out" / "data").iterdir()} == whole
    assert {p: p.stat().st_mtime_ns for p in done} == done, "not written again"
    with pytest.raises(StoreError, match="another export"):
        export_heads(store, tmp_path / "out", kind, heads_of_a_file=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(StoreError, match="something else"):
        export_heads(store, tmp_path / "mine", kind)


def test_shards_are_what_webdataset_reads(tmp_path: Path, store: HeadStore) -> None:
    export_heads(store, tmp_path / "out", "webdataset")
    with tarfile.open(tmp_path / "out" / "data" / "train-00000.tar") as shard:
        assert shard.getnames() == [
            f"{n:08d}.{s}" for n, s in ((0, "jpg"), (4, "jpg"), (8, "jpg")) for s in (s, "json")
        ]
    webdataset = pytest.importorskip("webdataset")
    shards = sorted(str(path) for path in (tmp_path / "out" / "data").glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert len(samples) == len(store)
    for sample in samples:
        number = int(sample["__key__"])
        assert sample["json"] == json.loads(store.record(number).to_json())
        np.testing.assert_array_equal(sample.get("jpg", sample.get("png")), store.image(number))


def test_tables_are_what_hugging_face_reads(tmp_path: Path, store: HeadStore) -> None:
    """In a process of its own, which must not look for anything on the network."""
    pytest.importorskip("datasets")
    export_heads(store, tmp_path / "out", "huggingface")
    code = """
import sys, datasets, numpy
heads = datasets.load_dataset(sys.argv[1])
for split in sorted(heads):
    for row in heads[split]:
        print(split, row["id"], row["image"].size, len(row["box"]), row["rotation"] is None)
"""
    environment = {
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = [f"{s} {r.id} (24, 24) 4 {r.rotation is None}" for s in sorted(SPLITS) for r in store if r.split == s]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_the_data_card_says_what_there_is(tmp_path: Path, store: HeadStore, kind: Any) -> None:
    export_heads(store, tmp_path / "out", kind, name="Heads of tests", licence="cc-by-4.0")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlicense: "cc-by-4.0"\n')
    yaml = pytest.importorskip("yaml")
    head = yaml.safe_load(card.split("---")[1])
    assert head["size_categories"] == ["n<1K"]
    if kind == "huggingface":
        files = head["configs"][0]["data_files"]
        assert {entry["split"] for entry in files} == set(SPLITS)
        for entry in files:
            assert list((tmp_path / "out").glob(entry["path"]))
        assert [feature["name"] for feature in head["dataset_info"]["features"]] == packing.COLUMNS.names
    assert "# Heads of tests" in card
    assert "11 heads, 9 of them with a rotation, of 4 known subjects (7 heads of unknown ones)" in card
    assert "| train | 3 | 3 |" in card
    assert "| unlabelled | 2 | 0 |" in card
    assert '"seed": 3' in card
    bands = [line.split("|") for line in card.splitlines() if "°–" in line]
    assert sum(int(cells[2]) for cells in bands) == 9
    export_heads(store, tmp_path / "bare", kind)
    assert "No licence was stated" in (tmp_path / "bare" / "README.md").read_text(encoding="utf-8")


def tar_of(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            shard.addfile(member, io.BytesIO(body))


def test_broken_samples_reject_themselves_only(tmp_path: Path, store: HeadStore) -> None:
    good = store.record(0).to_json().encode()
    other = store.record(1).to_json().encode()
    members = {
        "a.jpg": store.encoded(0),
        "a.json": good,
        "b.json": other,
        "c.png": store.encoded(1),
        "d.jpg": b"no picture",
        "d.json": other,
        "e.png": store.encoded(1),
        "e.json": b"{]",
        "f.txt": b"a caption",
        "g.json": b" " * (2 << 20),
        "../../h.jpg": store.encoded(3),
        "../../h.json": store.record(3).to_json().encode(),
    }
    tar_of(tmp_path / "in" / "heads.tar", members)
    report = import_webdataset(tmp_path / "in", tmp_path / "back")
    assert content(HeadStore(tmp_path / "back")) == {
        store.record(n).id: (store.record(n).to_json(), store.encoded(n)) for n in (0, 3)
    }
    assert sorted(kind for _, kind, _ in report.rejected) == [
        "incomplete",
        "incomplete",
        "picture",
        "record",
        "too large",
    ]
    assert all("heads.tar#" in reason for _, kind, reason in report.rejected if kind != "picture")
    assert not (tmp_path.parent / "h.jpg").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_what_cannot_be_read_is_one_error(tmp_path: Path, kind: Any) -> None:
    importer, suffix = IMPORTERS[kind], SUFFIXES[kind]
    (tmp_path / "in").mkdir()
    with pytest.raises(SourceError, match="holds no"):
        importer(tmp_path / "in", tmp_path / "a")
    (tmp_path / "in" / f"x{suffix}").write_bytes(b"something else" * 100)
    with pytest.raises(SourceError, match="is damaged"):
        importer(tmp_path / "in", tmp_path / "a")
    (tmp_path / "in" / "heads.json").write_text("[")
    with pytest.raises(SourceError, match=r"heads\.json: is malformed"):
        importer(tmp_path / "in", tmp_path / "b")


def test_a_table_of_something_else_names_the_column(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": [1]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="has no column 'id'"):
        import_huggingface(tmp_path, tmp_path / "back")


def test_the_commands(tmp_path: Path, store: HeadStore, capsys: pytest.CaptureFixture[str]) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    assert main(["export-heads", str(store.path), str(out), "--format", "huggingface", "--heads-per-file", "4"]) == 0
    assert "11 heads in 4 files" in capsys.readouterr().out
    assert main(["prepare", "huggingface", str(out), str(back)]) == 0
    assert "11 heads added" in capsys.readouterr().out
    assert content(HeadStore(back)) == content(store)
    assert main(["export-heads", str(store.path), str(out), "--format", "webdataset"]) == 1
    assert "another export" in capsys.readouterr().err
