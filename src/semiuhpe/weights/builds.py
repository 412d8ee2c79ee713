"""Builds of onnxruntime: packages of different names that write the same files, so that two of them spoil each other.

pip knows nothing of this: it installs `onnxruntime-gpu` over `onnxruntime`, which this package needs, and whichever came
last wins, file by file; uninstalling one takes files of the other along.
"""

from __future__ import annotations

import functools
import logging
from importlib import metadata

from semiuhpe.errors import DeviceError

_LOG = logging.getLogger(__name__)

BUILDS = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-qnn",
    "onnxruntime-migraphx", "onnxruntime-training",
)  # fmt: skip
GPU_BUILD = "onnxruntime-gpu"


class ClashingBuildsError(DeviceError):
    """Several builds of onnxruntime are installed over each other, and what is needed does not work."""


def installed_builds() -> dict[str, str]:
    """Versions of the builds that are installed, by name."""
    found = {}
    for name in BUILDS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def clash() -> str | None:
    """What to tell where several builds are installed, with the remedy; else None. One line."""
    found = installed_builds()
    if len(found) < 2:
        return None
    kept = GPU_BUILD if GPU_BUILD in found else next(name for name in found if name != "onnxruntime")
    others = [name for name in found if name != kept]
    return (
        f"{' and '.join(found)} are installed over each other, and only one can work; keep one: "
        f"pip uninstall --yes {' '.join(others)} && pip install --force-reinstall --no-deps {kept}=={found[kept]}"
    )


def damaged() -> DeviceError:
    """The error where onnxruntime cannot be imported, or only in part."""
    if remedy := clash():
        return ClashingBuildsError(remedy)
    name, version = next(iter(installed_builds().items()), ("onnxruntime", ""))
    pinned = f"{name}=={version}" if version else name
    return DeviceError(
        "onnxruntime cannot be imported, as after another build of it was uninstalled; "
        f"install it again: pip install --force-reinstall --no-deps {pinned}"
    )


@functools.cache
def warn_of_clash() -> None:
    """Say once what `clash` tells: the networks run, but not where one may have meant them to."""
    if remedy := clash():
        _LOG.warning("%s", remedy)
