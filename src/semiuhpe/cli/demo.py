"""`semiuhpe demo`: a local page for photos, videos and the camera."""

from __future__ import annotations

import sys

from semiuhpe.cli.parser import CommandParser
from semiuhpe.cli.server_options import add_server_options, estimator_of, limits_of


def build_parser() -> CommandParser:
    """The options of `semiuhpe demo`."""
    parser = CommandParser(
        prog="semiuhpe demo",
        description="A page in the browser that shows the heads of photos, videos and the camera. Nothing leaves this "
        "machine: the page talks to this command alone, which listens to this machine alone unless --host says otherwise.",
        examples=["semiuhpe demo --browser"],
    )
    add_server_options(parser, port=7860)
    parser.add_argument("--browser", action="store_true", help="open the page in the browser")
    return parser


def main(argv: list[str]) -> int:
    """Serve until interrupted. Returns 0. Raises SemiUHPEError where weights or the address cannot be had."""
    args = build_parser().parse_args(argv)

    from semiuhpe.web.server import Server

    limits = limits_of(args)
    with Server(estimator_of(args), args.host, args.port, limits) as server:
        if not server.on_loopback:
            print("semiuhpe: everyone who can reach this machine can use the page; it has no password", file=sys.stderr)
        print(f"The page is at {server.url} (Ctrl-C ends it)", flush=True)
        if args.browser:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
