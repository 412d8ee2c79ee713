"""The loop of all importers: order, photos decoded once, rejects, kills, and the same store for any number of threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers.noting import noting
from helpers.pictures_on_disk import records, save_picture, white_box
from PIL import Image

from semiuhpe.errors import SourceError, StoreError
from semiuhpe.heads.store import HeadStore
from semiuhpe.images.load import load_image
from semiuhpe.sources import pictures
from semiuhpe.sources.importing import (
    BoxedHead,
    Candidate,
    FilteredOut,
    ImportReport,
    Made,
    Rejected,
    import_heads,
)


def boxed(root: Path, photos: int, heads: int) -> list[BoxedHead]:
    listed = []
    for photo in range(photos):
        path = save_picture(root / f"{photo}.jpg", 200 + photo, 150)
        listed += [BoxedHead(f"{photo}#{k}", path, (10 + 5 * k, 20, 60 + 5 * k, 80), "T") for k in range(heads)]
    return listed


def contents(store: Path) -> list[tuple[str, bytes]]:
    heads = HeadStore(store)
    return [(record.to_json(), heads.encoded(i)) for i, record in enumerate(heads)]


def test_any_number_of_workers_writes_the_same_store(tmp_path: Path) -> None:
    listed = boxed(tmp_path / "photos", 30, 3)
    for workers in (1, 4):
        report = import_heads(tmp_path / f"store{workers}", listed, workers=workers)
        assert (report.added, report.present, report.rejected) == (90, 0, [])
    assert contents(tmp_path / "store1") == contents(tmp_path / "store4")
    assert [record.id for record in HeadStore(tmp_path / "store4")] == [head.id for head in listed]


def test_slow_heads_do_not_change_the_order(tmp_path: Path) -> None:
    path = save_picture(tmp_path / "a.jpg")

    def made(number: int) -> Made:
        time.sleep(0.02 * (number % 3 == 0))
        return BoxedHead(f"{number:02d}", path, (10, 20, 60, 80), "T").make(pictures.Picture(path))

    candidates = [Candidate(f"{n:02d}", partial(made, n)) for n in range(20)]
    import_heads(tmp_path / "store", candidates, workers=4)
    assert list(records(tmp_path / "store")) == [f"{n:02d}" for n in range(20)]


def test_a_photo_is_decoded_once_for_all_its_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = boxed(tmp_path / "photos", 6, 5)
    decoded: list[int] = []
    original = load_image
    monkeypatch.setattr(pictures, "load_image", noting(decoded, lambda content: 1, original))
    import_heads(tmp_path / "store", listed, workers=3)
    assert len(decoded) == 6
    # Half of a photo's heads are there already: still one decoding, and none for photos that are done.
    more = [BoxedHead(f"0#{k}", listed[0].picture, (20, 20, 70, 80), "T") for k in range(5, 9)]
    report = import_heads(tmp_path / "store", [*listed[:5], *more, *listed[5:]], workers=3)
    assert (report.added, report.present, len(decoded)) == (4, 30, 7)


def test_look_ahead_is_bounded(tmp_path: Path) -> None:
    """The listing may be endless; no more of it is taken than the threads can work on."""
    path = save_picture(tmp_path / "a.jpg")
    release = threading.Event()
    taken: list[int] = []

    def candidates() -> Iterator[Candidate]:
        for number in range(200):
            taken.append(number)
            if number == 100:
                release.set()
            yield Candidate(str(number), partial(slow, number))

    def slow(number: int) -> Made:
        if number == 0:  # the first blocks the rest from being written
            assert not release.wait(0.3)
        return BoxedHead(str(number), path, (10, 20, 60, 80), "T").make(pictures.Picture(path))

    assert import_heads(tmp_path / "store", candidates(), workers=2).added == 200


def test_broken_heads_reject_themselves_alone(tmp_path: Path) -> None:
    good = save_picture(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    reflection = np.diag([1.0, 1.0, -1.0])

    def small(width: int, height: int) -> tuple[float, float, float, float]:
        raise FilteredOut("small", f"{width} × {height}")

    def odd(width: int, height: int) -> tuple[float, float, float, float]:
        raise Rejected("odd", "why")

    listed: list[Candidate | BoxedHead] = [
        BoxedHead("fine", good, (10, 20, 60, 80), "T"),
        BoxedHead("outside", good, (500, 20, 560, 80), "T"),
        BoxedHead("nothing", good, (60, 20, 60, 80), "T"),
        BoxedHead("small", good, small, "T"),
        BoxedHead("odd", good, odd, "T"),
        BoxedHead("mirror", good, (10, 20, 60, 80), "T", rotation=reflection),
        BoxedHead("broken", tmp_path / "b.jpg", (10, 20, 60, 80), "T"),
        BoxedHead("missing", tmp_path / "c.jpg", (10, 20, 60, 80), "T"),
        Candidate.rejecting("known", Rejected("row", "no numbers")),
        BoxedHead("last", good, (12, 20, 62, 80), "T"),
    ]
    report = import_heads(tmp_path / "store", listed, workers=2, filtered={"small": 4, "hidden": 1})
    assert list(records(tmp_path / "store")) == ["fine", "last"]
    assert report.counts == {"box": 2, "odd": 1, "picture": 2, "record": 1, "row": 1}
    assert report.filtered == {"small": 5, "hidden": 1}
    told = json.loads((tmp_path / "store" / "import.json").read_text())
    assert told["filtered"] == {"hidden": 1, "small": 5}
    reasons = {entry["id"]: entry["reason"] for entry in told["rejected"]}
    assert "small" not in reasons
    assert str(good) in reasons["outside"] and str(good) in reasons["odd"]
    assert "b.jpg" in reasons["broken"] and "c.jpg" in reasons["missing"]


def test_an_import_that_died_is_continued(tmp_path: Path) -> None:
    listed = boxed(tmp_path / "photos", 100, 2)

    def dying() -> Iterator[BoxedHead]:
        yield from listed[:150]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_heads(tmp_path / "store", dying(), {"a": 1}, workers=2)
    kept = len(HeadStore(tmp_path / "store"))
    assert 64 <= kept < 200
    report = import_heads(tmp_path / "store", listed, {"a": 1}, workers=2)
    assert (report.added, report.present) == (200 - kept, kept)
    import_heads(tmp_path / "whole", listed, workers=1)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")
    with pytest.raises(StoreError, match="other settings"):
        import_heads(tmp_path / "store", listed, {"a": 2})


def test_a_bug_in_an_importer_ends_the_import(tmp_path: Path) -> None:
    def bug() -> Made:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        import_heads(tmp_path / "store", [Candidate("a", bug)], workers=2)


def test_a_candidate_may_turn_out_to_be_several_heads_or_none(tmp_path: Path) -> None:
    path = save_picture(tmp_path / "a.jpg")

    def several(names: list[str]) -> list[Made]:
        return [BoxedHead(name, path, (10, 20, 60, 80), "T").make(pictures.Picture(path)) for name in names]

    candidates = [Candidate("a", lambda: several(["a", "a#1"])), Candidate("b", lambda: several([]))]
    assert import_heads(tmp_path / "store", candidates).added == 2
    again = import_heads(tmp_path / "store", candidates)
    assert (again.added, again.present) == (0, 1)
    assert list(records(tmp_path / "store")) == ["a", "a#1"]


def test_workers_are_counted_from_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="at least 1"):
        import_heads(tmp_path / "store", [], workers=0)
    assert import_heads(tmp_path / "store", []).to_dict() == ImportReport().to_dict()


def test_sizes_and_boxes_are_of_the_upright_picture(tmp_path: Path) -> None:
    pixels = np.full((60, 200, 3), 60, np.uint8)
    pixels[20:40, 150:170] = 255  # upright, turned clockwise: x 20..40, y 150..170
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    seen: list[tuple[int, int]] = []

    def box(width: int, height: int) -> tuple[float, float, float, float]:
        seen.append((width, height))
        return 20.0, 150.0, 40.0, 170.0

    import_heads(tmp_path / "store", [BoxedHead("a", tmp_path / "turned.jpg", box, "T")])
    assert seen == [(60, 200)]
    np.testing.assert_allclose(records(tmp_path / "store")["a"].box, white_box(tmp_path / "store", "a"), atol=1)
