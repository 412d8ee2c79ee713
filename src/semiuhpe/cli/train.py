"""`semiuhpe train --config RECIPE.yml`: every key of the recipe is also a typed flag."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiuhpe.errors import MissingExtraError

if TYPE_CHECKING:
    from semiuhpe.training.recipe import Recipe


def _parser() -> Any:
    try:
        from jsonargparse import ArgumentParser

        from semiuhpe.training.recipe import Recipe
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    parser = ArgumentParser(
        prog="semiuhpe train",
        description="Train a pose network by a recipe. A run that exists is resumed from its last checkpoint.",
    )
    parser.add_argument("--config", action="config", help="a recipe in YAML; flags after it override its keys")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_class_arguments(Recipe)
    return parser


def _files(argv: list[str]) -> list[str]:
    """The recipes that the arguments name; a file that is not there is the parser's affair."""
    named = []
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        option, _, value = argument.partition("=")
        if len(option) > 2 and "--config".startswith(option):  # or short for it
            named.append(value or following)
    return [path for path in named if Path(path).is_file()]


def read_recipe(argv: list[str]) -> tuple[Recipe, bool]:
    """The recipe that flags and files describe, not checked yet, and whether a progress bar was declined."""
    parser = _parser()
    from semiuhpe.training.recipe import Recipe
    from semiuhpe.training.recipe_text import read_yaml

    for path in _files(argv):
        read_yaml(path)  # before the parser writes its aliases out
    values = parser.parse_args(argv)

    objects = parser.instantiate_classes(values)
    fields = {
        key: value for key, value in vars(objects).items() if key not in ("config", "quiet", "__default_config__")
    }
    return Recipe(**fields), bool(values.quiet)


def main(argv: list[str]) -> int:
    """Run a training; returns the exit code."""
    recipe, quiet = read_recipe(argv)
    from semiuhpe.training.trainer import Trainer

    trainer = Trainer(recipe, progress=not quiet and sys.stderr.isatty())
    scores = trainer.train()
    if trainer.ranks.writes:
        print(", ".join(f"{name}: {score:.2f}° mean geodesic error" for name, score in scores.items()))
    return 0
