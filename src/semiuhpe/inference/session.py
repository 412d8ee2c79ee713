"""How onnxruntime opens a network: settings and faults that all of them share."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from semiuhpe.errors import WeightsError


def session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """Options of a session. threads: within an operator, None = as many as there are cores."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # A memory plan is made for each shape of input anew, in blocks of its own: photos and batches come in many shapes.
    options.enable_mem_pattern = False
    # Idle threads would go on spinning after each picture and take the cores from the codecs of a video.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_on_cpu(
    model: bytes | str, origin: Path, threads: int | None, *, remedy: str = "export it again"
) -> onnxruntime.InferenceSession:
    """A session on the processor. model: content or path of an .onnx. Raises WeightsError, with the remedy, where
    onnxruntime cannot open it."""
    try:
        return onnxruntime.InferenceSession(model, session_options(threads), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base but this
        reason = " ".join(str(error).split())[:160]
        raise WeightsError(f"{origin}: onnxruntime cannot open it ({reason}); {remedy}") from error
