"""Heads in other forms: dicts, CSV text, pandas, Parquet, `supervision`; and back. All of them follow from one table.

`FIELDS` says of each fact about a head what it is called in a dict, which columns of a table hold it and how many
decimals are written.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.euler import CONVENTIONS
from semiuhpe.geometry.rotation import from_quaternion, project_to_rotation

if TYPE_CHECKING:
    from semiuhpe.poses.head_poses import HeadPoses


@dataclass(frozen=True)
class Field:
    """One fact about each head.

    name: the attribute of `HeadPoses`. digits: decimals that are written. columns: of a table; none where a table does
    not have it. key: in a dict. shape: of one head's value. stored: an array of its own, not computed from others.
    """

    name: str
    digits: int
    columns: tuple[str, ...]
    key: str = ""
    shape: tuple[int, ...] = ()
    stored: bool = False

    @property
    def in_dict(self) -> str:
        """Its key in a dict."""
        return self.key or self.name

    def rounded(self, value: NDArray[np.float64]) -> Any:
        """One head's value as it is written: a float, or lists of floats of `shape`; never −0.0."""
        if value.ndim:
            return [self.rounded(part) for part in value]
        return round(float(value), self.digits) + 0.0


def _number(name: str, digits: int, *, stored: bool = False) -> Field:
    return Field(name, digits, (name,), stored=stored)


FIELDS = (
    Field("box", 2, ("x1", "y1", "x2", "y2"), shape=(4,), stored=True),
    _number("detection_score", 4, stored=True),
    Field("rotation", 6, (), shape=(3, 3), stored=True),
    _number("azimuth_deg", 2),
    _number("elevation_deg", 2),
    _number("tilt_deg", 2),
    _number("expected_error_deg", 2, stored=True),
    _number("error_90_deg", 2, stored=True),
    _number("entropy", 4, stored=True),
    Field("quaternion", 6, ("qx", "qy", "qz", "qw"), key="quaternion_xyzw", shape=(4,)),
)
"""In the order in which they are written. Then come the Euler angles that were asked for, and `track_id` where there is one."""

STORED = tuple(field for field in FIELDS if field.stored)
_TRACK, _EULER = "track_id", "euler_deg"
_EULER_ANGLES, _EULER_DIGITS = ("pitch", "yaw", "roll"), 2
_OF_SUPERVISION = {"box": "xyxy", "detection_score": "confidence"}
"""Fields for which `supervision.Detections` has a place of its own; the others are its data."""
_BATCH = 1024
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""What begins a formula, and such texts behind apostrophes: so each cell stands for one text."""


def to_dicts(heads: HeadPoses, conventions: Sequence[str]) -> list[dict[str, Any]]:
    """One JSON-ready dict for each head. Raises ConventionError."""
    values = {field: getattr(heads, field.name) for field in FIELDS}
    euler = {name: heads.euler(name) for name in conventions}
    dicts = []
    for i in range(len(heads)):
        head = {field.in_dict: field.rounded(value[i]) for field, value in values.items()}
        head[_EULER] = {name: _named_angles(angles[i]) for name, angles in euler.items()}
        if heads.track_id[i] >= 0:
            head[_TRACK] = int(heads.track_id[i])
        dicts.append(head)
    return dicts


def _named_angles(angles: NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(angle), _EULER_DIGITS) + 0.0 for name, angle in zip(_EULER_ANGLES, angles, strict=True)}


def arrays_of_dicts(heads: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The arrays of `HeadPoses` from what `to_dicts` wrote. Raises InputError for anything else."""
    try:
        arrays: dict[str, Any] = {
            field.name: np.reshape(
                np.array([head[field.in_dict] for head in heads], dtype=np.float64), (-1, *field.shape)
            )
            for field in STORED
        }
        arrays[_TRACK] = np.array([head.get(_TRACK, -1) for head in heads], dtype=np.int64)
        arrays["rotation"] = project_to_rotation(arrays["rotation"])  # rounded, it is none any more
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"not heads as HeadPoses.to_dict writes them ({error!r})") from error
    return arrays


def dicts_of_json(text: str) -> Any:
    """What `HeadPoses.to_json` wrote, for `arrays_of_dicts`. Raises InputError for what is no JSON."""
    try:
        return json_value(text)
    except ValueError as error:
        raise InputError(f"not JSON as HeadPoses.to_json writes it ({error})") from error


def csv_columns(conventions: Sequence[str]) -> list[str]:
    """The columns of `HeadPoses.to_rows`. Raises InputError for an unknown convention."""
    unknown = [name for name in conventions if name not in CONVENTIONS]
    if unknown:
        raise InputError(f"unknown convention {unknown[0]!r}; choose from {', '.join(CONVENTIONS)}")
    plain = [column for field in FIELDS for column in field.columns]
    return [*plain, *(_euler_column(name, angle) for name in conventions for angle in _EULER_ANGLES)]


def _euler_column(convention: str, angle: str) -> str:
    return f"{convention}_{angle}_deg"


def row_of(head: dict[str, Any]) -> dict[str, Any]:
    """One head of `HeadPoses.to_dict` as a flat row; `track_id` comes with it where the head has one."""
    row: dict[str, Any] = {}
    for field in FIELDS:
        if field.columns:
            value = head[field.in_dict]
            row |= dict(zip(field.columns, value if field.shape else [value], strict=True))
    for name, angles in head[_EULER].items():
        row |= {_euler_column(name, angle): value for angle, value in angles.items()}
    if _TRACK in head:
        row[_TRACK] = head[_TRACK]
    return row


def rows_to_csv(rows: Sequence[dict[str, Any]], conventions: Sequence[str], first: Sequence[str] = ()) -> str:
    """CSV text with the columns `first` and those of `csv_columns`."""
    buffer = io.StringIO()
    write_csv(buffer, rows, [*first, *csv_columns(conventions)])
    return buffer.getvalue()


def write_csv(file: Any, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Rows, one after the other, to an open text file, with a header."""
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that could be one has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def cell_text(cell: str) -> str:
    """The text that `safe_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def dicts_of_csv(text: str) -> dict[str | int | None, list[dict[str, Any]]]:
    """Heads for `arrays_of_dicts`, from a table with the columns of `csv_columns`, by the picture that they are of.

    That is the column `file`, or else the whole number in `frame`; None where the table has neither. Raises InputError.
    """
    pictures: dict[str | int | None, list[dict[str, Any]]] = {}
    try:
        for row in csv.DictReader(io.StringIO(text)):
            pictures.setdefault(_picture_of(row), []).append(_dict_of_row(row))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"not a table as HeadPoses.to_csv writes it ({error!r})") from error
    return pictures


def _picture_of(row: dict[str, str]) -> str | int | None:
    if "file" in row:
        return cell_text(row["file"])
    return int(row["frame"]) if "frame" in row else None


def _dict_of_row(row: dict[str, str]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    for field in FIELDS:
        if field.columns:
            numbers = [float(row[column]) for column in field.columns]
            head[field.in_dict] = numbers if field.shape else numbers[0]
    head["rotation"] = from_quaternion(head["quaternion_xyzw"]).tolist()
    if row.get(_TRACK):
        head[_TRACK] = int(row[_TRACK])
    return head


def of_one_picture(pictures: dict[str | int | None, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The heads of `dicts_of_csv` where they are of one picture. Raises InputError where they are of several."""
    if len(pictures) > 1:
        some = ", ".join(str(name) for name in list(pictures)[:3])
        raise InputError(
            f"the table holds heads of {len(pictures)} pictures ({some}, ...); read it with "
            "HeadPoses.from_csv_by_picture(text), which answers a dict"
        )
    return next(iter(pictures.values()), [])


def to_pandas(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """A pandas DataFrame of rows. Raises MissingExtraError without that package."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("to_pandas", "pandas") from error
    return pandas.DataFrame(list(rows), columns=list(columns))


def to_supervision(heads: HeadPoses) -> Any:
    """A `supervision.Detections`. Raises MissingExtraError without that package."""
    try:
        import supervision
    except ImportError as error:
        raise MissingExtraError("to_supervision", "tracking") from error
    own = {place: getattr(heads, name).astype(np.float32) for name, place in _OF_SUPERVISION.items()}
    data = {f.name: getattr(heads, f.name) for f in FIELDS if f.name not in _OF_SUPERVISION}
    ids = heads.track_id.copy() if (heads.track_id >= 0).any() else None
    return supervision.Detections(class_id=np.zeros(len(heads), int), tracker_id=ids, data=data, **own)


def arrays_of_supervision(detections: Any) -> dict[str, Any]:
    """The arrays of `HeadPoses` from `to_supervision`, also after trackers and filters. Raises InputError."""
    try:
        arrays = {
            field.name: np.asarray(
                getattr(detections, _OF_SUPERVISION[field.name])
                if field.name in _OF_SUPERVISION
                else detections.data[field.name],
                dtype=np.float64,
            )
            for field in STORED
        }
        ids = detections.tracker_id
        return arrays if ids is None else {**arrays, _TRACK: np.asarray(ids)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"not detections as HeadPoses.to_supervision makes them ({error!r})") from error


def check_parquet() -> None:
    """Raise MissingExtraError where Parquet cannot be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Parquet", "store") from error


def write_parquet(file: Any, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Rows as Parquet into an open binary file, a batch at a time, so that any number of them fits.

    Raises MissingExtraError without pyarrow.
    """
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"file": pa.string(), "head": pa.int64(), "frame": pa.int64(), _TRACK: pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    with pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append({name: row.get(name) for name in columns})
            if len(batch) == _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
