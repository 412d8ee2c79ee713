"""Property tests here are the same at every run, and a busy machine does not fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("geometry", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("geometry")
