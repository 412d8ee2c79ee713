"""Measure pose weights on rendered heads that were held out and on three sets of photos.

    python benchmarks/evaluate_pose.py --rendered data/stores/synth --data DIR [--weights default] [--limit N]

DIR holds AFLW2000_subset/, Pointing04/ and WildDirections/ (each optional). Nothing here is used for training or for
choosing weights. Crops go through the public `HeadPoseEstimator.estimate`.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe import HeadPoseEstimator
from semiuhpe.evaluation import metrics
from semiuhpe.evaluation.calibration import aurc, coverage
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, facing_direction, from_azimuth_elevation_tilt
from semiuhpe.inference.results import HeadPoses


def rendered(estimator: HeadPoseEstimator, path: Path, limit: int) -> dict[str, Any]:
    """Geodesic error on the identities of the test split, overall and by azimuth."""
    from semiuhpe.heads.store import HeadStore

    store = HeadStore(path)
    chosen = [i for i, record in enumerate(store) if record.split == "test"][: limit or None]
    heads = HeadPoses.concatenate([estimator.estimate(store.image(i), [store.record(i).box]) for i in chosen])
    label = store.rotations[chosen]
    errors = metrics.geodesic_errors_deg(heads.rotation, label)
    bands = metrics.by_azimuth_band(errors, azimuth_elevation_tilt(label)[:, 0])
    return summary(errors) | {"mean_by_azimuth_deg": bands} | honesty(heads, errors, estimator)


def aflw2000(estimator: HeadPoseEstimator, folder: Path) -> dict[str, Any]:
    """The subset of AFLW2000-3D: Euler errors as 300W-LP reports them, and geodesic."""
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    label = np.array([[float(r["pitch_deg"]), float(r["yaw_deg"]), float(r["roll_deg"])] for r in rows])
    box = [[75 - 64.5, 69 - 64.5, 75 + 64.5, 69 + 64.5]]
    images = folder / "images"
    heads = HeadPoses.concatenate([estimator.estimate(images / r["file"], box) for r in rows])
    euler = metrics.euler_errors_deg(heads.rotation, label)
    geodesic = metrics.geodesic_errors_deg(heads.rotation, from_euler_deg(label, "300w-lp"))
    pitch, yaw, roll = euler.mean(axis=0).round(2).tolist()
    means = {"euler_mae_deg": round(float(euler.mean()), 2), "pitch": pitch, "yaw": yaw, "roll": roll}
    return means | {"geodesic": summary(geodesic)} | honesty(heads, geodesic, estimator)


def pointing04(estimator: HeadPoseEstimator, folder: Path) -> dict[str, Any]:
    """Pointing'04: direction, azimuth and elevation of where each person looks."""
    predicted, angles = [], []
    for file in sorted(folder.rglob("*.jpg")):
        match = re.search(r"([+-]\d+)([+-]\d+)$", file.stem)
        numbers = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", file.with_suffix(".txt").read_text())][-4:]
        if match is None or len(numbers) != 4:
            continue
        x, y, width, height = numbers
        side = 1.7 * max(width, height)
        y -= 0.2 * height
        box = [[x - side / 2, y - side / 2, x + side / 2, y + side / 2]]
        predicted.append(estimator.estimate(file, box).rotation)
        angles.append((np.radians(float(match[2])), np.radians(float(match[1]))))
    rotation, (azimuth, elevation) = np.concatenate(predicted), np.array(angles).T
    direction = facing_direction(from_azimuth_elevation_tilt(azimuth, elevation, 0.0))
    return {
        "direction": summary(metrics.direction_errors_deg(rotation, direction)),
        "azimuth_mae_deg": round(float(metrics.azimuth_errors_deg(rotation, azimuth).mean()), 2),
        "elevation_mae_deg": round(float(metrics.elevation_errors_deg(rotation, elevation).mean()), 2),
    }


def wild_directions(estimator: HeadPoseEstimator, folder: Path) -> dict[str, Any]:
    """WildDirections: share of heads whose azimuth is within 45° of the one judged by eye."""
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    images = folder / "images"
    boxes = [[float(r[k]) for k in ("x1", "y1", "x2", "y2")] for r in rows]
    predicted = np.concatenate(
        [estimator.estimate(images / r["file"], [box]).rotation for r, box in zip(rows, boxes, strict=True)]
    )
    azimuth = np.radians([float(r["azimuth_deg"]) for r in rows])
    errors = metrics.azimuth_errors_deg(predicted, azimuth)
    rear = np.abs(azimuth) > np.pi / 2
    return {
        "heads": len(rows),
        "within_45": round(float((errors <= 45).mean()), 3),
        "within_45_front": round(float((errors[~rear] <= 45).mean()), 3),
        "within_45_rear": round(float((errors[rear] <= 45).mean()), 3),
        "median_deg": round(float(np.median(errors)), 2),
    }


def honesty(heads: HeadPoses, errors: np.ndarray, estimator: HeadPoseEstimator) -> dict[str, Any]:
    """Coverage of the 50 % (where the card has it) and 90 % radii, and how well the error bar sorts the errors."""
    found = {
        "coverage_90": round(coverage(errors, heads.error_90_deg), 3),
        "mean_expected_error_deg": round(float(heads.expected_error_deg.mean()), 2),
        "aurc_deg": round(aurc(errors, heads.entropy), 2),
    }
    table = estimator.weights.card.get("calibration")
    if table:
        half = np.interp(heads.entropy, table["entropy"], table["error_50_deg"])
        found["coverage_50"] = round(coverage(errors, half), 3)
    return found


def summary(errors: np.ndarray) -> dict[str, Any]:
    """Mean with its 95 % bootstrap interval, median and count."""
    low, high = metrics.bootstrap_interval(errors)
    return {
        "n": len(errors),
        "mean_deg": round(float(errors.mean()), 2),
        "mean_95": [round(low, 2), round(high, 2)],
        "median_deg": round(float(np.median(errors)), 2),
    }


def main() -> None:
    """Run every set that is there and print one JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="default")
    parser.add_argument("--rendered", type=Path, help="a store of rendered heads; its test split is used")
    parser.add_argument("--data", type=Path, help="folder of AFLW2000_subset, Pointing04 and WildDirections")
    parser.add_argument("--limit", type=int, default=2000, help="rendered heads at most (0 = all)")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--mirrored", action="store_true", help="average each belief with that of the mirror image")
    args = parser.parse_args()
    estimator = HeadPoseEstimator(args.weights, threads=args.threads, mirrored=args.mirrored)
    results: dict[str, Any] = {"weights_sha256": estimator.weights.sha256}
    if args.rendered:
        results["rendered"] = rendered(estimator, args.rendered, args.limit)
    sets = {"AFLW2000_subset": aflw2000, "Pointing04": pointing04, "WildDirections": wild_directions}
    for name, measure in sets.items():
        if args.data and (args.data / name).is_dir():
            results[name] = measure(estimator, args.data / name)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
