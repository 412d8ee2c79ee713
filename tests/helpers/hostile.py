"""The hostile files that `fuzz/` makes, and what reading one costs, for tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "fuzz"))

from bombs import bombs as bombs
from bombs import icon as icon
from bombs import scans as scans
from bombs import zero_png as zero_png


def forget_peak() -> None:
    """Let `peak` begin anew. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most memory that this process has had since, bytes. Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
