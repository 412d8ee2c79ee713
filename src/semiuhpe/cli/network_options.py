"""The options that several commands share: which networks run, and where."""

from __future__ import annotations

import argparse


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    """`--weights`: the pose network."""
    parser.add_argument(
        "--weights", default="default", help="pose weights: default, open, an .onnx, or hf-hub:owner/name"
    )


def add_score_option(parser: argparse.ArgumentParser) -> None:
    """`--score`: which detections count."""
    parser.add_argument("--score", type=float, help="leave out detections that score below")


def add_mirrored_option(parser: argparse.ArgumentParser) -> None:
    """`--mirrored`, `--no-mirrored`: whether each head's mirror image is estimated with it."""
    parser.add_argument(
        "--mirrored",
        action=argparse.BooleanOptionalAction,
        help="estimate mirror images too: slower, better; default: as the weights' card says",
    )


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """`--device`: where the network runs."""
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to run the network")


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """`--threads`: on how many processor threads."""
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
