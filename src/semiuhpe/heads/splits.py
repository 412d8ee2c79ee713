"""Splits: of people, drawn from a hash of the subject so that who else is in the data set changes nothing; and the
published split of a data set into heads whose labels are used and heads whose labels are not.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from semiuhpe.heads.record import HeadRecord

SS_SEED = 666
"""The seed of the published split."""


def share_of(subject: str, seed: str = "") -> float:
    """A number in [0, 1) that belongs to the subject; `seed` draws other numbers."""
    digest = hashlib.sha256(f"{seed}\0{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_by_subject(subject: str, *, val: float = 0.1, test: float = 0.0, seed: str = "") -> str:
    """ "train", "val" or "test" for a subject; `val` and `test` are the expected shares of subjects.

    Raises ValueError for shares that are negative or exceed 1 together.
    """
    if val < 0 or test < 0 or val + test > 1:
        raise ValueError(f"val and test must be shares that add up to at most 1, got {val} and {test}")
    share = share_of(subject, seed)
    if share < test:
        return "test"
    return "val" if share < test + val else "train"


def ss_ratio_split(names: Sequence[str], ratio: float) -> set[str]:
    """The names of one sub-folder whose labels are used: sorted, their indices shuffled by Python's `random` with the
    published seed, the first int(n·ratio) of them. Raises ValueError unless 0 ≤ ratio ≤ 1.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"ss_ratio is a share between 0 and 1, got {ratio}")
    ordered = sorted(names)
    indices = list(range(len(ordered)))
    random.Random(SS_SEED).shuffle(indices)
    return {ordered[index] for index in indices[: int(len(ordered) * ratio)]}


def with_labels(records: Iterable[HeadRecord], ratio: float) -> NDArray[np.bool_]:
    """Which heads belong to the share `ratio` whose labels are used, split as published. n records → (n,) bool.

    Each sub-folder (extras `folder`) is split by itself, by names (extras `name`, else the id); a mirrored copy has the
    name of its original and goes with it. Counted are the heads that can be trained on or chosen with: train and val splits, with a rotation;
    all others are False. A validation split is thus cut out of both parts, and who belongs to which part stays as published.
    """
    rows = list(records)
    keys = [(r.source, str(r.extras.get("folder", "")), str(r.extras.get("name", r.id))) for r in rows]
    counted = [r.rotation is not None and r.split in ("train", "val") for r in rows]
    names: dict[tuple[str, str], set[str]] = {}
    for (source, folder, name), count in zip(keys, counted, strict=True):
        if count:
            names.setdefault((source, folder), set()).add(name)
    chosen = {group: ss_ratio_split(sorted(members), ratio) for group, members in names.items()}
    return np.array(
        [count and name in chosen[source, folder] for (source, folder, name), count in zip(keys, counted, strict=True)],
        dtype=np.bool_,
    )
