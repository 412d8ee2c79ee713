"""The methods of `HeadPoses` that exchange heads with other tools: dicts, JSON, CSV, pandas, `supervision`; and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from semiuhpe.files.atomic import json_text
from semiuhpe.poses import exchange

if TYPE_CHECKING:
    from semiuhpe.poses.head_poses import HeadPoses

Heads = TypeVar("Heads", bound="ExchangeForms")

_DEFAULT_CONVENTIONS = ("300w-lp",)


class ExchangeForms:
    """What `HeadPoses` inherits: its forms outside of this package, each written and read by `exchange`."""

    if TYPE_CHECKING:  # the arrays are those of HeadPoses

        def __init__(self, **arrays: Any) -> None: ...

    def to_dict(self, conventions: Sequence[str] = _DEFAULT_CONVENTIONS) -> list[dict[str, Any]]:
        """One JSON-ready dict per head.

        Args:
            conventions: names of the Euler conventions to report.

        Returns:
            n dicts.
        """
        return exchange.to_dicts(cast("HeadPoses", self), conventions)

    @classmethod
    def from_dict(cls: type[Heads], heads: Sequence[dict[str, Any]]) -> Heads:
        """Inverse of `to_dict`, up to its rounding.

        Args:
            heads: n dicts.

        Returns:
            The heads.

        Raises:
            InputError: anything else.
        """
        return cls(**exchange.arrays_of_dicts(heads))

    def to_json(self, conventions: Sequence[str] = _DEFAULT_CONVENTIONS) -> str:
        """Write `to_dict` as JSON text.

        Args:
            conventions: names of the Euler conventions to report.

        Returns:
            The text.
        """
        return json_text(self.to_dict(conventions), indent=2)

    @classmethod
    def from_json(cls: type[Heads], text: str) -> Heads:
        """Inverse of `to_json`, up to its rounding.

        Args:
            text: JSON.

        Returns:
            The heads.

        Raises:
            InputError: anything else.
        """
        return cls.from_dict(exchange.dicts_of_json(text))

    def to_csv(self, conventions: Sequence[str] = _DEFAULT_CONVENTIONS) -> str:
        """Write a table with a header, one row per head; with a column track_id where any head is tracked.

        Args:
            conventions: names of the Euler conventions to report.

        Returns:
            The text of the table.
        """
        return exchange.rows_to_csv(self.to_rows(conventions), conventions, self._first_columns())

    @classmethod
    def from_csv(cls: type[Heads], text: str) -> Heads:
        """Inverse of `to_csv`, up to its rounding; also of a predictions.csv of one photo.

        Args:
            text: of the table.

        Returns:
            The heads.

        Raises:
            InputError: anything else, above all a table of several photos or frames: see `from_csv_by_picture`.
        """
        return cls.from_dict(exchange.of_one_picture(exchange.dicts_of_csv(text)))

    @classmethod
    def from_csv_by_picture(cls: type[Heads], text: str) -> dict[str | int | None, Heads]:
        """Read the heads of a predictions.csv or a video's heads.csv.

        Args:
            text: of the table.

        Returns:
            File name or number of the frame → its heads; the key is None for what `to_csv` wrote. Pictures without
            heads are not in such a table.

        Raises:
            InputError: anything else.
        """
        return {picture: cls.from_dict(heads) for picture, heads in exchange.dicts_of_csv(text).items()}

    def to_pandas(self, conventions: Sequence[str] = _DEFAULT_CONVENTIONS) -> Any:
        """Give `to_csv` as a pandas DataFrame.

        Args:
            conventions: names of the Euler conventions to report.

        Returns:
            A DataFrame, one row per head.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        columns = [*self._first_columns(), *exchange.csv_columns(conventions)]
        return exchange.to_pandas(self.to_rows(conventions), columns)

    def to_rows(self, conventions: Sequence[str] = _DEFAULT_CONVENTIONS) -> list[dict[str, Any]]:
        """One flat dict per head: the columns of `exchange.csv_columns` and, where a head is tracked, track_id.

        Args:
            conventions: names of the Euler conventions to report.

        Returns:
            n dicts.
        """
        return [exchange.row_of(head) for head in self.to_dict(conventions)]

    def _first_columns(self) -> list[str]:
        return ["track_id"] if (cast("HeadPoses", self).track_id >= 0).any() else []

    def to_supervision(self) -> Any:
        """Give a `supervision.Detections` with the angles in its data.

        Returns:
            The Detections, of n heads.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        return exchange.to_supervision(cast("HeadPoses", self))

    @classmethod
    def from_supervision(cls: type[Heads], detections: Any) -> Heads:
        """Inverse of `to_supervision`, also of what trackers and filters of `supervision` made of it.

        Args:
            detections: a `supervision.Detections`.

        Returns:
            The heads.

        Raises:
            InputError: detections that did not come from there.
        """
        return cls(**exchange.arrays_of_supervision(detections))
