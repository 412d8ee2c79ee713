"""`semiuhpe submit dad-3dheads WEIGHTS --store STORE OUT.json`: the file that a benchmark takes, and its score offline."""

from __future__ import annotations

from pathlib import Path

from semiuhpe.cli.network_options import add_device_option, add_mirrored_option, add_threads_option
from semiuhpe.cli.parser import CommandParser


def build_parser() -> CommandParser:
    """The options of `semiuhpe submit`."""
    parser = CommandParser(
        prog="semiuhpe submit",
        description="Write a benchmark's submission for its test split; with --score, for its val split, and score it here.",
        examples=["semiuhpe submit dad-3dheads default submission.json --store stores/dad"],
    )
    parser.add_argument("benchmark", choices=["dad-3dheads"], help="the benchmark")
    parser.add_argument("weights", help="default, open, an .onnx, a run folder or a .safetensors of one")
    parser.add_argument("output", type=Path, metavar="OUT.json", help="the file to write")
    parser.add_argument("--store", type=Path, required=True, help="the head store of the data set")
    parser.add_argument("--score", action="store_true", help="of the val split, whose labels are public: pose error")
    parser.add_argument(
        "--student", choices=["averaged", "current"], default="averaged", help="of a run: which weights"
    )
    run = parser.add_argument_group("how it is run")
    add_mirrored_option(run)
    run.add_argument("--batch-size", type=int, default=64, help="heads in one pass")
    add_device_option(run)
    add_threads_option(run)
    return parser


def main(argv: list[str]) -> int:
    """Write a submission; returns the exit code."""
    parser = build_parser()
    args = parser.parse_intermixed_args(argv)
    if args.output.suffix != ".json":
        parser.error(f"the output must end in .json, got {args.output}")
    if args.batch_size < 1:
        parser.error("--batch-size is at least 1")
    import sys

    from tqdm import tqdm

    from semiuhpe.evaluation.models import open_model
    from semiuhpe.evaluation.submit import submit_dad3dheads

    model = open_model(
        args.weights, student=args.student, device=args.device, mirrored=args.mirrored, threads=args.threads,
        batch_size=args.batch_size,
    )  # fmt: skip
    written = submit_dad3dheads(
        model, args.store, args.output, score=args.score, batch_size=args.batch_size,
        progress=lambda numbers: tqdm(numbers, unit="head", disable=not sys.stderr.isatty()),
    )  # fmt: skip
    print(f"{written.path}: {written.heads} heads of the {written.split} split")
    if written.score is not None:
        geodesic = written.score["geodesic"]
        print(f"pose error (Frobenius) {written.score['pose_error']:.4f} on {written.score['heads']} labelled heads")
        print(f"geodesic mean {geodesic['mean_deg']:.3f}°, median {geodesic['median_deg']:.3f}°")
    return 0
