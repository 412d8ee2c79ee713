"""The options of `semiuhpe predict` that concern videos, cameras and streams."""

from __future__ import annotations

import argparse


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Options of moving sources."""
    group = parser.add_argument_group("videos, cameras and streams")
    group.add_argument(
        "--every", type=int, metavar="K",
        help="detect on each K-th frame, track between (default: 5 times a "
        "second of a video, and of a live source what keeps up)",
    )  # fmt: skip
    group.add_argument(
        "--smooth", type=float, default=0.0, metavar="SECONDS",
        help="smooth rotations with this time constant; turning heads lag by about as much (default: off)",
    )  # fmt: skip
    group.add_argument(
        "--track", action=argparse.BooleanOptionalAction, default=True, help="keep the identity of heads"
    )
    group.add_argument(
        "--tracker", choices=["motion", "bytetrack"], default="motion",
        help="bytetrack needs semiuhpe[tracking]",
    )  # fmt: skip
    group.add_argument(
        "--seconds", type=float, help="stop after so much of each video; a camera else runs until Ctrl-C"
    )
    group.add_argument(
        "--show", action="store_true", help="show a live window; closed, or after q or Esc, it ends a camera or stream"
    )
