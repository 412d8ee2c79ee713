"""How long a test may wait for what takes no time on an idle machine: longer where the machine is slow or busy."""

from __future__ import annotations

import os

SCALE = "SEMIUHPE_TEST_TIME_SCALE"
"""Environment variable: factor on every time limit of the tests, for machines on which the usual patience is not enough."""

PATIENCE = 4.0


def time_scale() -> float:
    """The factor that `SCALE` asks for; else 4, or twice the load of a core where that is more."""
    asked = os.environ.get(SCALE)
    if asked:
        return float(asked)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(PATIENCE, 2 * load / (os.cpu_count() or 1))


def within(seconds: float) -> float:
    """A time limit, seconds: `seconds` would do on an idle machine."""
    return seconds * time_scale()
