"""The folder of a run: recipe, metrics, checkpoints. Everything in it survives a kill at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semiuhpe.errors import RecipeError
from semiuhpe.files.atomic import json_value
from semiuhpe.models.checkpoint import BEST, LAST
from semiuhpe.models.recipe_keys import upgraded
from semiuhpe.training.boards import Board, flat, open_board
from semiuhpe.training.metrics_log import METRICS, append_metrics, drop_metrics_after
from semiuhpe.training.pose import recipe as recipes
from semiuhpe.training.pose.recipe import LabelledData, Recipe, SemiSupervisedRecipe, UnlabelledData, ValidationData

RECIPE = "recipe.json"

_MAY_CHANGE = (
    "run", "workers", "threads", "log_every", "tensorboard", "loggers", "project", "devices", "nodes", "rank_timeout_s", "compile",
)  # fmt: skip


def _recipe_of(path: Path) -> dict[str, Any]:
    try:
        recipe = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: the run's recipe cannot be read ({error}); choose another --run") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"{path}: the run's recipe is no JSON object; choose another --run")
    return recipe


def begun_with(run: Path) -> dict[str, Any]:
    """The resolved recipe that a run was begun with, whichever version began it; as plain JSON types."""
    known: dict[str, Any] = _with_defaults(upgraded(_recipe_of(run / RECIPE)), _defaults())
    if known["initial_weights"]:
        known["model"]["pretrained"] = False  # as it is resolved today, for the initial weights replace all
    return known


class RunFolder:
    """A run on disk. Opening one that exists with another recipe raises RecipeError, so that two never mix.

    writes: whether this process is the one of the run that writes; the others read and compare.
    """

    def __init__(self, recipe: Recipe, *, writes: bool = True) -> None:
        self.path, self.writes = Path(recipe.run), writes
        known = self.path / RECIPE
        if known.exists():
            before, now = begun_with(self.path), recipes.to_dict(recipe)
            changed = [key for key in now if key not in _MAY_CHANGE and before.get(key) != now[key]]
            if changed:
                raise RecipeError(
                    f"{self.path}: was begun with another {', '.join(changed)}; choose another --run, or delete the folder"
                )
        self._recipe, self._boards = recipe, list[Board]()
        if writes:
            self.path.mkdir(parents=True, exist_ok=True)
            recipes.save(recipe, known)

    @property
    def last(self) -> Path:
        """The checkpoint that a resumed run continues from."""
        return self.path / LAST

    @property
    def best(self) -> Path:
        """The averaged weights with the lowest validation error so far."""
        return self.path / BEST

    def begin_after(self, step: int) -> None:
        """Be ready for the metrics of the steps after this one: those of an earlier attempt are dropped."""
        if self.writes:
            drop_metrics_after(self.path / METRICS, step)
            self.close()
            recipe = self._recipe
            for name in recipe.every_logger:
                plain = recipes.to_dict(recipe)
                board = open_board(name, self.path, first=step + 1, project=recipe.project, recipe=plain)
                self._boards.append(board)

    def log(self, values: dict[str, Any]) -> None:
        """Append one line of metrics, and show it on the boards."""
        if not self.writes:
            return
        append_metrics(self.path / METRICS, values)
        for board in self._boards:
            board.log(dict(flat(values)), values["step"])

    def close(self) -> None:
        """End what is shown on the boards; a second time does nothing."""
        while self._boards:
            self._boards.pop().close()


def _defaults() -> dict[str, Any]:
    """Every key of a recipe with its default; lists hold one entry."""
    semi = SemiSupervisedRecipe(unlabelled=[UnlabelledData()])
    return recipes.to_dict(Recipe(labelled=[LabelledData()], validation=[ValidationData()], semi=semi))


def _with_defaults(known: Any, default: Any) -> Any:
    """A recipe of an older version: what it could not ask for yet has its default, so such a run can go on."""
    if isinstance(known, dict) and isinstance(default, dict):
        missing = {key: [] if _is_template(value) else value for key, value in default.items()}
        return {**missing, **{key: _with_defaults(value, default.get(key)) for key, value in known.items()}}
    if isinstance(known, list) and isinstance(default, list) and default:
        return [_with_defaults(entry, default[0]) for entry in known]
    return known


def _is_template(default: Any) -> bool:
    """Whether a default is a list that holds one entry only to show what entries look like."""
    return isinstance(default, list) and bool(default) and isinstance(default[0], dict)
