"""`semiuhpe calibrate WEIGHTS.onnx --heads STORE`: honest error bars, fitted on heads whose poses are known."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from semiuhpe.errors import StoreError
from semiuhpe.files.atomic import json_text, write_atomically

LEAST = 200


def main(argv: list[str]) -> int:
    """Fit and write the calibration into the weights and their model card; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="semiuhpe calibrate",
        description="Fit what turns a belief into an expected error and a 90 % radius, on labelled heads that were not "
        "trained on, and write it into the weights and the model card beside them.",
    )
    parser.add_argument("weights", type=Path, help="an .onnx file with its .json card beside it")
    parser.add_argument("--heads", type=Path, nargs="+", required=True, help="head stores with rotations")
    parser.add_argument("--split", default="val", help="which split of them (default %(default)s)")
    parser.add_argument("--limit", type=int, default=0, help="heads of each store at most, evenly spread (0 = all)")
    parser.add_argument(
        "--mirrored",
        action=argparse.BooleanOptionalAction,
        help="estimate mirror images too, from now on and by default; without it, what the card says stays",
    )
    args = parser.parse_args(argv)
    import numpy as np

    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.evaluation.calibration import aurc, coverage, fit_calibration
    from semiuhpe.evaluation.metrics import geodesic_errors_deg
    from semiuhpe.heads.store import HeadStore
    from semiuhpe.poses.error_bars import KEY, ErrorModel
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.weights import card_path
    from semiuhpe.weights.graph_metadata import with_metadata

    estimator = HeadPoseEstimator(args.weights, mirrored=args.mirrored)
    parts, labels, used = [], [], []
    for path in args.heads:
        store = HeadStore(path)
        chosen = [i for i, record in enumerate(store) if record.split == args.split and record.rotation is not None]
        if 0 < args.limit < len(chosen):
            chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, args.limit).round().astype(int)]
        parts += [estimator.estimate(store.image(i), [store.record(i).box]) for i in chosen]
        labels += [store.rotations[i] for i in chosen]
        used.append({"source": path.name, "split": args.split, "heads": len(chosen)})
    if len(labels) < LEAST:
        raise StoreError(f"{len(labels)} labelled heads in split {args.split!r}; a calibration needs at least {LEAST}")
    heads = HeadPoses.concatenate(parts)
    errors = geodesic_errors_deg(heads.rotation, np.stack(labels))
    card = dict(estimator.weights.card)
    card["mirrored"] = estimator.mirrored
    card[KEY] = {**fit_calibration(heads.entropy, errors), "fitted_on": used}
    ErrorModel(card)  # a card that inference would refuse is not written
    content = with_metadata(estimator.weights.content, {KEY: json_text(card[KEY])})
    card["sha256"] = hashlib.sha256(content).hexdigest()
    write_atomically(args.weights, content)
    write_atomically(card_path(args.weights), (json_text(card, indent=2) + "\n").encode())
    radius = np.interp(heads.entropy, card[KEY]["entropy"], card[KEY]["error_90_deg"])
    print(f"{card_path(args.weights)}: calibrated on {len(errors)} heads, mean error {errors.mean():.2f}°")
    print(
        f"within the 90 % radius: {coverage(errors, heads.error_90_deg):.3f} before, {coverage(errors, radius):.3f} now"
    )
    print(f"area under the risk-coverage curve: {aurc(errors, heads.entropy):.2f}° (no skill: {errors.mean():.2f}°)")
    return 0
