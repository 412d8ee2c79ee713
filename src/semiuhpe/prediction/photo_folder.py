"""The folder that `semiuhpe predict` writes: safe under a kill, never over the photos themselves or other files.

While a run lasts, `predictions.jsonl` is its journal: the first line is the settings, then comes one per picture. A
drawing is written under a temporary name, then its line, then the crops of its heads, then it gets its name: so no
drawing or crop ever lies there that no line tells of, and a line of which one is missing is a picture to do again. At the
end `predictions.json` takes the journal's place. A run that goes on does again what failed, and what has changed since.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_text, json_value, remove_leftovers, replacing, write_atomically
from semiuhpe.files.journal import Journal, line_of, lines_of
from semiuhpe.files.names import safe_name
from semiuhpe.images.urls import Photo
from semiuhpe.prediction.head_crops import CROPS, crops_of, delete_crops, with_crops, write_crops
from semiuhpe.prediction.run_settings import Start, check_same, verdict_on_settings

if TYPE_CHECKING:
    from semiuhpe.geometry.crop import Image

JOURNAL, RESULT, TABLE = "predictions.jsonl", "predictions.json", "predictions.csv"
PARQUET = "predictions.parquet"
FORMAT_VERSION = 1
FRAME = "rotation is camera<-head (3x3 rows), camera x right, y down, z into the scene; identity faces the camera"

_LARGEST_JPEG = 65_000


class PredictionFolder:
    """One run's results. Use as a context manager; `add` pictures, then `finish`.

    settings: JSON-ready; what must be equal for results to belong together. start: "resume" keeps what is done,
    "overwrite" deletes it with its drawings, "fresh" refuses to. inputs: photos, which no drawing may replace. Nobody
    else may be writing to the folder (`locks.FolderLock`).

    Raises InputError where the folder cannot be used so.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], start: Start, inputs: Collection[Photo]) -> None:
        self.folder, self.settings = folder, settings
        self._journal = folder / JOURNAL
        names = [str(photo) for photo in inputs]
        files = [photo for photo in inputs if isinstance(photo, Path)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if start == "fresh" and holds_predictions(folder):
                raise InputError(
                    f"{folder}: holds results of an earlier run; --resume goes on with it, --overwrite begins again"
                )
            if start == "overwrite":
                self._delete_earlier(files)
            earlier, entries = read_entries(folder)
            if entries:
                check_same(folder, earlier, settings)
            self.done = {e["file"]: e for e in entries if "error" not in e}
            self._forget_stale(set(names))
            self._taken = {name.casefold() for name in os.listdir(folder)}
            self._taken_crops = self._look_at_crops()
        except OSError as error:
            raise self._unusable(error) from error
        self._taken |= {entry["drawing"].casefold() for entry in self.done.values() if "drawing" in entry}
        here = folder.resolve()
        self._taken |= {path.name.casefold() for path in files if path.parent.resolve() == here}
        self._lines: Any = None

    def __enter__(self) -> PredictionFolder:
        head = {"format_version": FORMAT_VERSION, "settings": self.settings}
        try:
            write_atomically(self._journal, b"".join(line_of(line) for line in [head, *self.done.values()]))
            self._lines = Journal(self._journal)
        except OSError as error:
            raise self._unusable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def add(self, entry: dict[str, Any], drawing: Image | None = None, crops: Sequence[Image] = ()) -> None:
        """Keep a picture's entry, its drawing and the crops of its heads (under names that nothing else has)."""
        stem = safe_name(Path(entry["file"]).stem)
        try:
            if drawing is None:
                entry = self._add_with_crops(entry, stem, crops)
            else:
                name = self._free_name(stem, drawing)
                entry = {**{k: v for k, v in entry.items() if k != "heads"}, "drawing": name, "heads": entry["heads"]}
                with replacing(self.folder / name) as file:
                    _encode(drawing, name, file)
                    entry = self._add_with_crops(entry, Path(name).stem, crops)
        except OSError as error:
            raise self._unusable(error) from error
        self.done[entry["file"]] = entry

    def _add_with_crops(self, entry: dict[str, Any], stem: str, crops: Sequence[Image]) -> dict[str, Any]:
        """The line, then the crops that it tells of."""
        names = self._free_crop_names(stem, len(crops))
        if names:
            entry = {**entry, "heads": with_crops(entry["heads"], names)}
        self._lines.add(entry)
        write_crops(self.folder, dict(zip(names, crops, strict=True)))
        return entry

    def finish(
        self, order: Iterable[Photo], header: dict[str, Any], euler: list[str], *, tables: Collection[str]
    ) -> None:
        """Write predictions.json (entries in `order`, then older ones) and tables, of "csv" and "parquet".

        A table that an earlier run has left is written again too, so that all of them tell the same.
        """
        first = {str(photo): None for photo in order}
        entries = [self.done[name] for name in [*first, *(name for name in self.done if name not in first)]]
        document = {
            "format_version": FORMAT_VERSION,
            **header,
            "frame": FRAME,
            "settings": self.settings,
            "images": entries,
        }
        try:
            write_atomically(self.folder / RESULT, (json_text(document, indent=1) + "\n").encode())
            self._write_tables(entries, euler, tables)
            self._lines.close()
            self._journal.unlink()
        except OSError as error:
            raise self._unusable(error) from error

    def _write_tables(self, entries: list[dict[str, Any]], euler: list[str], tables: Collection[str]) -> None:
        from semiuhpe.poses.exchange import csv_columns, rows_to_csv, write_parquet
        from semiuhpe.poses.head_poses import HeadPoses

        csv = "csv" in tables or (self.folder / TABLE).exists()
        parquet = "parquet" in tables or (self.folder / PARQUET).exists()
        if not csv and not parquet:
            return
        rows = [
            {"file": entry["file"], "head": number, **row}
            for entry in entries
            for number, row in enumerate(HeadPoses.from_dict(entry.get("heads", [])).to_rows(euler), 1)
        ]
        if csv:
            text = rows_to_csv(rows, euler, first=["file", "head"])
            write_atomically(self.folder / TABLE, text.encode("utf-8", errors="surrogateescape"))
        if parquet:
            for row in rows:  # Parquet's text is UTF-8, which a file's name need not be
                row["file"] = row["file"].encode("utf-8", errors="replace").decode()
            with replacing(self.folder / PARQUET) as file:
                write_parquet(file, rows, ["file", "head", *csv_columns(euler)])

    def _forget_stale(self, inputs: Collection[str]) -> None:
        """Inputs that have changed since, or whose drawing is missing, are to be done anew."""
        for name, entry in list(self.done.items()):
            drawing = self.folder / entry["drawing"] if "drawing" in entry else None
            drawn = drawing is None or _is_whole(drawing)
            cut = all(_is_whole(self.folder / crop) for crop in crops_of(entry))
            if name in inputs and not (drawn and cut and _is_unchanged(entry)):
                del self.done[name]
                delete_crops(self.folder, crops_of(entry))
                if drawing is not None:
                    drawing.unlink(missing_ok=True)
                continue
            if not drawn:
                del entry["drawing"]
            if not cut:
                entry["heads"] = [{k: v for k, v in head.items() if k != "crop"} for head in entry["heads"]]

    def _delete_earlier(self, inputs: Iterable[Path]) -> None:
        """Earlier drawings first: whoever kills this leaves tables that name what is missing, not pictures without tables."""
        photos = {path.resolve() for path in inputs}
        for picture in earlier_pictures(self.folder) - photos:
            picture.unlink(missing_ok=True)
        delete_crops(self.folder, ())
        for name in (TABLE, PARQUET, RESULT, JOURNAL):
            (self.folder / name).unlink(missing_ok=True)

    def _free_name(self, stem: str, drawing: Image) -> str:
        suffix = ".png" if max(drawing.shape) > _LARGEST_JPEG else ".jpg"
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._taken.add(name.casefold())
        return name

    def _look_at_crops(self) -> set[str]:
        """Names of crops that are taken, after what a killed run left is deleted."""
        if not (self.folder / CROPS).is_dir():
            return set()
        remove_leftovers(self.folder / CROPS)
        return {name.casefold() for name in os.listdir(self.folder / CROPS)}

    def _free_crop_names(self, stem: str, count: int) -> list[str]:
        """Names in the folder of crops for the heads of a photo, by their numbers."""
        heads, number, free = range(1, count + 1), 1, stem
        while not self._taken_crops.isdisjoint(f"{free}_{head}.jpg".casefold() for head in heads):
            number += 1
            free = f"{stem}_{number}"
        names = [f"{free}_{head}.jpg" for head in heads]
        self._taken_crops |= {name.casefold() for name in names}
        return [f"{CROPS}/{name}" for name in names]

    def _unusable(self, error: OSError) -> InputError:
        return InputError(f"{self.folder}: cannot be written ({error.strerror or error}); choose another --output")


def _encode(drawing: Image, name: str, file: Any) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(drawing).save(file, format="PNG" if name.endswith(".png") else "JPEG", quality=92)


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def identity_of(photo: Path) -> dict[str, int]:
    """Size and time of a photo, which tell whether it has changed; empty where it cannot be looked at."""
    try:
        status = photo.stat()
    except (OSError, ValueError):
        return {}
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _is_unchanged(entry: dict[str, Any]) -> bool:
    return all(entry.get(key, value) == value for key, value in identity_of(Path(entry["file"])).items())


def holds_predictions(folder: Path) -> bool:
    """Whether a folder holds anything that a run over photos would replace."""
    return any(os.path.lexists(folder / name) for name in (JOURNAL, RESULT, TABLE, PARQUET))


def verdict_on_predictions(folder: Path, settings: dict[str, Any]) -> str | None:
    """An `output_folder.Verdict` on the photos' results that a folder holds."""
    if not holds_predictions(folder):
        return ""
    try:
        earlier, entries = read_entries(folder)
    except InputError:
        return "holds results that cannot be read"
    return verdict_on_settings(earlier, settings) if entries or earlier else "holds results of another run"


def read_entries(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settings and entries of an earlier run: its journal if it was cut short, else its result, else nothing.

    Raises InputError for files that no run of this version wrote.
    """
    journal, result = folder / JOURNAL, folder / RESULT
    try:
        if journal.exists():
            head, *entries = lines_of(journal.read_bytes()) or [{"settings": {}}]
        elif result.exists():
            head = json_value(result.read_text(encoding="ascii"))
            entries = head["images"]
        else:
            return {}, []
        if any(Path(e.get("drawing", "")).name != e.get("drawing", "") or not e["file"] for e in entries):
            raise ValueError("a drawing outside of the folder, or a picture without a name")
        for entry in entries:
            crops_of(entry)
        return dict(head.get("settings", {})), list(entries)
    except (AttributeError, OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: the earlier results are malformed ({error}); choose another --output") from error


def earlier_pictures(folder: Path) -> set[Path]:
    """Paths, in the resolved folder, of what earlier runs drew or cut out there: pictures that are no photos."""
    here = folder.resolve()
    try:
        entries = read_entries(folder)[1]
    except InputError:  # no matter for who overwrites them; who does not is told by `PredictionFolder`
        return set()
    drawings = {here / entry["drawing"] for entry in entries if "drawing" in entry}
    return drawings | {here / crop for entry in entries for crop in crops_of(entry)}
