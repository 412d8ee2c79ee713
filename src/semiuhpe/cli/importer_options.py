"""`--option KEY=VALUE` of `semiuhpe prepare`: the keyword arguments of an importer, typed by their defaults."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from semiuhpe.errors import SourceError

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KINDS = (bool, float, int, str)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flag, which may be repeated."""
    parser.add_argument(
        "--option", metavar="KEY=VALUE", dest="options", action="append", default=[],
        help="an option of this source's importer, e.g. val=0.1 (share of people kept for validation); may be repeated",
    )  # fmt: skip


def options_for(name: str, importer: Callable[..., Any], given: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments that "KEY=VALUE" texts stand for. Raises SourceError for a key or a value that does not fit."""
    known = {
        key: parameter.default
        for key, parameter in inspect.signature(importer).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and isinstance(parameter.default, _KINDS)
    }
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            listed = ", ".join(f"{k}={v}" for k, v in known.items()) or "none"
            raise SourceError(f"--option {text}: {name} has the options (with their defaults): {listed}")
        options[key] = _typed(text, value, known[key])
    return options


def _typed(text: str, value: str, default: bool | float | int | str) -> bool | float | int | str:
    try:
        return _TRUTH[value.lower()] if isinstance(default, bool) else type(default)(value)
    except (KeyError, ValueError) as error:
        kind = "true or false" if isinstance(default, bool) else "a number"
        raise SourceError(f"--option {text}: the value must be {kind}") from error
