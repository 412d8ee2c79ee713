"""How well `semiuhpe.heads.duplicates` finds copies of heads, and how often it calls strangers copies.

    python benchmarks/duplicates.py data/stores/wild_heads data/stores/aflw_faces --copies 400 --sheet others.png

Of some heads of the stores copies are made as they happen to photos: boxed otherwise (scale and shift), darkened or
brightened (gamma and contrast), half as large, JPEG of quality 40 to 90, half of them mirrored, a quarter turned. All heads of the stores
are compared with the copies. Pairs that are not a head and its own copy are counted apart and drawn: some of them are copies
that the sets really hold, which only an eye can tell.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.geometry.crop import Image
from semiuhpe.heads.appearance import Appearances, Thumbnail, appearances_of_store, concatenated, thumbnail_of_head
from semiuhpe.heads.duplicates import Twin, find_twins, symmetric
from semiuhpe.heads.store import HeadStore

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)


def copy_of(image: Image, box: np.ndarray, rng: np.random.Generator) -> Thumbnail:
    """The thumbnail of one copy of a head."""
    turned = rng.random() < 0.25
    # Copies that are turned by program keep their boxes; others are boxed by another rule.
    scale, shift = np.exp(rng.uniform(-0.1, 0.1) if turned else rng.uniform(-0.2, 0.2)), 0.05 if turned else 0.12
    sides = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + sides.mean() * rng.uniform(-shift, shift, 2)
    brighter = 255 * (image / 255.0) ** rng.uniform(0.6, 1.6) * rng.uniform(0.5, 1.2) + rng.uniform(-15, 15)
    picture = np.clip(brighter, 0, 255).astype(np.uint8)
    factor = 0.5 if rng.random() < 0.5 and min(sides) > 40 else 1.0
    resized = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 91))]
    decoded = cv2.imdecode(cv2.imencode(".jpg", resized, quality)[1], cv2.IMREAD_COLOR)
    half = scale * sides / 2
    grey, seen = thumbnail_of_head(
        np.asarray(decoded, np.uint8), factor * np.concatenate([middle - half, middle + half])
    )
    mirrored, turns = bool(rng.random() < 0.5), int(rng.integers(1, 4)) if turned else 0
    return symmetric(grey, mirrored, turns), symmetric(seen, mirrored, turns)


def measure(
    stores: list[HeadStore], copies: int, seed: int
) -> tuple[dict[str, object], Appearances, Appearances, list[Twin]]:
    """Figures, all heads, the copies, and the pairs that are no head and its own copy."""
    rng = np.random.default_rng(seed)
    heads = concatenated(appearances_of_store(store) for store in stores)
    places = [(store, index) for store in stores for index in range(len(store))]
    chosen = rng.choice(len(places), copies, replace=False)
    made = Appearances.of(
        (str(number), copy_of(store.image(index), np.array(store.record(index).box), rng))
        for number, (store, index) in ((n, places[n]) for n in chosen)
    )
    begin, processor = time.perf_counter(), time.process_time()
    twins = find_twins(heads, made, threshold=min(THRESHOLDS))
    used, wall = time.process_time() - processor, time.perf_counter() - begin
    own = {twin.second: twin.correlation for twin in twins if twin.first == chosen[twin.second]}
    others = [twin for twin in twins if twin.first != chosen[twin.second]]
    figures: dict[str, object] = {
        "heads": len(heads),
        "copies": copies,
        "seconds": round(wall, 1),
        "processor seconds": round(used, 1),
        "found": {t: sum(c >= t for c in own.values()) / copies for t in THRESHOLDS},
        "other pairs": {t: sum(twin.correlation >= t for twin in others) for t in THRESHOLDS},
    }
    return figures, heads, made, sorted(others, key=lambda twin: -twin.correlation)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="draw the other pairs side by side")
    args = parser.parse_args()
    figures, heads, made, others = measure([HeadStore(path) for path in args.stores], args.copies, args.seed)
    print(json.dumps(figures, indent=1))
    if args.sheet is not None:
        tiles = [
            np.hstack([heads.grey[t.first], symmetric(made.grey[t.second], t.mirrored, t.turns)])[..., None].repeat(
                3, -1
            )
            for t in others
        ]
        captions = [f"{twin.correlation:.2f}" for twin in others]
        Pillow.fromarray(contact_sheet(tiles, columns=6, tile=192, captions=captions)).save(args.sheet)


if __name__ == "__main__":
    main()
