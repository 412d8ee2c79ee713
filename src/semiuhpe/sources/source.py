"""What is known of a data set beside its files: its name, its importer, its terms, whom to cite, how many heads to expect.

A count that differs is news, not an error: releases change, pictures get lost, and filters may be meant otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from semiuhpe.heads.record import HeadRecord
from semiuhpe.sources.importing import ImportReport

ALL = "all"


@dataclass(frozen=True)
class Published:
    """Expected counts of one import.

    counts: by part; a part is `ALL`, or what a head's extra `part` (or `official_split`) says, or its split where it has
    no such extra. options: the importer's options that differ from their defaults when these counts hold.
    """

    counts: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One data set that `semiuhpe prepare` imports.

    name: as the command knows it. importer: (folder, store, *, option=default, ...). licence: its terms in a few words; the
    data set's own page has the last word. citation: the publication to cite, "" where there is none. published: counts.
    """

    name: str
    importer: Callable[..., ImportReport]
    licence: str
    citation: str = ""
    published: tuple[Published, ...] = ()

    @property
    def summary(self) -> str:
        """What the importer says of itself, in one line without a full stop."""
        return (self.importer.__doc__ or "").strip().split("\n")[0].rstrip(".")


def differences(source: Source, options: Mapping[str, Any], records: Iterable[HeadRecord]) -> list[str]:
    """One line for every part whose count is not the published one, and none where nothing is known.

    source: the data set. options: those that differ from the importer's defaults. records: all heads of the store.
    """
    known = next((p for p in source.published if dict(p.options) == dict(options)), None)
    if known is None:
        return []
    found = dict.fromkeys(known.counts, 0)
    for record in records:
        extras = record.extras
        part = str(extras.get("part") or extras.get("official_split") or record.split)
        for counted in found.keys() & {ALL, part}:
            found[counted] += 1
    return [
        f"{part}: {found[part]:,} heads, {count:,} expected ({found[part] - count:+,})"
        for part, count in known.counts.items()
        if found[part] != count
    ]
