"""`semiuhpe predict SOURCE...`: annotated pictures and videos, JSON, on request tables. Killed, it goes on where it was."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from semiuhpe.cli.network_options import (
    add_device_option,
    add_mirrored_option,
    add_score_option,
    add_threads_option,
    add_weights_option,
)
from semiuhpe.cli.parser import CommandParser, Options
from semiuhpe.cli.predict_video import add_video_options

if TYPE_CHECKING:
    from semiuhpe.prediction.options import PredictOptions


def build_parser() -> CommandParser:
    """The options of `semiuhpe predict`."""
    parser = CommandParser(
        prog="semiuhpe predict",
        description="The pose of every head in photos, videos and streams. Writes an annotated picture a photo and "
        "predictions.json; for each video a folder with annotated.mp4 and frames.jsonl.",
        epilog="A source that cannot be read is reported, the others are done all the same, and the exit code is 1. "
        "After a kill or Ctrl-C the same command goes on: pictures and frames that are done are not done again. A folder "
        "that holds results of other settings is left alone, and the next number taken: poses-2.",
        examples=[
            "semiuhpe predict photo.jpg",
            "semiuhpe predict photos/ -o poses --style mesh --labels --csv",
            "semiuhpe predict clip.mp4 --smooth 0.2 --format jsonl csv",
        ],
    )
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="photo, its URL, video, folder, glob pattern, .txt list, camera number, rtsp:// or http:// stream",
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="look into sub-folders")
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local",
        help="ray: very many pictures on a cluster, see --engine ray --help",
    )  # fmt: skip
    _add_output_options(parser.add_argument_group("what is written"))
    _add_drawing_options(parser.add_argument_group("what is drawn"))
    _add_head_options(parser.add_argument_group("where the heads are"))
    networks = parser.add_argument_group("the pose network")
    add_weights_option(networks)
    add_mirrored_option(networks)
    add_device_option(networks)
    add_threads_option(networks)
    add_video_options(parser)
    return parser


def _add_output_options(group: Options) -> None:
    group.add_argument("-o", "--output", type=Path, default=Path("poses"), help="folder to write to")
    again = group.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with this folder, or fail")
    again.add_argument("--overwrite", action="store_true", help="delete earlier results and begin again")
    group.add_argument("--csv", action="store_true", help="write a CSV table too")
    group.add_argument(
        "--format", nargs="+", choices=["jsonl", "csv", "parquet", "rerun"], default=["jsonl"], dest="formats",
        help="tables to write, of photos csv and parquet; parquet needs semiuhpe[store], and rerun, a recording of a video "
        "for its viewer, semiuhpe[rerun]",
    )  # fmt: skip
    group.add_argument(
        "--euler", action="append", metavar="NAME", help="an Euler convention to report, repeatable (default: 300w-lp)"
    )


def _add_drawing_options(group: Options) -> None:
    group.add_argument(
        "--style", choices=["axes", "box", "cube", "cone", "mesh", "none"], default="axes", help="what is drawn"
    )
    group.add_argument(
        "--labels", action="store_true", help="write azimuth, elevation, tilt and error bar at the heads"
    )
    group.add_argument(
        "--grey-above", type=float, default=40.0, metavar="DEG",
        help="draw heads grey whose expected error is larger: their direction is a guess",
    )  # fmt: skip

    group.add_argument(
        "--numbers", action=argparse.BooleanOptionalAction,
        help="write which head it is, as in the tables (default: where there are several)",
    )  # fmt: skip
    group.add_argument(
        "--legend", action=argparse.BooleanOptionalAction,
        help="write into a free corner what the colours mean (default: where there are some to explain)",
    )  # fmt: skip
    group.add_argument(
        "--save-crops", action="store_true",
        help="write each head as a picture too, the square that the network saw: crops/PHOTO_HEAD.jpg, of a video "
        "crops/FRAME_TRACK.jpg",
    )  # fmt: skip


def _add_head_options(group: Options) -> None:
    heads = group.add_mutually_exclusive_group()
    heads.add_argument(
        "--detector", help="weights of a head detector, an .onnx; another project's with a layout (default: our own)"
    )
    heads.add_argument("--boxes", type=Path, help='your own boxes: JSON {"photo.jpg": [[x1, y1, x2, y2], ...]} or CSV')
    heads.add_argument("--crops", action="store_true", help="each picture is one head, already cropped")
    group.add_argument(
        "--detector-layout",
        metavar="NAME",
        help="what another project's --detector answers: yolov5, yolov8, yolov10, bpjdet, scrfd or yunet",
    )
    group.add_argument("--detector-class", type=int, metavar="N", help="number of its class of heads")
    group.add_argument(
        "--detector-side", type=int, metavar="PIXELS",
        help="longer side at which the detector sees a photo whole (default: 960; 640: half the time, fewer small heads)",
    )  # fmt: skip
    add_score_option(group)


def main(argv: list[str]) -> int:
    """Run the command. Returns 0, or 1 if some picture could not be read (the others are done all the same)."""
    first = CommandParser(prog="semiuhpe predict", add_help=False)
    first.add_argument("--engine")
    engine, rest = first.parse_known_args(argv)
    if engine.engine == "ray":
        from semiuhpe.cli import predict_bulk

        return predict_bulk.main(rest)
    args = build_parser().parse_intermixed_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of odd metadata in every other photo
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from semiuhpe.cli.terminal_reporter import TerminalReporter
    from semiuhpe.prediction.run import predict

    result = predict(args.sources, args.output, _options(args), reporter=TerminalReporter())
    return 1 if result.failures else 0


def _options(args: argparse.Namespace) -> PredictOptions:
    """The options as the call takes them."""
    from semiuhpe.prediction.options import PredictOptions

    return PredictOptions(
        weights=args.weights, device=args.device, threads=args.threads, mirrored=args.mirrored,
        score_threshold=args.score, detector=args.detector, detector_layout=args.detector_layout,
        detector_class=args.detector_class, detector_side=args.detector_side, boxes=args.boxes, crops=args.crops,
        style=None if args.style == "none" else args.style, labels=args.labels, grey_above_deg=args.grey_above,
        numbers=args.numbers, legend=args.legend, save_crops=args.save_crops,
        euler=tuple(args.euler or ["300w-lp"]),
        tables=set(args.formats) | set(["csv"] * args.csv), recursive=args.recursive,
        start="resume" if args.resume else "overwrite" if args.overwrite else "fresh",
        every=args.every, smooth_s=args.smooth, track=args.track, tracker=args.tracker, seconds=args.seconds,
        show=args.show,
    )  # fmt: skip
