"""`semiuhpe export CHECKPOINT OUT.onnx`: the deployed file of a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path

from semiuhpe.errors import MissingExtraError

CHECKED_HEADS = 128


def main(argv: list[str]) -> int:
    """Export a checkpoint; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="semiuhpe export", description="Export a trained network to ONNX, with its card."
    )
    parser.add_argument("checkpoint", type=Path, help="a run folder (its best weights), or a .safetensors of one")
    parser.add_argument("output", type=Path, help="the .onnx to write; its model card lies beside it as .json")
    parser.add_argument("--heads", type=Path, help="a head store whose val split the graph is checked on")
    parser.add_argument(
        "--precision",
        choices=["float32", "half", "int8"],
        default="half",
        help="half: weights stored in 16 bits; int8: layers compute in 8 bits, with ranges measured on --heads "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--max-drift",
        type=float,
        metavar="DEG",
        help="refuse a graph that strays further: any head, 0.1° (int8: the mean head, 0.2°)",
    )
    parser.add_argument(
        "--least-speedup", type=float, default=1.0, metavar="X",
        help="refuse an int8 graph that is not X times as fast as float32 here; 0: it is for another machine "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--licence", help="licence of the weights, written into the file")
    args = parser.parse_args(argv)
    if args.max_drift is not None and not args.max_drift > 0:
        parser.error(f"--max-drift must be positive, got {args.max_drift}")
    if args.output.suffix != ".onnx":
        parser.error(f"the output must end in .onnx, got {args.output}")
    try:
        from semiuhpe.models.export import export, image_size_of
        from semiuhpe.training.data import canonical_crops, labelled_heads
        from semiuhpe.training.run_folder import BEST
    except ImportError as error:
        raise MissingExtraError("exporting", "train") from error
    checkpoint = args.checkpoint / BEST if args.checkpoint.is_dir() else args.checkpoint
    heads = None
    if args.heads is not None:
        heads = canonical_crops(labelled_heads(str(args.heads), "val", CHECKED_HEADS), image_size_of(checkpoint))
    card = export(
        checkpoint,
        args.output,
        precision=args.precision,
        heads=heads,
        card={"licence": args.licence} if args.licence else None,
        largest_drift_deg=args.max_drift,
        least_speedup=args.least_speedup,
    )
    megabytes = args.output.stat().st_size / 1e6
    print(
        f"{args.output}: {megabytes:.1f} MB, differs from the network by at most {card['export_drift_deg']:.4f}°, "
        f"{card['export_mean_drift_deg']:.4f}° on average"
        + (f", {card['export_speedup']:g} times as fast as float32" if "export_speedup" in card else "")
    )
    return 0
