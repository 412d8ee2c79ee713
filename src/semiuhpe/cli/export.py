"""`semiuhpe export CHECKPOINT OUT.onnx`: the deployed file of a trained network, or a repository for the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import MissingExtraError, WeightsError

CHECKED_HEADS = 128
_OF_A_RUN = ("--heads", "--precision", "--max-drift", "--least-speedup")
"""What says how a graph is made."""


def build_parser() -> CommandParser:
    """The options of `semiuhpe export`."""
    parser = CommandParser(
        prog="semiuhpe export",
        description="Export a trained network to ONNX, with its card, or as a repository for the Hugging Face Hub.",
        examples=[
            "semiuhpe export runs/pose head_pose.onnx --heads stores/mine",
            "semiuhpe export runs/pose --hub-folder hub --hub-license mit",
        ],
    )
    parser.add_argument(
        "checkpoint",
        help="a run folder (its best weights), or a .safetensors of one; with --hub-folder also an .onnx or a name",
    )
    parser.add_argument(
        "output", type=Path, nargs="?", help="the .onnx to write; its model card lies beside it as .json"
    )
    graph = parser.add_argument_group("the graph")
    graph.add_argument("--heads", type=Path, help="a head store whose val split the graph is checked on")
    graph.add_argument(
        "--precision",
        choices=["float32", "half", "int8"],
        default="half",
        help="half: weights stored in 16 bits; int8: layers compute in 8 bits, with ranges measured on --heads",
    )
    graph.add_argument(
        "--max-drift",
        type=float,
        metavar="DEG",
        help="refuse a graph that strays further: any head (default: 0.1), of int8 the mean head (default: 0.2)",
    )
    graph.add_argument(
        "--least-speedup",
        type=float,
        default=1.0,
        metavar="X",
        help="refuse an int8 graph that is not X times as fast as float32 here; 0: it is for another machine",
    )
    graph.add_argument("--licence", help="licence of the weights, written into the file")
    hub = parser.add_argument_group("for the Hugging Face Hub")
    hub.add_argument(
        "--hub-folder",
        type=Path,
        metavar="DIR",
        help="instead of an output: write a repository that is ready to be pushed, with the checkpoint of a run",
    )
    hub.add_argument(
        "--hub-license",
        metavar="ID",
        default="other",
        help="licence by its name on the Hub, such as apache-2.0 (default: other, which refers to the card's words)",
    )
    hub.add_argument("--hub-dataset", metavar="NAME", action="append", default=[], help="a data set on the Hub; repeat")
    return parser


def main(argv: list[str]) -> int:
    """Export a checkpoint; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.max_drift is not None and not args.max_drift > 0:
        parser.error(f"--max-drift must be positive, got {args.max_drift}")
    if (args.output is None) == (args.hub_folder is None):
        parser.error("give the .onnx to write, or --hub-folder, one of the two")
    if args.output is not None and args.output.suffix != ".onnx":
        parser.error(f"the output must end in .onnx, got {args.output}")
    if args.precision != "int8" and parser.given(args, "--least-speedup"):
        parser.error("--least-speedup goes with --precision int8, which is missing")
    parser.needs(args, "--hub-license", "--hub-folder")
    parser.needs(args, "--hub-dataset", "--hub-folder")
    if args.hub_folder is not None:
        return _to_hub_folder(args, [name for name in _OF_A_RUN if parser.given(args, name)])
    _export(args, args.output)
    return 0


def _to_hub_folder(args: argparse.Namespace, of_a_run: list[str]) -> int:
    """Write the repository. of_a_run: the options that were given which weights that are exported already cannot follow."""
    from semiuhpe.weights import open_weights
    from semiuhpe.weights.hub import MODEL
    from semiuhpe.weights.hub_folder import write_hub_folder

    checkpoint, source = None, args.checkpoint
    if Path(source).is_dir() or source.endswith(".safetensors"):
        source = args.hub_folder / MODEL
        _export(args, source)
        from semiuhpe.models.checkpoint import averaged_alone  # torch: after _export has told where it is missing

        checkpoint = averaged_alone(_checkpoint(args))
    elif args.licence:
        raise WeightsError(f"{source}: its licence is in the file already; --licence goes with a run")
    elif of_a_run:
        raise WeightsError(f"{source}: is exported already; {of_a_run[0]} goes with a run")
    names = write_hub_folder(
        open_weights(source),
        args.hub_folder,
        checkpoint=checkpoint,
        license_id=args.hub_license,
        datasets=args.hub_dataset,
    )
    print(f"{args.hub_folder}: {', '.join(names)}; push it with: hf upload OWNER/NAME {args.hub_folder}")
    return 0


def _checkpoint(args: argparse.Namespace) -> Path:
    from semiuhpe.models.checkpoint import BEST

    path = Path(args.checkpoint)
    return path / BEST if path.is_dir() else path


def _export(args: argparse.Namespace, output: Path) -> None:
    try:
        from semiuhpe.models.export import export, image_size_of
        from semiuhpe.training.pose.data import canonical_crops, labelled_heads
    except ImportError as error:
        raise MissingExtraError("exporting", "train") from error
    checkpoint = _checkpoint(args)
    heads = None
    if args.heads is not None:
        heads = canonical_crops(labelled_heads(str(args.heads), "val", CHECKED_HEADS), image_size_of(checkpoint))
    card = export(
        checkpoint,
        output,
        precision=args.precision,
        heads=heads,
        card={"licence": args.licence} if args.licence else None,
        largest_drift_deg=args.max_drift,
        least_speedup=args.least_speedup,
    )
    megabytes = output.stat().st_size / 1e6
    print(
        f"{output}: {megabytes:.1f} MB, differs from the network by at most {card['export_drift_deg']:.4f}°, "
        f"{card['export_mean_drift_deg']:.4f}° on average"
        + (f", {card['export_speedup']:g} times as fast as float32" if "export_speedup" in card else "")
    )
