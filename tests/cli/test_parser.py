"""What every command has in common: help in groups with defaults and examples, errors of one line that name the near word."""

from __future__ import annotations

import argparse
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from semiuhpe.cli.main import COMMANDS, main
from semiuhpe.cli.parser import CommandParser, near
from semiuhpe.errors import SemiUHPEError


def parser_of(command: str) -> CommandParser:
    try:
        parser = import_module(f"semiuhpe.cli.{command.replace('-', '_')}").build_parser()
    except (ImportError, SemiUHPEError) as error:
        pytest.skip(str(error))
    assert isinstance(parser, CommandParser)
    return parser


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_that_the_parser_takes(command: str) -> None:
    parser = parser_of(command)
    assert parser.prog == f"semiuhpe {command}"
    text = parser.format_help()
    lines = text.partition("\nexample")[2].splitlines()[1:]
    examples = [shlex.split(line) for line in lines if line.startswith("  semiuhpe ")]
    assert examples, text
    for words in examples:
        assert words[:2] == ["semiuhpe", command]
        if command == "prepare":
            parser.parse_args(words[2:])
        else:
            parser.parse_intermixed_args(words[2:])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_told_with_its_default(command: str) -> None:
    for action in parser_of(command)._actions:
        if not action.option_strings or isinstance(action, argparse._HelpAction):
            continue
        assert action.help, action.option_strings
        plain = argparse.ArgumentParser(formatter_class=parser_of(command).formatter_class)
        plain._add_action(action)
        text = " ".join(plain.format_help().split())
        if isinstance(action.default, int | float) and not isinstance(action.default, bool):
            assert "default" in text, action.option_strings
        assert "(default: True)" not in text and text.count("default:") < 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("predict a.jpg --styl axes", "semiuhpe predict: error: unknown option --styl; did you mean --style?"),
        ("predict a.jpg --style=axis", "semiuhpe predict: error: --style: unknown choice 'axis'; did you mean axes?"),
        ("predict a.jpg --det x.onnx", "semiuhpe predict: error: unknown option --det; did you mean --detector?"),
        ("predict a.jpg -o", "semiuhpe predict: error: -o: expected one argument"),
        ("predict a.jpg --output", "semiuhpe predict: error: --output: expected one argument"),
        ("predict a.jpg --every two", "semiuhpe predict: error: --every: invalid int value: 'two'"),
        ("predict --crops a.jpg --boxes b.csv", "semiuhpe predict: error: --boxes: not allowed with --crops"),
        ("predict --style qqq a.jpg", "semiuhpe predict: error: --style: unknown choice 'qqq'; choose from axes, box"),
        ("predict", "semiuhpe predict: error: the following arguments are required: SOURCE"),
        ("attention v.mp4 --zone z.json", "semiuhpe attention: error: unknown option --zone; did you mean --zones?"),
        ("serve and more", "semiuhpe serve: error: more words than this command takes: and more"),
        ("export run out.onnx --hub-dataset x", "semiuhpe export: error: --hub-dataset goes with --hub-folder"),
        ("export run out.onnx --least-speedup 2", "semiuhpe export: error: --least-speedup goes with --precision"),
        (
            "export r o.onnx --precision half --least-speedup 2",
            "semiuhpe export: error: --least-speedup goes with --precision int8",
        ),
        ("inspect store --count 9", "semiuhpe inspect: error: --count goes with --sheet, which is missing"),
        ("inspect a --apart-from b --split val", "semiuhpe inspect: error: --split has no effect with --apart-from"),
        (
            "synthesize s --background-heads detect",
            "semiuhpe synthesize: error: --background-heads goes with --backgrounds",
        ),
        ("evaluate --protocol any --store s --iou 0.4", "semiuhpe evaluate: error: --iou goes with --detect"),
        (
            "evaluate --protocol any --store s --peer whenet=f --device cpu",
            "semiuhpe evaluate: error: --device has no effect",
        ),
    ],
)
def test_wrong_usage_is_one_line(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(shlex.split(words))
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(told) and error.count("\n") == 1, error


def test_options_are_never_abbreviated() -> None:
    parser = CommandParser()
    parser.add_argument("--numbers", action="store_true")
    parser.add_argument("-o")
    assert parser.parse_args(["-oout"]).o == "out"
    with pytest.raises(SystemExit):
        parser.parse_args(["--number"])


def test_near_words() -> None:
    assert near("predcit", COMMANDS) == "; did you mean predict?"
    assert near("--det", ["--detector", "--device"]) == "; did you mean --detector?"
    assert near("xyzzy", COMMANDS) == ""


def test_an_unknown_command_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evalute"]) == 2
    assert capsys.readouterr().err == "semiuhpe: error: no command 'evalute'; did you mean evaluate?\n"
    assert main(["xyzzy"]) == 2
    assert "there are predict, attention" in capsys.readouterr().err


def test_texts_keep_lines_that_begin_with_a_space() -> None:
    parser = CommandParser(description="word " * 60, epilog="teachers:\n  a=1   one\n  b=2   two")
    text = parser.format_help()
    assert "\n  a=1   one\n  b=2   two\n" in text
    assert max(map(len, text.splitlines())) < 200


def test_weights_that_are_exported_already_are_not_exported_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "open", "--hub-folder", str(tmp_path / "hub"), "--precision", "float32"]
    assert main(words) == 1
    assert "open: is exported already; --precision goes with a run" in capsys.readouterr().err
    assert not (tmp_path / "hub").exists()
