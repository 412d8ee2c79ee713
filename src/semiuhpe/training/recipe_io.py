"""The reader of recipes, for every training: YAML of others, which can make a billion values of a dozen lines, and its types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml

from semiuhpe.errors import MissingExtraError, RecipeError

RecipeType = TypeVar("RecipeType")

_PLAINER = (
    (r"""Parser key "([^"]+)":\s*""", r"\1: "),
    (r"<class '(?:[\w.]+\.)?(\w+)'>", r"\1"),
    (r"Expected an? (?:typing\.)?Literal\[([^\]]*)\]", r"expected one of \1"),
    (r"Expected an? ", "expected "),
    (r"\. Got value: ", ", got "),
    (r"^Option '([^']+)' is not accepted", r"unknown key '\1'"),
)
"""What jsonargparse says in terms of Python, and the same in plain words."""

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


def typed(kind: type[RecipeType], values: dict[str, Any], origin: str) -> RecipeType:
    """A recipe of the dataclass `kind` in what a file or a checkpoint's state says, with the defaults of what it leaves out.

    origin: what an error names. Raises RecipeError for an unknown key or a value of the wrong type.
    """
    try:
        from jsonargparse import ArgumentError, ArgumentParser
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    try:
        return instantiated(kind, parser, parser.parse_object(values))
    except (ArgumentError, RecipeError) as error:
        raise RecipeError(f"{origin}: {plain(str(error))}") from error


def plain(message: str) -> str:
    """What jsonargparse says of a value, in one line and in words that are not Python's."""
    for pattern, words in _PLAINER:
        message = re.sub(pattern, words, message)
    return " ".join(message.split())


def instantiated(kind: type[RecipeType], parser: Any, values: Any) -> RecipeType:
    """The recipe in what a jsonargparse parser with the arguments of `kind` has read, whatever else it read."""
    # By its name since jsonargparse 4.49, or by that of the versions before.
    instantiate = parser.instantiate if hasattr(parser, "instantiate") else parser.instantiate_classes
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{key: value for key, value in vars(instantiate(values)).items() if key in known})


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
