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
    from semiuhpe.errors import (
        DeviceError,
        ImageError,
        InputError,
        MissingExtraError,
        SemiUHPEError,
        VideoError,
        WeightsError,
    )
    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.images.load import load_image
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.prediction.options import PredictOptions
    from semiuhpe.prediction.run import PredictResult, predict
    from semiuhpe.tracking.stream import Frame

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "DeviceError": "semiuhpe.errors",
    "ForeignDetector": "semiuhpe.detection.foreign",
    "Frame": "semiuhpe.tracking.stream",
    "HeadDetector": "semiuhpe.detection.detector",
    "HeadPoseEstimator": "semiuhpe.estimator",
    "HeadPoses": "semiuhpe.poses.head_poses",
    "ImageError": "semiuhpe.errors",
    "InputError": "semiuhpe.errors",
    "MissingExtraError": "semiuhpe.errors",
    "PredictOptions": "semiuhpe.prediction.options",
    "PredictResult": "semiuhpe.prediction.run",
    "SemiUHPEError": "semiuhpe.errors",
    "VideoError": "semiuhpe.errors",
    "WeightsError": "semiuhpe.errors",
    "load_image": "semiuhpe.images.load",
    "predict": "semiuhpe.prediction.run",
}

__all__ = [
    "DeviceError", "ForeignDetector", "Frame", "HeadDetector", "HeadPoseEstimator", "HeadPoses", "ImageError",
    "InputError", "MissingExtraError", "PredictOptions", "PredictResult", "SemiUHPEError", "VideoError", "WeightsError",
    "__version__", "load_image", "predict",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'semiuhpe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
