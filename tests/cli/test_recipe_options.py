"""Keys of recipes as options: help out of the dataclasses, errors as of every other command."""

from __future__ import annotations

import dataclasses
from typing import get_type_hints

import pytest

from semiuhpe.cli.main import main
from semiuhpe.cli.recipe_options import key_texts, option_help
from semiuhpe.cli.train import build_parser
from semiuhpe.training.detector.recipe import DetectorRecipe
from semiuhpe.training.pose.recipe import Recipe, SemiSupervisedRecipe


@dataclasses.dataclass
class Small:
    """What it is: a test.

    first: one thing; see `second: no`. second, third: two things, of which
    the sum counts.

    What is said here is of no key.
    """

    first: int = 1
    second: float = 0.5
    third: bool = True
    fourth: str = ""


@dataclasses.dataclass
class Sections:
    """What it is.

    More of it; first: is no key here.

    Attributes:
        first: one thing. That is
            all; second: not here.
        second: another thing, see `first`.
    """

    first: int = 1
    second: float = 0.5


def test_docstrings_tell_of_keys() -> None:
    two = "two things, of which the sum counts"
    assert key_texts(Small) == {
        "": "What it is: a test.",
        "first": "one thing; see `second: no`",
        "second": two,
        "third": two,
    }
    assert key_texts(Sections) == {
        "": "What it is.",
        "first": "one thing. That is all; second: not here",
        "second": "another thing, see `first`",
    }
    assert option_help("100 %", bool, True) == "100 %% (default: true)"
    assert option_help("", str, "") == "(default: none)"


def test_train_help_has_every_key_with_the_default_of_the_recipe() -> None:
    options = build_parser().options()
    recipe = dataclasses.replace(Recipe(), semi=SemiSupervisedRecipe())

    def check(part: object, prefix: str) -> None:
        for name in get_type_hints(type(part)):
            value = getattr(part, name)
            if dataclasses.is_dataclass(value):
                check(value, f"{prefix}{name}.")
            else:
                assert options[f"--{prefix}{name}"].default == value, name

    check(recipe, "")
    text = " ".join(build_parser().format_help().split())
    assert "--view.scale LIST factors on the crop side (log-uniform) (default: 0.75, 1.3)" in text
    assert "--precision {32-true,bf16-mixed,16-mixed}" in text


def test_detector_help_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train-detector", "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{entry.name} " in text for entry in dataclasses.fields(DetectorRecipe))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--stepz", "5"], "unknown option --stepz; did you mean --steps?"),
        (["--step", "5"], "unknown option --step; did you mean --steps?"),
        (["--model.backbne", "x"], "unknown option --model.backbne; did you mean --model.backbone?"),
        (["--steps", "five"], "steps: expected int, got five"),
        (["--steps"], "--steps: expected one argument"),
        (["--optimizer.schedule", "lin"], "optimizer.schedule: expected one of 'cosine', 'constant', got lin"),
        (["--semi.conf", "3"], "semi has no key 'conf'; did you mean conf_thres?"),
    ],
)
def test_wrong_keys_are_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jsonargparse", reason="the extra 'train' is not installed")
    with pytest.raises(SystemExit) as end:
        main(["train", *words])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"semiuhpe train: error: {told}\n"
