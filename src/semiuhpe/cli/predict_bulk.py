"""`semiuhpe predict --engine ray SOURCE...`: very many pictures on a Ray cluster; results are Parquet, one row an input."""

from __future__ import annotations

import sys

from semiuhpe.cli.network_options import add_mirrored_option, add_score_option, add_weights_option, device_name
from semiuhpe.cli.parser import CommandParser
from semiuhpe.cli.terminal_reporter import TerminalReporter
from semiuhpe.errors import MissingExtraError
from semiuhpe.prediction.run_settings import Start


def build_parser() -> CommandParser:
    """The options of `semiuhpe predict --engine ray`."""
    parser = CommandParser(
        prog="semiuhpe predict --engine ray",
        description="The pose of every head in very many pictures, on a Ray cluster. Writes Parquet, one row an input.",
        epilog="Run again, it does what is not done yet, and inputs that are new. An input that cannot be read has its "
        "reason in the column 'error', and the exit code is 1. Workers must see sources and output by the same address.",
        examples=["semiuhpe predict --engine ray s3://bucket/photos/ -o s3://bucket/poses --actors 16"],
    )
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+",
        help="picture, folder, .parquet with a column of pictures, or .tar shard of webdataset; a path or a URL "
        "(s3://, gs://, ...). Of a folder, with its sub-folders, everything of these kinds",
    )  # fmt: skip
    parser.add_argument("--column", default="image", help="of Parquet: the pictures' bytes")
    output = parser.add_argument_group("what is written")
    output.add_argument("-o", "--output", default="poses", help="folder or URL to write to")
    again = output.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with this folder, or fail")
    again.add_argument("--overwrite", action="store_true", help="delete an earlier run's results and begin again")
    output.add_argument("--euler", action="append", metavar="NAME", help="an Euler convention (default: 300w-lp)")
    group = parser.add_argument_group("where the heads are")
    heads = group.add_mutually_exclusive_group()
    heads.add_argument("--detector", default="default", help="weights of a head detector, an .onnx")
    heads.add_argument("--crops", action="store_true", help="each picture is one head, already cropped")
    add_score_option(group)
    networks = parser.add_argument_group("the pose network")
    add_weights_option(networks)
    add_mirrored_option(networks)
    cluster = parser.add_argument_group("the cluster")
    cluster.add_argument(
        "--device", type=device_name, default="auto", metavar="NAME", help="auto, cpu, or cuda: one GPU an actor"
    )
    cluster.add_argument("--threads", type=int, default=1, help="processor threads of each actor")
    cluster.add_argument(
        "--actors", type=int, default=0, help="how many (default: as many as the cluster has room for)"
    )
    cluster.add_argument(
        "--ray-address", help="of the cluster (default: the one that Ray finds, or one on this machine)"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Returns 0, or 1 if some input could not be read (the others are done all the same)."""
    parser = build_parser()
    args = parser.parse_intermixed_args(argv)
    parser.excludes(args, "--crops", "--score")
    from tqdm import tqdm

    try:
        from semiuhpe.prediction.bulk.ray_engine import ray_engine
        from semiuhpe.prediction.bulk.run import bulk_output, run_bulk
        from semiuhpe.prediction.bulk.worker import Settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("predict --engine ray", "ray") from error
    settings = Settings(
        weights=args.weights,
        detector=args.detector,
        score=args.score,
        mirrored=args.mirrored,
        crops=args.crops,
        euler=tuple(args.euler or ["300w-lp"]),
        device=args.device,
        threads=args.threads,
    )
    start: Start = "overwrite" if args.overwrite else "resume" if args.resume else "fresh"
    engine = ray_engine(args.ray_address, args.actors)
    with (
        bulk_output(args.output, settings, start, TerminalReporter().note) as output,
        tqdm(unit="picture", disable=not sys.stderr.isatty()) as bar,
    ):

        def progress(done: dict[str, int], units: int) -> None:
            bar.update(done["inputs"])
            bar.set_postfix(heads=done["heads"], units=units)

        total = run_bulk(
            args.sources, output, settings, engine, column=args.column, overwrite=args.overwrite, progress=progress
        )
    earlier = f", {total['earlier_units']} parts done earlier" if total["earlier_units"] else ""
    print(
        f"{total['heads']} heads in {total['inputs'] - total['errors']} pictures, {total['errors']} failed{earlier}; "
        f"results in {output.url}/"
    )
    return 1 if total["errors"] else 0
