"""The folder that `semiuhpe predict` writes: safe under a kill, never over the photos themselves.

While a run lasts, `predictions.jsonl` grows by one line a picture, after its drawing is in place: the first line is
the settings, the others are entries. At the end `predictions.json` replaces it. A run that was cut short leaves the
journal, and the next one, told to resume, takes its entries over; one that would mix settings is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from semiuhpe.files import json_text, write_atomically
from semiuhpe.inference.checks import InputError

if TYPE_CHECKING:
    from semiuhpe.geometry.crop import Image

JOURNAL, RESULT, TABLE = "predictions.jsonl", "predictions.json", "predictions.csv"
PARQUET = "predictions.parquet"
FORMAT_VERSION = 1
FRAME = "rotation is camera<-head (3x3 rows), camera x right, y down, z into the scene; identity faces the camera"
Start = Literal["fresh", "resume", "overwrite"]

_LARGEST_JPEG = 65_000


class PredictionFolder:
    """One run's results. Use as a context manager; `add` pictures, then `finish`.

    settings: JSON-ready; what must be equal for results to belong together. start: "fresh" refuses to discard a run
    that was cut short, "resume" keeps what is done, "overwrite" does not. inputs: photos that no drawing may replace.

    Raises InputError where the folder cannot be used so.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], start: Start, inputs: Iterable[Path]) -> None:
        self.folder, self.settings = folder, settings
        self._journal = folder / JOURNAL
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        if start == "fresh" and self._journal.exists():
            raise InputError(
                f"{folder}: an earlier run was cut short; --resume goes on with it, --overwrite begins again"
            )
        earlier, entries = ({}, []) if start == "overwrite" else read_entries(folder)
        if start == "resume" and entries and earlier != settings:
            differing = sorted(k for k in {*earlier, *settings} if earlier.get(k) != settings.get(k))
            raise InputError(
                f"{folder}: holds results of other settings ({', '.join(differing)}); --overwrite, or another --output"
            )
        self.done = {e["file"]: e for e in entries if "error" not in e} if start == "resume" else {}
        here = folder.resolve()
        self._taken = {entry["drawing"].casefold() for entry in self.done.values() if "drawing" in entry}
        self._taken |= {path.name.casefold() for path in inputs if path.parent.resolve() == here}
        self._lines: Any = None

    def __enter__(self) -> PredictionFolder:
        head = {"format_version": FORMAT_VERSION, "settings": self.settings}
        try:
            self._replace(JOURNAL, "".join(json_text(line) + "\n" for line in [head, *self.done.values()]).encode())
            self._lines = self._journal.open("a", encoding="ascii")
        except OSError as error:
            raise self._unusable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def add(self, entry: dict[str, Any], drawing: Image | None = None) -> None:
        """Keep a picture's entry, its drawing first (under a name that nothing else has)."""
        try:
            if drawing is not None:
                name = self._free_name(Path(entry["file"]).stem, drawing)
                self._write_drawing(name, drawing)
                entry = {**{k: v for k, v in entry.items() if k != "heads"}, "drawing": name, "heads": entry["heads"]}
            self._lines.write(json_text(entry) + "\n")
            self._lines.flush()
        except OSError as error:
            raise self._unusable(error) from error
        self.done[entry["file"]] = entry

    def finish(
        self, order: Iterable[Path], header: dict[str, Any], euler: list[str], *, tables: Collection[str]
    ) -> None:
        """Write predictions.json (entries in `order`, then older ones) and tables, of "csv" and "parquet"."""
        from semiuhpe.inference.results import HeadPoses
        from semiuhpe.inference.tables import csv_columns, rows_to_csv, write_parquet

        first = {str(path): None for path in order}
        entries = [self.done[name] for name in [*first, *(name for name in self.done if name not in first)]]
        document = {
            "format_version": FORMAT_VERSION, **header, "frame": FRAME, "settings": self.settings, "images": entries,
        }  # fmt: skip
        try:
            self._replace(RESULT, (json_text(document, indent=1) + "\n").encode())
            if {"csv", "parquet"} & set(tables):
                rows = [
                    {"file": entry["file"], **row}
                    for entry in entries
                    for row in HeadPoses.from_dict(entry.get("heads", [])).to_rows(euler)
                ]
            if "csv" in tables:
                text = rows_to_csv(rows, euler, first=["file"])
                self._replace(TABLE, text.encode("utf-8", errors="surrogateescape"))
            if "parquet" in tables:
                temporary = self.folder / f".{PARQUET}.tmp"
                for row in rows:  # Parquet's text is UTF-8, which a file's name need not be
                    row["file"] = row["file"].encode("utf-8", errors="replace").decode()
                write_parquet(temporary, rows, ["file", *csv_columns(euler)])
                os.replace(temporary, self.folder / PARQUET)
            self._lines.close()
            self._journal.unlink()
        except OSError as error:
            raise self._unusable(error) from error

    def _free_name(self, stem: str, drawing: Image) -> str:
        suffix = ".png" if max(drawing.shape) > _LARGEST_JPEG else ".jpg"
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._taken.add(name.casefold())
        return name

    def _write_drawing(self, name: str, drawing: Image) -> None:
        from PIL import Image as Pillow

        temporary = self.folder / f".{name}.tmp"
        kind = "PNG" if name.endswith(".png") else "JPEG"
        Pillow.fromarray(drawing).save(temporary, format=kind, quality=92)
        os.replace(temporary, self.folder / name)

    def _replace(self, name: str, content: bytes) -> None:
        write_atomically(self.folder / name, content)

    def _unusable(self, error: OSError) -> InputError:
        return InputError(f"{self.folder}: cannot be written ({error.strerror or error}); choose another --output")


def read_entries(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settings and entries of an earlier run: its journal if it was cut short, else its result, else nothing.

    Raises InputError for files that no run of this version wrote.
    """
    journal, result = folder / JOURNAL, folder / RESULT
    try:
        if journal.exists():
            lines = journal.read_text(encoding="ascii").split("\n")[:-1]  # without the line that a kill cut short
            content = json.loads(lines[0]) if lines else {"settings": {}}
            return dict(content["settings"]), [json.loads(line) for line in lines[1:]]
        if result.exists():
            content = json.loads(result.read_text(encoding="ascii"))
            return dict(content.get("settings", {})), list(content["images"])
    except (AttributeError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: the earlier results are malformed ({error}); choose another --output") from error
    return {}, []


def earlier_drawings(folder: Path) -> set[Path]:
    """Resolved paths of what earlier runs drew into a folder: pictures that are no photos."""
    here = folder.resolve()
    try:
        entries = read_entries(folder)[1]
    except InputError:  # no matter for who overwrites them; who does not is told by `PredictionFolder`
        return set()
    return {here / entry["drawing"] for entry in entries if "drawing" in entry}
