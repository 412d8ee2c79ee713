"""What networks run on, whatever runs them: the names of devices, and how many threads of a processor."""

from __future__ import annotations

import os
import re

from semiuhpe.errors import DeviceError

DEVICES = "auto, cpu, cuda, or cuda:1 for the second card"


def card_number(device: str) -> int | None:
    """The CUDA card that a name asks for: 0 of "cuda", N of "cuda:N", None of "auto" and "cpu".

    Raises DeviceError for any other name.
    """
    if device in ("auto", "cpu"):
        return None
    named = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", device) if isinstance(device, str) else None
    if named is None:
        raise DeviceError(f"unknown device {device!r}; choose {DEVICES}")
    return int(named[1] or 0)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads(threads: int) -> int:
    """So many threads, but at most one per core: more of them wait for each other's core, and do not get done."""
    return min(threads, cores())
