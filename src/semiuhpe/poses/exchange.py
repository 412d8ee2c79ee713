"""Heads as tables: columns, CSV text, pandas, Parquet; and back from CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.geometry.euler import CONVENTIONS

PLAIN = (
    "detection_score",
    "azimuth_deg",
    "elevation_deg",
    "tilt_deg",
    "expected_error_deg",
    "error_90_deg",
    "entropy",
)
_BATCH = 1024
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""What begins a formula, and such texts behind apostrophes: so each cell stands for one text."""


def csv_columns(conventions: Sequence[str]) -> list[str]:
    """The columns of `HeadPoses.to_rows`. Raises InputError for an unknown convention."""
    unknown = [name for name in conventions if name not in CONVENTIONS]
    if unknown:
        raise InputError(f"unknown convention {unknown[0]!r}; choose from {', '.join(CONVENTIONS)}")
    euler = [f"{name}_{angle}_deg" for name in conventions for angle in ("pitch", "yaw", "roll")]
    return ["x1", "y1", "x2", "y2", *PLAIN, "qx", "qy", "qz", "qw", *euler]


def row_of(head: dict[str, Any]) -> dict[str, Any]:
    """One head of `HeadPoses.to_dict` as a flat row; `track_id` comes with it where the head has one."""
    row = {key: head[key] for key in PLAIN}
    row |= dict(zip(("x1", "y1", "x2", "y2"), head["box"], strict=True))
    row |= dict(zip(("qx", "qy", "qz", "qw"), head["quaternion_xyzw"], strict=True))
    for name, angles in head["euler_deg"].items():
        row |= {f"{name}_{angle}_deg": value for angle, value in angles.items()}
    if "track_id" in head:
        row["track_id"] = head["track_id"]
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


def heads_from_csv(text: str) -> list[dict[str, Any]]:
    """Heads as `HeadPoses.from_dict` reads them, from what `rows_to_csv` wrote. Raises InputError."""
    from semiuhpe.geometry.rotation import from_quaternion

    heads: list[dict[str, Any]] = []
    try:
        for row in csv.DictReader(io.StringIO(text)):
            head: dict[str, Any] = {key: float(row[key]) for key in PLAIN}
            head["box"] = [float(row[key]) for key in ("x1", "y1", "x2", "y2")]
            head["rotation"] = from_quaternion([float(row[key]) for key in ("qx", "qy", "qz", "qw")]).tolist()
            if row.get("track_id"):
                head["track_id"] = int(row["track_id"])
            heads.append(head)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a table as HeadPoses.to_csv writes it ({error!r})") from error
    return heads


def to_pandas(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """A pandas DataFrame of rows. Raises MissingExtraError without that package."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("to_pandas", "pandas") from error
    return pandas.DataFrame(list(rows), columns=list(columns))


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

    kinds = {"file": pa.string(), "frame": pa.int64(), "track_id": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    with pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append({name: row.get(name) for name in columns})
            if len(batch) == _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
