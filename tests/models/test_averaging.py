"""The mean of two runs' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from semiuhpe.cli.main import main
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint

STATE = {"step": 3, "recipe": {"model": {}}}


def written(path: Path, value: float, count: int) -> str:
    tensors = {
        "averaged/weight": torch.full((2, 2), value),
        "averaged/number": torch.tensor(count),
        "current/weight": torch.ones(1),
    }
    save_checkpoint(path, tensors, STATE)
    return str(path)


def test_weights_lie_between_and_the_rest_is_that_of_the_second(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.safetensors", 1.0, 5), written(tmp_path / "b.safetensors", 3.0, 7)
    out = tmp_path / "mean.safetensors"
    assert main(["average", first, second, str(out), "--share", "0.25"]) == 0
    tensors, state = load_checkpoint(out)
    assert set(tensors) == {"averaged/weight", "averaged/number"}
    assert torch.equal(tensors["averaged/weight"], torch.full((2, 2), 1.5)) and int(tensors["averaged/number"]) == 7
    assert state["step"] == 3 and state["card"]["mean_of"]["share_of_the_second"] == 0.25


def test_what_does_not_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path / "a.safetensors", 1.0, 5)
    save_checkpoint(tmp_path / "other.safetensors", {"averaged/weight": torch.ones(3)}, STATE)
    out = str(tmp_path / "mean.safetensors")
    for arguments in ([str(tmp_path / "other.safetensors"), out], [first, out, "--share", "2"]):
        assert main(["average", first, *arguments]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and not Path(out).exists()
