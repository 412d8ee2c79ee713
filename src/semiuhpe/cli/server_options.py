"""What the commands that listen have in common: options of the networks and limits, and what becomes of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from semiuhpe.cli.network_options import add_device_option, add_score_option, add_threads_option, add_weights_option
from semiuhpe.cli.parser import CommandParser

if TYPE_CHECKING:
    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.web.api import Limits


def add_server_options(parser: CommandParser, port: int) -> None:
    """Where to listen, which networks, which uploads. port: the default."""
    address = parser.add_argument_group("where it listens")
    address.add_argument("--host", default="127.0.0.1", help="address to listen on")
    address.add_argument("--port", type=int, default=port, help="port, 0 for any that is free")
    networks = parser.add_argument_group("networks")
    add_weights_option(networks)
    networks.add_argument("--detector", default="default", help="weights of a head detector, an .onnx")
    add_score_option(networks)
    add_device_option(networks)
    add_threads_option(networks)
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-megabytes", type=float, default=32.0, help="largest upload")
    limits.add_argument("--max-megapixels", type=float, default=50.0, help="largest picture")


def limits_of(args: argparse.Namespace) -> Limits:
    """The limits that the options ask for. Raises InputError."""
    from semiuhpe.errors import InputError
    from semiuhpe.web.api import Limits

    if not (0 < args.max_megabytes <= 4096 and 0 < args.max_megapixels <= 1000):
        raise InputError("--max-megabytes is above 0 and at most 4096, --max-megapixels above 0 and at most 1000")
    return Limits(body_bytes=int(args.max_megabytes * (1 << 20)), pixels=int(args.max_megapixels * 1e6))


def estimator_of(args: argparse.Namespace) -> HeadPoseEstimator:
    """The networks that the options name. Raises SemiUHPEError where they cannot be had."""
    from semiuhpe.detection.detector import HeadDetector
    from semiuhpe.estimator import HeadPoseEstimator

    options = {} if args.score is None else {"score_threshold": args.score}
    detector = HeadDetector(args.detector, device=args.device, threads=args.threads, **options)
    return HeadPoseEstimator(args.weights, device=args.device, detector=detector, threads=args.threads)
