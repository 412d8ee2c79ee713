"""Settings of onnxruntime that all networks share."""

from __future__ import annotations

import onnxruntime


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
