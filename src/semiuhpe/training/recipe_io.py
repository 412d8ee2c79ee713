"""The reader of recipes, for every training: YAML of others, which can make a billion values of a dozen lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from semiuhpe.errors import RecipeError

MAX_BYTES = 1 << 20
MAX_VALUES = 10_000
"""Values of a recipe, those of an alias counted wherever it stands; the published ones have some forty."""


def read_yaml(path: str | Path) -> str:
    """The text of a YAML file that stands for few values. Raises RecipeError, also for text that is no YAML."""
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: larger than {MAX_BYTES >> 10} KiB, which no recipe is")
        text = Path(path).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = 0 if root is None else _count(root, {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    except RecursionError as error:
        raise RecipeError(f"{path}: is nested too deeply") from error
    if values > MAX_VALUES:
        raise RecipeError(f"{path}: more than {MAX_VALUES:,} values with its aliases written out; write fewer of them")
    return text


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The settings of a recipe file, {} of an empty one. Raises RecipeError, also for a file that is no mapping."""
    values = yaml.safe_load(read_yaml(path))
    if values is not None and not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of settings, got {type(values).__name__}")
    return values or {}


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; each node is looked at once, however many aliases lead to it."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_VALUES + 1  # so much, if it leads back to itself
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    known[id(node)] = 1 + sum(_count(child, known) for child in children)
    return known[id(node)]
