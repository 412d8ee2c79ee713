"""The ways to split annotated photos; a recipe names one, and imports nothing else of the data sets."""

from __future__ import annotations

from typing import Literal

SplitBy = Literal["content", "number", "number-groups"]
"""number: as the releases before content was compared did, which leaks; for comparing with their figures only.
number-groups: what weights of those releases may go on with. Nothing that number trains on is tested, and no group of
photos that show the same is in two splits."""
