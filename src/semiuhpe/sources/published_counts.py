"""How many heads an import is expected to find: what was published, or counted in the release.

A difference is news, not an error: releases change, pictures get lost, and filters may be meant otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from semiuhpe.heads.record import HeadRecord

ALL = "all"


@dataclass(frozen=True)
class Published:
    """Expected counts of one import.

    counts: by part; a part is `ALL`, or what a head's extra `part` (or `official_split`) says, or its split where it has
    no such extra. options: the importer's options that differ from their defaults when these counts hold.
    """

    counts: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "300w-lp": (Published({ALL: 122_450}),),
    "aflw2000": (Published({ALL: 2_000}),),
    "aflw": (Published({ALL: 22_246}),),
    "dad-3dheads": (Published({"train": 37_840, "val": 4_312, "test": 2_746}),),
    "cocohead": (Published({"train": 71_115, "val": 3_013, ALL: 74_128}),),
    "crowdhuman": (Published({ALL: 164_870}),),
    "openimages": (Published({ALL: 165_797}), Published({ALL: 117_053}, {"min_side": 60.0})),
    "wildhead": (Published({"hp": 74_128, "ch": 163_291, "oi": 165_797, ALL: 403_216}),),
    "widerface": (Published({ALL: 62_100}),),
    "mtfl": (Published({ALL: 5_921}),),
    "pointing04": (Published({ALL: 1_488}),),
    "wild-directions": (Published({ALL: 93}),),
    "wild-val": (Published({ALL: 84}),),
    "aflw2000-subset": (Published({ALL: 100}),),
}
"""Name of a source → its counts."""


def differences(name: str, options: Mapping[str, Any], records: Iterable[HeadRecord]) -> list[str]:
    """One line for every part whose count is not the published one, and none where nothing is known.

    name: of the source. options: those that differ from the importer's defaults. records: all heads of the store.
    """
    known = next((p for p in PUBLISHED.get(name, ()) if dict(p.options) == dict(options)), None)
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
