"""`semiuhpe calibrate WEIGHTS.onnx --heads STORE`: honest error bars, fitted on heads whose poses are known."""

from __future__ import annotations

import argparse
from pathlib import Path

from semiuhpe.cli.parser import CommandParser


def build_parser() -> CommandParser:
    """The options of `semiuhpe calibrate`."""
    parser = CommandParser(
        prog="semiuhpe calibrate",
        description="Fit what turns a belief into an expected error and a 90 % radius, on labelled heads that were not "
        "trained on, and write it into the weights and the model card beside them.",
        examples=["semiuhpe calibrate head_pose.onnx --heads stores/mine stores/others --split val"],
    )
    parser.add_argument("weights", type=Path, help="an .onnx file with its .json card beside it")
    parser.add_argument("--heads", type=Path, nargs="+", required=True, help="head stores with rotations")
    parser.add_argument("--split", default="val", help="which split of them (default %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="heads of each store at most, evenly spread (0 = all)")
    parser.add_argument(
        "--sigma-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="factor on the noise that stores state of their labels: 0 takes labels as exact, more than 1 a teacher as less "
        "sure than it says",
    )
    parser.add_argument(
        "--mirrored",
        action=argparse.BooleanOptionalAction,
        help="estimate mirror images too, from now on and by default; without it, what the card says stays",
    )
    return parser


def main(argv: list[str]) -> int:
    """Fit and write the calibration into the weights and their model card; returns the exit code."""
    args = build_parser().parse_args(argv)
    from semiuhpe.evaluation.weights_calibration import calibrate_weights

    found = calibrate_weights(
        args.weights,
        args.heads,
        split=args.split,
        limit=args.limit,
        sigma_scale=args.sigma_scale,
        mirrored=args.mirrored,
    )
    print(f"{found.card}: calibrated on {found.heads} heads, mean error {found.mean_error_deg:.2f}°")
    print(f"within the 90 % radius: {found.coverage_before:.3f} before, {found.coverage_now:.3f} now")
    print(f"area under the risk-coverage curve: {found.aurc_deg:.2f}° (no skill: {found.mean_error_deg:.2f}°)")
    return 0
