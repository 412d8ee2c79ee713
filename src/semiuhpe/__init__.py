"""Head pose of every head in a photo, over the full range of orientations.

The names below are the stable public API. They are loaded on first use, so that `import semiuhpe` costs
nothing, and none of them imports torch.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from semiuhpe._version import __version__ as __version__

if TYPE_CHECKING:
    from semiuhpe.detection.detector import HeadDetector
    from semiuhpe.detection.foreign import ForeignDetector
    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.poses.head_poses import HeadPoses

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "ForeignDetector": "semiuhpe.detection.foreign",
    "HeadDetector": "semiuhpe.detection.detector",
    "HeadPoseEstimator": "semiuhpe.estimator",
    "HeadPoses": "semiuhpe.poses.head_poses",
}

__all__ = ["ForeignDetector", "HeadDetector", "HeadPoseEstimator", "HeadPoses", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'semiuhpe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
