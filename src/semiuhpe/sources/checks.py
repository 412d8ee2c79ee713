"""Options of importers that are out of their range are refused before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from semiuhpe.errors import SourceError


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise SourceError for a value that is none of the choices."""
    if value not in choices:
        raise SourceError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_share(name: str, value: float) -> None:
    """Raise SourceError for a number that is no share."""
    if not 0 <= value <= 1:
        raise SourceError(f"{name} is a share between 0 and 1, got {value}")
