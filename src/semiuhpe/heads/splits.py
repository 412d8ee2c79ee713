"""Splits drawn from a hash of the subject: who else is in the data set, and in which order, changes nothing."""

from __future__ import annotations

import hashlib


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
