"""Stores that choose the best weights: rotations, azimuths by eye, and their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.axes_heads import make_store, recipe_for
from helpers.coloured_heads import colours, poses_of, write_store

from semiuhpe.errors import RecipeError, StoreError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.training.pose.recipe import ValidationData
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.pose.validation import validate, validation_sets
from semiuhpe.training.ranks import Ranks


def azimuth_store(path: Path, azimuths_deg: list[float], split: str = "val") -> Path:
    extras: list[dict[str, Any]] = [{"azimuth_deg": value, "sigma_deg": 5.0} for value in azimuths_deg]
    return write_store(path, colours(len(extras)), [None] * len(extras), extras, split)


def tell(monkeypatch: pytest.MonkeyPatch, parameters: dict[int, np.ndarray]) -> None:
    """Let the network answer sets of n heads with these poses."""
    monkeypatch.setattr("semiuhpe.training.pose.validation.predict", lambda _, crops, __: parameters[len(crops)])


def test_azimuths_alone_are_measured_by_azimuth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = poses_of(colours(4))
    said = np.degrees(azimuth_elevation_tilt(answers)[:, 0])
    labels = said + [10, -30, 60, 170]
    store = azimuth_store(tmp_path / "wild", labels.tolist())
    recipe = recipe_for(tmp_path, validation=[ValidationData(str(store), weight=3.0)])
    rotations = poses_of(colours(8, 1))
    tell(monkeypatch, {4: answers, 8: rotations})
    sets = validation_sets(recipe)
    assert [s.name for s in sets] == ["store", "wild"]
    scores = validate(None, sets, Ranks())  # type: ignore[arg-type]
    assert scores.errors_deg["wild"] == pytest.approx((10 + 30 + 60 + 170) / 4)
    of_store = scores.errors_deg["store"]
    assert scores.errors_deg["mean"] == pytest.approx((of_store + 3 * 67.5) / 4)
    assert scores.within_45["wild"] == 0.5
    bands = np.digitize(np.abs((labels + 180) % 360 - 180), [60, 120])
    for number, name in enumerate(("front", "side", "rear")):
        near = np.array([True, True, False, False])[bands == number]
        assert scores.within_45.get(f"wild/{name}") == (pytest.approx(near.mean()) if len(near) else None)


def test_a_store_of_both_counts_each_head_by_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = poses_of(colours(2))
    azimuth = float(np.degrees(azimuth_elevation_tilt(answers[1])[0]))
    store = write_store(tmp_path / "both", colours(2), [answers[0], None], [{}, {"azimuth_deg": azimuth + 20}], "test")
    recipe = recipe_for(tmp_path, validation=[ValidationData(str(store), split="test")])
    recipe.labelled[0].validate = False
    tell(monkeypatch, {2: answers})
    scores = validate(None, validation_sets(recipe), Ranks())  # type: ignore[arg-type]
    assert scores.errors_deg["both"] == pytest.approx(10)
    assert scores.within_45["both"] == 1.0


def test_the_weighted_mean_chooses_and_shares_are_logged(tmp_path: Path) -> None:
    wild = azimuth_store(tmp_path / "wild", [0, 100, 170])
    recipe = recipe_for(tmp_path, validate_every=2, steps=6, validation=[ValidationData(str(wild), weight=0.25)])
    Trainer(recipe, progress=False).train()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = [line for line in lines if "validation_averaged_deg" in line]
    for line in found:
        scores = line["validation_averaged_deg"]
        assert scores["mean"] == pytest.approx((scores["store"] + 0.25 * scores["wild"]) / 1.25)
        assert set(line["validation_averaged_within_45"]) == {"wild", "wild/front", "wild/side", "wild/rear"}
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert best["validation_deg"]["mean"] == min(line["validation_averaged_deg"]["mean"] for line in found)


def test_a_labelled_store_that_is_listed_counts_once_with_its_weight(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    recipe.validation = [ValidationData(recipe.labelled[0].store, weight=2.0)]
    assert [(s.name, s.weight) for s in validation_sets(recipe)] == [("store", 2.0)]


def test_stores_of_one_name_stay_apart(tmp_path: Path) -> None:
    other = make_store(tmp_path / "other" / "store")
    sets = validation_sets(recipe_for(tmp_path, validation=[ValidationData(str(other))]))
    assert [s.name for s in sets] == ["store", str(other)]


def test_without_validation_heads_every_line_is_json(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, steps=2, validate_every=2)
    recipe.labelled[0].validate = False

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    Trainer(recipe, progress=False).train()
    folder = tmp_path / "run"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    for text in (*lines, (folder / "last.json").read_text(), (folder / "best.json").read_text()):
        json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"store": ""}, "needs a store"),
        ({"weight": 0.0}, "positive weight"),
        ({"split": "rest"}, "split of train, val"),
    ],
)
def test_impossible_validation_names_the_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    data = ValidationData(**{"store": recipe_for(tmp_path).labelled[0].store, **change})
    with pytest.raises(RecipeError, match=message):
        Trainer(recipe_for(tmp_path, validation=[data]), progress=False)


def test_stores_without_labels_are_refused(tmp_path: Path) -> None:
    empty = write_store(tmp_path / "empty", colours(2), [None, None], split="val")
    with pytest.raises(RecipeError, match=r"empty: has no heads with a rotation or azimuth_deg in its val split"):
        validation_sets(recipe_for(tmp_path, validation=[ValidationData(str(empty))]))
    odd = write_store(tmp_path / "odd", colours(1), [None], [{"azimuth_deg": "left"}], "val")
    with pytest.raises(StoreError, match="h0: azimuth_deg is no number"):
        validation_sets(recipe_for(tmp_path, validation=[ValidationData(str(odd))]))
