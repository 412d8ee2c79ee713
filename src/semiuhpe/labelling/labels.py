"""What a labelled store keeps of each head: its label, the belief behind it, and where both come from.

Extras of a record:

- `belief`: nine numbers by rows, the matrix Fisher parameter of the label, camera←head; its mode is the rotation;
- `label_sigma_deg`: RMS angle of the label's error that this belief expects;
- `given_rotation`: nine numbers, the label that the committee's replaced;
- `labelling`: `by` ("committee", "given" or "nobody"), `reason` where the committee has no answer, else `quaternion` and `sigma_deg` of
  its answer, `disagreement_deg` (RMS angle of those who agree from it); and of each of the `teachers` the beginning of its
  file's `sha256`, whether it is `used`, else its `distrust`, its `quaternion`, `sigma_deg` (stated by itself, else null),
  `spread_deg` over the views and `from_answer_deg`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from semiuhpe.geometry.rotation import Float, geodesic_distance, to_quaternion
from semiuhpe.heads.record import LABEL_BELIEF, LABEL_SIGMA, HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.labelling.committee import Verdict
from semiuhpe.labelling.opinion import Opinion
from semiuhpe.labelling.teachers import Teacher
from semiuhpe.poses.uncertainty import expected_error_deg

Given = Literal["keep", "replace"]
"""What becomes of a label that the store has: it stays, or the committee's answer takes its place."""

GIVEN, LABELLING = "given_rotation", "labelling"
COMMITTEE, KEPT, NOBODY = "committee", "given", "nobody"
DAMAGED = "picture damaged"


def labelled(
    record: HeadRecord, verdict: Verdict, provenance: dict[str, Any], *, given: Given, val: float
) -> HeadRecord:
    """The record as the new store has it. Heads of the split test keep the label that they have, whatever `given` says.

    A head that has no label becomes `unlabelled` if it was to be trained on or chosen with; one that gets its first
    becomes `train`, or, for the share `val` of subjects (or photos, where nobody knows who it is), `val`.
    """
    known = record.rotation
    if known is not None and (given == "keep" or record.split == "test"):
        return dataclasses.replace(record, extras={**record.extras, LABELLING: {**provenance, "by": KEPT}})
    extras = {key: value for key, value in record.extras.items() if key not in (LABEL_BELIEF, LABEL_SIGMA)}
    if known is not None:
        extras[GIVEN] = _numbers(known)
    if verdict.parameter is None:
        split = record.split if record.split == "test" else "unlabelled"
        extras[LABELLING] = {**provenance, "by": NOBODY}
        return dataclasses.replace(record, rotation=None, split=split, extras=extras)
    split = record.split if record.split != "unlabelled" else split_by_subject(_who(record), val=val)
    extras |= {
        LABEL_BELIEF: _numbers(verdict.parameter),
        LABEL_SIGMA: float(expected_error_deg(verdict.parameter, overreg=1.0)),
        LABELLING: {**provenance, "by": COMMITTEE},
    }
    return dataclasses.replace(record, rotation=verdict.rotation, split=split, extras=extras)


def _who(record: HeadRecord) -> str:
    """The subject, or the photo: heads of one photo are `FILE`, `FILE#1`, …"""
    return record.subject or re.sub(r"#\d+$", "", record.id)


def provenance_of(
    teachers: Sequence[Teacher], opinions: Sequence[Opinion], verdict: Verdict, head: int
) -> dict[str, Any]:
    """The extras `labelling` of one head, without `by`."""
    answer = verdict.rotation
    told: dict[str, dict[str, Any]] = {}
    apart: list[float] = []
    for place, (member, opinion) in enumerate(zip(teachers, opinions, strict=True)):
        told[member.name] = teacher = {"sha256": member.fingerprint, "used": False}
        if verdict.distrust[place]:
            teacher["distrust"] = verdict.distrust[place]
        if not opinion.found[head]:
            continue
        used = answer is not None and verdict.agree[place]
        teacher |= {
            "used": used,
            "quaternion": _quaternion(opinion.rotation[head]),
            "sigma_deg": _rounded(opinion.own_deg[head]),
            "spread_deg": _rounded(opinion.spread_deg[head]),
        }
        if answer is not None:
            distance = float(np.degrees(geodesic_distance(opinion.rotation[head], answer)))
            teacher["from_answer_deg"] = _rounded(distance)
            apart += [distance] if used else []
    if verdict.parameter is None or answer is None:
        return {"reason": verdict.reason, "teachers": told}
    return {
        "quaternion": _quaternion(answer),
        "sigma_deg": _rounded(float(expected_error_deg(verdict.parameter, overreg=1.0))),
        "disagreement_deg": _rounded(float(np.sqrt(np.mean(np.square(apart))))) if len(apart) > 1 else None,
        "teachers": told,
    }


def _numbers(matrix: Float) -> list[float]:
    return [float(value) for value in matrix.ravel()]


def _quaternion(rotation: Float) -> list[float]:
    """x, y, z, w to a hundredth of a degree: what is kept to look at, not to compute labels from."""
    return [round(float(value), 5) for value in to_quaternion(rotation)]


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
