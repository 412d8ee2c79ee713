"""`semiuhpe evaluate WEIGHTS --protocol NAME --store STORE`: figures of a published protocol, and a report of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semiuhpe.cli.network_options import add_device_option, add_mirrored_option, add_threads_option
from semiuhpe.cli.parser import CommandParser

if TYPE_CHECKING:
    from semiuhpe.evaluation.measure import Detection
    from semiuhpe.evaluation.predictions import PoseModel


def add_protocol_options(parser: argparse.ArgumentParser) -> None:
    """What to measure and how: the options that every command has which measures by a protocol."""
    what = parser.add_argument_group("what is measured")
    what.add_argument("--protocol", required=True, metavar="NAME", help="what to measure; --protocol list tells all")
    what.add_argument("--store", type=Path, help="the head store of the set (semiuhpe prepare makes one)")
    what.add_argument("--split", default="", help="split of the store (default: the protocol's)")
    what.add_argument("--limit", type=int, default=0, help="heads at most, evenly spread (0 = all)")
    how = parser.add_argument_group("how it is run")
    add_mirrored_option(how)
    how.add_argument("--batch-size", type=int, default=64, help="heads in one pass; changes no figure")
    add_threads_option(how)
    told = parser.add_argument_group("how it is told")
    told.add_argument("--report", type=Path, metavar="OUT.html", help="write a report, and its JSON beside it")
    told.add_argument("--json", action="store_true", help="print JSON instead of a table")


def check_protocol_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """What argparse cannot say of the options of `add_protocol_options`. Exits with wrong usage."""
    if args.store is None:
        parser.error("--store is required: the head store of the set")
    if args.batch_size < 1 or args.limit < 0 or (args.threads is not None and args.threads < 1):
        parser.error("--batch-size and --threads are at least 1, --limit at least 0")
    if args.report is not None and args.report.suffix.lower() not in (".html", ".htm"):
        parser.error(f"--report must end in .html, got {args.report}")


def measure_and_print(
    args: argparse.Namespace, model: PoseModel, margin: float, detection: Detection | None = None
) -> int:
    """Measure a model as the options of `add_protocol_options` say, and print what was found. Returns the exit code."""
    import sys

    from tqdm import tqdm

    from semiuhpe.evaluation.measure import measure
    from semiuhpe.evaluation.tables import document_text, text_table

    found = measure(
        args.protocol,
        model,
        args.store,
        split=args.split,
        limit=args.limit,
        batch_size=args.batch_size,
        margin=margin,
        detection=detection,
        report=args.report,
        progress=lambda numbers: tqdm(numbers, unit="head", disable=not sys.stderr.isatty()),
    )
    if found.report:
        print(f"report: {', '.join(map(str, found.report))}", file=sys.stderr)
    print(document_text(found.document) if args.json else text_table(found.document["results"]))
    return 0


def list_protocols() -> int:
    """Print the name and the summary of every protocol; returns the exit code."""
    from semiuhpe.evaluation.benchmarks import PROTOCOLS

    for name, chosen in PROTOCOLS.items():
        print(f"{name:<17}{chosen.summary} (split {chosen.split})")
    return 0


def build_parser() -> CommandParser:
    """The options of `semiuhpe evaluate`."""
    parser = CommandParser(
        prog="semiuhpe evaluate",
        description="Measure pose weights by a published protocol.",
        examples=[
            "semiuhpe evaluate --protocol list",
            "semiuhpe evaluate default --protocol aflw2000 --store stores/aflw2000 --report aflw2000.html",
        ],
    )
    parser.add_argument(
        "weights", nargs="?", help="default, open, an .onnx, a run folder or a .safetensors of one (default: default)"
    )
    parser.add_argument(
        "--peer",
        metavar="NAME=FILE",
        help="instead of weights: another project's network, e.g. opentrack=head-pose.onnx (NAME=FILE,FILE is averaged)",
    )
    parser.add_argument(
        "--student",
        choices=["averaged", "current"],
        default="averaged",
        help="of a run: the averaged weights (the teacher) or the student's own of the last checkpoint",
    )
    parser.add_argument("--margin", type=float, help="crop side over head box side (default: what suits the network)")
    add_device_option(parser)
    add_protocol_options(parser)
    detection = parser.add_argument_group("boxes from a detector")
    detection.add_argument(
        "--detect", action="store_true", help="boxes from the head detector; heads it misses are counted"
    )
    detection.add_argument(
        "--detector", help="the same with weights of your own, an .onnx (default: the embedded ones)"
    )
    detection.add_argument("--iou", type=float, default=0.5, help="overlap from which a detection is the head")
    return parser


def main(argv: list[str]) -> int:
    """Measure weights by a protocol; returns the exit code."""
    parser = build_parser()
    args = parser.parse_intermixed_args(argv)
    if args.protocol == "list":
        return list_protocols()
    check_protocol_options(parser, args)
    if not 0 < args.iou <= 1:
        parser.error(f"--iou is above 0 and at most 1, got {args.iou}")
    if args.margin is not None and not 0 < args.margin <= 10:
        parser.error(f"--margin is above 0 and at most 10, got {args.margin}")
    if args.peer and args.weights:
        parser.error("give either weights or --peer, not both")
    parser.excludes(args, "--peer", "--student", "--device")
    if not args.detector:
        parser.needs(args, "--iou", "--detect")
    from semiuhpe.evaluation.benchmarks import protocol

    protocol(args.protocol)  # an unknown name fails before the weights are opened
    model, margin = _model(args)
    detection = None
    if args.detect or args.detector:
        from semiuhpe.detection.detector import HeadDetector
        from semiuhpe.evaluation.measure import Detection

        detector = HeadDetector(args.detector or "default", threads=args.threads)
        detection = Detection(detector, args.iou, detector.weights.sha256[:12])
    return measure_and_print(args, model, margin if args.margin is None else args.margin, detection)


def _model(args: argparse.Namespace) -> tuple[PoseModel, float]:
    """The model to measure, and the crop margin that suits it."""
    if args.peer:
        from semiuhpe.evaluation.peers import open_peer

        _, peer = open_peer(args.peer, mirrored=bool(args.mirrored), threads=args.threads)
        return peer, peer.spec.margin
    from semiuhpe.evaluation.models import open_model
    from semiuhpe.geometry.crop import MARGIN

    model = open_model(
        args.weights or "default",
        student=args.student,
        device=args.device,
        mirrored=args.mirrored,
        threads=args.threads,
        batch_size=args.batch_size,
    )
    return model, MARGIN
