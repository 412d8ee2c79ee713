"""A recipe from its YAML file, as `semiuhpe train --config` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    return recipe_io.typed(Recipe, upgraded(values), origin)
