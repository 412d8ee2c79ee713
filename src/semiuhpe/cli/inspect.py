"""`semiuhpe inspect STORE`: what a store holds, in numbers and as a contact sheet."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.errors import StoreError


def main(argv: list[str]) -> int:
    """Print counts and pose histograms of a store and write its contact sheet; returns the exit code."""
    parser = argparse.ArgumentParser(prog="semiuhpe inspect", description="What a head store holds.")
    parser.add_argument("store", type=Path, help="folder of the store")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here (.jpg or .png)")
    parser.add_argument("--count", type=int, default=48, help="heads on the sheet (default %(default)s)")
    parser.add_argument("--split", help="only heads of this split")
    args = parser.parse_args(argv)
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
    evenly = np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int)
    pictures = []
    for index in (chosen[i] for i in evenly):
        record, image = store.record(index), store.image(index)
        drawn = image if record.rotation is None else draw_axes(image, record.rotation[None], [record.box])
        pictures.append(drawn)
    Image.fromarray(contact_sheet(pictures)).save(path, quality=90)
    print(f"contact sheet: {path}")
