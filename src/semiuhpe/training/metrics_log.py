"""The metrics of a run: one JSON object per line, appended as it goes, cut back when a run resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semiuhpe.files.atomic import json_text, json_value, write_atomically

METRICS = "metrics.jsonl"


def append_metrics(path: Path, values: dict[str, Any]) -> None:
    """Add one line of JSON that every parser reads: a number that is not finite becomes null."""
    with path.open("a") as file:
        file.write(json_text(values) + "\n")


def drop_metrics_after(path: Path, step: int) -> None:
    """Forget the lines of steps that a resumed run will do again, and one that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json_value(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            continue
    write_atomically(path, "".join(f"{line}\n" for line in kept).encode())
