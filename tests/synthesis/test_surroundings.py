"""Light, backgrounds, photos without their heads, and people around a head."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, InputError
from semiuhpe.geometry.rotation import geodesic_distance, random_rotations
from semiuhpe.synthesis.background_photos import PhotoBackgrounds, find_photos, fingerprint, free_square
from semiuhpe.synthesis.backgrounds import procedural
from semiuhpe.synthesis.crowd import Crowd
from semiuhpe.synthesis.lighting import KINDS, random_lighting
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.picture import Surroundings, photograph
from semiuhpe.synthesis.renderer import Renderer
from semiuhpe.synthesis.rooms import indoors, outdoors

UP = np.array([0.0, -1.0, 0.0])
SIZE = 208
BOX = (64.0, 64.0, 144.0, 144.0)


def test_every_kind_of_light_occurs_as_often_as_said(rng: np.random.Generator) -> None:
    assert sum(KINDS.values()) == pytest.approx(1.0)
    drawn = [random_lighting(UP, rng) for _ in range(3000)]
    for kind, share in KINDS.items():
        assert abs(np.mean([light.kind == kind for light in drawn]) - share) < 0.03
    for lighting in drawn[:300]:
        assert 1 <= len(lighting.lights) <= 3
        for light in lighting.lights:
            assert np.linalg.norm(light.direction) == pytest.approx(1.0)
            assert min(light.colour) >= 0


def test_light_comes_from_where_its_name_says(rng: np.random.Generator) -> None:
    first: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
    colours = []
    for _ in range(3000):
        lighting = random_lighting(UP, rng)
        first[lighting.kind].append(lighting.lights[0].direction)
        if lighting.kind == "mixed":
            colours.append(
                np.std([np.array(light.colour) / np.sum(light.colour) for light in lighting.lights], axis=0).max()
            )
    mean = {kind: np.mean(directions, axis=0) for kind, directions in first.items()}
    assert mean["ceiling"][1] < -0.7  # y points down
    assert mean["back"][2] > 0.4  # beyond the head
    assert mean["flash"][2] < -0.95  # at the camera
    assert mean["screen"][1] > 0.3  # from below
    assert np.abs(mean["window"][0]) < 0.2
    assert np.mean([abs(d[0]) for d in first["window"]]) > 0.6  # from either side
    assert np.median(colours) > 0.03


def test_ceiling_light_follows_the_torso(rng: np.random.Generator) -> None:
    """In a picture turned on its side, lamps above the shoulders are at the side of the picture."""
    side = [
        light.lights[0].direction
        for light in (random_lighting(np.array([1.0, 0, 0]), rng) for _ in range(2000))
        if light.kind == "ceiling"
    ]
    assert np.mean(side, axis=0)[0] > 0.7


@pytest.mark.parametrize(
    "make", [indoors, lambda rng, size: outdoors(rng, size, rng.standard_normal((size, size), np.float32))]
)
def test_rooms_and_streets_fill_the_picture_and_depend_on_the_generator_alone(
    make: Callable[[np.random.Generator, int], NDArray[Any]],
) -> None:
    pictures = [make(np.random.default_rng(seed), 96) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0] - pictures[2]).mean() > 5
    for seed in range(20):
        picture = make(np.random.default_rng(seed), 96)
        assert picture.shape == (96, 96, 3)
        assert np.isfinite(picture).all()
        assert picture.std() > 5
        assert (picture.max(axis=2) > 0).mean() > 0.97


def test_invented_backgrounds_differ(rng: np.random.Generator) -> None:
    means = [procedural(rng, 64).mean() for _ in range(40)]
    assert np.std(means) > 20


def brute_force_free(shape: tuple[int, int], boxes: NDArray[np.float64], x: int, y: int, side: int) -> bool:
    """Slow twin: no pixel of the square lies in a head."""
    taken = np.zeros(shape, bool)
    for x1, y1, x2, y2 in boxes:
        taken[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
    return not taken[y : y + side, x : x + side].any()


def test_free_squares_hold_no_head(rng: np.random.Generator) -> None:
    shape = (240, 320)
    found = 0
    for _ in range(300):
        corner = rng.uniform([0, 0], [280, 200], (int(rng.integers(0, 12)), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(10, 60, corner.shape)], axis=1).clip(
            0, [320, 240, 320, 240]
        )
        place = free_square(shape, boxes, rng)
        if place is not None:
            found += 1
            x, y, side = place
            assert 0 <= x <= 320 - side
            assert 0 <= y <= 240 - side
            assert brute_force_free(shape, boxes, x, y, side)
    assert found > 200
    assert free_square(shape, np.array([[0, 0, 320, 240]]), rng) is None


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Grey photos whose heads are pure red, and what is known of them in three forms."""
    folder = tmp_path / "photos"
    folder.mkdir()
    boxes: dict[str, list[list[float]]] = {}
    for k in range(5):
        image = np.full((150, 200, 3), 90 + 20 * k, np.uint8)
        heads: list[list[float]] = [[10.0 + 35 * k, 20, 50 + 35 * k, 70], [120, 90, 160, 140]]
        for x1, y1, x2, y2 in heads:
            image[int(y1) : int(y2), int(x1) : int(x2)] = [0, 0, 255]
        cv2.imwrite(str(folder / f"p{k}.png"), image)
        boxes[f"p{k}.png"] = heads
    (tmp_path / "heads.json").write_text(json.dumps(boxes))
    rows = [f"{name},{','.join(map(str, box))}" for name, heads in boxes.items() for box in heads]
    (tmp_path / "heads.csv").write_text("file,x1,y1,x2,y2\n" + "\n".join(rows))
    (tmp_path / "voc").mkdir()
    for name, heads in boxes.items():
        things = "".join(
            f"<object><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d in heads
        )
        (tmp_path / "voc" / name.replace("png", "xml")).write_text(f"<annotation>{things}</annotation>")
    return tmp_path


@pytest.mark.parametrize("heads", ["heads.json", "heads.csv", "voc"])
def test_backgrounds_from_photos_show_none_of_their_heads(photos: Path, heads: str, rng: np.random.Generator) -> None:
    bank = PhotoBackgrounds(find_photos(photos / "photos", str(photos / heads)))
    crops = [crop for crop in (bank.crop(rng, 48) for _ in range(60)) if crop is not None]
    assert len(crops) > 40
    for crop in crops:
        assert crop.shape == (48, 48, 3)
        red = crop[..., 0].astype(int) - crop[..., 2]
        assert red.max() < 40


def test_backgrounds_are_cut_beside_heads_that_a_detector_finds(photos: Path, rng: np.random.Generator) -> None:
    def red_boxes(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > image[..., 2] + 100).astype(np.uint8))
        x, y, w, h = stats[1:count, :4].T
        return np.stack([x, y, x + w, y + h], axis=1).astype(float)

    found = find_photos(photos / "photos", "detect")
    assert all(photo.boxes is None for photo in found)
    bank = PhotoBackgrounds(found, red_boxes)
    crops = [crop for crop in (bank.crop(rng, 48) for _ in range(40)) if crop is not None]
    assert crops
    assert max((crop[..., 0].astype(int) - crop[..., 2]).max() for crop in crops) < 40


def test_photos_without_known_boxes_are_left_out_and_wrong_files_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "one.csv").write_text("file,x1,y1,x2,y2\np1.png,1,2,30,40\n")
    assert [photo.path.name for photo in find_photos(photos / "photos", str(photos / "one.csv"))] == ["p1.png"]
    (photos / "other.csv").write_text("file,x1,y1,x2,y2\nq.png,1,2,30,40\n")
    with pytest.raises(AssetsError, match="names none of the photos"):
        find_photos(photos / "photos", str(photos / "other.csv"))
    with pytest.raises(InputError, match=r"missing\.csv"):
        find_photos(photos / "photos", str(photos / "missing.csv"))
    with pytest.raises(AssetsError, match="no readable photos"):
        find_photos(tmp_path / "nowhere")


def test_other_photos_or_boxes_have_another_fingerprint(photos: Path) -> None:
    plain, known = find_photos(photos / "photos"), find_photos(photos / "photos", str(photos / "voc"))
    assert fingerprint(plain) == fingerprint(find_photos(photos / "photos"))
    assert len({fingerprint(plain), fingerprint(known), fingerprint(plain[1:])}) == 3


def disc(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A person as a white disc of a head's size, premultiplied RGBA."""
    sprite = np.zeros((300, 300, 4), np.uint8)
    cv2.circle(sprite, (150, 150), round(300 / 2.6 / 1.6 / 2), (255, 255, 255, 255), -1)
    return sprite


def test_rows_in_front_cover_the_lower_part_and_never_the_crown(rng: np.random.Generator) -> None:
    covered, kinds = [], set()
    for _ in range(400):
        image, names = Surroundings(disc, disc, True, rng).before(np.zeros((SIZE, SIZE, 3), np.uint8), BOX)
        kinds |= set(names.split("+"))
        if names == "row":
            head = image[64:144, 64:144].max(axis=2) > 60
            covered.append(head.mean())
            assert head[:30].mean() < 0.02
    assert {"row", "person", "thing", ""} <= kinds
    assert len(covered) > 30
    assert max(covered) < 0.65
    assert np.mean(np.array(covered) > 0.1) > 0.4


def test_nobody_stands_in_rows_before_a_head_that_lies(rng: np.random.Generator) -> None:
    names = [
        Surroundings(disc, disc, False, rng).before(np.zeros((SIZE, SIZE, 3), np.uint8), BOX)[1] for _ in range(200)
    ]
    assert not any("row" in name for name in names)


def test_people_in_rows_look_where_the_head_looks(
    assets: HeadAssets, renderer: Renderer, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(assets, renderer, seed=3)
    chosen: list[int] = []

    def picture(number: int) -> NDArray[np.uint8]:
        chosen.append(number)
        return np.zeros((8, 8, 4), np.uint8)

    monkeypatch.setattr(crowd, "_picture", picture)
    for rotation in random_rotations(60, rng)[:20]:
        crowd.alike(rotation, rng)
        crowd.anyone(rng)
    target = random_rotations(60, rng)[0]
    alike, anyone = [], []
    for _ in range(200):
        crowd.alike(target, rng)
        alike.append(geodesic_distance(crowd._rotations[chosen[-1]], target))
        crowd.anyone(rng)
        anyone.append(geodesic_distance(crowd._rotations[chosen[-1]], target))
    assert np.mean(alike) < 0.75 * np.mean(anyone)


def test_a_crowd_depends_on_the_seed_alone(assets: HeadAssets, renderer: Renderer) -> None:
    first, second = Crowd(assets, renderer, seed=3), Crowd(assets, renderer, seed=3)
    first.anyone(np.random.default_rng(0))  # what was drawn before does not matter
    np.testing.assert_array_equal(first.anyone(np.random.default_rng(9)), second.anyone(np.random.default_rng(9)))


def test_the_camera_sets_its_exposure(rng: np.random.Generator) -> None:
    """Dark and bright scenes come out nearer to each other than they were, and not all alike."""
    scenes = [np.full((64, 64, 3), value, np.uint8) for value in (12, 200)]
    light = [[photograph(scene, 64, 64, rng).mean() for _ in range(60)] for scene in scenes]
    dark, bright = np.mean(light, axis=1)
    assert bright - dark < 0.85 * (200 - 12)
    assert dark > 18
    assert min(np.std(light, axis=1)) > 5
