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
    parser.add_argument(
        "--norm-views",
        type=int,
        default=0,
        metavar="N",
        help="take the statistics of batch norms anew from N views of the second's recipe; 4000 are plenty (default: average them)",
    )
    parser.add_argument(
        "--validate", action="store_true", help="measure it on the validation heads of the second's recipe"
    )
    return parser


def main(argv: list[str]) -> int:
    """Average; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.norm_views < 0 or args.norm_views == 1:
        parser.error(f"--norm-views is 0, or at least 2, got {args.norm_views}")
    try:
        from semiuhpe.training.pose.averaging import average_runs
    except ImportError as error:
        raise MissingExtraError("averaging weights", "train") from error
    errors = average_runs(
        args.first, args.second, args.share, args.output, norm_views=args.norm_views, measure=args.validate
    )
    print(f"{args.output}: {1 - args.share:g} of {args.first}, {args.share:g} of {args.second}")
    for name, degrees in errors.items():
        print(f"{name}: {degrees:.2f}° mean validation error")
    return 0
