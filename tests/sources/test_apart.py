"""Stores kept apart by content: what an import leaves out, what `inspect` tells, and what is compared with what."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.pictures_on_disk import read_bgr, records
from helpers.source_files import picture

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError, StoreError
from semiuhpe.sources.apart import KeptApart, heads_of, photos_of
from semiuhpe.sources.importing import BoxedHead, Candidate, import_heads
from semiuhpe.sources.pictures import Picture

BOX = (50.0, 50.0, 110.0, 110.0)


def boxed(root: Path, seeds: range, folder: str = "photos") -> list[BoxedHead]:
    """One head a photo, whose content the seed decides."""
    heads = []
    for seed in seeds:
        path = root / folder / f"{seed}.png"
        picture(path, 160, 160, seed=seed)
        heads.append(BoxedHead(f"{folder}/{seed}", path, BOX, "T"))
    return heads


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A store of three heads to keep apart from: 0, 1 mirrored, 2 turned."""
    heads = boxed(tmp_path, range(3), "test")
    for seed, change in ((1, lambda p: p[:, ::-1]), (2, lambda p: np.rot90(p))):
        changed = change(read_bgr(heads[seed].picture))
        cv2.imwrite(str(heads[seed].picture), np.ascontiguousarray(changed))
    import_heads(tmp_path / "tests", heads)
    return tmp_path / "tests"


@pytest.mark.parametrize("workers", [1, 3])
def test_twins_are_left_out_and_listed(tmp_path: Path, tests: Path, workers: int) -> None:
    report = import_heads(tmp_path / "pool", boxed(tmp_path, range(6)), workers=workers, apart_from=[tests])
    assert set(records(tmp_path / "pool")) == {"photos/3", "photos/4", "photos/5"}
    assert (report.added, report.counts) == (3, {"twin": 3})
    listed = {e["id"]: e["reason"] for e in json.loads((tmp_path / "pool" / "import.json").read_text())["rejected"]}
    for seed, how in ((0, ""), (1, ", mirrored"), (2, ", turned by 270°")):
        reason = listed[f"photos/{seed}"]
        assert f"{tests}: test/{seed} (correlation 0.9" in reason or f"{tests}: test/{seed} (correlation 1.0" in reason
        assert reason.endswith(f"{how})")


def test_continued_and_refused(tmp_path: Path, tests: Path) -> None:
    heads = boxed(tmp_path, range(6))
    import_heads(tmp_path / "pool", heads[:4], {"a": 1}, apart_from=[tests])
    report = import_heads(tmp_path / "pool", heads, {"a": 1}, apart_from=[tests])
    assert (report.added, report.present, report.counts) == (2, 1, {"twin": 3})
    for other in ((), [tmp_path / "photos"]):  # its heads were not checked against these
        with pytest.raises(StoreError, match="other settings"):
            import_heads(tmp_path / "pool", heads, {"a": 1}, apart_from=other)


def test_one_head_of_many_of_a_candidate(tmp_path: Path, tests: Path) -> None:
    heads = boxed(tmp_path, range(2, 5))
    several = Candidate("photos/2", lambda: [head.make(Picture(head.picture)) for head in heads])
    report = import_heads(tmp_path / "pool", [several], apart_from=[tests])
    assert (set(records(tmp_path / "pool")), report.counts) == ({"photos/3", "photos/4"}, {"twin": 1})


def test_by_command_with_a_folder_of_crops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxed(tmp_path, range(4), "crops")
    boxed(tmp_path, range(3, 5), "test")
    argv = ["prepare", "photos", str(tmp_path / "crops"), str(tmp_path / "pool"), "--crops"]
    assert main([*argv, "--apart-from", str(tmp_path / "test")]) == 0
    assert set(records(tmp_path / "pool")) == {"0.png", "1.png", "2.png"}
    assert "twin: 1" in capsys.readouterr().out
    assert main([*argv[:3], str(tmp_path / "other"), "--crops", "--apart-from", str(tmp_path / "nowhere")]) == 1
    assert "no such store or folder" in capsys.readouterr().err


def test_inspect_fails_and_lists_what_is_shared(
    tmp_path: Path, tests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_heads(tmp_path / "pool", boxed(tmp_path, range(2, 8)))
    sheet = tmp_path / "twins.png"
    assert main(["inspect", str(tmp_path / "pool"), "--apart-from", str(tests), "--twins", str(sheet)]) == 1
    told = capsys.readouterr().out
    assert f"{tmp_path / 'pool'}: photos/2 = {tests}: test/2 (correlation " in told
    assert "1 of 6 pictures are among the 3 of" in told
    assert read_bgr(sheet).shape[0] > 100
    import_heads(tmp_path / "clean", boxed(tmp_path, range(5, 8)))
    assert main(["inspect", str(tmp_path / "clean"), "--apart-from", str(tests)]) == 0
    assert "0 of 3 pictures" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["inspect", str(tmp_path / "clean"), "--twins", str(sheet)])


def test_whole_photos_of_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxed(tmp_path, range(4), "train")
    boxed(tmp_path, range(3, 6), "test")
    dark = read_bgr(tmp_path / "test" / "3.png") // 2
    cv2.imwrite(str(tmp_path / "test" / "3.png"), np.ascontiguousarray(np.rot90(dark, 2)))
    (tmp_path / "test" / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    assert main(["inspect", str(tmp_path / "train"), "--apart-from", str(tmp_path / "test")]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{tmp_path / 'train'}: 3.png = {tmp_path / 'test'}: 3.png")
    assert "turned by 180°" in told[0]
    assert len(told) == 2
    assert photos_of(tmp_path / "test").seen.sum() < heads_of(tmp_path / "test").seen.sum()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such store or folder"):
        KeptApart.from_paths([tmp_path / "nowhere"])
