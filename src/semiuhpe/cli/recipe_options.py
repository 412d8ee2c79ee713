"""Recipe keys as options: their help out of the dataclasses that declare them, without what a training needs."""

from __future__ import annotations

import dataclasses
import inspect
import re
from itertools import zip_longest
from typing import Any, Literal, get_args, get_origin, get_type_hints

from semiuhpe.cli.importer_options import not_none
from semiuhpe.cli.parser import CommandParser

_METAVARS = {str: "TEXT", int: "N", float: "X", bool: "{true,false}"}
_ENTRIES = re.compile(r"(?m)^ {4}(\w+): (.*(?:\n {8}.*)*)")
_KEYS = re.compile(r"(?:(?<=[.;)] )|^)(\w+(?:(?:, | … )\w+)*): ")


def add_recipe_options(parser: CommandParser, recipe: Any, title: str) -> None:
    """One option for each key of a recipe, and a group of options for each dataclass in it. recipe: of all defaults."""
    _add_group(parser, recipe, "", title)


def _add_group(parser: CommandParser, recipe: Any, prefix: str, title: str) -> None:
    texts, hints, nested = key_texts(type(recipe)), get_type_hints(type(recipe)), []
    group = parser.add_argument_group(title, texts[""])
    for name, hint in hints.items():
        kind, value = not_none(hint), getattr(recipe, name)
        if dataclasses.is_dataclass(kind):
            assert isinstance(kind, type)
            nested.append((kind() if value is None else value, prefix + name))
            continue
        form: dict[str, Any] = {"metavar": metavar_of(kind)}
        if get_origin(kind) is Literal:
            form = {"choices": get_args(kind)}
        text = option_help(texts.get(name, ""), kind, value)
        group.add_argument(f"--{prefix}{name}", default=value, help=text, **form)
    for inner, name in nested:
        _add_group(parser, inner, f"{name}.", name)


def option_help(text: str, kind: Any, value: Any) -> str:
    """The help of a key of a type with a default. text: what is said of it."""
    if get_origin(kind) is list and dataclasses.is_dataclass(get_args(kind)[0]):
        keys = ", ".join(inner.name for inner in dataclasses.fields(get_args(kind)[0]))
        text = f"{text}{'; ' if text else ''}a list in YAML or JSON, keys of each: {keys}"
    if isinstance(value, list | tuple):
        shown = ", ".join(f"{part:.4g}" for part in value)
    else:
        shown = f"{value:.4g}" if isinstance(value, float) else str("" if value is None else value)
        shown = shown.lower() if isinstance(value, bool) else shown
    return f"{text} (default: {shown or 'none'})".strip().replace("%", "%%")


def metavar_of(kind: Any) -> str:
    """What stands for a value of a type in the help."""
    return _METAVARS.get(kind, "LIST")


def key_texts(recipe: type) -> dict[str, str]:
    """What a dataclass's docstring says of its fields; under "" what it says before any of them.

    It says it in a section `Attributes:`, one entry per field, or in flowing text, as `name, name: text.`
    """
    about, section, entries = inspect.cleandoc(recipe.__doc__ or "").partition("\nAttributes:\n")
    if section:
        told = _ENTRIES.findall(entries.split("\n\n")[0])
        summary = " ".join(about.split("\n\n")[0].split())
        return {"": summary} | {name: " ".join(text.split()).rstrip(".;") for name, text in told}
    known = {entry.name for entry in dataclasses.fields(recipe)}
    texts = {"": ""}
    for paragraph in re.split(r"\n\s*\n", about):
        line = " ".join(paragraph.split())
        found = [match for match in _KEYS.finditer(line) if set(re.split(r", | … ", match[1])) <= known]
        if not texts[""]:
            texts[""] = line[: found[0].start() if found else None].strip()
        for match, following in zip_longest(found, found[1:]):
            text = line[match.end() : following.start() if following else None].strip().rstrip(".;")
            texts |= dict.fromkeys(re.split(r", | … ", match[1]), text)
    return texts
