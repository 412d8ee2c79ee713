"""`semiuhpe sweep`: variants are trained, compared and read again; what cannot be is told before any training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.axes_heads import recipe_for

from semiuhpe.cli.main import main
from semiuhpe.training.pose.recipe import to_dict

pytest.importorskip("torch")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)
    path = tmp_path / "recipe.yml"
    path.write_text(json.dumps(to_dict(recipe_for(tmp_path, steps=3))))  # JSON is YAML
    return path


def test_a_variant_is_compared_with_the_recipe(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = ["sweep", "--config", str(config), "--seeds", "3", "--steps", "2", "--out", str(out)]
    command += ["--variant", "optimizer.lr=0.01"]
    assert main(command) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| optimizer.lr=0.01: store")]
    folders = {path.name: path for path in out.iterdir()}
    assert len(folders) == 2
    (plain,) = (path for name, path in folders.items() if name.startswith("as it is"))
    (varied,) = (path for name, path in folders.items() if "lr" in name)
    assert json.loads((varied / "recipe.json").read_text())["optimizer"]["lr"] == 0.01
    assert json.loads((plain / "recipe.json").read_text())["optimizer"]["lr"] != 0.01
    before, after = (
        np.mean(json.loads((path / "errors.json").read_text())["store"]["error_deg"]) for path in (plain, varied)
    )
    cells = [cell.strip() for cell in lines[0].split("|")]
    assert cells[3:5] == [f"{before:.2f}", f"{after:.2f}"]
    assert cells[5].startswith(f"{after - before:+.2f} [")
    monkeypatch.setattr("semiuhpe.training.pose.paired.Trainer", None)
    assert main(command) == 0
    assert lines[0] in capsys.readouterr().out, "read, not trained again"
    command[command.index("--steps") + 1] = "1"  # the folders hold another recipe's results
    assert main(command) == 1
    assert "was begun with another steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        (["--variant", "optimizer.lr"], "say KEY=VALUE"),
        (["--variant", "workers=0", "--variant", "workers=0"], "the same"),
    ],
)
def test_what_cannot_be_is_told_before_any_training(
    config: Path, tmp_path: Path, variants: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--config", str(config), "--out", str(tmp_path / "out"), *variants]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
