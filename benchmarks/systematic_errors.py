"""What a mean error hides: do poses shrink towards the front, is one axis off, does the box decide, does the stated error know?

    python benchmarks/systematic_errors.py --store data/stores/aflw2000_subset --split test [--weights default]
    python benchmarks/systematic_errors.py --store data/stores/aflw_faces --agreeing-deg 10 --peer opentrack=FILE --json out.json

For each model and store, of labelled heads:

- `slope`: of the predicted azimuth and elevation over the labelled one, by least squares without an offset, over heads of
  which either is labelled beyond `--beyond-deg`; 1 where nothing shrinks.
- `bias`: mean signed error of pitch, yaw and roll (300W-LP), over heads labelled within 60° of the front.
- `moved box`: how far the pose goes when its box is moved by `--shift` of its side to the left, right, up or down.
- `rank correlation`: Spearman's, of the stated and the true error; `within_90`: share of errors within the stated 90 % radius.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.arrays import evenly_spread
from semiuhpe.evaluation.calibration import coverage
from semiuhpe.evaluation.labels import choose
from semiuhpe.evaluation.metrics import geodesic_errors_deg, summary
from semiuhpe.evaluation.models import open_model
from semiuhpe.evaluation.peers import PRESETS, open_peer
from semiuhpe.evaluation.predictions import PoseModel
from semiuhpe.evaluation.run import predict_heads
from semiuhpe.evaluation.tables import text_table
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.geometry.crop import MARGIN, Image
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, circular_difference
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore

Float = NDArray[np.float64]

FRONT_DEG = 60.0
"""Azimuth up to which Euler angles are told apart well enough for a bias of each."""

CONVENTION = "300w-lp"

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class MovedBoxes:
    """Heads of a store with every box moved by a share of its side."""

    def __init__(self, store: HeadStore, shift: tuple[float, float]) -> None:
        self.store, self.shift = store, np.array(shift)

    def __len__(self) -> int:
        return len(self.store)

    def record(self, index: int) -> HeadRecord:
        """The record with the box moved."""
        record = self.store.record(index)
        x1, y1, x2, y2 = record.box
        right, down = self.shift * np.sqrt((x2 - x1) * (y2 - y1))
        return dataclasses.replace(record, box=(x1 + right, y1 + down, x2 + right, y2 + down))

    def image(self, index: int) -> Image:
        """The picture as it is."""
        return self.store.image(index)


def slope(predicted: Float, label: Float) -> float:
    """Of predicted over labelled angles (n,), radians, by least squares through the origin; NaN without heads."""
    near = label + circular_difference(predicted, label)  # the prediction on the label's side of ±180°
    return float(near @ label / (label @ label)) if len(label) else float("nan")


def rank_correlation(a: Float, b: Float) -> float:
    """Spearman's, of (n,) and (n,); equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Float) -> Float:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])


def measured(
    model: PoseModel, store: HeadStore, numbers: Sequence[int], *, beyond_deg: float, shift: float, margin: float
) -> dict[str, Any]:
    """The figures of one model on some labelled heads of a store."""
    labels = np.stack([label for n in numbers if (label := store.record(n).rotation) is not None])
    found = predict_heads(model, store, numbers, margin=margin)
    errors = geodesic_errors_deg(found.rotation, labels)
    own, true = azimuth_elevation_tilt(found.rotation).T, azimuth_elevation_tilt(labels).T
    turned = np.degrees(np.abs(true[:2])).max(axis=0) > beyond_deg
    front = np.degrees(np.abs(true[0])) < FRONT_DEG
    apart = np.radians(euler_deg(found.rotation[front], CONVENTION) - euler_deg(labels[front], CONVENTION))
    bias = np.degrees(circular_difference(apart, 0.0)).mean(axis=0)
    figures = summary(errors) | {
        "turned heads": int(turned.sum()),
        "azimuth slope": slope(own[0][turned], true[0][turned]),
        "elevation slope": slope(own[1][turned], true[1][turned]),
        "pitch bias_deg": float(bias[0]),
        "yaw bias_deg": float(bias[1]),
        "roll bias_deg": float(bias[2]),
    }
    moved = [
        geodesic_errors_deg(
            predict_heads(model, MovedBoxes(store, (shift * x, shift * y)), numbers, margin=margin).rotation,
            found.rotation,
        )
        for x, y in DIRECTIONS
    ]
    figures |= {"moved box, mean_deg": float(np.mean(moved)), "moved box, median_deg": float(np.median(moved))}
    if found.stated is not None:
        figures["rank correlation"] = rank_correlation(found.stated.expected_error_deg, errors)
        figures["within_90"] = coverage(errors, found.stated.error_90_deg)
    return figures


def labelled(store: HeadStore, split: str, limit: int, agreeing_deg: float) -> list[int]:
    """Labelled heads, evenly spread; where asked for, those whose label a fit of hand-placed points agrees with."""
    numbers = [n for n in choose(store, split) if store.record(n).rotation is not None]
    if agreeing_deg:
        numbers = [n for n in numbers if _apart(store.record(n)) <= agreeing_deg]
    return [numbers[i] for i in evenly_spread(len(numbers), limit)]


def _apart(record: HeadRecord) -> float:
    return float(record.extras.get("fit_label_deg", "inf"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and write the figures as JSON where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, action="append", required=True, help="head store with labels; repeatable")
    parser.add_argument("--weights", action="append", default=[], help="name, .onnx, run folder or .safetensors")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE", help=f"{', '.join(PRESETS)}")
    parser.add_argument("--margin", type=float, default=MARGIN, help="crop side over head side, for the peers")
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, default=0, help="heads of each store, evenly spread; 0 = all")
    parser.add_argument("--agreeing-deg", type=float, default=0.0, help="only heads with `fit_label_deg` up to this")
    parser.add_argument("--beyond-deg", type=float, default=20.0, help="azimuth or elevation from which slopes count")
    parser.add_argument("--shift", type=float, default=0.08, help="of a moved box, in its side")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    weights = args.weights or ([] if args.peer else ["default"])
    models: dict[str, tuple[PoseModel, float]] = {
        name: (open_model(name, threads=args.threads), MARGIN) for name in weights
    }
    for peer in args.peer:
        name, opened = open_peer(peer, threads=args.threads)
        models[name] = opened, args.margin
    found: dict[str, Any] = {}
    for path in args.store:
        store = HeadStore(path)
        numbers = labelled(store, args.split, args.limit, args.agreeing_deg)
        for name, (model, margin) in models.items():
            found[f"{path.name}, {name}"] = measured(
                model, store, numbers, beyond_deg=args.beyond_deg, shift=args.shift, margin=margin
            )
    print(text_table(found))
    if args.json:
        write_atomically(args.json, json_text(found).encode())


if __name__ == "__main__":
    main()
