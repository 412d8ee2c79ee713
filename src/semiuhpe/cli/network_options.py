"""The options that several commands share: which networks run, and where."""

from __future__ import annotations

import argparse

from semiuhpe.cli.parser import Options
from semiuhpe.errors import DeviceError
from semiuhpe.weights.devices import DEVICES, card_number

DEVICE_HELP = f"where detector and pose network run: {DEVICES}"


def add_weights_option(parser: Options) -> None:
    """`--weights`: the pose network."""
    parser.add_argument(
        "--weights", default="default", help="pose weights: default, open, an .onnx, or hf-hub:owner/name"
    )


def add_score_option(parser: Options) -> None:
    """`--score`: which detections count."""
    parser.add_argument(
        "--score", type=float, help="leave out detections that score below (default: the detector's own)"
    )


def add_mirrored_option(parser: Options) -> None:
    """`--mirrored`, `--no-mirrored`: whether each head's mirror image is estimated with it."""
    parser.add_argument(
        "--mirrored",
        action=argparse.BooleanOptionalAction,
        help="estimate mirror images too: slower, better; default: as the weights' card says",
    )


def add_device_option(parser: Options) -> None:
    """`--device`: where the networks run."""
    parser.add_argument("--device", type=device_name, default="auto", metavar="NAME", help=DEVICE_HELP)


def device_name(text: str) -> str:
    """The name of a device, as argparse checks it."""
    try:
        card_number(text)
    except DeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def add_threads_option(parser: Options) -> None:
    """`--threads`: on how many processor threads."""
    parser.add_argument("--threads", type=int, help="processor threads, at most one a core (default: all cores)")
