"""A bulk run from its sources to its summary; which engine does the units is a function that it is given."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semiuhpe.bulk.attempts import NOTES
from semiuhpe.bulk.plan import FILES_OF_A_UNIT, PLANS, Unit, extend_plan, waiting
from semiuhpe.bulk.storage import Place
from semiuhpe.bulk.worker import Settings
from semiuhpe.files import json_text
from semiuhpe.inference.checks import InputError
from semiuhpe.inference.results import csv_columns
from semiuhpe.weights import open_weights

SETTINGS, SUMMARY = "settings.json", "summary.json"
_NOT_IN_RESULTS = ("device", "threads", "weights", "detector")
Engine = Callable[[Settings, Place, Sequence[Unit]], Iterable[dict[str, int]]]


def run_bulk(
    sources: Sequence[str],
    output: Place,
    settings: Settings,
    engine: Engine,
    *,
    column: str = "image",
    files: int = FILES_OF_A_UNIT,
    overwrite: bool = False,
    progress: Callable[[dict[str, int], int], None] | None = None,
) -> dict[str, int]:
    """Do what is not done yet. → units, inputs, heads and errors of this run, and units that earlier ones had done.

    column: of Parquet sources. files: loose pictures in a unit. progress: is told what each unit held, and how many units there are to do. Raises InputError where the output holds
    results of other settings.
    """
    csv_columns(settings.euler)
    _claim(output, settings, overwrite)
    units = extend_plan(output, sources, column, files)
    todo = waiting(units, output)
    total = {"units": 0, "inputs": 0, "heads": 0, "errors": 0, "earlier_units": len(units) - len(todo)}
    for done in engine(settings, output, todo) if todo else ():
        total["units"] += 1
        for name in ("inputs", "heads", "errors"):
            total[name] += done[name]
        if progress is not None:
            progress(done, len(todo))
    left = waiting(todo, output)
    if left:
        raise InputError(f"{output.url}: {len(left)} units are not done; start the same command again")
    output.at(SUMMARY).write((json_text(total) + "\n").encode())
    return total


def _claim(output: Place, settings: Settings, overwrite: bool) -> None:
    """Compare the settings with those of earlier results, or begin."""
    if overwrite:
        for name in output.names(recursive=True):
            if name in (SETTINGS, SUMMARY) or name.startswith((f"{PLANS}/", f"{NOTES}/", "part-")):
                output.at(name).delete()
    now = results_depend_on(settings)
    if output.at(SETTINGS).kind == "file":
        before = json.loads(output.at(SETTINGS).read())
        differing = sorted(key for key in {*now, *before} if now.get(key) != before.get(key))
        if differing:
            raise InputError(
                f"{output.url}: holds results of other settings ({', '.join(differing)}); --overwrite, or another --output"
            )
        return
    if output.names():
        raise InputError(f"{output.url}: is not empty and holds no results of a bulk run; choose another --output")
    output.at(SETTINGS).write((json_text(now, indent=1) + "\n").encode())


def results_depend_on(settings: Settings) -> dict[str, Any]:
    """What must be equal for results to belong together; networks by their content. Raises WeightsError."""
    plain: dict[str, Any] = json.loads(json_text(dataclasses.asdict(settings)))
    kept = {key: value for key, value in plain.items() if key not in _NOT_IN_RESULTS}
    kept["weights_sha256"] = open_weights(settings.weights).sha256
    if not settings.crops:
        name = "head_detector" if settings.detector == "default" else settings.detector
        kept["detector_sha256"] = open_weights(name).sha256
    return kept
