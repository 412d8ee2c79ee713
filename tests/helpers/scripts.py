"""Scripts of the repository that no package holds, as modules."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> ModuleType:
    """The module of a file such as `benchmarks/bulk.py`, loaded anew."""
    spec = spec_from_file_location(name.removesuffix(".py").replace("/", "_"), ROOT / name)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module
