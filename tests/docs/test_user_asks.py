"""docs/user_asks.md: no cell is empty, every command is one that the command line takes."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any, NoReturn

import pytest

from semiuhpe.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "user_asks.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")][2:]
CODE = re.findall(r"`([^`]+)`", PAGE)


def test_every_row_has_a_question_an_answer_and_a_thread() -> None:
    assert len(ROWS) >= 16
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 3, row
        question, answer, threads = cells
        assert len(question) > 20
        assert len(answer) > 40
        assert re.search(r"[\w.-]+(/[\w.-]+)?#\d+", threads), row
        assert re.search(r"\]\(|Not estimated", answer), row


class Parsed(BaseException):
    """The command line was understood: no error, which the command would put into one line."""


@pytest.mark.parametrize("command", [code for code in CODE if code.startswith("semiuhpe ")])
def test_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsers: list[Any] = [argparse.ArgumentParser]
    words = shlex.split(command)[1:]
    assert words[0] in COMMANDS
    if words[0] == "train":
        parsers.append(pytest.importorskip("jsonargparse").ArgumentParser)
    for parser in parsers:
        for name in ("parse_args", "parse_intermixed_args"):
            original = getattr(parser, name)

            def parse(self: Any, *args: Any, _original: Any = original, **options: Any) -> NoReturn:
                _original(self, *args, **options)
                raise Parsed

            monkeypatch.setattr(parser, name, parse)
    monkeypatch.chdir(ROOT)
    with pytest.raises(Parsed):
        main(words)


def test_a_command_that_does_not_exist_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "photo.jpg", "--no-such-option"])
    assert "--no-such-option" in capsys.readouterr().err


def test_options_and_attributes_that_are_named_exist() -> None:
    from semiuhpe import HeadPoseEstimator, HeadPoses
    from semiuhpe.cli.predict import build_parser

    text = build_parser().format_help()
    for option in {code.split()[0] for code in CODE if code.startswith("--")} - {"--score"}:
        assert option in text, option
    for owner, kind in (("heads", HeadPoses), ("estimator", HeadPoseEstimator)):
        for name in re.findall(rf"`{owner}\.(\w+)", PAGE):
            assert hasattr(kind, name) or name in kind.__annotations__, name
    for name in re.findall(r"`(to_\w+)\(\)`", PAGE):
        assert hasattr(HeadPoses, name), name
