"""Command-line options out of a function's keyword-only parameters: declared once, in its signature.

`def f(folder, store, *, min_side: Annotated[float, "shorter side at least, pixels"] = 30.0)` gets `--min-side N`.
A parameter's type is str, int, float, bool, Path or a Literal of strings, or one of them `| None`, or Sequence[Path]; its help is the
first text of its Annotated. It needs a default.
"""

from __future__ import annotations

import argparse
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_METAVARS = {str: "TEXT", int: "N", float: "X", Path: "PATH"}


def add_options(parser: argparse.ArgumentParser, function: Callable[..., Any]) -> None:
    """Give the parser one option for each keyword-only parameter. Raises TypeError for one of an unsupported type."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, default in option_defaults(function).items():
        kind, text = _plain(hints[name])
        flag = f"--{name.replace('_', '-')}"
        shown = "" if default in (None, "", ()) else f" (default {default})"
        settings: dict[str, Any] = {"dest": name, "default": default, "help": (text + shown).replace("%", "%%").strip()}
        if kind is bool:
            # BooleanOptionalAction before Python 3.13 writes the default into the help by itself.
            settings["help"] = text.replace("%", "%%")
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **settings)
        elif get_origin(kind) is Literal:
            parser.add_argument(flag, choices=get_args(kind), **settings)
        elif kind == Sequence[Path]:
            parser.add_argument(flag, type=Path, nargs="+", metavar="PATH", **settings)
        elif kind in _METAVARS:
            parser.add_argument(flag, type=kind, metavar=_METAVARS[kind], **settings)
        else:
            raise TypeError(f"{function.__name__}: no command-line option for {name} of type {kind}")


def option_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Name → default of each keyword-only parameter."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _plain(hint: Any) -> tuple[Any, str]:
    """The type without Annotated and None, and the help text."""
    hint = not_none(hint)  # Python 3.10 makes the whole of `Annotated[X, …] = None` optional
    text = ""
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        text = next((note for note in notes if isinstance(note, str)), "")
    return not_none(hint), text


def not_none(hint: Any) -> Any:
    """X of `X | None`, anything else as it is."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    members = [member for member in get_args(hint) if member is not type(None)]
    return members[0] if len(members) == 1 else hint
