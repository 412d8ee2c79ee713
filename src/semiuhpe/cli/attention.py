"""`semiuhpe attention VIDEO --zones zones.json`: where people's attention went, as a page with charts and as tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from semiuhpe.cli.network_options import device_name
from semiuhpe.cli.parser import CommandParser

_FRAMES, _RUNS = "frames.jsonl", "poses"
_OF_PREDICT = ("weights", "detector", "score", "every", "smooth", "seconds", "device", "threads")


def build_parser() -> CommandParser:
    """The options of `semiuhpe attention`."""
    parser = CommandParser(
        prog="semiuhpe attention",
        description="Per person and minute of a video: which zones attention went to, dwell times, mean directions and their "
        "spread, weighted by the error bars. Writes report.html, minutes.csv, dwells.csv and attention.json.",
        epilog="After a kill or Ctrl-C the same command goes on. docs/attention.md shows zones of a driver, a classroom and "
        "a shelf.",
        examples=["semiuhpe attention lesson.mp4 --zones zones.json -o lesson"],
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        help="a video, or what semiuhpe predict made of one: its folder or frames.jsonl",
    )
    parser.add_argument(
        "--zones", type=Path, required=True, metavar="FILE", help="JSON that lists what there is to look at"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("attention"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument(
        "--minute", type=float, default=60.0, metavar="SECONDS", help="length of a row of the table (default: 60)"
    )
    group = parser.add_argument_group("for a video, as semiuhpe predict takes them")
    group.add_argument("--weights", help="pose weights")
    group.add_argument("--detector", help="weights of the head detector")
    group.add_argument("--score", type=float, help="leave out detections that score below")
    group.add_argument("--every", type=int, metavar="K", help="detect on each K-th frame")
    group.add_argument("--smooth", type=float, metavar="SECONDS", help="smooth rotations with this time constant")
    group.add_argument("--seconds", type=float, help="stop after so much of the video")
    group.add_argument("--device", type=device_name, metavar="NAME", help="where the networks run")
    group.add_argument("--threads", type=int, metavar="N", help="threads of each network")
    return parser


def main(argv: list[str]) -> int:
    """Write the report; returns the exit code."""
    args = build_parser().parse_args(argv)
    from semiuhpe.attention.report import write_report
    from semiuhpe.attention.sightings import read_sightings
    from semiuhpe.attention.summary import attention_of
    from semiuhpe.attention.zones_file import read_scene
    from semiuhpe.errors import InputError

    if not args.minute > 0:
        raise InputError(f"--minute is a positive number of seconds, got {args.minute:g}")
    frames = _frames_of(args.source)
    given = [name for name in _OF_PREDICT if getattr(args, name) is not None]
    if frames is not None and given:
        raise InputError(f"--{given[0]} is for a video; {args.source} is what was made of one already")
    scene = read_scene(args.zones, _picture_size(args.source if frames is None else _video_of(frames)))
    if frames is None:
        code, frames = _predicted(args, given)
        if code or frames is None:
            return code or 1
    attention = attention_of(read_sightings(frames), scene, minute_s=args.minute)
    files = write_report(args.output, attention, _name_of(args.source), args.minute)
    for share in attention.persons:
        zones = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in share.expected_s.items())
        print(f"person {share.track_id}: seen {share.seen_s:.1f} s, absent {share.absent_s:.1f} s; {zones}")
    lost = sum(gap.end_s - gap.start_s for gap in attention.sightings.gaps)
    print(
        f"{len(attention.persons)} persons, {len(attention.dwells)} dwells, {lost:.1f} s of gaps; report in {files[0]}"
    )
    return 0


def _frames_of(source: Path) -> Path | None:
    """The frames that a source has already, None for a video. Raises InputError for a folder without any."""
    from semiuhpe.errors import InputError

    if source.is_dir():
        found = sorted({*source.glob(_FRAMES), *source.glob(f"*/{_FRAMES}")})
        if len(found) != 1:
            raise InputError(f"{source}: holds {len(found) or 'no'} {_FRAMES}; give that of one video")
        return found[0]
    return source if source.suffix == ".jsonl" else None


def _name_of(source: Path) -> str:
    return os.path.abspath(source)


def _video_of(frames: Path) -> Path | None:
    """The video that frames were made of, where it is told and still there."""
    from semiuhpe.files.atomic import json_value

    for name in ("video.json", "unfinished.json"):
        try:
            video = Path(json_value((frames.parent / name).read_text(encoding="utf-8"))["settings"]["source"])
        except (OSError, KeyError, TypeError, ValueError):
            continue
        return video if video.is_file() else None
    return None


def _picture_size(video: Path | None) -> tuple[int, int] | None:
    """Width and height of a video's upright pictures; None without one. Raises VideoError."""
    from semiuhpe.video.reader import FrameReader
    from semiuhpe.video.sources import check_source, moving_source

    if video is None:
        return None
    source = moving_source(video)
    if source is None:
        from semiuhpe.errors import VideoError

        if not video.exists():
            raise VideoError(f"{video}: no such file or folder; check the path")
        raise VideoError(f"{video}: is no video; give one, or the frames.jsonl that semiuhpe predict made of it")
    check_source(source)
    with FrameReader(source.opener(), source.public_name) as reader:
        for frame in reader:
            return frame.image.shape[1], frame.image.shape[0]
    return None


def _predicted(args: argparse.Namespace, given: list[str]) -> tuple[int, Path | None]:
    """Run `semiuhpe predict` over the video, or go on with it; its exit code and the frames."""
    from semiuhpe.cli.predict import main as predict

    folder = args.output / _RUNS
    words: list[Any] = [args.source, "--output", folder, "--style", "none"]
    for name in given:
        words += [f"--{name}", getattr(args, name)]
    if folder.exists() and any(folder.iterdir()):
        words.append("--resume")
    code = predict([str(word) for word in words])
    return code, None if code else _frames_of(folder)
