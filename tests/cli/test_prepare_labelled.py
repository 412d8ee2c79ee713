"""`semiuhpe prepare` on each labelled source: the command, its options, and the published counts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from helpers.source_files import (
    write_300w_lp,
    write_aflw,
    write_aflw2000,
    write_biwi,
    write_biwi_npz,
    write_dad,
    write_directmhp,
)

from semiuhpe.cli.main import main
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources import aflw, aflw2000, biwi, dad3dheads, directmhp, w300lp
from semiuhpe.sources.importing import import_heads
from semiuhpe.sources.registry import SOURCES
from semiuhpe.sources.source import ALL, differences


@pytest.fixture(params=["as they are", "pickled"])
def candidates(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads may be made in other processes, so candidates must survive the way there."""
    if request.param == "pickled":
        for module in (w300lp, aflw2000, biwi, aflw, dad3dheads, directmhp):
            monkeypatch.setattr(
                module,
                "import_heads",
                lambda store, made, meta, **options: import_heads(
                    store, pickle.loads(pickle.dumps(list(made))), meta, **options
                ),
            )


@pytest.mark.usefixtures("candidates")
def test_every_source_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_300w_lp(tmp_path / "300w-lp", faces=1, copies=1)
    write_aflw2000(tmp_path / "aflw2000", [(0, 0, 0), (10, 20, 30)])
    write_biwi(tmp_path / "biwi")
    write_aflw(tmp_path / "aflw", 3)
    write_dad(tmp_path / "dad-3dheads")
    write_directmhp(tmp_path / "panoptic", {"train": ["171204_pose3_00_00_1.jpg"]})
    write_directmhp(tmp_path / "agora", {"validation": ["ag_1.png"]})
    counts = {"300w-lp": 4, "aflw2000": 2, "biwi": 4, "aflw": 3, "dad-3dheads": 9, "panoptic": 2, "agora": 2}
    for name, count in counts.items():
        assert main(["prepare", name, str(tmp_path / name), str(tmp_path / f"{name}.store")]) == 0
        out = capsys.readouterr().out
        assert f"{count} heads added, 0 were there, 0 left out" in out
        for part, expected in (p for known in SOURCES[name].published for p in known.counts.items()):
            assert f"{part}: " in out and f"{expected:,} expected" in out
        assert len(HeadStore(tmp_path / f"{name}.store")) == count


def test_the_count_is_that_of_the_store_also_when_an_import_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aflw2000(tmp_path / "set", [(0, 0, 0)])
    for _ in range(2):
        main(["prepare", "aflw2000", str(tmp_path / "set"), str(tmp_path / "store")])
        assert "all: 1 heads, 2,000 expected (-1,999)" in capsys.readouterr().out


def test_counts_of_official_splits() -> None:
    heads = [
        HeadRecord(f"{n}", "DAD", split, "", (0, 0, 9, 9), extras={"official_split": official})
        for n, (split, official) in enumerate([("train", "train"), ("val", "train"), ("test", "val")])
    ]
    assert differences(SOURCES["dad-3dheads"], {}, heads) == [
        "train: 2 heads, 37,840 expected (-37,838)",
        "val: 1 heads, 4,312 expected (-4,311)",
        "test: 0 heads, 2,746 expected (-2,746)",
    ]
    assert SOURCES["aflw2000"].published[0].counts == {ALL: 2000}


def test_options_reach_the_importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_300w_lp(tmp_path / "lp", faces=2, copies=1)
    options = ["--val", "1.0", "--box", "landmarks", "--clip-angles"]
    assert main(["prepare", "300w-lp", str(tmp_path / "lp"), str(tmp_path / "store"), *options]) == 0
    store = HeadStore(tmp_path / "store")
    assert store.meta == {"importer": "300w-lp", "val": 1.0, "box": "landmarks", "clip_angles": True}
    assert {r.split for r in store} == {"val"}
    capsys.readouterr()
    where = ["prepare", "300w-lp", str(tmp_path / "lp"), str(tmp_path / "other")]
    assert main([*where, "--val", "1.5"]) == 1
    assert "val is a share between 0 and 1, got 1.5" in capsys.readouterr().err
    for wrong in (["--vall", "1"], ["--val"], ["--val", "much"], ["--clip-angles", "perhaps"]):
        with pytest.raises(SystemExit):
            main([*where, *wrong])
        assert wrong[0] in capsys.readouterr().err or wrong[-1] == "perhaps"


def test_a_source_may_be_a_file(tmp_path: Path) -> None:
    write_biwi_npz(tmp_path / "BIWI_train.npz", 3)
    assert main(["prepare", "biwi", str(tmp_path / "BIWI_train.npz"), str(tmp_path / "store"), "--val", "0"]) == 0
    assert {r.split for r in HeadStore(tmp_path / "store")} == {"train"}


def test_terms_and_citation_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_aflw2000(tmp_path / "set", [(0, 0, 0)])
    main(["prepare", "aflw2000", str(tmp_path / "set"), str(tmp_path / "store")])
    assert "terms: research; cite Zhu et al." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["prepare", "aflw2000", "--help"])
    assert "Terms: research. Cite Zhu et al." in " ".join(capsys.readouterr().out.split())
