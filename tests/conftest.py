"""What every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime by themselves

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of its own for every test, the same at every run."""
    return np.random.default_rng(list(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, where there is one; tests that need it are skipped elsewhere."""
    root = Path(os.environ.get("SEMIUHPE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip("no real data here; set SEMIUHPE_DATA to run this test")
    return root


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """Training flushes denormal numbers to zero for its process; the tests after it must not inherit that."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
