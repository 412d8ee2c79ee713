"""What the package's own log, `logging.getLogger("semiuhpe")`, says to those who run a command."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

LOGGER = logging.getLogger("semiuhpe")


class _OneLine(logging.Formatter):
    """A warning as the other messages of a command; where it came from is `--debug`'s affair."""

    def format(self, record: logging.LogRecord) -> str:
        return f"semiuhpe: {record.levelname.lower()}: {' '.join(record.getMessage().split())}"


@contextlib.contextmanager
def logging_to_terminal(debug: bool) -> Iterator[None]:
    """Warnings on the standard error output until the block ends; with `debug` everything, with times and tracebacks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if debug else _OneLine())
    level = LOGGER.level
    LOGGER.setLevel(logging.DEBUG if debug else logging.WARNING)
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
