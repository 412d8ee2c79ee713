"""What `semiuhpe predict` prints while it works: results on the standard output, all else on the other one."""

from __future__ import annotations

import sys

from tqdm import tqdm

from semiuhpe.prediction.reporting import Reporter


class TerminalReporter(Reporter):
    """Prints, without tearing the progress bar."""

    def note(self, text: str) -> None:
        """As of `Reporter`."""
        tqdm.write(f"semiuhpe: {text}", file=sys.stderr)

    def failure(self, text: str) -> None:
        """As of `Reporter`."""
        tqdm.write(f"semiuhpe: error: {text}", file=sys.stderr)

    def done(self, text: str) -> None:
        """As of `Reporter`."""
        tqdm.write(text, file=sys.stdout)
