"""What boards get of a run, with stand-ins that take what the libraries take and no more; and what is said without them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.axes_heads import recipe_for

from semiuhpe.errors import MissingExtraError, TrainingError
from semiuhpe.training.boards import RUN_ID, flat
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.run_folder import RunFolder
from semiuhpe.training.pose.trainer import Trainer


class Run:
    """A run of wandb or trackio: what was logged, and whether it is finished."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.finished = False

    def log(self, data: dict[str, Any], step: int | None = None) -> None:
        assert not self.finished
        assert step is not None
        self.lines.append((step, data))

    def finish(self) -> None:
        self.finished = True


class Library:
    """Keeps runs as the library does, which goes on with one that it knows."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.begun: list[dict[str, Any]] = []

    def wandb(self, *, project: str, name: str, id: str, dir: str, config: dict[str, Any], resume: str) -> Run:
        assert Path(dir).is_dir()
        return self._begin(id, {"project": project, "name": name, "config": config, "resume": resume})

    def trackio(self, project: str, name: str, config: dict[str, Any], resume: str) -> Run:
        return self._begin(name, {"project": project, "name": name, "config": config, "resume": resume})

    def _begin(self, key: str, said: dict[str, Any]) -> Run:
        json.dumps(said)
        assert said["resume"] == "allow"
        self.begun.append(said)
        run = self.runs.setdefault(key, Run())
        run.finished = False
        return run


def install(monkeypatch: pytest.MonkeyPatch, name: str, init: Any) -> None:
    module = ModuleType(name)
    module.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    kept = Library()
    install(monkeypatch, "wandb", kept.wandb)
    install(monkeypatch, "trackio", kept.trackio)
    return kept


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_resumed_run_goes_on_on_its_board(tmp_path: Path, library: Library, name: Any) -> None:
    (tmp_path / "run").mkdir()
    recipe = Recipe(run=str(tmp_path / "run"), loggers=[name], project="heads")
    for step in (4, 9):
        folder = RunFolder(recipe)
        folder.begin_after(step)
        folder.log({"step": step + 1, "nll": 0.5, "validation": {"store": 3.0, "other": float("nan")}})
        folder.close()
        folder.close()
    (run,) = library.runs.values()
    assert run.lines == [(5, {"nll": 0.5, "validation/store": 3.0}), (10, {"nll": 0.5, "validation/store": 3.0})]
    assert run.finished
    first, second = library.begun
    assert first == second
    assert (first["project"], first["config"]["project"]) == ("heads", "heads")
    assert first["name"] == f"run-{(tmp_path / 'run' / RUN_ID).read_text()}"
    RunFolder(Recipe(run=str(tmp_path / "run")))  # and another choice of boards is no other run


def test_two_runs_of_one_name_are_two_on_a_board(tmp_path: Path, library: Library) -> None:
    for parent in ("a", "b"):
        folder = RunFolder(Recipe(run=str(tmp_path / parent / "run"), loggers=["trackio"]))
        folder.begin_after(0)
    assert len(library.runs) == 2


def test_a_training_shows_its_metrics_and_ends_its_run(tmp_path: Path, library: Library) -> None:
    Trainer(recipe_for(tmp_path, steps=2, validate_every=2, loggers=["wandb", "trackio"]), progress=False).train()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(library.runs) == 2
    for run in library.runs.values():
        assert run.lines == [(line["step"], dict(flat(line))) for line in lines]
        assert run.finished


@pytest.mark.parametrize("name", ["wandb", "trackio", "tensorboard"])
def test_without_its_library_nothing_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer" if name == "tensorboard" else name, None)
    folder = RunFolder(Recipe(run=str(tmp_path / "run"), loggers=[name]))
    with pytest.raises(MissingExtraError, match=rf"logger {name} .*pip install 'semiuhpe\[{name}\]'"):
        folder.begin_after(0)
    RunFolder(Recipe(run=str(tmp_path / "other"), loggers=[name]), writes=False).begin_after(0)


def test_a_board_that_cannot_begin_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**settings: Any) -> Run:
        raise RuntimeError("api_key not configured\n(no-tty)")

    install(monkeypatch, "wandb", refuse)
    folder = RunFolder(Recipe(run=str(tmp_path / "run"), loggers=["wandb"]))
    with pytest.raises(TrainingError, match=r"api_key not configured \(no-tty\)\); log in with: wandb login"):
        folder.begin_after(0)


def test_both_keys_name_tensorboard_once() -> None:
    assert Recipe(tensorboard=True, loggers=["trackio", "tensorboard"]).every_logger == ["tensorboard", "trackio"]
    assert Recipe().every_logger == []
