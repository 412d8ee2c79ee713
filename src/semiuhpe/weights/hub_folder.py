"""A folder that is ready to be pushed to the Hugging Face Hub: network, card, page, example, and a run's checkpoint.

The page's YAML head is written as one JSON value per line, which is YAML too, so that nothing but this package is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiuhpe.errors import WeightsError
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.weights import WeightsFile, hub

CHECKPOINT = "model.safetensors"
PAGE, EXAMPLE = "README.md", "example.py"
OTHER_LICENSE = "other"
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")


@dataclass(frozen=True)
class _Kind:
    """What a page says of one kind of network. pipeline: the Hub's name of the task, where it has one."""

    title: str
    task: str
    use: str
    example: str
    limits: str
    pipeline: str | None = None


_POSE = _Kind(
    title="Head pose, full range, with error bars",
    task="head-pose-estimation",
    use='from semiuhpe import HeadPoseEstimator\n\nheads = HeadPoseEstimator("hf-hub:OWNER/NAME@COMMIT")("photo.jpg")\n'
    "heads.azimuth_deg, heads.elevation_deg, heads.tilt_deg, heads.expected_error_deg",
    example='''"""Poses of all heads in a photo: python example.py photo.jpg"""

import sys
from pathlib import Path

from semiuhpe import HeadPoseEstimator

estimator = HeadPoseEstimator(Path(__file__).with_name("model.onnx"))
for head in estimator(sys.argv[1]).to_dict():
    angles = " ".join(f"{name} {head[name + '_deg']:.0f}°" for name in ("azimuth", "elevation", "tilt"))
    print(f"{angles}, expected error {head['expected_error_deg']:.0f}°")
''',
    limits="Not for identification, emotion or attention claims. Gaze of the eyes and translation are not estimated.",
)
_DETECTOR = _Kind(
    title="Head detector",
    task="head-detection",
    pipeline="object-detection",
    use='from semiuhpe import HeadDetector\n\nboxes, scores = HeadDetector("hf-hub:OWNER/NAME@COMMIT")(image)  # RGB uint8',
    example='''"""Boxes of all heads in a photo: python example.py photo.jpg"""

import sys
from pathlib import Path

from semiuhpe import HeadDetector
from semiuhpe.images.load import load_image

boxes, scores = HeadDetector(Path(__file__).with_name("model.onnx"))(load_image(sys.argv[1]))
for box, score in zip(boxes, scores, strict=True):
    print(f"{' '.join(f'{edge:.0f}' for edge in box)}, score {score:.2f}")
''',
    limits="Not for identification, emotion or attention claims, nor for counting people to enforce anything.",
)


def write_hub_folder(
    weights: WeightsFile,
    folder: Path,
    *,
    checkpoint: bytes | None = None,
    license_id: str = OTHER_LICENSE,
    datasets: Sequence[str] = (),
) -> list[str]:
    """Write a repository of these weights. Returns the names of its files; the page is written last.

    checkpoint: content of a .safetensors of the run that the weights are of. license_id: of the Hub's list; "other" where
    the card's own words count. datasets: names of data sets on the Hub. Raises WeightsError where the folder has the
    checkpoint of other weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refreshed = weights.path.resolve() == (folder / hub.MODEL).resolve()
    if checkpoint is None and not refreshed and (folder / CHECKPOINT).exists():
        raise WeightsError(f"{folder}: has the {CHECKPOINT} of other weights; choose an empty folder")
    kind = _DETECTOR if weights.card.get("task") == "head detection" else _POSE
    files = {hub.MODEL: weights.content, hub.CARD: (json_text(weights.card, indent=2) + "\n").encode()}
    if checkpoint is not None:
        files[CHECKPOINT] = checkpoint
    files[EXAMPLE] = kind.example.encode()
    files[PAGE] = (_head(weights.card, kind, license_id, datasets) + _page(weights, kind)).encode()
    for name, content in files.items():
        write_atomically(folder / name, content)
    return list(files)


def _head(card: dict[str, Any], kind: _Kind, license_id: str, datasets: Sequence[str]) -> str:
    """The YAML between two lines of dashes, which the Hub reads."""
    results = _results(card)
    entries: dict[str, Any] = {"license": license_id}
    if license_id == OTHER_LICENSE:
        entries |= {"license_name": "see-model-card", "license_link": PAGE}
    entries |= {"library_name": "semiuhpe", "pipeline_tag": kind.pipeline, "tags": [kind.task, "onnx", "semiuhpe"]}
    entries |= {"datasets": list(datasets), "metrics": sorted({metric for metric, _, _ in results})}
    if results:
        entries["model-index"] = [{"name": kind.title, "results": [_result(kind.task, *r) for r in results]}]
    lines = [f"{key}: {json_text(value, ensure_ascii=False)}" for key, value in entries.items() if value]
    return "\n".join(["---", *lines, "---", "", ""])


def _results(card: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Metric, data set and value of what a card says was measured on validation splits."""
    errors = card.get("validation_deg", {})
    found = [("mean_geodesic_error_deg", name, float(value)) for name, value in errors.items() if name != "mean"]
    if "val_ap50" in card.get("validation", {}):
        found.append(("ap50", "validation photos", float(card["validation"]["val_ap50"])))
    return found


def _result(task: str, metric: str, dataset: str, value: float) -> dict[str, Any]:
    slug = re.sub(r"[^\w-]+", "-", dataset)
    return {
        "task": {"type": task},
        "dataset": {"name": dataset, "type": slug, "split": "validation"},
        "metrics": [{"type": metric, "value": round(value, 4)}],
    }


def _page(weights: WeightsFile, kind: _Kind) -> str:
    card = weights.card
    facts = {
        "License": card.get("licence", "not stated in the model card: ask its author"),
        "Input": card.get("input"),
        "Output": card.get("output"),
        "Crop": f"{card['crop_margin']} × the mean side of the head's box" if "crop_margin" in card else None,
        "Precision": card.get("precision"),
        "Validation": "; ".join(f"{name}: {metric} {value:.4g}" for metric, name, value in _results(card)),
        "Trained on": ", ".join(_stores(card)),
        "SHA-256": f"`{weights.sha256}`",
    }
    table = [f"| {name} | {' '.join(str(value).split()).replace('|', '/')} |" for name, value in facts.items() if value]
    parts = [
        f"# {kind.title}",
        f"`{hub.MODEL}` with its model card `{hub.CARD}` (recipe, calibration), for the Python package semiuhpe. Load it by"
        " this repository's name and the commit you tried; `example.py` uses the files beside it.",
        f"```python\n{kind.use}\n```",
        "\n".join(["| | |", "|---|---|", *table]),
        kind.limits,
    ]
    written = weights.path.with_suffix(".md")
    if written.is_file():
        # Its links lead into the package; here only their words mean something.
        parts.append("#" + _RELATIVE_LINK.sub(r"\1", written.read_text(encoding="utf-8")).strip())
    return "\n\n".join(parts) + "\n"


def _stores(card: dict[str, Any]) -> list[str]:
    """Names of the stores that a recipe trained on, those without labels marked."""
    recipe = card.get("recipe", {})
    semi = recipe.get("semi") or {}
    found = [(recipe.get("labelled", []), ""), (semi.get("unlabelled", []), " (without labels)")]
    return [Path(entry["store"]).name + mark for entries, mark in found for entry in entries if "store" in entry]
