"""`semiuhpe import-weights FILE.pth OUT`: a published checkpoint as a run folder that `export` and `train` take."""

from __future__ import annotations

from pathlib import Path

from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import MissingExtraError


def build_parser() -> CommandParser:
    """The options of `semiuhpe import-weights`."""
    parser = CommandParser(
        prog="semiuhpe import-weights",
        description="Turn a published checkpoint into weights of this package. Code in the file is never run.",
        epilog="Next: semiuhpe export OUT head_pose.onnx, and semiuhpe calibrate head_pose.onnx --heads STORE.",
        examples=["semiuhpe import-weights DAD-COCOHead-ResNet50-best.pth runs/published"],
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="a published .pth, such as DAD-COCOHead-ResNet50-best.pth, or an ImageNet classifier such as "
        "RepVGG-B1g2-train.pth",
    )
    parser.add_argument(
        "output",
        type=Path,
        help="folder to write: best.safetensors (the student) and teacher.safetensors; of a classifier "
        "backbone.safetensors, for semiuhpe train --initial_weights",
    )
    parser.add_argument(
        "--convention",
        choices=["dad", "300w-lp"],
        help="the data whose frame the network speaks: DAD-3DHeads or 300W-LP (default: what the file's name says)",
    )
    parser.add_argument("--licence", help="licence of the weights, kept in every export (default: of their data)")
    return parser


def main(argv: list[str]) -> int:
    """Import a checkpoint; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        from semiuhpe.models.published.convert import import_checkpoint, import_classifier, is_classifier
        from semiuhpe.models.published.read import convention_of_name, read_pickled
    except ImportError as error:
        raise MissingExtraError("importing weights", "train") from error
    if is_classifier(read_pickled(args.checkpoint)):
        made = import_classifier(args.checkpoint, args.output, licence=args.licence)
        print(f"{made.files['backbone']}: backbone of {made.title}; start a training with it as --initial_weights")
        return 0
    convention = args.convention or convention_of_name(args.checkpoint)
    written = import_checkpoint(args.checkpoint, args.output, convention, licence=args.licence)
    for name, path in written.files.items():
        print(f"{path}: {name}, {written.title}, frame of {convention} turned into camera←head")
    if written.ignored:
        print(f"not read, for no output depends on them: {', '.join(written.ignored[:5])}")
    return 0
