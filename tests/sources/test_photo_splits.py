"""Photos split by what they show: copies and rooms together, and the same split everywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.pictures_on_disk import read_bgr, records
from helpers.source_files import picture

from semiuhpe.errors import SourceError
from semiuhpe.heads.appearance import Appearances, thumbnail_of_photo
from semiuhpe.sources.helmet_workers import import_helmet_workers
from semiuhpe.sources.photo_splits import MAX_GROUP, detail_correlations, groups_by_content, shown_in, split_groups
from semiuhpe.sources.wild_val import import_wild_val


def coarse(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def photo(seed: int) -> np.ndarray:
    return cv2.resize(coarse(seed), (320, 240), interpolation=cv2.INTER_CUBIC)


def frame(room: int, moment: int) -> np.ndarray:
    """A room from one place; a third of what is seen is other people each time."""
    scene = coarse(room)
    scene[8:, :] = coarse(1000 + moment)[8:, :]
    return cv2.resize(scene, (320, 240), interpolation=cv2.INTER_CUBIC)


def appearances(photos: dict[str, np.ndarray]) -> Appearances:
    return Appearances.of((name, thumbnail_of_photo(image)) for name, image in photos.items())


def test_copies_and_rooms_are_groups() -> None:
    photos = {f"p{n}": photo(n) for n in range(30)}
    photos |= {"dark": photo(3) // 2, "turned": np.rot90(photo(7)).copy(), "mirrored": photo(7)[:, ::-1]}
    photos |= {f"room a {n}": frame(500, n) for n in range(4)} | {f"room b {n}": frame(501, n) for n in range(3)}
    groups = groups_by_content(appearances(photos))
    together = {frozenset(n for n, g in groups.items() if g == group) for group in groups.values()}
    assert {group for group in together if len(group) > 1} == {
        frozenset({"p3", "dark"}),
        frozenset({"p7", "turned", "mirrored"}),
        frozenset(f"room a {n}" for n in range(4)),
        frozenset(f"room b {n}" for n in range(3)),
    }
    assert all(list(photos).index(first) <= list(photos).index(name) for name, first in groups.items())


def test_correlations_against_numpy() -> None:
    some = appearances({str(n): photo(n) for n in range(4)})
    got = detail_correlations(some, some)
    blurred = [
        cv2.GaussianBlur(g.astype(np.float32), (0, 0), 0.7) - cv2.GaussianBlur(g.astype(np.float32), (0, 0), 2.5)
        for g in some.grey
    ]
    np.testing.assert_allclose(got, np.corrcoef([b[8:40, 8:40].ravel() for b in blurred]), atol=1e-4)


def test_what_is_shown_elsewhere() -> None:
    photos = appearances({"new": photo(1), "copy": photo(2)[:, ::-1], "same room": frame(500, 1)})
    others = appearances({"a": photo(2), "b": frame(500, 2), "c": photo(4)})
    assert shown_in(photos, others).tolist() == [False, True, True]


def some_groups(count: int, sizes: dict[str, int]) -> dict[str, str]:
    groups = {f"s{n}": f"s{n}" for n in range(count)}
    return groups | {f"{name} {n}": f"{name} 0" for name, size in sizes.items() for n in range(size)}


def test_shares_are_met_and_groups_whole() -> None:
    groups = some_groups(400, {"pair": 2, "five": 5, "nine": 9, "room": 120})
    splits = split_groups(groups, val=0.06, test=0.17)
    assert Counter(splits.values()) == {"test": 91, "val": 32, "train": 413}
    for group in set(groups.values()):
        assert len({splits[name] for name in groups if groups[name] == group}) == 1
    assert splits["room 0"] == "train"  # 120 of 536: more than half of any test
    assert splits == split_groups(dict(reversed(groups.items())), val=0.06, test=0.17)
    assert MAX_GROUP * 0.17 * len(groups) < 120


def test_forced_photos_take_their_group_along() -> None:
    groups = some_groups(100, {"a": 3, "room": 40})
    splits = split_groups(groups, val=0.1, test=0.2, forced_test=["a 1", "room 7", "not there"])
    assert {splits[f"a {n}"] for n in range(3)} | {splits[f"room {n}"] for n in range(40)} == {"test"}
    counts = Counter(splits.values())
    assert (counts["test"], counts["val"]) == (43, 14)  # beyond the share already: nothing else is test


def test_shares_of_nothing() -> None:
    assert split_groups({}, val=0.1, test=0.1) == {}
    assert set(split_groups(some_groups(20, {}), val=0, test=0).values()) == {"train"}


def test_helmets_and_their_turned_copies(tmp_path: Path) -> None:
    root = tmp_path / "HelmetWorkers"
    lines = ["file,class,x1,y1,x2,y2"]
    for number in range(60):
        picture(root / "images" / f"{number:03d}.png", 160, 160, seed=number // 2)
        if number % 2:  # a turned and darkened copy
            image = read_bgr(root / "images" / f"{number:03d}.png")
            cv2.imwrite(str(root / "images" / f"{number:03d}.png"), np.ascontiguousarray(np.rot90(image)) // 2)
        lines += [f"{number:03d}.png,helmet,20,20,70,80", f"{number:03d}.png,head,90,20,110,50"]
    lines += ["000.png,helmet,20,20,20,80", "000.png,helmet,x,20,70,80", "gone.png,head,10,10,60,60"]
    root.joinpath("heads.csv").write_text("\n".join(lines) + "\n")
    report = import_helmet_workers(root, tmp_path / "store")
    assert (report.added, report.filtered) == (60, {"small": 60})
    assert report.counts == {"box": 1, "picture": 1, "row": 1}
    heads = records(tmp_path / "store")
    assert {head.extras["class"] for head in heads.values()} == {"helmet"}
    parts: Counter[str] = Counter()
    for number in range(0, 60, 2):
        first, copy = heads[f"{number:03d}.png#0"], heads[f"{number + 1:03d}.png#0"]
        assert first.extras["part"] == copy.extras["part"]
        assert first.split == ("test" if first.extras["part"] == "test" else "unlabelled")
        parts[first.extras["part"]] += 2
    assert parts == {"test": 6, "val": 6, "train": 48}
    root.joinpath("heads.csv").write_text("file,x1\na,1\n")
    with pytest.raises(SourceError, match="no column"):
        import_helmet_workers(root, tmp_path / "store")


def test_wild_val(tmp_path: Path) -> None:
    root = tmp_path / "WildVal"
    picture(root / "images" / "000.webp", 100, 100)
    root.joinpath("labels.csv").write_text(
        "file,source,photo,x,y,w,h,azimuth_deg,sigma_deg\n000.webp,TUD,7.jpg,20,25,50,60,-180,12\n"
        "000.webp,TUD,7.jpg,20,25,50,60,nan,12\n"
    )
    report = import_wild_val(root, tmp_path / "store")
    assert (report.added, report.counts) == (1, {"row": 1})
    (head,) = records(tmp_path / "store").values()
    assert (head.split, head.rotation, head.subject, head.source) == ("val", None, "TUD/7.jpg", "WildVal")
    assert head.extras == {"azimuth_deg": 180.0, "sigma_deg": 12.0, "photo": "7.jpg", "origin": "TUD"}
    assert (head.box[2] - head.box[0], head.box[3] - head.box[1]) == (50, 60)
