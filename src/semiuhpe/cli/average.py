"""`semiuhpe average FIRST SECOND OUT.safetensors`: the mean of two trainings' weights."""

from __future__ import annotations

from pathlib import Path

from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import MissingExtraError


def build_parser() -> CommandParser:
    """The options of `semiuhpe average`."""
    parser = CommandParser(
        prog="semiuhpe average",
        description="The mean of the weights of two trainings, of which one went on from the other.",
        examples=[
            "semiuhpe average runs/first/last.safetensors runs/second/last.safetensors mean.safetensors --share 0.5"
        ],
    )
    parser.add_argument("first", type=Path, help="a .safetensors of a run")
    parser.add_argument("second", type=Path, help="a .safetensors of the run that went on from it")
    parser.add_argument("output", type=Path, help="the .safetensors to write, for evaluate, export and initial_weights")
    parser.add_argument("--share", type=float, default=0.5, help="share of the second")
    return parser


def main(argv: list[str]) -> int:
    """Average; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        from semiuhpe.models.averaging import average_checkpoints
    except ImportError as error:
        raise MissingExtraError("averaging weights", "train") from error
    average_checkpoints(args.first, args.second, args.share, args.output)
    print(f"{args.output}: {1 - args.share:g} of {args.first}, {args.share:g} of {args.second}")
    return 0
