"""Settings of an earlier run and of this one: results belong together only where they are equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from semiuhpe.errors import InputError

Start = Literal["fresh", "resume", "overwrite"]
"""How a run treats earlier results: there are none that matter, go on with them, or delete them."""


def differing(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the settings that are not equal, sorted."""
    return sorted(key for key in {*earlier, *now} if earlier.get(key) != now.get(key))


def verdict_on_settings(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """An `output_folder.Verdict`: None where results of the two belong together, else why not."""
    names = differing(earlier, now)
    return f"holds results of other settings ({', '.join(names)})" if names else None


def check_same(where: object, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError where results of other settings would be mixed. where: the folder, for the message."""
    if reason := verdict_on_settings(earlier, now):
        raise InputError(f"{where}: {reason}; --overwrite, or another --output")
