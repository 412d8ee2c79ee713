from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from semiuhpe.errors import AssetsError, ImageError
from semiuhpe.sources.scut_head import (
    TEST_SHARE,
    VAL_SHARE,
    PhotoSet,
    read_scut_head,
    read_voc_boxes,
    split_by_number,
    whole_groups,
)
from semiuhpe.training.detector.portraits import head_box_of_landmarks, read_portraits

OBJECT = (
    "<object><name>head</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write_photo(root: Path, name: str, boxes: list[tuple[object, ...]], suffix: str = "") -> None:
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(exist_ok=True, parents=True)
    # What is seen is told by the number.
    coarse = np.random.default_rng(int(name[-5:])).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    cv2.imwrite(str(root / "JPEGImages" / f"{name}.jpg"), cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_CUBIC))
    objects = "".join(OBJECT.format(*box) for box in boxes)
    (root / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.jpg</filename>{objects}{suffix}</annotation>"
    )


def test_reads_boxes_and_drops_those_without_area(tmp_path: Path) -> None:
    write_photo(tmp_path, "PartB_00001", [(2.2, 3, 21.5, 18.6), (5, 5, 5, 9)])
    boxes = read_voc_boxes(tmp_path / "Annotations" / "PartB_00001.xml")
    np.testing.assert_array_equal(boxes, [[2.2, 3, 21.5, 18.6]])


def test_a_photo_without_heads_has_no_boxes(tmp_path: Path) -> None:
    write_photo(tmp_path, "PartB_00001", [])
    assert read_voc_boxes(tmp_path / "Annotations" / "PartB_00001.xml").shape == (0, 4)


def test_malformed_annotations_are_skipped_and_listed(tmp_path: Path) -> None:
    write_photo(tmp_path, "PartB_00001", [(1, 1, 9, 9)])
    write_photo(tmp_path, "PartB_00002", [("", 1, 9, 9)])
    write_photo(tmp_path, "PartB_00003", [(1, 1, 9, 9)], suffix="<open>")
    write_photo(tmp_path, "PartB_00004", [("nan", 1, 9, 9)])
    write_photo(tmp_path, "PartB_00005", [(1, 1, 9, 9)])
    (tmp_path / "Annotations" / "PartB_00005.xml").unlink()
    photos = read_scut_head(tmp_path)
    assert [p.name for p in photos.train + photos.val + photos.test] == ["PartB_00001"]
    assert [line.split(".xml")[0][-11:] for line in photos.skipped] == [f"PartB_0000{i}" for i in (2, 3, 4, 5)]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match="no SCUT-HEAD here"):
        read_scut_head(tmp_path)


def test_splits_by_number_are_fixed_disjoint_and_of_the_promised_shares() -> None:
    names = [f"PartB_{i:05d}" for i in range(4000)]
    splits = [split_by_number(name) for name in names]
    assert splits == [split_by_number(name) for name in names]
    assert splits.count("test") / 4000 == pytest.approx(0.15, abs=0.02)
    assert splits.count("val") / 4000 == pytest.approx(0.06, abs=0.015)


def test_numbers_of_one_block_share_a_split() -> None:
    assert len({split_by_number(f"PartA_{i:05d}") for i in range(100, 150)}) == 1


def test_copies_share_a_split_and_shares_are_kept(tmp_path: Path) -> None:
    names = [f"PartB_{i:05d}" for i in range(100)]
    for name in names:
        write_photo(tmp_path, name, [(1, 1, 9, 9)])
    copies = {f"PartB_{i + 500:05d}": f"PartB_{i:05d}" for i in range(0, 100, 4)}
    for copy, name in copies.items():
        write_photo(tmp_path, copy, [(1, 1, 9, 9)])
        (tmp_path / "JPEGImages" / f"{copy}.jpg").write_bytes((tmp_path / "JPEGImages" / f"{name}.jpg").read_bytes())

    def splits(photos: PhotoSet) -> dict[str, str]:
        return {photo.name: part for part in ("train", "val", "test") for photo in getattr(photos, part)}

    found = splits(read_scut_head(tmp_path))
    assert found == splits(read_scut_head(tmp_path))
    assert all(found[copy] == found[name] for copy, name in copies.items())
    counts = Counter(found.values())
    assert counts == {"test": round(TEST_SHARE * 125), "val": round(VAL_SHARE * 125), "train": 125 - 21 - 8}
    forced = read_scut_head(tmp_path, {"PartB_00504", "PartB_00008"})
    held = {photo.name for photo in forced.test}
    assert {"PartB_00504", "PartB_00004", "PartB_00008", "PartB_00508"} <= held  # the copies of what is held out, too
    by_number = splits(read_scut_head(tmp_path, split_by="number"))
    assert any(by_number[copy] != by_number[name] for copy, name in copies.items())


def test_photos_of_other_evaluations_never_reach_training(tmp_path: Path) -> None:
    names = [f"PartB_{i:05d}" for i in range(60)]
    for name in names:
        write_photo(tmp_path, name, [(1, 1, 9, 9)])
    forced = {names[k] for k in (0, 7, 8, 31)} | {"not_there"}
    photos = read_scut_head(tmp_path, forced)
    assert not forced & {p.name for p in photos.train + photos.val}
    assert {p.name for p in photos.test} >= forced - {"not_there"}


def test_an_undecodable_photo_is_a_typed_error(tmp_path: Path) -> None:
    write_photo(tmp_path, "PartB_00001", [(1, 1, 9, 9)])
    release = read_scut_head(tmp_path)
    (photo,) = [*release.train, *release.val, *release.test]
    assert photo.image().shape == (40, 60, 3)
    photo.path.write_bytes(b"not a jpeg")
    with pytest.raises(ImageError, match="PartB_00001"):
        photo.image()


def test_portraits_get_a_box_around_the_whole_head(tmp_path: Path) -> None:
    points = np.array([[30.0, 40.0], [70.0, 40.0], [50.0, 90.0]])
    x1, y1, x2, y2 = head_box_of_landmarks(points)
    assert x1 < 30 < 70 < x2
    assert y1 < 20 < 90 < y2 < 95
    text = "version: 1\nn_points: 3\n{\n" + "\n".join(f"{x} {y}" for x, y in points) + "\n}\n"
    (tmp_path / "a.pts").write_text(text)
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "b.pts").write_text("nonsense")
    (tmp_path / "c.pts").write_text(text)
    photos, skipped = read_portraits(tmp_path)
    assert [p.name for p in photos] == ["a"]
    assert len(skipped) == 2
    np.testing.assert_allclose(photos[0].boxes, [[x1, y1, x2, y2]])
    with pytest.raises(AssetsError, match="no landmarked"):
        read_portraits(tmp_path / "nowhere")


def test_groups_of_photos_become_whole_and_nothing_trained_on_is_tested() -> None:
    splits = {"a": "train", "b": "test", "c": "val", "d": "test", "e": "test", "f": "train", "g": "test", "h": "test"}
    groups = {"a": "a", "b": "a", "c": "c", "d": "c", "e": "e", "f": "f", "g": "f", "h": "h"}
    assert whole_groups(splits, groups, ["g", "h"]) == {
        "a": "train",
        "b": "train",
        "c": "val",
        "d": "val",
        "e": "test",
        "f": "",
        "g": "",
        "h": "test",
    }


def test_the_split_by_number_groups_keeps_what_was_trained_on_and_shares_nothing(tmp_path: Path) -> None:
    for number in range(120):
        write_photo(tmp_path, f"PartB_{number:05d}", [(1, 1, 9, 9)])
    copies = tmp_path / "JPEGImages"
    for number in range(40):  # photo 40 + n shows what photo n shows
        (copies / f"PartB_{40 + number:05d}.jpg").write_bytes((copies / f"PartB_{number:05d}.jpg").read_bytes())
    before, now = read_scut_head(tmp_path, [], "number"), read_scut_head(tmp_path, [], "number-groups")
    names = {part: {photo.name for photo in getattr(now, part)} for part in ("train", "val", "test")}
    assert {photo.name for photo in before.train} <= names["train"]
    assert names["test"] < {photo.name for photo in before.test}
    assert sum(map(len, names.values())) == 120
    for number in range(40):
        pair = {f"PartB_{number:05d}", f"PartB_{40 + number:05d}"}
        assert sum(not pair.isdisjoint(part) for part in names.values()) == 1
    forced = read_scut_head(tmp_path, ["PartB_00000"], "number-groups")
    left = {photo.name for part in (forced.train, forced.val) for photo in part}
    assert left.isdisjoint({"PartB_00000", "PartB_00040"})
