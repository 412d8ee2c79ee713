"""A measurement by a published protocol: weights and a store in, figures and the document about them out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiuhpe.evaluation.benchmarks import protocol as protocol_of
from semiuhpe.evaluation.predictions import PoseModel
from semiuhpe.evaluation.run import IOU, Detector, Evaluation, Progress, evaluate
from semiuhpe.geometry.crop import MARGIN
from semiuhpe.heads.store import HeadStore


@dataclass(frozen=True)
class Detection:
    """Boxes from a detector instead of from the labels.

    Attributes:
        detector: RGB picture (H, W, 3) uint8 → boxes (n, 4) and scores (n,).
        iou: overlap from which one is the head.
        name: for the document.
    """

    detector: Detector
    iou: float = IOU
    name: str = "detector"


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured.

    Attributes:
        evaluation: figures, labels and predictions.
        document: JSON-ready, the figures under "results".
        report: files that were written.
    """

    evaluation: Evaluation
    document: dict[str, Any]
    report: tuple[Path, ...] = ()


def measure(
    protocol: str,
    model: PoseModel,
    store: str | os.PathLike[str],
    *,
    split: str = "",
    limit: int = 0,
    batch_size: int = 64,
    margin: float = MARGIN,
    detection: Detection | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure a model by a protocol; what `semiuhpe evaluate` does.

    Args:
        protocol: a name of `benchmarks.PROTOCOLS`.
        model: of `models.open_model`, or a peer's.
        store: a folder of heads.
        split: "" = the protocol's.
        limit: heads at most, evenly spread (0 = all).
        batch_size: crops in one pass of the model.
        margin: crop side over head box side.
        detection: None = boxes as labelled.
        report: an .html to write, with its JSON beside it.
        progress: wraps the numbers of heads that are gone through.

    Returns:
        Figures, and the document about them.

    Raises:
        ProtocolError: an unknown name.
        StoreError: a store that is missing or has no such heads.
        MissingExtraError: a report without matplotlib, before any work.
    """
    if report is not None:
        from semiuhpe.evaluation.figures import require_matplotlib

        require_matplotlib()
    chosen = protocol_of(protocol)
    boxes: dict[str, Any] = {} if detection is None else {"detector": detection.detector, "iou": detection.iou}
    evaluation = evaluate(
        chosen,
        model,
        HeadStore(Path(store)),
        split=split,
        limit=limit,
        batch_size=batch_size,
        margin=margin,
        progress=progress,
        **boxes,
    )
    described = "as labelled" if detection is None else f"detected by {detection.name}, IoU from {detection.iou:g}"
    document = {
        "protocol": protocol,
        "summary": chosen.summary,
        "model": model.description,
        "data": {
            "store": str(store),
            "split": split or chosen.split,
            "heads": len(evaluation.labels),
            "labels": evaluation.kind,
            "crop_margin": margin,
            "boxes": described,
        },
        "results": evaluation.results,
    }
    return Measurement(evaluation, document, () if report is None else _written(report, evaluation, document))


def _written(report: Path, evaluation: Evaluation, document: dict[str, Any]) -> tuple[Path, ...]:
    from semiuhpe.evaluation.report import write_report

    return report, write_report(report, evaluation, document)
