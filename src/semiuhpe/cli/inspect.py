"""`semiuhpe inspect STORE`: what a store holds, in numbers and as a contact sheet, and what it shares with others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semiuhpe.arrays import evenly_spread
from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import StoreError

if TYPE_CHECKING:
    from semiuhpe.heads.appearance import Appearances
    from semiuhpe.heads.duplicates import Twin


def build_parser() -> CommandParser:
    """The options of `semiuhpe inspect`."""
    parser = CommandParser(
        prog="semiuhpe inspect",
        description="What a head store holds: counts, histograms of poses, a contact sheet, and what it shares with others.",
        examples=[
            "semiuhpe inspect stores/mine --sheet mine.jpg",
            "semiuhpe inspect stores/mine --apart-from stores/test --twins twins.png",
        ],
    )
    parser.add_argument("store", type=Path, help="folder of the store (with --apart-from also of pictures)")
    content = parser.add_argument_group("what it holds")
    content.add_argument("--sheet", type=Path, help="write a contact sheet here (.jpg or .png)")
    content.add_argument("--count", type=int, default=48, help="heads on the sheet")
    content.add_argument("--split", help="only heads of this split (default: all)")
    shared = parser.add_argument_group("what it shares with others")
    shared.add_argument(
        "--apart-from", type=Path, nargs="+", default=(), metavar="PATH",
        help="fail, and list them, if heads show the same picture as one of these stores or folders of head crops; if all "
        "of them and STORE are folders of photos, whole photos are compared",
    )  # fmt: skip
    shared.add_argument("--twins", type=Path, metavar="FILE.png", help="draw the shared pictures side by side")
    return parser


def main(argv: list[str]) -> int:
    """Print counts and pose histograms of a store and write its contact sheet; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    parser.needs(args, "--twins", "--apart-from")
    parser.needs(args, "--count", "--sheet")
    parser.excludes(args, "--apart-from", "--sheet", "--split")
    if args.apart_from:
        return _shared(args.store, args.apart_from, args.twins)
    from semiuhpe.heads.store import HeadStore

    store = HeadStore(args.store)
    chosen = [i for i, record in enumerate(store) if args.split in (None, record.split)]
    records = [store.record(i) for i in chosen]
    labelled = [i for i in chosen if store.record(i).rotation is not None]
    print(f"{args.store}: {len(records)} heads, {len(labelled)} with a rotation")
    print("subjects:", len({r.subject for r in records if r.subject}))
    for name, values in (("split", (r.split for r in records)), ("source", (r.source for r in records))):
        print(f"{name}:", ", ".join(f"{key} {count}" for key, count in sorted(Counter(values).items())))
    if labelled:
        _histograms(store.rotations[labelled])
    if args.sheet:
        _sheet(store, chosen, args.sheet, args.count)
    return 0


def _shared(path: Path, others: Sequence[Path], drawing: Path | None) -> int:
    """List what a store or folder shares with others; 1 if there is anything, else 0."""
    from semiuhpe.heads.appearance import concatenated
    from semiuhpe.heads.duplicates import find_twins
    from semiuhpe.sources.apart import heads_of, is_store, photos_of

    read = heads_of if any(map(is_store, (path, *others))) else photos_of
    own, references = read(path), concatenated(read(other) for other in others)
    twins = find_twins(own, references)
    for twin in twins:
        how = f", {twin.how}" if twin.how else ""
        print(f"{own.names[twin.first]} = {references.names[twin.second]} (correlation {twin.correlation:.3f}{how})")
    shared = len({twin.first for twin in twins})
    print(f"{path}: {shared} of {len(own)} pictures are among the {len(references)} of {', '.join(map(str, others))}")
    if drawing is not None and twins:
        _draw_twins(own, references, twins, drawing)
    return 1 if twins else 0


def _draw_twins(own: Appearances, references: Appearances, twins: Sequence[Twin], path: Path) -> None:
    import cv2
    from PIL import Image

    from semiuhpe.drawing.sheet import contact_sheet
    from semiuhpe.heads.duplicates import symmetric

    pairs = [
        (own.grey[twin.first], symmetric(references.grey[twin.second], twin.mirrored, twin.turns)) for twin in twins
    ]
    captions = [f"{twin.correlation:.2f}" for twin in twins]
    tiles = [cv2.cvtColor(np.hstack(pair), cv2.COLOR_GRAY2RGB) for pair in pairs]
    Image.fromarray(
        contact_sheet([np.asarray(tile, np.uint8) for tile in tiles], columns=6, tile=192, captions=captions)
    ).save(path)
    print(f"side by side: {path}")


def _histograms(rotation: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    from semiuhpe.geometry.rotation import azimuth_elevation_tilt

    angles = np.degrees(azimuth_elevation_tilt(rotation))
    for name, values, limit in zip(("azimuth", "elevation", "tilt"), angles.T, (180, 90, 180), strict=True):
        counts, edges = np.histogram(values, bins=12, range=(-limit, limit))
        print(f"{name} (degrees)")
        for count, low, high in zip(counts, edges, edges[1:], strict=False):
            print(f"  {low:+5.0f} to {high:+5.0f} {count:7d} {'#' * round(40 * count / counts.max())}")


def _sheet(store: Any, chosen: list[int], path: Path, count: int) -> None:
    from PIL import Image

    from semiuhpe.drawing.axes import draw_axes
    from semiuhpe.drawing.sheet import contact_sheet

    if not chosen or count < 1:
        raise StoreError(f"{store.path}: no heads to draw; check --split and --count")
    evenly = evenly_spread(len(chosen), count)
    pictures = []
    for index in (chosen[i] for i in evenly):
        record, image = store.record(index), store.image(index)
        drawn = image if record.rotation is None else draw_axes(image, record.rotation[None], [record.box])
        pictures.append(drawn)
    Image.fromarray(contact_sheet(pictures)).save(path, quality=90)
    print(f"contact sheet: {path}")
