"""What a labelling came to: how much is labelled, and how far teachers and given labels agree, by band of azimuth.

Everything is read from the labelled store, so a run that was continued reports on all of it.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.evaluation.metrics import azimuth_bands
from semiuhpe.files.atomic import write_atomically
from semiuhpe.geometry.rotation import (
    Float,
    azimuth_elevation_tilt,
    from_quaternion,
    geodesic_distance,
    project_to_rotation,
    rotation_vector,
)
from semiuhpe.heads.record import LABEL_SIGMA, HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.labelling.labels import COMMITTEE, GIVEN, KEPT, LABELLING

BANDS_DEG = ((0, 30), (30, 60), (60, 90), (90, 120), (120, 180))
"""Of the |azimuth| of the committee's answer, or of the given label where two of those are compared."""

REPORT, SHEET = "label.json", "label_worst.jpg"
"""Files beside the store's own."""


@dataclass(frozen=True, eq=False)
class HeadReport:
    """One head of a labelled store: the committee's answer and the given label, each (3, 3) camera←head or None."""

    number: int
    record: HeadRecord
    answer: Float | None
    given: Float | None

    @property
    def teachers(self) -> dict[str, Any]:
        """What each teacher said, as the record has it."""
        return dict(self.record.extras[LABELLING]["teachers"])

    @property
    def conflict_deg(self) -> float:
        """The largest angle between the answer and anything that should agree with it: given label, teachers in use."""
        if self.answer is None:
            return 0.0
        used: list[float] = [t["from_answer_deg"] for t in self.teachers.values() if t["used"]]
        if self.given is not None:
            used.append(float(np.degrees(geodesic_distance(self.answer, self.given))))
        return max(used)


def heads_of(store: HeadStore) -> list[HeadReport]:
    """Every head that was labelled, or was to be."""
    found = []
    for number, record in enumerate(store):
        told = record.extras[LABELLING]
        answer = from_quaternion(told["quaternion"]) if "quaternion" in told else None
        given = record.rotation if told["by"] == KEPT else record.extras.get(GIVEN)
        found.append(HeadReport(number, record, answer, None if given is None else np.reshape(given, (3, 3))))
    return found


def report_of(store: HeadStore) -> dict[str, Any]:
    """JSON-ready figures of a labelled store."""
    heads = heads_of(store)
    by = Counter(head.record.extras[LABELLING]["by"] for head in heads)
    reasons = Counter(head.record.extras[LABELLING]["reason"] for head in heads if head.answer is None)
    sigma = [head.record.extras[LABEL_SIGMA] for head in heads if head.record.extras[LABELLING]["by"] == COMMITTEE]
    labelled = sum(head.record.rotation is not None for head in heads)
    return {
        "heads": len(heads),
        "labelled": labelled,
        "labelled_share": labelled / max(1, len(heads)),
        "labelled_by": dict(sorted(by.items())),
        "splits": dict(sorted(Counter(head.record.split for head in heads).items())),
        "no_answer": dict(reasons.most_common()),
        "label_sigma_deg": _quantiles(sigma),
        "answers_by_azimuth": _answers(heads),
        "teachers": {name: _teacher(heads, name) for name in store.meta["teachers"]},
        "between_teachers": {
            f"{a} / {b}": _between(heads, a, b) for a, b in itertools.combinations(store.meta["teachers"], 2)
        },
        "with_given_labels": _agreement((head.given, head.answer) for head in heads),
        "made": store.meta,
    }


def write_report(store: HeadStore, report: dict[str, Any]) -> Path:
    """Write `REPORT` into the store's folder. → its path"""
    path = store.path / REPORT
    write_atomically(path, (json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    return path


def _answers(heads: list[HeadReport]) -> dict[str, int]:
    return {name: int(count) for name, (_, count) in _banded([h.answer for h in heads if h.answer is not None]).items()}


def _teacher(heads: list[HeadReport], name: str) -> dict[str, Any]:
    said = [head.teachers[name] for head in heads if name in head.teachers]
    used = [teacher for teacher in said if teacher["used"]]
    return {
        "used": len(used),
        "not_trusted": dict(Counter(t["distrust"] for t in said if t.get("distrust")).most_common()),
        "sigma_deg": _quantiles(t["sigma_deg"] for t in used if t["sigma_deg"] is not None),
        "spread_deg": _quantiles(t["spread_deg"] for t in used),
        "from_answer_deg": _quantiles(t["from_answer_deg"] for t in used),
    }


def _between(heads: list[HeadReport], first: str, second: str) -> dict[str, Any]:
    """Two teachers on the heads with which both are trusted, whether or not the committee came to an answer."""

    def pairs() -> Iterable[tuple[Float, Float]]:
        for head in heads:
            told = [head.teachers.get(name, {}) for name in (first, second)]
            if all("quaternion" in t and "distrust" not in t for t in told):
                a, b = (from_quaternion(t["quaternion"]) for t in told)
                yield a, b

    return _agreement(pairs())


def _agreement(pairs: Iterable[tuple[Float | None, Float | None]]) -> dict[str, Any]:
    """Angles between pairs of rotations: over all, and by band of the |azimuth| of the first.

    offset_deg: rotation vector of the mean turn from the first to the second, head frame: what a zero that is off shows as.
    """
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    first, second = (np.reshape([pair[i] for pair in both], (-1, 3, 3)) for i in (0, 1))
    angle = np.degrees(geodesic_distance(first, second))
    found: dict[str, Any] = {"all": _quantiles(angle)}
    if len(both):
        turn = project_to_rotation((np.swapaxes(first, 1, 2) @ second).sum(axis=0))
        found["offset_deg"] = [round(float(v), 2) for v in np.degrees(rotation_vector(turn))]
    for name, (inside, _) in _banded(list(first)).items():
        found[name] = _quantiles(angle[inside])
    return found


def _banded(rotation: list[Float]) -> dict[str, tuple[Any, int]]:
    """Band → (which rotations are in it, how many)."""
    azimuth = azimuth_elevation_tilt(np.reshape(rotation, (-1, 3, 3)))[:, 0]
    return {name: (inside, int(inside.sum())) for name, inside in azimuth_bands(azimuth, BANDS_DEG).items()}


def _quantiles(values: Iterable[float] | Float) -> dict[str, Any]:
    found = np.array(list(values), dtype=np.float64)
    if not len(found):
        return {"n": 0}
    median, ninety = np.quantile(found, [0.5, 0.9])
    return {
        "n": len(found),
        "median": round(float(median), 2),
        "mean": round(float(found.mean()), 2),
        "p90": round(float(ninety), 2),
    }
