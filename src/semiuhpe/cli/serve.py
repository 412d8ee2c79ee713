"""`semiuhpe serve`: a REST service for other programs."""

from __future__ import annotations

import ipaddress
import sys

from semiuhpe.cli.parser import CommandParser
from semiuhpe.cli.server_options import add_server_options, estimator_of, limits_of


def build_parser() -> CommandParser:
    """The options of `semiuhpe serve`."""
    parser = CommandParser(
        prog="semiuhpe serve",
        description="A REST service for other programs: POST the bytes of a picture to /v1/estimate; /openapi.json "
        "describes it, /health says that it is there. It has no password and listens to this machine alone unless --host "
        "says otherwise; put a proxy with TLS and a password before it.",
        examples=["semiuhpe serve --port 8000", "curl --data-binary @photo.jpg http://127.0.0.1:8000/v1/estimate"],
    )
    add_server_options(parser, port=8000)
    parser.add_argument(
        "--answer-seconds",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="a picture that waits longer is refused",
    )
    return parser


def main(argv: list[str]) -> int:
    """Serve until interrupted. Returns 0. Raises SemiUHPEError where a package, weights or the address cannot be had."""
    args = build_parser().parse_args(argv)

    from semiuhpe.errors import InputError
    from semiuhpe.web.rest import RestServer

    if not 0 < args.answer_seconds <= 3600:
        raise InputError(f"--answer-seconds is above 0 and at most 3600, got {args.answer_seconds:g}")
    limits = limits_of(args)
    with RestServer(estimator_of(args), args.host, args.port, limits, answer_seconds=args.answer_seconds) as server:
        if not _is_loopback(args.host):
            print("semiuhpe: everyone who can reach this machine can use the service", file=sys.stderr)
        print(f"The service is at {server.url} (Ctrl-C ends it)", flush=True)
        try:
            server.serve()
        except KeyboardInterrupt:
            print()
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
