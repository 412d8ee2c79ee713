"""Near-duplicates: the fast search against comparing everything with everything, and photos that really leaked."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.fft
from helpers.pictures_on_disk import read_bgr

from semiuhpe.heads import duplicates
from semiuhpe.heads.appearance import CORE, SIDE, Appearances, thumbnail_of_head, thumbnail_of_photo
from semiuhpe.heads.duplicates import (
    ANY_BOX,
    CENTERED,
    SAME_BOX,
    THRESHOLD,
    aligned_correlation,
    find_twins,
    grouped,
    hash_distance,
    symmetric,
    twins_within,
)
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.apart import heads_of
from semiuhpe.sources.scut_head import read_voc_boxes
from semiuhpe.sources.wild_directions import import_wild_directions

HEAD = (60.0, 50.0, 140.0, 130.0)


def scene(seed: int, size: int = 200) -> np.ndarray:
    """A picture with coarse and fine structure that no other seed has."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(0, weight, (cells, cells, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
        for cells, weight in ((4, 60), (9, 50), (24, 15))
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def heads(pictures: dict[str, np.ndarray], box: tuple[float, ...] = HEAD) -> Appearances:
    return Appearances.of((name, thumbnail_of_head(picture, box)) for name, picture in pictures.items())


def copies(picture: np.ndarray) -> dict[str, np.ndarray]:
    """What happens to photos on their way through the web. The head's box must stay the same, so it is central here."""
    darker = np.clip(picture.astype(float) * 0.5 + 5, 0, 255).astype(np.uint8)
    small = cv2.resize(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), picture.shape[1::-1])
    jpeg = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert jpeg is not None
    return {
        "as it is": picture,
        "darker": darker,
        "small": small,
        "jpeg": jpeg,
        "mirrored": picture[:, ::-1],
        "turned by 90°": np.rot90(darker),
        "turned by 180°": np.rot90(jpeg, 2),
        "turned by 270°": np.rot90(picture, 3),
        "mirrored and turned by 90°": np.rot90(picture[:, ::-1]),
    }


CENTRAL = (60.0, 60.0, 140.0, 140.0)


def test_copies_are_found_and_strangers_are_not() -> None:
    made = {f"{seed} {how}": copy for seed in range(4) for how, copy in copies(scene(seed)).items()}
    pool = heads({**made, **{f"stranger {seed}": scene(seed) for seed in range(100, 160)}}, CENTRAL)
    references = heads({str(seed): scene(seed) for seed in range(4)}, CENTRAL)
    twins = find_twins(pool, references)
    assert {(pool.names[t.first], references.names[t.second]) for t in twins} == {(name, name[0]) for name in made}
    for twin in twins:
        name = pool.names[twin.first]
        assert twin.correlation > 0.9
        # The reference, treated as is told, looks like the copy.
        grey = symmetric(references.grey[twin.second], twin.mirrored, twin.turns).astype(float)
        assert np.corrcoef(grey.ravel(), pool.grey[twin.first].ravel())[0, 1] > 0.9, name
    how = {pool.names[t.first]: t.how for t in twins}
    assert (how["0 as it is"], how["1 mirrored"], how["2 turned by 90°"]) == ("", "mirrored", "turned by 90°")


@pytest.mark.parametrize("shift", [(0, 0), (5, -5), (-9, 12)])
@pytest.mark.parametrize("grow", [0.8, 1.0, 1.15])
def test_the_same_head_with_another_box(shift: tuple[int, int], grow: float) -> None:
    x1, y1, x2, y2 = HEAD
    x, y, half = (x1 + x2) / 2 + shift[0], (y1 + y2) / 2 + shift[1], grow * (x2 - x1) / 2
    pool = heads({str(seed): scene(seed) for seed in range(40)})
    references = heads({str(seed): scene(seed) for seed in range(8)}, (x - half, y - half, x + half, y + half))
    twins = find_twins(pool, references)
    found = {(t.first, t.second) for t in twins}
    assert found <= {(seed, seed) for seed in range(8)}
    assert len(found) >= 7  # a hash may be unlucky


def slow_twins(pictures: Appearances, references: Appearances) -> set[tuple[int, int]]:
    """Every pair, symmetry and alignment, decided without hashes."""
    found = set()
    for first in range(len(pictures)):
        for second in range(len(references)):
            grey, seen = references.thumbnail(second)
            for mirrored, turns, alignment in ANY_BOX:
                turned = symmetric(grey, mirrored, turns), symmetric(seen, mirrored, turns)
                if aligned_correlation(pictures.thumbnail(first), turned, alignment) >= THRESHOLD:
                    found.add((first, second))
    return found


def test_against_comparing_everything_with_everything() -> None:
    made = {how: copy for how, copy in copies(scene(1)).items() if how in ("darker", "mirrored", "turned by 90°")}
    pool = heads({**made, "a": scene(2), "b": scene(7)}, CENTRAL)
    references = heads({"1": scene(1), "2": scene(2), "3": scene(3)}, (57.0, 62.0, 139.0, 144.0))
    fast = {(t.first, t.second) for t in find_twins(pool, references)}
    assert fast == slow_twins(pool, references)
    assert len(fast) == len(made) + 1


def test_fewer_pictures_than_references_are_the_same_pairs() -> None:
    pool = heads({f"{s} {how}": c for s in range(2) for how, c in copies(scene(s)).items()}, CENTRAL)
    references = heads({str(seed): scene(seed) for seed in range(2)}, CENTRAL)
    there = {(t.first, t.second): (t.mirrored, t.turns) for t in find_twins(pool, references)}
    back = {(t.second, t.first): t for t in find_twins(references, pool)}
    assert set(back) == set(there)
    for (first, second), twin in back.items():
        grey = symmetric(pool.grey[first], twin.mirrored, twin.turns).astype(float)
        assert np.corrcoef(grey.ravel(), references.grey[second].ravel())[0, 1] > 0.9


def test_twins_within_one_set() -> None:
    pictures = {"a": scene(1), "b": scene(2), "a again": scene(1)[:, ::-1], "c": scene(3), "a at last": scene(1)}
    found = twins_within(heads(pictures, CENTRAL), variants=SAME_BOX)
    assert [(t.first, t.second) for t in found] == [(0, 2), (0, 4), (2, 4)]


def test_grouped_against_walking(rng: np.random.Generator) -> None:
    for _ in range(20):
        pairs = [tuple(pair) for pair in rng.integers(0, 30, (18, 2)).tolist()]
        near = {n: {b for a, b in pairs if a == n} | {a for a, b in pairs if b == n} for n in range(30)}
        for start, first in enumerate(grouped(30, pairs)):
            reached, front = {start}, {start}
            while front:
                front = set().union(*(near[n] for n in front)) - reached
                reached |= front
            assert first == min(reached)


def test_hash_against_its_definition() -> None:
    """63 signs of the DCT's lowest coefficients against their median."""
    grey = np.stack([thumbnail_of_head(scene(seed), HEAD)[0] for seed in range(5)])
    edge = (SIDE - CORE) // 2
    for picture, word in zip(grey, duplicates._hashes(grey, CENTERED), strict=True):
        core = picture[edge : edge + CORE, edge : edge + CORE].astype(float)
        low = scipy.fft.dctn(core, type=2)[:8, :8].ravel()[1:]
        bits = "".join("1" if value > np.median(low) else "0" for value in low) + "0"
        assert np.array([word]).tobytes() == int(bits, 2).to_bytes(8, "big")


def test_hashes_are_blind_to_brightness_and_contrast() -> None:
    grey = np.stack([thumbnail_of_head(scene(seed), HEAD)[0] for seed in range(5)])
    changed = (grey // 2 + 70).astype(np.uint8)
    assert hash_distance(duplicates._hashes(grey, CENTERED), duplicates._hashes(changed, CENTERED)).max() <= 2


def test_distance_against_counting(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 2**64, (2, 200), dtype=np.uint64)
    slow = [bin(int(a) ^ int(b)).count("1") for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(hash_distance(first, second), slow)
    np.testing.assert_array_equal(duplicates._bits_of_bytes(first ^ second), slow)


def test_alignments_are_crops(rng: np.random.Generator) -> None:
    """A core resampled at an alignment is the thumbnail warped there, which OpenCV does too."""
    grey = thumbnail_of_head(scene(3), HEAD)[0]
    for scale, across, down in [variant.alignment for variant in ANY_BOX[::17]]:
        mine = duplicates._resample(scale, down) @ grey.astype(np.float32) @ duplicates._resample(scale, across).T
        offset = (SIDE - 1) / 2 - scale * (CORE - 1) / 2
        matrix = np.array([[scale, 0, offset + across * CORE], [0, scale, offset + down * CORE]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        theirs = cv2.warpAffine(
            grey.astype(np.float32), matrix, (CORE, CORE), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        np.testing.assert_allclose(mine, theirs, atol=2.5)  # OpenCV knows 32 places between two pixels


def test_a_thumbnail_knows_what_it_sees() -> None:
    picture = scene(1)
    grey, seen = thumbnail_of_head(picture, (0, 60, 80, 140))  # 120 wide around (40, 100): 20 beyond the left border
    assert (grey.shape, seen.shape) == ((SIDE, SIDE), (SIDE, SIDE))
    np.testing.assert_array_equal(seen.all(axis=0), np.arange(SIDE) >= 8)
    assert np.ptp(grey[:, :7].astype(int), axis=1).max() <= 1  # the border goes on
    inside = cv2.resize(cv2.cvtColor(picture[40:160, :100], cv2.COLOR_RGB2GRAY), (40, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(grey[:, 9:].astype(int) - inside[:, 1:]).mean() < 4
    core, edge = thumbnail_of_photo(picture[:, :150]), (SIDE - CORE) // 2
    assert core[1].sum() == CORE**2
    assert core[1][edge, edge] and not core[1][edge - 1].any()


def test_flat_pictures_are_nobodys_twins() -> None:
    flat = heads({"a": np.full((200, 200, 3), 90, np.uint8), "b": np.full((200, 200, 3), 10, np.uint8)})
    assert twins_within(flat) == []
    assert find_twins(flat, Appearances.of([])) == []


def test_what_leaked_is_found(shared_data: Path, tmp_path: Path) -> None:
    """Heads of WildDirections in the photos of SCUT-HEAD: in the ones they were cut from, and 097 in a copy of its photo."""
    archives = [shared_data / f"{name}.tar" for name in ("WildDirections", "SCUT_HEAD")]
    if not all(archive.is_file() for archive in archives):
        pytest.skip("no WildDirections.tar and SCUT_HEAD.tar")
    for archive in archives:
        with tarfile.open(archive) as files:
            files.extractall(tmp_path, filter="data")
    import_wild_directions(tmp_path / "WildDirections", tmp_path / "store")
    photo_of = {Path(record.id).stem: record.extras["photo"] for record in HeadStore(tmp_path / "store")}
    folder = tmp_path / "SCUT_HEAD"
    cut_from = {head: photo for head, photo in photo_of.items() if (folder / "JPEGImages" / f"{photo}.jpg").is_file()}
    rows = []
    for photo in sorted({"PartB_00448", *cut_from.values()}):
        picture = read_bgr(folder / "JPEGImages" / f"{photo}.jpg")
        boxes = read_voc_boxes(folder / "Annotations" / f"{photo}.xml")
        rows += [(photo, thumbnail_of_head(picture, box)) for box in boxes if min(box[2:] - box[:2]) >= 20]
    pool, tests = Appearances.of(rows), heads_of(tmp_path / "store")
    found = {(Path(tests.names[t.second]).stem[-3:], pool.names[t.first]) for t in find_twins(pool, tests)}
    assert ("097", "PartB_00448") in found
    assert len(cut_from) > 50
    assert len(found & set(cut_from.items())) >= 0.95 * len(cut_from)
    assert len(found - set(cut_from.items())) <= 3, found - set(cut_from.items())
