"""The figures of an evaluation report, each a PNG. Needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from semiuhpe.arrays import evenly_spread
from semiuhpe.errors import MissingExtraError
from semiuhpe.evaluation.calibration import aurc, coverage, coverage_curve, reliability, risk_coverage
from semiuhpe.evaluation.labels import Float
from semiuhpe.evaluation.run import Evaluation

MOST_POINTS = 5000
_SHARES = np.linspace(0.02, 0.98, 49)

Draw = Callable[[Any], None]
"""Draws on one matplotlib `Axes`."""


def figures(evaluation: Evaluation) -> list[tuple[str, bytes]]:
    """Caption and PNG of every figure that the labels and the model allow; none where no head was measured.

    Raises MissingExtraError without matplotlib.
    """
    require_matplotlib()
    errors = evaluation.errors_deg
    if not len(errors):
        return []
    labels = evaluation.labels[evaluation.measured]
    stated = evaluation.predictions[evaluation.measured].stated
    found = [
        ("Errors: how many heads have which", _png(lambda axes: _histogram(axes, errors))),
        (
            "Error against the labelled azimuth",
            _png(lambda axes: _against(axes, labels.azimuth, errors, "azimuth", 180)),
        ),
    ]
    if np.isfinite(labels.elevation).all():
        found.append(
            (
                "Error against the labelled elevation",
                _png(lambda axes: _against(axes, labels.elevation, errors, "elevation", 90)),
            )
        )
    if stated is None:
        return found
    if evaluation.kind == "rotation":
        expected, radii = stated.expected_error_deg, (stated.error_50_deg, stated.error_90_deg)
        found += [
            (
                "Calibration: share of heads within the radius of each stated share",
                _png(lambda a: _coverage(a, errors, *radii)),
            ),
            (
                "Calibration: stated and true mean error, heads sorted by the former",
                _png(lambda a: _reliability(a, expected, errors)),
            ),
        ]
    return [
        *found,
        (
            "Risk and coverage: mean error of the surest heads, for every share of them",
            _png(lambda axes: _risk(axes, errors, stated.entropy)),
        ),
    ]


def require_matplotlib() -> None:
    """Raises MissingExtraError without matplotlib: better before an evaluation than after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an evaluation report", "evaluate") from error


def _png(draw: Draw) -> bytes:
    # The object interface draws without a screen and leaves no global state behind.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    # Without the version of the library in it the same evaluation gives the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _histogram(axes: Any, errors: Float) -> None:
    edges = np.linspace(0, max(30.0, float(np.quantile(errors, 0.99))), 41)
    axes.hist(np.minimum(errors, edges[-1]), bins=edges, color="#3b6fb6")
    for value, name, style in ((errors.mean(), "mean", "-"), (np.median(errors), "median", "--")):
        axes.axvline(value, color="#c0392b", linestyle=style, linewidth=1.2, label=f"{name} {value:.2f}°")
    axes.set(xlabel="error (degrees; the last bar holds all beyond)", ylabel="heads")
    axes.legend(fontsize=8)


def _against(axes: Any, angle: Float, errors: Float, name: str, limit: int) -> None:
    angle_deg = np.degrees(angle)
    # Evenly spread rather than the first: stores are sorted by source.
    shown = evenly_spread(len(errors), MOST_POINTS)
    axes.plot(
        angle_deg[shown],
        errors[shown],
        ".",
        markersize=4,
        alpha=0.5 if len(shown) < 1000 else 0.25,
        color="#3b6fb6",
        markeredgewidth=0,
    )
    edges = np.linspace(-limit, limit, 13)
    inside = np.clip(np.digitize(angle_deg, edges) - 1, 0, 11)
    filled = [b for b in range(12) if np.any(inside == b)]
    centres = [(edges[b] + edges[b + 1]) / 2 for b in filled]
    axes.plot(centres, [np.median(errors[inside == b]) for b in filled], "o-", color="#c0392b", label="median")
    axes.set(xlabel=f"{name} (degrees)", ylabel="error (degrees)", xlim=(-limit, limit), ylim=(0, None))
    axes.legend(fontsize=8)


def _coverage(axes: Any, errors: Float, error_50: Float, error_90: Float) -> None:
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1, label="honest")
    axes.plot(
        _SHARES,
        coverage_curve(errors, error_50, error_90, _SHARES),
        color="#3b6fb6",
        label="radii through the two stated ones",
    )
    points = [coverage(errors, error_50), coverage(errors, error_90)]
    axes.plot([0.5, 0.9], points, "o", color="#c0392b", label=f"stated: {points[0]:.3f} of 0.5, {points[1]:.3f} of 0.9")
    axes.set(xlabel="stated share", ylabel="share of heads within", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8, loc="upper left")


def _reliability(axes: Any, expected: Float, errors: Float) -> None:
    stated, true = reliability(expected, errors)
    most = max(float(stated.max()), float(true.max())) * 1.05 + 0.1
    axes.plot([0, most], [0, most], "--", color="grey", linewidth=1, label="honest")
    axes.plot(stated, true, "o-", color="#3b6fb6", label="bins of equally many heads")
    axes.set(xlabel="expected error (degrees)", ylabel="mean error (degrees)", xlim=(0, most), ylim=(0, most))
    axes.legend(fontsize=8, loc="upper left")


def _risk(axes: Any, errors: Float, uncertainty: Float) -> None:
    for values, name, colour in ((uncertainty, "by entropy", "#3b6fb6"), (errors, "ideal order", "grey")):
        share, risk = risk_coverage(errors, values)
        axes.plot(share, risk, color=colour, label=f"{name}: area {aurc(errors, values):.2f}°")
    axes.axhline(errors.mean(), color="#c0392b", linestyle="--", linewidth=1, label=f"no skill: {errors.mean():.2f}°")
    axes.set(xlabel="share of heads that are kept", ylabel="their mean error (degrees)", xlim=(0, 1), ylim=(0, None))
    axes.legend(fontsize=8)
