"""`benchmarks/paired_study.py`: its interval, its variants, and a study of two tiny trainings."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.axes_heads import recipe_for, semi_for
from helpers.scripts import script

from semiuhpe.training.pose.recipe import to_dict
from semiuhpe.training.pose.recipe_checks import check

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return script("benchmarks/paired_study.py")


def test_intervals_are_of_subjects(study: ModuleType, rng: np.random.Generator) -> None:
    """Heads of one person that change alike are one observation; the change of both seeds is averaged first."""
    subjects = [f"p{number}" for number in rng.integers(0, 9, 60)]
    shift = {name: rng.normal(0, 2) for name in set(subjects)}
    change = np.array([shift[name] for name in subjects]) + rng.normal(0, 0.3, (2, 60))
    before = rng.uniform(5, 9, (2, 60))

    def runs(errors: np.ndarray, who: list[str]) -> list[dict[str, object]]:
        return [{"val": {"error_deg": e.tolist(), "subject": who, "azimuth_deg": [0.0] * 60}} for e in errors]

    def interval(who: list[str]) -> tuple[float, float, float]:
        (_, n, _, _, text, each), front = study.rows(runs(before, who), runs(before + change, who))
        assert n == "60"
        assert front[0] == "val, front"
        assert each == ", ".join(f"{value:+.2f}" for value in change.mean(1))
        mean, low, high = (float(v) for v in text.replace("[", "").replace("]", "").replace(",", "").split())
        return mean, low, high

    mean, low, high = interval(subjects)
    assert mean == pytest.approx(change.mean(), abs=0.01)
    slow = []
    for _ in range(3000):
        names = rng.choice(sorted(shift), len(shift))
        slow.append(np.concatenate([change.mean(0)[[s == name for s in subjects]] for name in names]).mean())
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.15 * (high - low))
    _, low_alone, high_alone = interval([str(i) for i in range(60)])
    assert high_alone - low_alone < 0.8 * (high - low)


def test_every_variant_is_a_recipe_that_can_run(study: ModuleType, tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, semi=semi_for(tmp_path))
    plain = json.dumps(to_dict(recipe))
    for name, change in study.VARIANTS.items():
        check(change(recipe))
        assert json.dumps(to_dict(recipe)) == plain, f"{name} changes what it was given"


def test_two_trainings_are_compared_head_by_head(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)
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
    monkeypatch.setattr("semiuhpe.training.pose.paired.Trainer", None)
    study.main([*flags, "--variants", "as it is", "plain labels"])
    assert lines[0] in capsys.readouterr().out, "read, not trained again"
