"""`semiuhpe predict SOURCE...`: annotated pictures, one JSON, on request a CSV. Killed, it goes on where it was."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from semiuhpe.errors import ImageError, SemiUHPEError

JOURNAL = "predictions.jsonl"
RESULT = "predictions.json"
TABLE = "predictions.csv"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semiuhpe predict",
        description="The pose of every head in photos. Writes an annotated picture a photo and predictions.json.",
        epilog="Run again with --resume to go on after a kill: pictures that are done are not done again.",
    )
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="photo, folder, glob pattern, or .txt list of them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("poses"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="look into sub-folders")
    parser.add_argument("--resume", action="store_true", help="keep what an earlier run wrote to the output folder")
    parser.add_argument(
        "--style", choices=["axes", "cube", "none"], default="axes", help="what is drawn (default: %(default)s)"
    )
    parser.add_argument("--csv", action="store_true", help="write predictions.csv too")
    parser.add_argument("--euler", nargs="+", default=["300w-lp"], metavar="NAME", help="Euler conventions to report")
    parser.add_argument("--weights", default="default", help="pose weights: default, open, or an .onnx")
    parser.add_argument("--detector", help="weights of a head detector, an .onnx")
    parser.add_argument("--score", type=float, help="leave out detections that score below")
    parser.add_argument("--boxes", type=Path, help='your own boxes: JSON {"photo.jpg": [[x1, y1, x2, y2], ...]}')
    parser.add_argument("--crops", action="store_true", help="each picture is one head, already cropped")
    parser.add_argument("--mirrored", action="store_true", help="estimate mirror images too: slower, slightly better")
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Returns 0, or 1 if some picture could not be read (the others are done all the same)."""
    args = _parser().parse_args(argv)
    from tqdm import tqdm

    from semiuhpe.inference.estimator import HeadPoseEstimator
    from semiuhpe.inference.media import list_images
    from semiuhpe.inference.results import csv_columns

    csv_columns(args.euler)  # an unknown convention fails now, not after the first photo
    paths = list_images(args.sources, recursive=args.recursive)
    boxes = _read_boxes(args.boxes) if args.boxes else None
    detector: Any = None
    if args.boxes is None and not args.crops:
        from semiuhpe.inference.detector import HeadDetector

        options = {} if args.score is None else {"score_threshold": args.score}
        detector = HeadDetector(args.detector or "default", threads=args.threads, **options)
    estimator = HeadPoseEstimator(args.weights, detector=detector, mirrored=args.mirrored, threads=args.threads)

    args.output.mkdir(parents=True, exist_ok=True)
    journal = args.output / JOURNAL
    done = _read_journal(journal) if args.resume else {}
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in done.values()))
    with journal.open("a") as lines:
        for path, name in tqdm(list(_named(paths)), unit="photo", disable=not sys.stderr.isatty()):
            if str(path) in done:
                continue
            entry = _one(path, name, args, estimator, boxes)
            if "error" in entry:
                tqdm.write(f"semiuhpe: error: {entry['error']}", file=sys.stderr)
            done[str(path)] = entry
            lines.write(json.dumps(entry) + "\n")
            lines.flush()
    entries = [done[str(path)] for path in paths]
    _write_results(args, estimator.weights.sha256, entries)
    journal.unlink()
    failed = sum("error" in entry for entry in entries)
    heads = sum(len(entry.get("heads", [])) for entry in entries)
    print(f"{heads} heads in {len(entries) - failed} pictures, {failed} failed; results in {args.output}/")
    return 1 if failed else 0


def _one(
    path: Path, name: str, args: argparse.Namespace, estimator: Any, boxes: dict[str, Any] | None
) -> dict[str, Any]:
    """Estimate, draw and write one picture; an unreadable one becomes an entry with its error."""
    from semiuhpe.inference.media import load_image
    from semiuhpe.inference.results import HeadPoses

    try:
        image = load_image(path)
        if args.crops:
            heads = estimator.estimate_crops([image])
        elif boxes is not None:
            given = boxes.get(str(path), boxes.get(path.name, []))
            heads = estimator.estimate(image, given) if len(given) else HeadPoses.empty()
        else:
            heads = estimator(image)
        entry: dict[str, Any] = {"file": str(path), "width": image.shape[1], "height": image.shape[0]}
        if args.style != "none":
            entry["drawing"] = f"{name}.jpg"
            _write_picture(args.output / entry["drawing"], heads.draw(image, args.style))
        entry["heads"] = heads.to_dict(args.euler)
        return entry
    except SemiUHPEError as error:
        message = " ".join(str(error).split())
        return {"file": str(path), "error": message if str(path) in message else f"{path}: {message}"}


def _write_picture(path: Path, image: Any) -> None:
    from PIL import Image

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    Image.fromarray(image).save(temporary, format="JPEG", quality=92)
    os.replace(temporary, path)


def _write_results(args: argparse.Namespace, sha256: str, entries: list[dict[str, Any]]) -> None:
    from semiuhpe import __version__
    from semiuhpe.inference.results import HeadPoses, rows_to_csv

    document = {
        "semiuhpe": __version__,
        "weights_sha256": sha256,
        "frame": "rotation is camera<-head (3x3 rows), camera x right, y down, z into the scene; identity faces the camera",
        "images": entries,
    }
    temporary = args.output / f"{RESULT}.tmp"
    temporary.write_text(json.dumps(document, indent=1) + "\n")
    os.replace(temporary, args.output / RESULT)
    if args.csv:
        rows = [
            {"file": entry["file"], **row}
            for entry in entries
            for row in HeadPoses.from_dict(entry.get("heads", [])).to_rows(args.euler)
        ]
        (args.output / TABLE).write_text(rows_to_csv(rows, args.euler, first=["file"]))


def _read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Pictures that an earlier run finished: of one that was killed its journal, else its result."""
    done: dict[str, dict[str, Any]] = {}
    result = path.with_name(RESULT)
    entries: list[dict[str, Any]] = []
    if result.exists():
        entries += json.loads(result.read_text())["images"]
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # the line that a kill cut short
                continue
    for entry in entries:
        if "error" not in entry:
            done[entry["file"]] = entry
    return done


def _read_boxes(path: Path) -> dict[str, Any]:
    try:
        boxes = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ImageError(f'{path}: boxes must be JSON {{"photo.jpg": [[x1, y1, x2, y2], ...]}} ({error})') from error
    if not isinstance(boxes, dict):
        raise ImageError(f'{path}: boxes must be JSON {{"photo.jpg": [[x1, y1, x2, y2], ...]}}, got a list')
    return boxes


def _named(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each path with a name for its drawing that no other path has."""
    taken: set[str] = set()
    for path in paths:
        stem, name, number = path.stem or "picture", path.stem or "picture", 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        yield path, name
