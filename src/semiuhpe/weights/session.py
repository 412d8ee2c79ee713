"""The one door to onnxruntime: it is imported here and nowhere else, and every network is opened here.

- onnxruntime ≥ 1.29 reports to its maker by default: a device number and an event database in the user's cache, and
  connections. That is off unless the user has set `ORT_DISABLE_TELEMETRY`, whatever its value.
- A file that would have other files read is refused before it is opened.
- Networks run on the device that was named, or there is an error.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_ASKED_FOR = _TELEMETRY in os.environ
os.environ.setdefault(_TELEMETRY, "1")  # read when the library is loaded

from semiuhpe.errors import DeviceError, WeightsError  # noqa: E402
from semiuhpe.weights.builds import ClashingBuildsError, clash, damaged, warn_of_clash  # noqa: E402
from semiuhpe.weights.devices import card_number, usable_threads  # noqa: E402
from semiuhpe.weights.external_data import refuse_external_data  # noqa: E402

try:
    import onnxruntime
    from onnxruntime import InferenceSession as InferenceSession
except ImportError as error:
    raise damaged() from error

_LOG = logging.getLogger(__name__)
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_MAX_BYTES = (1 << 31) - 1
"""The format itself holds no more in one file."""

if not _ASKED_FOR and hasattr(onnxruntime, "disable_telemetry_events"):
    onnxruntime.disable_telemetry_events()  # where it was imported before this package


def session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """Options of a session. threads: within an operator, at most as many as there are cores; None = as many."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # A memory plan is made for each shape of input anew, in blocks of its own: photos and batches come in many shapes.
    options.enable_mem_pattern = False
    # Idle threads would go on spinning after each picture and take the cores from the codecs of a video.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads is not None:
        options.intra_op_num_threads = usable_threads(threads)
    return options


def providers(device: str) -> list[Any]:
    """What onnxruntime calls a device. device: "auto" (CUDA where it is there), "cpu", "cuda" or "cuda:N".

    Raises DeviceError for any other name, and where CUDA is named and this onnxruntime has none: ClashingBuildsError
    where that is because several builds are installed.
    """
    card = card_number(device)
    there = _CUDA in onnxruntime.get_available_providers()
    if card is not None and not there:
        if remedy := clash():
            raise ClashingBuildsError(f"device {device!r} cannot be used: {remedy}")
        raise DeviceError(
            f"device {device!r} needs the package onnxruntime-gpu in place of onnxruntime, and a CUDA card; install it "
            "(docs/deployment.md, On a GPU), or choose device 'cpu'"
        )
    if device == "auto" and not there:
        warn_of_clash()
    if device == "cpu" or not there:
        return [_CPU]
    return [(_CUDA, {"device_id": card or 0}), _CPU]


def open_session(
    content: bytes, origin: Path, device: str, threads: int | None, *, remedy: str = "export it again"
) -> InferenceSession:
    """A network that runs on a device.

    content: of an .onnx file. origin: what errors name. threads: as of `session_options`. Raises WeightsError, with the
    remedy, for a file that keeps numbers elsewhere or that onnxruntime cannot open, and DeviceError for a device that is
    not there.
    """
    chosen = providers(device)
    refuse_external_data(content, origin)
    begin = time.perf_counter()
    try:
        session = InferenceSession(content, session_options(threads), providers=chosen)
    except Exception as error:  # onnxruntime's own exceptions share no base but this
        reason = " ".join(str(error).split())[:160]
        raise WeightsError(f"{origin}: onnxruntime cannot open it ({reason}); {remedy}") from error
    running = session.get_providers()
    if _CUDA not in running and card_number(device) is not None:  # it takes the processor where a library is missing
        raise DeviceError(
            f"device {device!r} cannot be used: onnxruntime finds no such card, or not the CUDA and cuDNN that it was "
            "built for; see its log on the standard error output, or choose device 'cpu'"
        )
    if len(chosen) > len(running):
        _LOG.warning("CUDA cannot be used here; %s runs on the processor", origin)
    _LOG.debug("opened %s on %s in %.2f s", origin, running[0], time.perf_counter() - begin)
    return session


def open_pose_session(content: bytes, origin: Path, device: str, threads: int | None) -> tuple[InferenceSession, int]:
    """As `open_session`, of a pose network, and the pixels a side of its crops. Raises WeightsError for any other."""
    session = open_session(content, origin, device, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    fits = len(inputs) == 1 and len(shape) == 4 and shape[3] == 3 and isinstance(shape[1], int) and shape[1] == shape[2]
    if not fits or inputs[0].type != "tensor(uint8)" or not outputs or outputs[0].shape[-1] != 9:
        raise WeightsError(
            f"{origin}: not a pose network (input (n, S, S, 3) uint8, output (n, 9)); export one with: semiuhpe export"
        )
    return session, int(shape[1])


def open_on_cpu(
    model: bytes | str, origin: Path, threads: int | None, *, remedy: str = "export it again"
) -> InferenceSession:
    """`open_session` on the processor. model: content or path of an .onnx."""
    content = model if isinstance(model, bytes) else read_network(Path(model), remedy=remedy)
    return open_session(content, origin, "cpu", threads, remedy=remedy)


def read_network(path: Path, *, remedy: str = "export it again") -> bytes:
    """The bytes of an .onnx file. Raises WeightsError where they cannot be had, or are more than one may have."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsError(f"{path}: larger than 2 GiB, which no .onnx is; {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
