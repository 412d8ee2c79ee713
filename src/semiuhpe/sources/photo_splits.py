"""Splits of whole photos by what they show: copies of a photo, and frames of one room, share a split.

Everything follows from the photos of the folder and their names alone; the same folder is split alike everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from semiuhpe.heads.appearance import CORE, SIDE, Appearances, Mask
from semiuhpe.heads.duplicates import Float32, details, find_twins, grouped, twins_within
from semiuhpe.heads.splits import share_of

SAME_ROOM = 0.5
"""Correlation of the details of two photos from which they show one room from one place. In SCUT-HEAD any value from 0.4
to 0.6 gives the same rooms."""

MAX_GROUP = 0.5
"""A group of more than this share of a split is trained on: a test that is mostly one room says little."""


def groups_by_content(photos: Appearances, *, same_room: float = SAME_ROOM) -> dict[str, str]:
    """Name of a photo → name of the first photo of its group: near-duplicates, and chains of frames of one room."""
    pairs = [(twin.first, twin.second) for twin in twins_within(photos)]
    alike = np.triu(detail_correlations(photos, photos) > same_room, 1)
    pairs += [(int(first), int(second)) for first, second in np.argwhere(alike)]
    return {name: photos.names[first] for name, first in zip(photos.names, grouped(len(photos), pairs), strict=True)}


def detail_correlations(photos: Appearances, others: Appearances) -> Float32:
    """Normalized correlation of the details of photos as they lie, n × m thumbnails → (n, m) float32."""
    return np.asarray(_normalized_details(photos) @ _normalized_details(others).T, np.float32)


def shown_in(photos: Appearances, others: Appearances) -> Mask:
    """Which photos show what one of the others shows: a copy of it, or its room. → (n,) bool"""
    shown: Mask = np.any(detail_correlations(photos, others) > SAME_ROOM, axis=1)
    return shown | np.isin(np.arange(len(photos)), [twin.first for twin in find_twins(photos, others)])


def _normalized_details(photos: Appearances) -> Float32:
    edge = (SIDE - CORE) // 2
    rows = [details(grey)[edge : edge + CORE, edge : edge + CORE].ravel() for grey in photos.grey]
    values = np.array(rows, np.float32).reshape(len(photos), CORE * CORE)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def split_groups(
    groups: Mapping[str, str], *, val: float, test: float, forced_test: Collection[str] = ()
) -> dict[str, str]:
    """Name → "train", "val" or "test", whole groups together.

    groups: name → group. val, test: shares of the names. Groups with a name of `forced_test` are test and count for its
    share; then groups come in the order of a hash of their names, and fill test, val and train in this order. One that does
    not fit any more, or is larger than `MAX_GROUP` of a split, goes to train.
    """
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    forced = {groups[name] for name in forced_test if name in groups}
    splits = {name: "test" for group in forced for name in members[group]}
    room = {"test": round(test * len(groups)) - len(splits), "val": round(val * len(groups))}
    largest = {"test": MAX_GROUP * test * len(groups), "val": MAX_GROUP * val * len(groups)}
    for group in sorted(members.keys() - forced, key=share_of):
        size = len(members[group])
        fits = (split for split in ("test", "val") if size <= room[split] and size <= max(1.0, largest[split]))
        chosen = next(fits, "train")
        if chosen != "train":
            room[chosen] -= size
        splits |= dict.fromkeys(members[group], chosen)
    return splits
