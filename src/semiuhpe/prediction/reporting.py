"""What `predict` tells while it works; a command prints it, a program finds it in the log."""

from __future__ import annotations

import logging
import sys
from typing import Any

from tqdm import tqdm

_LOG = logging.getLogger(__name__)


def counted(number: int, noun: str) -> str:
    """`1 head`, `2 heads`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Reporter:
    """Tells by the package's log, with progress bars where the standard error output is a terminal."""

    def note(self, text: str) -> None:
        """Something that the user should know: which folder is written to, say."""
        _LOG.info("%s", text)

    def failure(self, text: str) -> None:
        """A source that failed, in one line; the others are done all the same."""
        _LOG.error("%s", text)

    def done(self, text: str) -> None:
        """What came of a source, or of all photos."""
        _LOG.info("%s", text)

    def bar(self, **settings: Any) -> tqdm[Any]:
        """A progress bar. settings: as of `tqdm`."""
        return tqdm(disable=not sys.stderr.isatty(), **settings)
