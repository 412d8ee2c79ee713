"""What is wrong in the settings of a detector, one at a time."""

from __future__ import annotations

from semiuhpe.errors import InputError


def check_settings(
    *, score_threshold: float | None, overlap_threshold: float, side: int | None, threads: int | None, side_name: str
) -> None:
    """Raises InputError that names the one setting that is out of its range. side_name: what the caller calls `side`."""
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise InputError(f"the detection score to begin at is between 0 and 1, got {score_threshold:g}")
    if not 0 < overlap_threshold <= 1:
        raise InputError(f"overlap_threshold is between 0 and 1, got {overlap_threshold:g}")
    if side is not None and side < 64:
        raise InputError(f"{side_name} is at least 64 pixels, got {side}")
    if threads is not None and threads < 1:
        raise InputError(f"threads: at least 1 is needed, got {threads}")
