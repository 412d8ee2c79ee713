"""The parser of a pose recipe, of flags and files; needs the extra `train`. Its errors are those of the other commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from jsonargparse import ArgumentParser

from semiuhpe.cli.parser import CommandParser, near
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.recipe_io import plain

_NOT_ACCEPTED = re.compile(r"""Parser key "([^"]+)".*?Option '([^']+)' is not accepted""", re.DOTALL)


class RecipeParser(ArgumentParser):  # type: ignore[misc, unused-ignore]
    """jsonargparse's parser. words: what was typed. command: the parser that has the help of the same options."""

    words: Sequence[str] = ()
    command: Callable[[], CommandParser] | None = None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """One line, as of `CommandParser.error`."""
        if self.command is None or not self.exit_on_error:
            super().error(message, ex)
        self.command().refuse(self._plain(message), self.words)

    def _plain(self, message: str) -> str:
        assert self.command is not None
        if found := _NOT_ACCEPTED.search(message):
            key, option = found[1], found[2]
            known = [
                name.removeprefix(f"--{key}.") for name in self.command().options() if name.startswith(f"--{key}.")
            ]
            return f"{key} has no key {option!r}{near(option, known)}"
        return plain(message)


def recipe_parser(command: Callable[[], CommandParser], words: Sequence[str]) -> RecipeParser:
    """A parser of every key of a recipe. Arguments: see `RecipeParser`."""
    parser = RecipeParser(prog="semiuhpe train", allow_abbrev=False)
    parser.words, parser.command = words, command
    parser.add_argument("--config", action="config")
    parser.add_argument("--quiet", action="store_true")
    parser.add_class_arguments(Recipe)
    return parser
