"""`semiuhpe prepare` on each labelled source: the command, its options, and the published counts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from source_files import (
    write_300w_lp,
    write_aflw,
    write_aflw2000,
    write_biwi,
    write_biwi_npz,
    write_dad,
    write_directmhp,
)

from semiuhpe.cli.main import main
from semiuhpe.cli.prepare import IMPORTERS
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources import aflw, aflw2000, biwi, dad3dheads, directmhp, w300lp
from semiuhpe.sources.importing import import_heads
from semiuhpe.sources.published_counts import PUBLISHED_COUNTS, compare_count


@pytest.fixture(params=["as they are", "pickled"])
def candidates(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads may be made in other processes, so candidates must survive the way there."""
    if request.param == "pickled":
        for module in (w300lp, aflw2000, biwi, aflw, dad3dheads, directmhp):
            monkeypatch.setattr(module, "import_heads", lambda store, made, meta: import_heads(
                store, pickle.loads(pickle.dumps(list(made))), meta))  # fmt: skip


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
        if name in PUBLISHED_COUNTS:
            assert f"{count - PUBLISHED_COUNTS[name][0]:+d} here" in out
        assert len(HeadStore(tmp_path / f"{name}.store")) == count


def test_the_count_is_that_of_the_store_also_when_an_import_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aflw2000(tmp_path / "set", [(0, 0, 0)])
    for _ in range(2):
        main(["prepare", "aflw2000", str(tmp_path / "set"), str(tmp_path / "store")])
        assert "-1999 here" in capsys.readouterr().out


def test_counts() -> None:
    assert "as published" in compare_count("aflw2000", 2000)
    assert "+3 here" in compare_count("aflw2000", 2003)
    assert compare_count("boxes", 5) == ""


def test_options_reach_the_importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_300w_lp(tmp_path / "lp", faces=2, copies=1)
    options = ["--option", "val=1.0", "--option", "box=landmarks", "--option", "clip_angles=true"]
    assert main(["prepare", "300w-lp", str(tmp_path / "lp"), str(tmp_path / "store"), *options]) == 0
    store = HeadStore(tmp_path / "store")
    assert store.meta == {"importer": "300w-lp", "val": 1.0, "box": "landmarks", "clip_angles": True}
    assert {r.split for r in store} == {"val"}
    capsys.readouterr()
    for option, message in (
        ("vall=1", "300w-lp has the options (with their defaults): val=0.05, box=head, clip_angles=False"),
        ("val", "300w-lp has the options"),
        ("val=1.5", "val is a share between 0 and 1, got 1.5"),
        ("val=much", "the value must be a number"),
        ("clip_angles=perhaps", "the value must be true or false"),
    ):
        assert main(["prepare", "300w-lp", str(tmp_path / "lp"), str(tmp_path / "other"), "--option", option]) == 1
        assert message in capsys.readouterr().err


def test_a_source_may_be_a_file(tmp_path: Path) -> None:
    write_biwi_npz(tmp_path / "BIWI_train.npz", 3)
    assert (
        main(["prepare", "biwi", str(tmp_path / "BIWI_train.npz"), str(tmp_path / "store"), "--option", "val=0"]) == 0
    )
    assert {r.split for r in HeadStore(tmp_path / "store")} == {"train"}


def test_all_counted_names_are_sources_or_will_be() -> None:
    assert {"300w-lp", "aflw", "aflw2000", "biwi", "dad-3dheads"} <= set(PUBLISHED_COUNTS) & set(IMPORTERS)
