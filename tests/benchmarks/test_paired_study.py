"""`benchmarks/paired_study.py`: its interval, its variants, and a study of two tiny trainings."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from axes_heads import recipe_for, semi_for

from semiuhpe.training.recipe import check, to_dict

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "paired_study.py"
    spec = importlib.util.spec_from_file_location("paired_study_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_interval_is_that_of_resampled_subjects(study: ModuleType, rng: np.random.Generator) -> None:
    """Against drawing subjects with all their heads, one draw after the other."""
    subjects = [f"p{number}" for number in rng.integers(0, 9, 60)]
    shift = {name: rng.normal(0, 2) for name in set(subjects)}
    differences = np.array([shift[name] for name in subjects]) + rng.normal(0, 0.3, 60)
    low, high = study.paired_interval(differences, subjects)
    heads = {name: differences[[s == name for s in subjects]] for name in shift}
    names = sorted(heads)
    means = []
    for _ in range(4000):
        means.append(np.concatenate([heads[names[i]] for i in rng.integers(0, len(names), len(names))]).mean())
    slow_low, slow_high = np.quantile(means, [0.025, 0.975])
    assert (low, high) == pytest.approx((slow_low, slow_high), abs=0.12 * (slow_high - slow_low))
    alone = study.paired_interval(differences, [str(i) for i in range(60)])
    assert alone[1] - alone[0] < 0.8 * (high - low), "heads of one person are not independent"


def test_every_variant_is_a_recipe_that_can_run(study: ModuleType, tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, semi=semi_for(tmp_path))
    plain = json.dumps(to_dict(recipe))
    for name, change in study.VARIANTS.items():
        check(change(recipe))
        assert json.dumps(to_dict(recipe)) == plain, f"{name} changes what it was given"


def test_two_trainings_are_compared_head_by_head(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semiuhpe.training.trainer.draw_curves", lambda _: None)
    recipe = recipe_for(tmp_path, steps=3)
    recipe.labelled[0].sigma_deg = 20.0
    config = tmp_path / "recipe.yml"
    config.write_text(json.dumps(to_dict(recipe)))  # JSON is YAML
    flags = ["--config", str(config), "--seeds", "3", "--steps", "2", "--out", str(tmp_path / "out")]
    study.main([*flags, "--variants", "as it is", "plain labels"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| plain labels: store")]
    before, after = (
        json.loads((tmp_path / "out" / name / "errors.json").read_text())["store"]["error_deg"]
        for name in ("as_it_is_3", "plain_labels_3")
    )
    assert len(before) == len(after) == 8
    cells = [cell.strip() for cell in lines[0].split("|")]
    assert cells[2:5] == ["8", f"{np.mean(before):.2f}", f"{np.mean(after):.2f}"]
    assert cells[5].startswith(f"{np.mean(after) - np.mean(before):+.2f} [")
    assert before != after
    monkeypatch.setattr(study, "Trainer", None)
    study.main([*flags, "--variants", "as it is", "plain labels"])
    assert lines[0] in capsys.readouterr().out, "read, not trained again"
