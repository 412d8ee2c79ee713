from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.coloured_heads import colours, write_store

from semiuhpe.errors import StoreError
from semiuhpe.evaluation.labels import choose, labels_of
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore


def record(rotation: np.ndarray | None = None, **extras: Any) -> HeadRecord:
    return HeadRecord("a", "s", "test", "", (0, 0, 1, 1), rotation, extras)


def test_kinds_of_labels(rng: np.random.Generator) -> None:
    rotation = random_rotations(1, rng)[0]
    labels = labels_of(
        [
            record(rotation),
            record(azimuth_deg=30, elevation_deg="-15"),
            record(azimuth_deg=-170.0, elevation_deg=""),
            record(),
        ]
    )
    assert labels.known("rotation").tolist() == [True, False, False, False]
    assert labels.known("direction").tolist() == [True, True, False, False]
    assert labels.known("azimuth").tolist() == [True, True, True, False]
    assert [labels[np.arange(4) >= i].best_kind() for i in range(4)] == ["rotation", "direction", "azimuth", "azimuth"]
    np.testing.assert_allclose([labels.azimuth[0], labels.elevation[0]], azimuth_elevation_tilt(rotation)[:2])
    np.testing.assert_allclose(np.degrees([labels.azimuth[1], labels.elevation[1]]), [30, -15])


def test_published_angles_are_the_extras_or_those_of_the_rotation() -> None:
    angles = np.array([[10.0, 95.0, 5.0], [10.0, 95.0, 5.0], [-20.0, 40.0, 3.0]])
    rotations = from_euler_deg(angles, "300w-lp")
    folded = record(rotations[0], pitch_deg=-170.0, yaw_deg=85.0, roll_deg=-175.0)
    labels = labels_of([folded, record(rotations[1]), record(rotations[2], yaw_deg=7.0)])
    np.testing.assert_allclose(labels.angles_deg, [[-170, 85, -175], *angles[1:]], atol=1e-9)


def test_an_extra_that_is_no_number_names_the_head() -> None:
    with pytest.raises(StoreError, match="head a: azimuth_deg is no number"):
        labels_of([record(azimuth_deg="left")])
    assert len(labels_of([])) == 0


def test_choosing_heads(tmp_path: Path) -> None:
    store = HeadStore(write_store(tmp_path / "s", colours(10), [None] * 10, split="val"))
    assert choose(store, "val") == list(range(10))
    assert choose(store, "val", 4) == [0, 3, 6, 9]
    assert choose(store, "val", 99) == list(range(10))
    assert choose(store, "val", official="test") == list(range(10))  # no head knows of an official split
    with pytest.raises(StoreError, match=r"s: has no heads in split 'test'; choose --split from: val"):
        choose(store, "test")


def test_official_splits_come_first_where_the_store_knows_them(tmp_path: Path) -> None:
    """An importer may keep the official val and test together as its split "test"."""
    extras = [{"official_split": name} for name in ("train", "val", "test", "val", "train")]
    store = HeadStore(write_store(tmp_path / "s", colours(5), [None] * 5, extras, split="test"))
    assert choose(store, "val", official="val") == [1, 3]
    assert choose(store, "test", official="test") == [2]
    assert choose(store, "test") == [0, 1, 2, 3, 4]
    with pytest.raises(StoreError, match="choose --split from: test, train, val"):
        choose(store, "test", official="dev")
