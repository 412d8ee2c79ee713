"""Functions seen from outside: noted when they are called, and called with other defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def noting(
    seen: list[Any], what: Callable[..., object], function: Callable[Arguments, Answer]
) -> Callable[Arguments, Answer]:
    """The function, which first adds to `seen` what `what` makes of the arguments."""

    def noted(*arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
        seen.append(what(*arguments, **options))
        return function(*arguments, **options)

    return noted


def options_of(made: type) -> dict[str, Any]:
    """The defaults of a class's keyword arguments, to be patched."""
    defaults = made.__init__.__kwdefaults__  # type: ignore[misc]  # of this class, not of one below it
    assert defaults is not None
    return defaults
