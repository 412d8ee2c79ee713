"""Where metrics are looked at while a run goes on: TensorBoard, Weights & Biases, Trackio. None is imported unless asked for."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from semiuhpe.errors import MissingExtraError, TrainingError
from semiuhpe.files.atomic import finite, write_atomically

BoardName = Literal["tensorboard", "wandb", "trackio"]

RUN_ID = "board_run.txt"
"""File of a run folder: by what name a board that is not in the folder knows the run, so that a resumed one goes on there."""


class Board(Protocol):
    """Takes the metrics of one run."""

    def log(self, values: dict[str, float], step: int) -> None:
        """Numbers by their names, which have slashes where they are nested."""

    def close(self) -> None:
        """Everything is written; nothing is logged any more."""


def open_board(name: BoardName, run: Path, *, first: int, project: str, recipe: dict[str, Any]) -> Board:
    """A board for the steps from `first` on.

    run: the run's folder. project, recipe: of boards that keep several runs; the recipe is what they compare runs by.
    Raises MissingExtraError where its library is not installed, TrainingError where it cannot begin.
    """
    if name == "tensorboard":
        return TensorBoard(run, first)
    return HostedBoard(name, run, project, recipe)


class TensorBoard:
    """Event files in the run's folder. Those of steps that a resumed run does again are dropped."""

    def __init__(self, run: Path, first: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("the recipe's logger tensorboard", "tensorboard") from error
        self._writer: Any = SummaryWriter(str(run), purge_step=first)

    def log(self, values: dict[str, float], step: int) -> None:
        """As of `Board`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """As of `Board`."""
        self._writer.close()


class HostedBoard:
    """Weights & Biases or Trackio, whose interface is the same. They know a run by its id, and drop no steps: what a resumed
    run does again has the same numbers."""

    def __init__(self, name: Literal["wandb", "trackio"], run: Path, project: str, recipe: dict[str, Any]) -> None:
        try:
            library = importlib.import_module(name)
        except ImportError as error:
            raise MissingExtraError(f"the recipe's logger {name}", name) from error
        key = _run_id(run)
        settings: dict[str, Any] = {"project": project, "name": f"{run.resolve().name}-{key}", "config": recipe}
        settings |= {"id": key, "dir": str(run)} if name == "wandb" else {}  # Trackio resumes by the name
        try:
            self._run: Any = library.init(**settings, resume="allow")
        except Exception as error:  # each library has its own, for no network, no account, no disk
            raise TrainingError(
                f"{run}: {name} cannot begin a run ({' '.join(str(error).split())[:200]}); {_REMEDIES[name]}, or leave "
                f"{name} out of the recipe's loggers"
            ) from error

    def log(self, values: dict[str, float], step: int) -> None:
        """As of `Board`."""
        self._run.log(values, step=step)

    def close(self) -> None:
        """As of `Board`."""
        self._run.finish()


_REMEDIES = {
    "wandb": "log in with: wandb login, or keep the run here with WANDB_MODE=offline",
    "trackio": "see to it that its folder (TRACKIO_DIR) can be written",
}


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Numbers of nested metrics under names joined by slashes; the step itself is not one, nor is what is not finite."""
    for key, value in finite(values).items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}/")
        elif key != "step" and value is not None:
            yield prefix + key, float(value)


def _run_id(run: Path) -> str:
    """Of a run folder, made once and kept in it."""
    path = run / RUN_ID
    if not path.exists():
        write_atomically(path, uuid.uuid4().hex[:8].encode())
    return path.read_text().strip()
