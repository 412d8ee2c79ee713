"""The metrics of a run as one picture: `curves.png` in its folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from semiuhpe.files.atomic import json_value, replacing
from semiuhpe.training.metrics_log import METRICS

CURVES = "curves.png"

_PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("nll", "unsupervised")),
    ("validation, mean geodesic error (degrees)", ("validation_averaged_deg/", "validation_current_deg/mean")),
    ("validation, share of azimuths within 45°", ("validation_averaged_within_45/",)),
    ("share of the batch that is kept", ("kept", "kept_front", "kept_side", "kept_rear")),
    ("entropy", ("entropy", "thresholds/", "threshold")),
    ("errors (degrees)", ("train_error_deg", "disagreement_kept_deg", "pseudo_label_error_kept_deg")),
    ("learning rate", ("lr",)),
)
"""Title of each panel, and the metrics on it; a name that ends in a slash stands for all below it."""


def series(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Every finite number of the metrics as `name → [(step, value), …]`; nested ones are named `outer/inner`."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        flat = dict(line)
        for key, value in line.items():
            if isinstance(value, Mapping):
                flat |= {f"{key}/{inner}": number for inner, number in value.items()}
        for key, value in flat.items():
            if key != "step" and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(key, []).append((int(line["step"]), float(value)))
    return found


def draw_curves(folder: Path) -> Path | None:
    """Draw what `metrics.jsonl` of a run folder holds; nothing where it holds nothing. → path of the picture."""
    path = folder / METRICS
    if not path.exists():
        return None
    metrics = series(json_value(line) for line in path.read_text().splitlines())
    panels = [(title, [name for name in metrics if _belongs(name, names)]) for title, names in _PANELS]
    panels = [(title, names) for title, names in panels if names]
    if not panels:
        return None
    # The object interface draws without a screen and leaves no global state behind.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6 * columns, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, names) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for name in names:
            steps, values = zip(*metrics[name], strict=True)
            axes.plot(steps, values, label=name, linewidth=1, marker="." if len(steps) < 30 else None)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    target = folder / CURVES
    with replacing(target) as file:
        figure.savefig(file, dpi=90, format="png")
    return target


def _belongs(name: str, names: Iterable[str]) -> bool:
    return any(name.startswith(wanted) if wanted.endswith("/") else name == wanted for wanted in names)
