"""Curves: what is drawn is what was logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from semiuhpe.training.metrics_log import METRICS, append_metrics
from semiuhpe.training.pose.curves import draw_curves, series


def test_series_flatten_and_drop_what_is_not_finite() -> None:
    lines: list[dict[str, Any]] = [
        {"step": 1, "nll": 2.0, "threshold": float("inf")},
        {"step": 2, "nll": 1.0, "validation_averaged_deg": {"mean": 9.0, "store": 8.0}},
    ]
    assert series(lines) == {
        "nll": [(1, 2.0), (2, 1.0)],
        "validation_averaged_deg/mean": [(2, 9.0)],
        "validation_averaged_deg/store": [(2, 8.0)],
    }


def test_a_picture_with_a_panel_for_each_kind(tmp_path: Path) -> None:
    append_metrics(tmp_path / METRICS, {"step": 1, "nll": 2.0, "lr": 0.1})
    path = draw_curves(tmp_path)
    assert path is not None
    one_row = Image.open(path).size
    append_metrics(tmp_path / METRICS, {"step": 2, "kept": 0.5, "entropy": -4.0})
    draw_curves(tmp_path)
    assert Image.open(path).size[1] > 1.5 * one_row[1]


def test_nothing_logged_nothing_drawn(tmp_path: Path) -> None:
    assert draw_curves(tmp_path) is None
