"""`python -m semiuhpe` is the command `semiuhpe`."""

from __future__ import annotations

import sys

from semiuhpe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
