"""`semiuhpe train --config RECIPE.yml`: every key of the recipe is also a typed flag."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semiuhpe.cli.parser import CommandParser
from semiuhpe.cli.recipe_options import add_recipe_options
from semiuhpe.errors import MissingExtraError, RecipeError
from semiuhpe.files.atomic import json_text
from semiuhpe.models.recipe_keys import upgraded, upgraded_flag

if TYPE_CHECKING:
    from semiuhpe.cli.recipe_parser import RecipeParser
    from semiuhpe.training.pose.recipe import Recipe


_PUBLISHED_OPTIONS = {
    "--exp_name": "--run",
    "--network": "--model.backbone",
    "--lr": "--optimizer.lr",
    "--num_workers": "--workers",
    "--max_iteration": "--steps",
    "--stage1_iteration": "--semi.stage1_steps (a supervised training: --semi null)",
    "--log_frequency": "--log_every",
    "--val_frequency": "--validate_every",
    "--save_frequency": "--semi.stage_steps",
    "--ss_ratio": "--labelled.ss_ratio and --semi.unlabelled.beyond_ss_ratio",
    "--SSL_lambda": "--loss.ssl_lambda",
    "--conf_thres": "--semi.conf_thres",
    "--dynamic_thres": "--semi.dynamic_threshold",
    "--left_ratio": "--semi.left_ratio",
    "--ulb_batch_ratio": "--semi.ulb_batch_ratio",
    "--ema_decay": "--ema.teacher_decay",
    "--type_unsuper": "--loss.unsupervised",
    "--distribution": "--loss.distribution",
    "--cutout_aug": "--semi.cut_out",
    "--cutmix_aug": "--semi.cut_mix",
    "--rotate_aug": "--semi.strong_view.rotation",
    "--cont_ckpt": "the same command again, which resumes",
    "--is_full_range": "nothing: rotations are never folded",
    "--is_ema": "nothing: there always is a teacher",
    "--gpu_ids": "--device cuda and CUDA_VISIBLE_DEVICES",
}
"""Options of the published training program, and what says the same here."""

_GROUPS = ("--semi", "--optimiser")
"""Flags that take a whole group of keys, some of which belong to other groups today."""


def _refuse_published_options(argv: list[str]) -> None:
    """Raise RecipeError that translates options of the published program."""
    foreign = dict.fromkeys(word.partition("=")[0] for word in argv if word.partition("=")[0] in _PUBLISHED_OPTIONS)
    if foreign:
        said = ", ".join(f"for {option} say {_PUBLISHED_OPTIONS[option]}" for option in foreign)
        raise RecipeError(f"these are options of the published program: {said}")


def build_parser() -> CommandParser:
    """The help of `semiuhpe train`, which needs nothing that a training needs."""
    from semiuhpe.training.pose.recipe import Recipe

    parser = CommandParser(
        prog="semiuhpe train",
        description="Train a pose network by a recipe. A run that exists is resumed from its last checkpoint. Each key of the "
        "recipe is also an option.",
        epilog="semiuhpe train --config RECIPE.yml --print_config shows a recipe with all its defaults. "
        "docs/training.md tells more. Training needs pip install 'semiuhpe[train]'.",
        examples=[
            "semiuhpe train --config recipe.yml",
            "semiuhpe train --config recipe.yml --run runs/longer --steps 20000 --optimizer.lr 0.0005",
        ],
    )
    parser.add_argument("--config", metavar="RECIPE.yml", help="a recipe in YAML; options after it override its keys")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--print_config", action="store_true", help="print the recipe with its defaults, and stop")
    add_recipe_options(parser, Recipe(), "the run")
    return parser


def _recipe_parser(words: Sequence[str]) -> RecipeParser:
    try:
        from semiuhpe.cli.recipe_parser import recipe_parser
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    return recipe_parser(build_parser, words)


def _today(argv: list[str]) -> list[str]:
    """The arguments with the keys of today, in flags and in the files that `--config` names.

    A file with old keys becomes its content, as YAML in one line. Raises RecipeError for files that cannot be read safely.
    """
    words: list[str] = []
    for word in _joined(argv):
        option, equals, value = word.partition("=")
        if equals and _names_file(option):
            words.append(f"{option}={_content(value)}")
        elif equals and option in _GROUPS:
            words += _flags(option, value)
        else:
            words.append(upgraded_flag(option) + equals + value)
    return words


def _joined(argv: list[str]) -> list[str]:
    """The arguments, with `--config FILE` and groups of keys as one word each."""
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        following = next(rest, None) if _names_file(word) or word in _GROUPS else None
        words.append(word if following is None else f"{word}={following}")
    return words


def _names_file(option: str) -> bool:
    return option == "--config"


def _content(path: str) -> str:
    """The path of a recipe file, or what it says where it has keys of older versions."""
    from semiuhpe.training.recipe_io import read_recipe as read_file

    if not Path(path).is_file():
        return path  # is the parser's affair
    values = read_file(path)
    try:
        today = upgraded(values)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error
    return path if today == values else json_text(today)


def _flags(option: str, value: str) -> list[str]:
    """`--semi={…}` and `--optimiser={…}`, whose old keys belong to other groups today."""
    import yaml

    try:
        group = yaml.safe_load(value)
    except yaml.YAMLError:
        group = None
    if not isinstance(group, dict):
        return [f"{option}={value}"]
    return [f"--{name}={json_text(inside)}" for name, inside in upgraded({option[2:]: group}).items()]


def read_recipe(argv: list[str]) -> tuple[Recipe, bool]:
    """The recipe that flags and files describe, not checked yet, and whether a progress bar was declined.

    Raises RecipeError for an option of the published training program, with its name here.
    """
    _refuse_published_options(argv)
    if {"-h", "--help"} & set(argv):
        build_parser().parse_args(["--help"])
    words = _today(argv)
    parser = _recipe_parser(words)
    from semiuhpe.training.pose.recipe import Recipe
    from semiuhpe.training.recipe_io import instantiated

    values = parser.parse_args(words)
    return instantiated(Recipe, parser, values), bool(values.quiet)


def main(argv: list[str]) -> int:
    """Run a training; returns the exit code."""
    recipe, quiet = read_recipe(argv)
    from semiuhpe.training.pose.trainer import Trainer

    trainer = Trainer(recipe, progress=not quiet and sys.stderr.isatty())
    scores = trainer.train()
    if trainer.ranks.writes:
        print(", ".join(f"{name}: {score:.2f}° mean error" for name, score in scores.items()))
    return 0
