"""`semiuhpe predict SOURCE...`: annotated pictures and videos, JSON, on request tables. Killed, it goes on where it was."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiuhpe.cli.network_options import (
    add_device_option,
    add_mirrored_option,
    add_score_option,
    add_threads_option,
    add_weights_option,
)
from semiuhpe.cli.predict_video import add_video_options, check_video_options, predict_videos, verdict_on_videos

if TYPE_CHECKING:
    from semiuhpe.detection.detector import HeadDetector
    from semiuhpe.detection.foreign import ForeignDetector
    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.files.interruption import Interruption
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.prediction.boxes_file import Boxes
    from semiuhpe.prediction.run_settings import Start

_LOG = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semiuhpe predict",
        description="The pose of every head in photos, videos and streams. Writes an annotated picture a photo and "
        "predictions.json; for each video a folder with annotated.mp4 and frames.jsonl.",
        epilog="A source that cannot be read is reported, the others are done all the same, and the exit code is 1. "
        "After a kill or Ctrl-C the same command goes on: pictures and frames that are done are not done again. A folder "
        "that holds results of other settings is left alone, and the next number taken: poses-2.",
    )
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="photo, video, folder, glob pattern, .txt list, camera number, rtsp:// or http:// URL",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("poses"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local",
        help="ray: very many pictures on a cluster, see --engine ray --help",
    )  # fmt: skip
    parser.add_argument("-r", "--recursive", action="store_true", help="look into sub-folders")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with this folder, or fail")
    again.add_argument("--overwrite", action="store_true", help="delete earlier results and begin again")
    parser.add_argument(
        "--style",
        choices=["axes", "cube", "cone", "mesh", "none"],
        default="axes",
        help="what is drawn (default: %(default)s)",
    )
    parser.add_argument("--labels", action="store_true", help="write azimuth, elevation and error bar below the heads")
    parser.add_argument("--csv", action="store_true", help="write a CSV table too")
    parser.add_argument(
        "--euler", action="append", metavar="NAME", help="an Euler convention to report, repeatable (default: 300w-lp)"
    )
    add_weights_option(parser)
    heads = parser.add_mutually_exclusive_group()
    heads.add_argument("--detector", help="weights of a head detector, an .onnx; another project's with a layout")
    heads.add_argument("--boxes", type=Path, help='your own boxes: JSON {"photo.jpg": [[x1, y1, x2, y2], ...]} or CSV')
    heads.add_argument("--crops", action="store_true", help="each picture is one head, already cropped")
    parser.add_argument(
        "--detector-layout",
        metavar="NAME",
        help="what another project's --detector answers: yolov5, yolov8, yolov10, bpjdet, scrfd or yunet",
    )
    parser.add_argument("--detector-class", type=int, metavar="N", help="number of its class of heads")
    parser.add_argument(
        "--detector-side", type=int, metavar="PIXELS",
        help="longer side at which the detector sees a photo whole (default: 960; 640: half the time, fewer small heads)",
    )  # fmt: skip
    add_score_option(parser)
    add_mirrored_option(parser)
    add_device_option(parser)
    add_threads_option(parser)
    add_video_options(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Returns 0, or 1 if some picture could not be read (the others are done all the same)."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--engine")
    engine, rest = first.parse_known_args(argv)
    if engine.engine == "ray":
        from semiuhpe.cli import predict_bulk

        return predict_bulk.main(rest)
    args = _parser().parse_intermixed_args(argv)
    args.euler = args.euler or ["300w-lp"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of odd metadata in every other photo
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from semiuhpe.errors import InputError
    from semiuhpe.files.interruption import Interruption
    from semiuhpe.poses.exchange import check_parquet, csv_columns
    from semiuhpe.prediction.boxes_file import read_boxes
    from semiuhpe.prediction.output_folder import OutputFolder, numbered_folders, verdict_of
    from semiuhpe.prediction.photo_folder import earlier_drawings, verdict_on_predictions
    from semiuhpe.prediction.video_folder import is_annotated
    from semiuhpe.video.sources import list_sources

    csv_columns(args.euler)  # an unknown convention fails now, not after the first photo
    drawn = {path for folder in numbered_folders(args.output) for path in earlier_drawings(folder)}
    found, videos = list_sources(args.sources, recursive=args.recursive, ignore=is_annotated)
    paths = [p for p in found if p.resolve() not in drawn]
    if not paths and not videos:
        raise InputError(f"{args.output}: every picture there is one that an earlier run drew; name other photos")
    if videos:
        check_video_options(args, videos)
    if "parquet" in args.formats:
        check_parquet()
    boxes = read_boxes(args.boxes) if args.boxes else None
    without = _without_boxes(paths, boxes, args.boxes) if boxes is not None else 0
    estimator, settings = _estimator(args)
    start: Start = "resume" if args.resume else "overwrite" if args.overwrite else "fresh"
    of_photos = {**settings, "style": args.style, "labels": args.labels}

    def verdict(folder: Path) -> str | None:
        photos = verdict_on_predictions(folder, of_photos)
        return verdict_of([photos, *verdict_on_videos(folder, videos, args, settings)])

    with Interruption() as interruption, OutputFolder(args.output, start, verdict) as output:
        args.output, start = output.path, output.start
        failed = _photos(paths, args, estimator, of_photos, start, boxes, interruption) if paths else 0
        if without:
            print(f"semiuhpe: {without} pictures have no entry in {args.boxes}", file=sys.stderr)
        failed += predict_videos(videos, args, estimator, settings, start, interruption)
    return 1 if failed else 0


def _photos(
    paths: list[Path],
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    settings: dict[str, Any],
    start: Start,
    boxes: dict[str, Boxes] | None,
    interruption: Interruption,
) -> int:
    """Every photo into the output folder; returns how many failed."""
    from tqdm import tqdm

    from semiuhpe import __version__
    from semiuhpe.prediction.photo_folder import PredictionFolder

    failed = count = 0
    with PredictionFolder(args.output, settings, start, paths) as folder:
        for path in tqdm(paths, unit="photo", disable=not sys.stderr.isatty()):
            if str(path) in folder.done:
                continue
            interruption.check()
            entry, drawing = _one(path, args, estimator, boxes)
            if "error" in entry:
                tqdm.write(f"semiuhpe: error: {entry['error']}", file=sys.stderr)
            folder.add(entry, drawing)
        interruption.check()
        for path in paths:
            failed += "error" in folder.done[str(path)]
            count += len(folder.done[str(path)].get("heads", []))
        header = {"semiuhpe": __version__, "weights_sha256": estimator.weights.sha256}
        tables = {*args.formats, *(["csv"] if args.csv else [])}
        folder.finish(paths, header, args.euler, tables=tables)
    print(f"{count} heads in {len(paths) - failed} pictures, {failed} failed; results in {args.output}/")
    return failed


def _estimator(args: argparse.Namespace) -> tuple[HeadPoseEstimator, dict[str, Any]]:
    """The estimator, and the settings that results depend on."""
    from semiuhpe.estimator import HeadPoseEstimator

    detector: Any = None
    settings: dict[str, Any] = {"heads": "crops" if args.crops else "boxes" if args.boxes else "detected"}
    if settings["heads"] == "detected":
        detector = _detector(args)
        settings |= {"detector_sha256": detector.weights.sha256, "score_threshold": detector.score_threshold}
        if args.detector_side is not None:
            settings["detector_side"] = args.detector_side
    estimator = HeadPoseEstimator(
        args.weights, device=args.device, detector=detector, mirrored=args.mirrored, threads=args.threads
    )
    if args.detector_layout is not None:
        settings |= {"detector_layout": args.detector_layout, "detector_class": args.detector_class}
    settings |= {"weights_sha256": estimator.weights.sha256, "mirrored": estimator.mirrored, "euler": args.euler}
    return estimator, settings


def _detector(args: argparse.Namespace) -> HeadDetector | ForeignDetector:
    """The detector that the options name."""
    from semiuhpe.errors import InputError

    options: dict[str, Any] = {} if args.score is None else {"score_threshold": args.score}
    if args.detector_layout is None:
        from semiuhpe.detection.detector import HeadDetector

        if args.detector_class is not None:
            raise InputError("--detector-class goes with --detector-layout, which is missing")
        if args.detector_side is not None:
            options["max_side"] = args.detector_side
        return HeadDetector(args.detector or "default", device=args.device, threads=args.threads, **options)
    from semiuhpe.detection.foreign import ForeignDetector

    if args.detector is None:
        raise InputError("--detector-layout goes with --detector FILE.onnx, which is missing")
    return ForeignDetector(
        args.detector, args.detector_layout, head_class=args.detector_class, side=args.detector_side,
        device=args.device, threads=args.threads, **options,
    )  # fmt: skip


def _without_boxes(paths: list[Path], boxes: dict[str, Boxes], source: Path) -> int:
    """How many photos the boxes file does not name. Raises InputError if it names none of them."""
    from semiuhpe.errors import InputError
    from semiuhpe.prediction.boxes_file import boxes_of

    missing = sum(boxes_of(path, boxes) is None for path in paths)
    if missing == len(paths):
        raise InputError(
            f"{source}: names none of the photos; its keys are their paths or names, such as {paths[0].name!r}"
        )
    return missing


def _one(
    path: Path, args: argparse.Namespace, estimator: HeadPoseEstimator, boxes: dict[str, Boxes] | None
) -> tuple[dict[str, Any], Any]:
    """The entry and the drawing of one picture; one that fails becomes an entry with its error, and no drawing."""
    from semiuhpe.errors import SemiUHPEError
    from semiuhpe.images.load import load_image
    from semiuhpe.prediction.photo_folder import identity_of

    try:
        identity = identity_of(path)  # before it is read: one that changes meanwhile is seen to have changed
        image = load_image(path)
        heads = _heads(path, image, args, estimator, boxes)
        entry = {
            "file": str(path),
            **identity,
            "width": image.shape[1],
            "height": image.shape[0],
            "heads": heads.to_dict(args.euler),
        }
        return entry, None if args.style == "none" else heads.draw(image, args.style, labels=args.labels)
    except SemiUHPEError as error:
        message = str(error)
    except Exception as error:  # one picture that no code foresaw must not cost the rest of the folder
        _LOG.warning("%s: an unforeseen %s; --debug tells where", path, type(error).__name__)
        _LOG.debug("%s", path, exc_info=True)
        message = f"{type(error).__name__}: {error}"
    message = " ".join(message.split())
    return {"file": str(path), "error": message if str(path) in message else f"{path}: {message}"}, None


def _heads(
    path: Path, image: Any, args: argparse.Namespace, estimator: HeadPoseEstimator, boxes: dict[str, Boxes] | None
) -> HeadPoses:
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.prediction.boxes_file import boxes_of

    if args.crops:
        return estimator.estimate_crops([image])
    if boxes is None:
        return estimator(image)
    given = boxes_of(path, boxes)
    return HeadPoses.empty() if given is None else estimator.estimate(image, *given)
