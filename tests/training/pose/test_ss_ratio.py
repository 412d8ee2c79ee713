"""A share of a store with labels, the rest of it without: no head is in both, and no label outside the share is used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.axes_heads import make_store, recipe_for, semi_for

from semiuhpe.errors import RecipeError
from semiuhpe.heads.splits import with_labels
from semiuhpe.heads.store import HeadStore
from semiuhpe.training.pose.data import training_sources
from semiuhpe.training.pose.recipe import LabelledData, UnlabelledData
from semiuhpe.training.pose.recipe_checks import check
from semiuhpe.training.pose.run_folder import RunFolder
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.pose.unlabelled import unlabelled_sources
from semiuhpe.training.pose.validation import validation_sets


def test_labelled_and_unlabelled_heads_share_out_the_training_split(tmp_path: Path) -> None:
    path = str(make_store(tmp_path / "store", count=40))
    store = HeadStore(path)
    (labelled,) = training_sources([LabelledData(path, ss_ratio=0.25)])
    (rest,) = unlabelled_sources([UnlabelledData(path, beyond_ss_ratio=0.25)])
    training = {i for i, r in enumerate(store) if r.split == "train"}
    assert set(labelled.indices) | set(rest.indices) == training
    assert not set(labelled.indices) & set(rest.indices)
    assert set(labelled.indices) == training & set(np.flatnonzero(with_labels(store, 0.25)))
    assert with_labels(store, 0.25).sum() == 10
    (everyone,) = training_sources([LabelledData(path)])
    (pool,) = unlabelled_sources([UnlabelledData(path)])
    assert set(everyone.indices) == set(pool.indices) == training
    (few,) = training_sources([LabelledData(path, ss_ratio=0.25, limit=3)])
    assert len(few) == 3
    assert set(few.indices) <= set(labelled.indices)


def test_weights_are_chosen_within_the_share(tmp_path: Path) -> None:
    path = str(make_store(tmp_path / "store", count=60))
    store = HeadStore(path)
    expected = [r.rotation for r, used in zip(store, with_labels(store, 0.5), strict=True) if used and r.split == "val"]
    assert 0 < len(expected) < sum(r.split == "val" for r in store)
    (found,) = validation_sets(recipe_for(tmp_path, labelled=[LabelledData(path, ss_ratio=0.5)]))
    np.testing.assert_array_equal(found.rotations, expected)


def test_a_run_on_a_share_and_its_rest(tmp_path: Path) -> None:
    path = str(make_store(tmp_path / "store"))
    semi = semi_for(tmp_path, unlabelled=[UnlabelledData(path, beyond_ss_ratio=0.3)], stage1_steps=1)
    trainer = Trainer(
        recipe_for(tmp_path, steps=2, semi=semi, labelled=[LabelledData(path, ss_ratio=0.3)]), progress=False
    )
    assert trainer.pool is not None
    assert not set(trainer.sources[0].indices) & set(trainer.pool.sources[0].indices)
    trainer.train()


def test_a_run_begun_before_these_keys_existed_goes_on(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, semi=semi_for(tmp_path))
    RunFolder(recipe)
    path = tmp_path / "run" / "recipe.json"
    old = json.loads(path.read_text())
    del old["labelled"][0]["ss_ratio"], old["semi"]["unlabelled"][0]["beyond_ss_ratio"], old["photo_ends"]
    path.write_text(json.dumps(old))
    RunFolder(recipe)
    path.write_text(json.dumps(old))
    other = replace(recipe, labelled=[replace(recipe.labelled[0], ss_ratio=0.5)])
    with pytest.raises(RecipeError, match="begun with another labelled"):
        RunFolder(other)


@pytest.mark.parametrize(
    ("share", "rest", "message"),
    [
        (0.0, 0.0, r"labelled\[0\].ss_ratio"),
        (1.2, 0.0, r"labelled\[0\].ss_ratio"),
        (0.2, 1.0, r"unlabelled\[0\].beyond_ss_ratio"),
        (0.2, -0.1, r"unlabelled\[0\].beyond_ss_ratio"),
        (0.2, 0.1, "make them equal"),
    ],
)
def test_impossible_shares_name_the_key(tmp_path: Path, share: float, rest: float, message: str) -> None:
    path = str(tmp_path / "store")
    semi = semi_for(tmp_path, unlabelled=[UnlabelledData(path, beyond_ss_ratio=rest)])
    with pytest.raises(RecipeError, match=message):
        check(recipe_for(tmp_path, semi=semi, labelled=[LabelledData(path, ss_ratio=share)]))


def test_a_share_without_heads_is_named(tmp_path: Path) -> None:
    path = str(make_store(tmp_path / "store", count=10))
    with pytest.raises(RecipeError, match=r"within ss_ratio 0\.01"):
        training_sources([LabelledData(path, ss_ratio=0.01)])
    with pytest.raises(RecipeError, match=r"beyond ss_ratio 0\.9999"):
        unlabelled_sources([UnlabelledData(str(make_one(tmp_path)), beyond_ss_ratio=0.9999)])


def make_one(tmp_path: Path) -> Path:
    """A store in which every training head has a label within the share."""
    from semiuhpe.heads.record import HeadRecord
    from semiuhpe.heads.store import HeadStoreWriter

    with HeadStoreWriter(tmp_path / "one") as writer:
        for i in range(2):
            record = HeadRecord(f"h{i}", "s", "train", "", (0, 0, 1, 1), np.eye(3), {"name": "a", "folder": str(i)})
            writer.add(record, b"")
            writer.add(
                HeadRecord(f"v{i}", "s", "val", "", (0, 0, 1, 1), np.eye(3), {"name": "z", "folder": str(i)}), b""
            )
    return tmp_path / "one"
