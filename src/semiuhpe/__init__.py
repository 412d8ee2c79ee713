"""Head pose of every head in a photo, over the full range of orientations.

The names below are the stable public API. They are loaded on first use, so that `import semiuhpe` costs
nothing, and none of them imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from semiuhpe._version import __version__ as __version__

if TYPE_CHECKING:
    from semiuhpe.inference.detector import HeadDetector
    from semiuhpe.inference.estimator import HeadPoseEstimator
    from semiuhpe.inference.foreign_detector import ForeignDetector
    from semiuhpe.inference.results import HeadPoses

_HOMES = {
    "ForeignDetector": "semiuhpe.inference.foreign_detector",
    "HeadDetector": "semiuhpe.inference.detector",
    "HeadPoseEstimator": "semiuhpe.inference.estimator",
    "HeadPoses": "semiuhpe.inference.results",
}

__all__ = ["ForeignDetector", "HeadDetector", "HeadPoseEstimator", "HeadPoses", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'semiuhpe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
