"""`semiuhpe demo`: a local page for photos, videos and the camera."""

from __future__ import annotations

import argparse
import sys

from semiuhpe.cli.network_options import add_device_option, add_score_option, add_threads_option, add_weights_option


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semiuhpe demo",
        description="A page in the browser that shows the heads of photos, videos and the camera. Nothing leaves this "
        "machine: the page talks to this command alone, which listens to this machine alone unless --host says otherwise.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port, 0 for any that is free (default: %(default)s)")
    parser.add_argument("--browser", action="store_true", help="open the page in the browser")
    add_weights_option(parser)
    parser.add_argument("--detector", default="default", help="weights of a head detector, an .onnx")
    add_score_option(parser)
    add_device_option(parser)
    add_threads_option(parser)
    parser.add_argument("--max-megabytes", type=float, default=32.0, help="largest upload (default: %(default)g)")
    parser.add_argument("--max-megapixels", type=float, default=50.0, help="largest picture (default: %(default)g)")
    return parser


def main(argv: list[str]) -> int:
    """Serve until interrupted. Returns 0. Raises SemiUHPEError where weights or the address cannot be had."""
    args = _parser().parse_args(argv)

    from semiuhpe.detection.detector import HeadDetector
    from semiuhpe.errors import InputError
    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.web.api import Limits
    from semiuhpe.web.server import Server

    if not (0 < args.max_megabytes <= 4096 and 0 < args.max_megapixels <= 1000):
        raise InputError("--max-megabytes is above 0 and at most 4096, --max-megapixels above 0 and at most 1000")
    options = {} if args.score is None else {"score_threshold": args.score}
    detector = HeadDetector(args.detector, device=args.device, threads=args.threads, **options)
    estimator = HeadPoseEstimator(args.weights, device=args.device, detector=detector, threads=args.threads)
    limits = Limits(body_bytes=int(args.max_megabytes * (1 << 20)), pixels=int(args.max_megapixels * 1e6))
    with Server(estimator, args.host, args.port, limits) as server:
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
