from __future__ import annotations

import math

import numpy as np
import pytest

from semiuhpe.errors import StoreError
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import SPLITS, HeadRecord


def record(**changes: object) -> HeadRecord:
    fields: dict[str, object] = {
        "id": "a/1", "source": "s", "split": "train", "subject": "p", "box": (1.0, 2.0, 3.5, 4.25)
    }  # fmt: skip
    return HeadRecord(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS)
def test_json_gives_every_field_back_exactly(split: str, rng: np.random.Generator) -> None:
    rotation = random_rotations(1, rng)[0]
    box = tuple(np.cumsum(rng.uniform(0.1, 1, 4))[[0, 1, 2, 3]])
    before = record(split=split, rotation=rotation, box=box, extras={"é": 0.1 + 0.2, "n": 3, "t": "x", "none": None})
    after = HeadRecord.from_json(before.to_json())
    assert (after.id, after.source, after.split, after.subject) == ("a/1", "s", split, "p")
    assert after.box == before.box
    assert after.extras == before.extras
    assert after.rotation is not None
    np.testing.assert_array_equal(after.rotation, rotation)


def test_no_rotation_stays_none() -> None:
    assert HeadRecord.from_json(record().to_json()).rotation is None


def test_a_list_is_taken_for_a_rotation() -> None:
    made = record(rotation=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert made.rotation is not None
    assert made.rotation.dtype == np.float64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "non-empty id"),
        ({"split": "training"}, "split must be one of train, val, test, unlabelled"),
        ({"box": (0.0, 0.0, 0.0, 1.0)}, "box must be finite"),
        ({"box": (0.0, 0.0, math.nan, 1.0)}, "box must be finite"),
        ({"box": (0.0, 0.0, math.inf, 1.0)}, "box must be finite"),
        ({"rotation": np.ones((3, 3))}, "must be a .3, 3. rotation"),
        ({"rotation": np.eye(4)}, "must be a .3, 3. rotation"),
        ({"rotation": np.full((3, 3), np.nan)}, "must be a .3, 3. rotation"),
        ({"rotation": np.diag([1.0, 1.0, -1.0])}, "reflection"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        record(**changes)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "a"}', "null", "nonsense"])
def test_malformed_json_is_a_store_error(text: str) -> None:
    with pytest.raises(StoreError, match="malformed"):
        HeadRecord.from_json(text)
