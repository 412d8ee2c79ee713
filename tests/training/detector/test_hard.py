"""Photos around false heads, mosaics, turned photos; and where the false heads come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from semiuhpe.errors import RecipeError, SourceError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.sources.scut_head import AnnotatedPhoto
from semiuhpe.training.detector import scenes as scenes_module
from semiuhpe.training.detector.data import read_false_heads
from semiuhpe.training.detector.mining import write_false_heads
from semiuhpe.training.detector.scenes import Mix, SceneMaker
from semiuhpe.views.photometric import Photometric

RED, GREEN = (230, 20, 20), (20, 230, 20)


@dataclass(frozen=True)
class Discs:
    """Red discs are heads, green ones are not."""

    boxes: np.ndarray
    others: np.ndarray
    shape: tuple[int, int] = (200, 260)

    def image(self) -> np.ndarray:
        y, x = np.mgrid[: self.shape[0], : self.shape[1]] + 0.5
        image = np.full((*self.shape, 3), 110, np.uint8)
        for boxes, color in ((self.boxes, RED), (self.others, GREEN)):
            for x1, y1, x2, y2 in boxes:
                image[((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 < 1] = color
        return image


PHOTO = Discs(np.array([[20.0, 20, 60, 70], [150, 90, 190, 140]]), np.array([[90.0, 120, 130, 160]]))
ONLY_HARD = Mix(photo=0, zoom=0, paste=0, headless=0, hard=1)
ONLY_MOSAIC = Mix(photo=0, zoom=0, paste=0, headless=0, mosaic=1)


def maker(mix: Mix, monkeypatch: pytest.MonkeyPatch, size: int = 128) -> SceneMaker:
    """Without photometric effects, so that colors tell what is what."""
    monkeypatch.setattr(scenes_module, "EFFECTS", Photometric())
    return SceneMaker(size, mix, [PHOTO], hard=[(0, PHOTO.others[0])])


def is_color(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.abs(image.astype(int) - color).max(axis=2) < 90


def test_hard_scenes_show_the_false_head_and_do_not_teach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = maker(ONLY_HARD, monkeypatch)
    areas = []
    for seed in range(30):
        scene = scenes.scene(np.random.default_rng(seed))
        green = is_color(scene.image, GREEN)
        areas.append(green.mean())
        assert green.any()
        y, x = np.nonzero(green)
        lies_on = (x[:, None] > scene.heads[:, 0]) & (x[:, None] < scene.heads[:, 2])
        lies_on &= (y[:, None] > scene.heads[:, 1]) & (y[:, None] < scene.heads[:, 3])
        assert lies_on.any(axis=1).mean() < 0.02
    assert max(areas) > 20 * min(areas)  # small and large


def test_mosaics_show_several_photos_and_teach_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = maker(ONLY_MOSAIC, monkeypatch)
    taught = 0
    for seed in range(30):
        scene = scenes.scene(np.random.default_rng(seed))
        assert np.all((scene.heads >= 0) & (scene.heads <= 128))
        red = is_color(scene.image, RED)
        known = np.zeros_like(red)
        for boxes in (scene.heads, scene.ignored):
            for x1, y1, x2, y2 in boxes:  # two pixels more: drawing smooths the edges
                top, left = max(int(y1) - 2, 0), max(int(x1) - 2, 0)
                known[top : int(np.ceil(y2)) + 2, left : int(np.ceil(x2)) + 2] = True
        assert int((red & ~known).sum()) <= 16  # no head is left as background; smoothed edges cross the seams
        for x1, y1, x2, y2 in np.rint(scene.heads).astype(int):
            assert red[y1:y2, x1:x2].mean() > 0.3
            taught += 1
    assert taught > 8


def test_turned_photos_lie_at_every_angle_and_their_boxes_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = maker(Mix(photo=1, zoom=0, paste=0, headless=0, turned=1), monkeypatch, size=256)
    angles = []
    for seed in range(60):
        scene = scenes.scene(np.random.default_rng(seed))
        green, heads = is_color(scene.image, GREEN), scene.heads
        for x1, y1, x2, y2 in np.rint(heads).astype(int):
            assert is_color(scene.image, RED)[y1:y2, x1:x2].mean() > 0.3
        if len(heads) == 2 and green.any():
            between = (heads[1, :2] + heads[1, 2:] - heads[0, :2] - heads[0, 2:]) / 2
            angles.append(np.arctan2(between[1], between[0]))
    assert len(angles) > 8
    assert np.abs(np.mean(np.exp(1j * np.array(angles)))) < 0.7  # not all one way


def test_a_mix_of_hard_scenes_without_false_heads_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"mix\.hard"):
        SceneMaker(64, ONLY_HARD, [PHOTO])


def photos_on_disk(folder: Path) -> list[AnnotatedPhoto]:
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), PHOTO.image()[..., ::-1])
    return [AnnotatedPhoto(folder / f"{number}.png", PHOTO.boxes) for number in range(3)]


def finds_all_discs(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([PHOTO.boxes + 2, PHOTO.others]).astype(np.float32), np.array([0.9, 0.8, 0.6], np.float32)


def test_mining_lists_what_lies_on_no_head(tmp_path: Path) -> None:
    photos = photos_on_disk(tmp_path)
    path = tmp_path / "hard.csv"
    assert write_false_heads(path, finds_all_discs, photos) == 3
    read = read_false_heads(str(path), photos[1:])
    assert [number for number, _ in read] == [0, 1]  # the photo that is not among them is left out
    np.testing.assert_allclose(box_math.iou(np.array([read[0][1]]), PHOTO.others), [[1.0]], atol=1e-6)
    assert list(tmp_path.glob("*.journal")) == []


def test_mining_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    photos = photos_on_disk(tmp_path)
    path = tmp_path / "hard.csv"
    looked: list[int] = []

    def dies_at_the_third(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(looked) == 2:
            raise KeyboardInterrupt
        looked.append(1)
        return finds_all_discs(image)

    with pytest.raises(KeyboardInterrupt):
        write_false_heads(path, dies_at_the_third, photos)
    assert not path.exists()
    journal = tmp_path / "hard.csv.journal"
    journal.write_text(journal.read_text()[:-9])  # the kill came in the middle of a line
    again: list[int] = []

    def counts(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        again.append(1)
        return finds_all_discs(image)

    assert write_false_heads(path, counts, photos) == 3
    assert len(again) == 2  # the one whose line was cut, and the third
    whole = path.read_text()
    path.unlink()
    write_false_heads(path, finds_all_discs, photos)
    assert whole == path.read_text()


def test_a_table_without_boxes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hard.csv").write_text("file,score\na.jpg,0.5\n")
    with pytest.raises(SourceError, match="no column"):
        read_false_heads(str(tmp_path / "hard.csv"), [])
