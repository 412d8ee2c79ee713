"""Completion scripts for shells, out of the parsers of the commands; nothing runs when a user presses Tab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import SemiUHPEError

SHELLS = ("bash", "zsh", "tcsh")


@dataclass(frozen=True)
class Words:
    """What may follow a command. options: every one; choices: the words that follow an option which has a choice.

    names: the words that may come first, as the sources of `prepare`.
    """

    options: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def completion_script(shell: str, commands: Iterable[str]) -> str:
    """The script that makes a shell, of `SHELLS`, complete `semiuhpe`. Its user saves it where the shell looks.

    Of a command whose packages are not installed it knows the name alone.
    """
    known = {command: _words_of(command) for command in commands}
    return _tcsh(known) if shell == "tcsh" else _bash(known, shell)


def _words_of(command: str) -> Words:
    try:
        parser = import_module(f"semiuhpe.cli.{command.replace('-', '_')}").build_parser()
    except (ImportError, SemiUHPEError):
        return Words()
    assert isinstance(parser, CommandParser)
    return _words(parser)


def _words(parser: CommandParser) -> Words:
    options, inner = parser.options(), parser.commands()
    choices = {name: list(map(str, action.choices)) for name, action in options.items() if action.choices is not None}
    names = set(options)
    for words in map(_words, inner.values()):
        names.update(words.options)
        choices |= words.choices
    return Words(sorted(name for name in names if name.startswith("--")), choices, list(inner))


def _bash(known: Mapping[str, Words], shell: str) -> str:
    """For bash, and for zsh, which understands the completions of bash."""
    begin = ["#compdef semiuhpe", "autoload -U +X bashcompinit && bashcompinit"] if shell == "zsh" else []
    cases = []
    for command, words in known.items():
        cases.append(f"    {command})")
        if words.choices:
            cases.append('      case "$previous" in')
            cases += [f"        {name}) words='{' '.join(found)}' ;;" for name, found in sorted(words.choices.items())]
            cases.append("      esac")
        cases.append(f"      options='{' '.join(words.options)}'")
        if words.names:
            cases.append(f"      [[ $COMP_CWORD -eq 2 ]] && words='{' '.join(words.names)}'")
        cases.append("      ;;")
    return "\n".join(
        [
            *begin,
            f"# Completion of semiuhpe for {shell}, written by: semiuhpe --print-completion {shell}",
            "_semiuhpe() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words="" options=""',
            "  COMPREPLY=()",
            "  if [[ $COMP_CWORD -eq 1 ]]; then",
            f"    COMPREPLY=($(compgen -W '{' '.join([*known, '--help', '--version', '--print-completion'])}' -- \"$current\"))",
            "    return",
            "  fi",
            '  case "${COMP_WORDS[1]}" in',
            *cases,
            f"    --print-completion) words='{' '.join(SHELLS)}' ;;",
            "  esac",
            '  if [[ -n "$words" && "$current" != -* ]]; then',
            '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
            '  elif [[ "$current" == -* ]]; then',
            '    COMPREPLY=($(compgen -W "$options" -- "$current"))',
            "  fi",
            "}",
            "complete -o default -F _semiuhpe semiuhpe",
            "",
        ]
    )


def _tcsh(known: Mapping[str, Words]) -> str:
    """tcsh's rules look at one word alone: the options of all commands are offered together."""
    options = sorted({option.removeprefix("--") for words in known.values() for option in words.options})
    choices: dict[str, dict[str, None]] = {}
    for words in known.values():
        for name, found in words.choices.items():
            choices.setdefault(name, {}).update(dict.fromkeys(found))
    rules = [f"'n/{name}/({' '.join(found)})/'" for name, found in sorted(choices.items())]
    rules += [f"'n/{command}/({' '.join(words.names)})/'" for command, words in known.items() if words.names]
    lines = ["complete semiuhpe", f"'p/1/({' '.join(known)})/'", *rules, f"'c/--/({' '.join(options)})/'"]
    note = "# Completion of semiuhpe for tcsh, written by: semiuhpe --print-completion tcsh"
    return note + "\n" + " \\\n  ".join(lines) + "\n"
