"""A bulk run from its sources to its summary; which engine does the units is a function that it is given."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_text, json_value
from semiuhpe.files.locks import LOCK
from semiuhpe.poses.exchange import csv_columns
from semiuhpe.prediction.bulk.attempts import NOTES
from semiuhpe.prediction.bulk.plan import FILES_OF_A_UNIT, PLANS, Unit, extend_plan, waiting
from semiuhpe.prediction.bulk.storage import Place, place
from semiuhpe.prediction.bulk.worker import Settings
from semiuhpe.prediction.output_folder import OutputFolder, Say
from semiuhpe.prediction.run_settings import Start, check_same, verdict_on_settings
from semiuhpe.weights import embedded_detector, open_weights

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
    for folder in (output, output.at(NOTES), output.at(PLANS)):  # all units are done: no worker writes any more
        folder.remove_leftovers()
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
        check_same(output.url, _settings_of(output), now)
        return
    if _names(output):
        raise InputError(f"{output.url}: is not empty and holds no results of a bulk run; choose another --output")
    output.at(SETTINGS).write((json_text(now, indent=1) + "\n").encode())


def _settings_of(output: Place) -> dict[str, Any]:
    try:
        return dict(json_value(output.at(SETTINGS).read()))
    except (TypeError, ValueError) as error:
        raise InputError(f"{output.url}/{SETTINGS}: is malformed ({error}); choose another --output") from error


def _names(output: Place) -> list[str]:
    """What lies there, but for the lock of this run."""
    return [name for name in output.names() if name != LOCK]


def verdict_on_bulk(output: Place, settings: Mapping[str, Any]) -> str | None:
    """An `output_folder.Verdict` on a bulk run's results. settings: as `results_depend_on` tells them."""
    if output.at(SETTINGS).kind == "file":
        return verdict_on_settings(_settings_of(output), settings)
    return "holds something else" if _names(output) else ""


@contextlib.contextmanager
def bulk_output(url: str, settings: Settings, start: Start, say: Say) -> Iterator[Place]:
    """Where a run writes to: `url`, or the next number (see `output_folder`). On this machine it is held by a lock.

    say: tells the user which it is, and why. Object storage knows no locks: there it is the user who sees that no two runs write to one place.
    """
    given, wanted = place(url), results_depend_on(settings)
    if given.is_local:
        with OutputFolder(
            Path(given.path), start, lambda folder: verdict_on_bulk(place(str(folder)), wanted), say
        ) as folder:
            yield place(str(folder.path))
        return
    number, current = 1, given
    while start == "fresh" and (reason := verdict_on_bulk(current, wanted)):
        number += 1
        current = place(f"{given.url}-{number}")
        say(f"{given.url}/ {reason}; trying {current.url}/")
    yield current


def results_depend_on(settings: Settings) -> dict[str, Any]:
    """What must be equal for results to belong together; networks by their content. Raises WeightsError."""
    plain: dict[str, Any] = json.loads(json_text(dataclasses.asdict(settings)))
    kept = {key: value for key, value in plain.items() if key not in _NOT_IN_RESULTS}
    kept["weights_sha256"] = open_weights(settings.weights).sha256
    if not settings.crops:
        kept["detector_sha256"] = open_weights(embedded_detector(settings.detector)).sha256
    return kept
