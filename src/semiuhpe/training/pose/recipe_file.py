"""A recipe from its YAML file, as `semiuhpe train --config` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semiuhpe.errors import MissingExtraError, RecipeError
from semiuhpe.models.recipe_keys import upgraded
from semiuhpe.training import recipe_io
from semiuhpe.training.pose.recipe import Recipe


def read_recipe(path: str | Path) -> Recipe:
    """Read the recipe that a YAML file describes, with the defaults of what it leaves out; not checked yet.

    Keys of older versions are taken.

    Args:
        path: of the file.

    Returns:
        The recipe.

    Raises:
        RecipeError: a file that cannot be read, an unknown key or a value of the wrong type.
        MissingExtraError: what training needs is not installed.
    """
    return recipe_of_values(recipe_io.read_recipe(path), str(path))


def recipe_of_values(values: dict[str, Any], origin: str) -> Recipe:
    """As `read_recipe`, of what a file or a checkpoint's state says. origin: what an error names."""
    try:
        from jsonargparse import ArgumentError, ArgumentParser
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe)
    try:
        return recipe_of(parser, parser.parse_object(upgraded(values)))
    except (ArgumentError, RecipeError) as error:
        raise RecipeError(f"{origin}: {' '.join(str(error).split())}") from error


def recipe_of(parser: Any, values: Any) -> Recipe:
    """The recipe in what a jsonargparse parser with the arguments of `Recipe` has read, whatever else it read."""
    # By its name since jsonargparse 4.49, or by that of the versions before.
    instantiate = parser.instantiate if hasattr(parser, "instantiate") else parser.instantiate_classes
    known = Recipe.__dataclass_fields__
    return Recipe(**{key: value for key, value in vars(instantiate(values)).items() if key in known})
