"""A benchmark's submission: poses of its test split into the file that it takes, or of its val split, and their score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiuhpe.evaluation import dad3dheads
from semiuhpe.evaluation.labels import choose
from semiuhpe.evaluation.predictions import PoseModel
from semiuhpe.evaluation.run import Progress, predict_heads
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.heads.store import HeadStore


@dataclass(frozen=True)
class Submission:
    """What was written.

    Attributes:
        path: the file.
        split: whose heads.
        heads: how many.
        score: `dad3dheads.score`, where asked for.
    """

    path: Path
    split: str
    heads: int
    score: dict[str, Any] | None = None


def submit_dad3dheads(
    model: PoseModel,
    store: Path,
    output: Path,
    *,
    score: bool = False,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Submission:
    """Write a submission to DAD-3DHeads; what `semiuhpe submit dad-3dheads` does.

    Args:
        model: of `models.open_model`, or a peer's.
        store: folder of the data set's heads.
        output: the .json.
        score: of the val split, whose labels are public, instead of the test split, and score it here.
        batch_size: crops in one pass of the model.
        progress: wraps the numbers of heads that are gone through.

    Returns:
        What was written, and its score.

    Raises:
        StoreError: a store without that split.
    """
    heads, split = HeadStore(store), "val" if score else "test"
    numbers: Iterable[int] = choose(heads, split, official=split)
    records = [heads.record(number) for number in numbers]
    poses = predict_heads(
        model, heads, numbers if progress is None else progress(numbers), batch_size=batch_size
    ).rotation
    content = dad3dheads.submission([dad3dheads.item_id(record) for record in records], poses)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, json_text(content).encode())
    if not score:
        return Submission(output, split, len(content))
    labels = {dad3dheads.item_id(record): record.rotation for record in records if record.rotation is not None}
    return Submission(output, split, len(content), dad3dheads.score(dad3dheads.read_submission(output), labels))
