"""`semiuhpe label STORE --teacher NAME=FILE … OUT`: label the heads of a store with a committee of pose networks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from semiuhpe.cli.parser import CommandParser

_EPILOG = """teachers:
  weights=default       our own weights: default, open, or an exported .onnx; heads from all sides
  opentrack=FILE.onnx   opentrack's network: faces up to both profiles, states its own error
  face-mesh             MediaPipe's face mesh: frontal faces; needs the extra mediapipe, and no file
  whenet=FILE, fsa-net=FILE, 6drepnet=FILE, 6drepnet-6d=FILE

Interrupted? Run the same command again. The report is OUT/label.json and OUT/label_worst.jpg; see docs/labelling.md."""


def main(argv: list[str]) -> int:
    """Label a store and report; returns the exit code."""
    args = build_parser().parse_intermixed_args(argv)
    from semiuhpe.heads.store import HeadStore
    from semiuhpe.labelling.committee import Rules
    from semiuhpe.labelling.report import report_of, write_report
    from semiuhpe.labelling.run import LabelSettings, label_store
    from semiuhpe.labelling.teachers import open_teachers
    from semiuhpe.labelling.worst import write_sheet

    rules = Rules(args.max_spread_deg, args.apart_deg, args.min_teachers, args.max_sigma_deg, args.correlation)
    settings = LabelSettings(args.scales, args.mirrored, args.given, args.val, rules)
    label_store(args.store, args.out, open_teachers(args.teacher), settings, workers=args.workers)
    labelled = HeadStore(args.out)
    report = report_of(labelled)
    paths = write_report(labelled, report), write_sheet(labelled)
    print("\n".join(_lines(args.out, report)))
    print(f"report: {paths[0]}, {paths[1]}")
    return 0


def build_parser() -> CommandParser:
    """The options of `semiuhpe label`."""
    parser = CommandParser(
        prog="semiuhpe label",
        description="Label the heads of a store with a committee of pose networks, into a new store.",
        epilog=_EPILOG,
        examples=[
            "semiuhpe label stores/mine stores/mine_labelled --teacher weights=default --teacher opentrack=head-pose.onnx"
        ],
    )
    parser.add_argument("store", metavar="STORE", type=Path, help="the head store to label; it is not changed")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the head store to write")
    parser.add_argument(
        "--teacher", action="append", default=[], metavar="NAME=FILE", type=_teacher, help="a member; give several"
    )
    parser.add_argument(
        "--given", choices=["keep", "replace"], default="keep",
        help="labels that STORE has: keep them and label the rest, or replace them; those of test heads always stay",
    )  # fmt: skip
    views = parser.add_argument_group("views of each head, averaged")
    views.add_argument(
        "--scales", type=_scales, default=(0.9, 1.0, 1.1), metavar="X,X",
        help="crop sizes over the one that suits a teacher",
    )  # fmt: skip
    views.add_argument("--mirrored", action=argparse.BooleanOptionalAction, default=True, help="mirror images too")
    trust = parser.add_argument_group("when a label is given")
    trust.add_argument("--max-spread-deg", type=float, default=10.0, help="between a teacher's views, RMS")
    trust.add_argument("--apart-deg", type=float, default=20.0, help="within which teachers agree; most must")
    trust.add_argument("--min-teachers", type=int, default=1, help="that must agree")
    trust.add_argument("--max-sigma-deg", type=float, default=15.0, help="of a label, RMS angle")
    trust.add_argument("--correlation", type=float, default=0.5, help="of two teachers' errors; 0 = independent")
    parser.add_argument("--val", type=float, default=0.1, help="share of subjects whose first label goes to val")
    parser.add_argument("--workers", type=int, help="threads (default: one a core, 8 at most); OUT is the same for any")
    return parser


def _teacher(text: str) -> tuple[str, str]:
    name, _, file = text.partition("=")
    return name, file


def _scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers with commas between them, got {text!r}") from error


def _lines(out: Path, report: dict[str, Any]) -> list[str]:
    """The report in words."""
    by = report["labelled_by"]
    lines = [
        f"{out}: {report['labelled']} of {report['heads']} heads are labelled ({100 * report['labelled_share']:.1f} %), "
        f"{by.get('committee', 0)} by the committee, {by.get('given', 0)} before",
    ]
    lines += [f"  no answer, {reason}: {count}" for reason, count in report["no_answer"].items()]
    for name, teacher in report["teachers"].items():
        reasons = "".join(f", {reason} {count}" for reason, count in teacher["not_trusted"].items())
        lines.append(f"  {name}: used {teacher['used']}{reasons}")
    compared = {**report["between_teachers"], "with given labels": report["with_given_labels"]}
    for name, agreement in compared.items():
        if agreement["all"]["n"]:
            bands = ", ".join(
                f"{band}°: {figures['median']}°"
                for band, figures in agreement.items()
                if band not in ("all", "offset_deg") and figures["n"]
            )
            lines.append(f"  {name}: median {agreement['all']['median']}° of {agreement['all']['n']} ({bands})")
    return lines
