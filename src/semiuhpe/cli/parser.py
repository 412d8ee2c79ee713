"""The parser of every command: help in groups with defaults and examples, errors of one line that name the near word."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

Options: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup | argparse._MutuallyExclusiveGroup"
"""What options can be added to."""

_OPTIONAL_ARGUMENT = re.compile(r"\bargument ([^\s:]+)")
_WRONG_CHOICE = re.compile(r"^argument ([^\s:]+): invalid choice: (.*?) \(choose from")
_BOOLEAN_DEFAULT = " (default: %(default)s)"
"""What `argparse.BooleanOptionalAction` writes into the help by itself before Python 3.13."""


class HelpFormatter(argparse.HelpFormatter):
    """A short usage line; defaults of options; texts whose lines that begin with a space stay as they are."""

    def add_usage(self, usage: Any, actions: Iterable[argparse.Action], groups: Any, prefix: Any = None) -> None:
        """Only what has to be given, for the options follow."""
        actions = list(actions)
        needed = [action for action in actions if action.required or not action.option_strings]
        if len(needed) < len(actions):
            needed.insert(0, argparse.Action([], "options", nargs="?", metavar="OPTION ..."))
        super().add_usage(usage, needed, (), prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(
            indent + line if not line or line.startswith(" ") else fill(line, width, indent)
            for line in text.splitlines()
        )

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if text is None or text is argparse.SUPPRESS:
            return text
        if isinstance(action, argparse.BooleanOptionalAction):
            text = text.removesuffix(_BOOLEAN_DEFAULT)
        if not action.option_strings or "default" in text:
            return text
        shown = _default_text(action.default, isinstance(action, argparse.BooleanOptionalAction))
        return f"{text} (default: {shown})".replace("  ", " ") if shown else text


def _default_text(value: Any, switch: bool) -> str:
    """A default as the help shows it; "" for one that says nothing."""
    if switch and isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value is argparse.SUPPRESS or isinstance(value, bool):
        return ""
    words = value if isinstance(value, list | tuple) else [value]
    return " ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in words).replace("%", "%%")


class CommandParser(argparse.ArgumentParser):
    """A parser of one command. Options are never abbreviated, for a later option would change what they mean.

    examples: command lines that the help ends with. All else as of `argparse.ArgumentParser`; the lines of an epilog are
    wrapped, but those that begin with a space.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        if examples:
            lines = "\n".join(f"  {line}" for line in examples)
            shown = f"example{'s' if len(examples) > 1 else ''}:\n{lines}"
            options["epilog"] = f"{options['epilog']}\n\n{shown}" if options.get("epilog") else shown
        super().__init__(*args, **{"formatter_class": HelpFormatter, "allow_abbrev": False, **options})
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of `argparse.ArgumentParser`; remembers what was typed, for messages."""
        self._words += [os.fspath(word) for word in args or ()]
        return super().parse_known_args(args, namespace)

    def parse_known_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of `argparse.ArgumentParser`; remembers what was typed, for messages."""
        self._words += [os.fspath(word) for word in args or ()]
        return super().parse_known_intermixed_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and one line that names the command, the option as it was typed, and the near word."""
        self.exit(2, f"{self.prog}: error: {' '.join(self._told(message).split())}\n")

    def refuse(self, message: str, words: Sequence[str]) -> NoReturn:
        """`error` for words that another parser could not take."""
        self._words = list(words)
        self.error(message)

    def needs(self, args: argparse.Namespace, option: str, other: str) -> None:
        """Refuse an option that does nothing without another one. Exits with wrong usage."""
        if self.given(args, option) and not self.given(args, other):
            self.error(f"{self._as_typed(option)} goes with {other}, which is missing")

    def excludes(self, args: argparse.Namespace, option: str, *others: str) -> None:
        """Refuse options that do nothing beside another one. Exits with wrong usage."""
        for other in others:
            if self.given(args, option) and self.given(args, other):
                self.error(f"{self._as_typed(other)} has no effect with {self._as_typed(option)}; leave one out")

    def options(self) -> dict[str, argparse.Action]:
        """Every option string, and what it stands for."""
        return {name: action for action in self._actions for name in action.option_strings}

    def commands(self) -> dict[str, CommandParser]:
        """The parsers that a word of this one chooses from, by that word."""
        found = [action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return {name: parser for choices in found for name, parser in dict(choices or {}).items()}

    def given(self, args: argparse.Namespace, option: str) -> bool:
        """Whether an option has another value than its default."""
        action = self.options()[option]
        return bool(getattr(args, action.dest) != action.default)

    def _told(self, message: str) -> str:
        unknown = self._unknown_option()
        if message.startswith(("unrecognized arguments", "the following arguments are required")) and unknown:
            return f"unknown option {unknown}{near(unknown, self.options())}"
        if wrong := _WRONG_CHOICE.match(message):
            action = self._action(wrong[1])
            if action is not None and action.choices is not None:
                choices = [str(choice) for choice in action.choices]
                hint = near(wrong[2].strip("'\""), choices) or f"; choose from {', '.join(choices)}"
                return f"{self._as_typed(wrong[1])}: unknown choice {wrong[2]}{hint}"
        text = _OPTIONAL_ARGUMENT.sub(lambda match: self._as_typed(match[1]), message)
        return text.replace("unrecognized arguments", "more words than this command takes")

    def _unknown_option(self) -> str:
        """The first word that looks like an option and is none; "" where there is none."""
        known = self.options()
        for word in self._words:
            if word == "--":
                break
            name = word.partition("=")[0]
            short = not word.startswith("--") and (word[:2] in known or word[1:2].isdigit() or word[1:2] in (".", ""))
            if word.startswith("-") and name not in known and not short and " " not in word:
                return name
        return ""

    def _action(self, name: str) -> argparse.Action | None:
        """What argparse calls so in a message."""
        for action in self._actions:
            if name in ("/".join(action.option_strings), *action.option_strings, action.metavar, action.dest):
                return action
        return None

    def _as_typed(self, name: str) -> str:
        """`-o/--output` as the user wrote it, the long form where that is not known."""
        action = self._action(name)
        if action is None or not action.option_strings:
            return name
        typed = {word.partition("=")[0] for word in self._words}
        return next((option for option in action.option_strings if option in typed), action.option_strings[-1])


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known word is like it, else ""."""
    words = list(known)
    found = [other for other in words if len(word.strip("-")) > 1 and other.startswith(word)]
    if len(found) != 1:
        found = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {found[0]}?" if found else ""
