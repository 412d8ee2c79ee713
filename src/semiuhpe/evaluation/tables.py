"""Figures as text and as JSON: nested dicts of numbers in, lines out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from semiuhpe.files.atomic import json_text


def rows(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of every figure, nested names joined by spaces. An interval `[low, high]` is one value."""
    for key, value in figures.items():
        name = f"{prefix} {key}".strip()
        if isinstance(value, Mapping):
            yield from rows(value, name)
        else:
            yield name.replace("_", " "), text_of(value)


def text_of(value: Any) -> str:
    """One value as people read it: counts whole, other numbers to three decimals, – for what is not there."""
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text_of(v) for v in value) + "]"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if math.isfinite(value) else "–"


def text_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A plain table with one block a subset."""
    lines: list[str] = []
    for subset, figures in results.items():
        pairs = list(rows(figures))
        width = max(len(name) for name, _ in pairs)
        lines += [subset, *(f"  {name:<{width}}  {value}" for name, value in pairs), ""]
    return "\n".join(lines).rstrip()


def document_text(document: Mapping[str, Any]) -> str:
    """A document of figures as indented JSON; what is undefined is null."""
    return json_text(document, indent=1, ensure_ascii=False)
