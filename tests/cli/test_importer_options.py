"""Options out of signatures, and that every source's signature can be turned into options."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Annotated, Literal

import pytest

from semiuhpe.cli.importer_options import add_options, option_defaults
from semiuhpe.cli.main import main
from semiuhpe.sources.registry import SOURCES


def example(
    folder: Path,
    *,
    min_side: Annotated[float, "in pixels, 50 % at least"] = 30.0,
    name: str = "",
    table: Annotated[Path | None, "a CSV"] = None,
    workers: int | None = None,
    crops: Annotated[bool, "ready crops"] = False,
    kind: Literal["a", "b"] = "a",
) -> None:
    """An importer."""


def parsed(*argv: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_options(parser, example)
    return vars(parser.parse_args(argv))


def test_defaults_are_those_of_the_signature() -> None:
    assert parsed() == option_defaults(example)


def test_values_have_the_declared_types() -> None:
    got = parsed("--min-side", "12", "--name", "x", "--table", "a.csv", "--workers", "3", "--crops", "--kind", "b")
    assert got == {"min_side": 12.0, "name": "x", "table": Path("a.csv"), "workers": 3, "crops": True, "kind": "b"}
    assert isinstance(got["min_side"], float)
    assert parsed("--no-crops")["crops"] is False


@pytest.mark.parametrize("argv", [("--kind", "c"), ("--workers", "two"), ("--minside", "x")])
def test_what_does_not_fit_is_wrong_usage(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*argv)
    assert argv[0] in capsys.readouterr().err


def test_help_shows_texts_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = capsys.readouterr().out
    assert "in pixels, 50 % at least (default 30.0)" in " ".join(text.split())
    assert "a CSV" in text


def test_an_unsupported_type_is_a_programming_error() -> None:
    def odd(*, sizes: tuple[int, ...] = ()) -> None: ...

    with pytest.raises(TypeError, match="sizes"):
        add_options(argparse.ArgumentParser(), odd)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prepare", name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{option.replace('_', '-')}" in text for option in option_defaults(SOURCES[name].importer))


def test_an_unknown_source_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "cocohaed", "a", "b"])
    assert stop.value.code == 2
    assert "cocohead" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_folder_that_is_not_there_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", name, str(tmp_path / "nowhere"), str(tmp_path / "store")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nowhere" in error


def test_every_source_is_documented_with_a_command() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in SOURCES if f"semiuhpe prepare {name} " not in text] == []
    documented = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", text)}
    published = {count for source in SOURCES.values() for known in source.published for count in known.counts.values()}
    assert published <= documented


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"boxes", "photos"}))
def test_the_documented_terms_are_those_that_the_command_prints(name: str) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert row.strip("| ").split("|")[-1].strip() == SOURCES[name].licence
