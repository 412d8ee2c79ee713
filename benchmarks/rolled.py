"""Is a head read at every roll? Turned copies of the heads of a store at 0, ±30 … ±150, 180°, and how far each answer is off.

    python benchmarks/rolled.py --store data/stores/aflw_faces --store data/stores/synth [--weights default] [--limit 300]
    python benchmarks/rolled.py --store … --peer whenet=WHENet.onnx --json rolled.json

A copy is the picture with `--context` crops of what is around the head, drawn at the turn with its label turned alike; what
the photo does not have is continued by its mirror image, so that no border tells the turn. A turn is counter-clockwise as
seen. `within` is the share of errors within the stated 90 % radius: 90 % where error bars are honest.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.arrays import evenly_spread
from semiuhpe.evaluation.calibration import coverage
from semiuhpe.evaluation.labels import choose
from semiuhpe.evaluation.metrics import geodesic_errors_deg, summary
from semiuhpe.evaluation.models import open_model
from semiuhpe.evaluation.peers import PRESETS, open_peer
from semiuhpe.evaluation.predictions import PoseModel
from semiuhpe.evaluation.run import predict_heads
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.geometry.crop import MARGIN, Image, crop_square
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.views.warp import View, draw, turn_label

TURNS_DEG = (0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180)
LONGEST = 512


class TurnedHeads:
    """Labelled heads of a store, each turned in its picture by one angle."""

    def __init__(self, store: HeadStore, numbers: Sequence[int], turn: float, context: float) -> None:
        self.store, self.numbers, self.context = store, list(numbers), context
        self.view = View(scale=context, rotation=turn, reflect=True)

    def __len__(self) -> int:
        return len(self.numbers)

    def _size(self, record: HeadRecord) -> int:
        return int(np.clip(round(self.context * crop_square(record.box)[2]), 2, LONGEST))

    def record(self, index: int) -> HeadRecord:
        """The record with its box in the turned picture and its label turned alike."""
        record = self.store.record(self.numbers[index])
        size = self._size(record)
        half = size / (2 * self.context * MARGIN)
        box = (size / 2 - half, size / 2 - half, size / 2 + half, size / 2 + half)
        label = None if record.rotation is None else turn_label(record.rotation, self.view)
        return dataclasses.replace(record, box=box, rotation=label)

    def image(self, index: int) -> Image:
        """The turned picture."""
        number = self.numbers[index]
        record = self.store.record(number)
        return draw(self.store.image(number), record.box, self.view, self._size(record))


def measured(model: PoseModel, heads: TurnedHeads) -> dict[str, Any]:
    """Figures of one turn: errors in degrees, what was stated of them, and the share within the stated 90 % radius."""
    predictions = predict_heads(model, heads, range(len(heads)))
    labels = np.stack([label for i in range(len(heads)) if (label := heads.record(i).rotation) is not None])
    errors = geodesic_errors_deg(predictions.rotation, labels)
    figures = summary(errors)
    if predictions.stated is not None:
        figures["stated_deg"] = float(np.median(predictions.stated.expected_error_deg))
        figures["within_90"] = coverage(errors, predictions.stated.error_90_deg)
    return figures


def study(
    models: dict[str, PoseModel], stores: Sequence[Path], *, split: str, limit: int, context: float
) -> dict[str, Any]:
    """Figures by store, model and turn."""
    found: dict[str, Any] = {}
    for path in stores:
        store = HeadStore(path)
        numbers = [i for i in choose(store, split) if store.record(i).rotation is not None]
        numbers = [numbers[i] for i in evenly_spread(len(numbers), limit)]
        found[path.name] = {
            name: {
                str(turn): measured(model, TurnedHeads(store, numbers, np.radians(turn), context)) for turn in TURNS_DEG
            }
            for name, model in models.items()
        }
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown: a row for each store, model and turn."""
    lines = ["| heads | model | turn | n | median | mean | stated, median | within 90 % radius |", "|---" * 8 + "|"]
    for store, models in found.items():
        for model, turns in models.items():
            for turn, figures in turns.items():
                stated = (
                    f"{figures['stated_deg']:.1f}° | {100 * figures['within_90']:.0f} %"
                    if "stated_deg" in figures
                    else "– | –"
                )
                lines.append(
                    f"| {store} | {model} | {turn}° | {figures['n']} | {figures['median_deg']:.1f}° | "
                    f"{figures['mean_deg']:.1f}° | {stated} |"
                )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and write the figures as JSON where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, action="append", required=True, help="head store with labels; repeatable")
    parser.add_argument("--weights", action="append", default=[], help="name, .onnx, run folder or .safetensors")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE", help=f"{', '.join(PRESETS)}")
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, default=300, help="heads of each store, evenly spread; 0 = all")
    parser.add_argument("--context", type=float, default=1.5, help="side of a copy over that of the crop")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    weights = args.weights or ([] if args.peer else ["default"])
    models: dict[str, PoseModel] = {name: open_model(name, threads=args.threads) for name in weights}
    for peer in args.peer:
        name, opened = open_peer(peer, threads=args.threads)
        models[name] = opened
    found = study(models, args.store, split=args.split, limit=args.limit, context=args.context)
    print(table(found))
    if args.json:
        write_atomically(args.json, json_text(found).encode())


if __name__ == "__main__":
    main()
