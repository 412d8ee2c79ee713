"""A deployed graph in 8-bit integers: static quantisation, one scale for each output channel of a weight.

Convolutions and matrix products are quantised, where all the work is. Normalisation and the head's layers stay in
single precision: they are cheap, and the pose is read off their last digits.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

# Before anything of onnxruntime's: it switches telemetry off.
# isort: split
from semiuhpe.weights.session import InferenceSession, session_options

# isort: split
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

_BATCH = 8


class _Heads(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, crops: NDArray[np.uint8]) -> None:
        self._batches: Iterator[dict[str, Any]] = iter(
            {name: crops[start : start + _BATCH]} for start in range(0, len(crops), _BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def quantize(model: onnx.ModelProto, crops: NDArray[np.uint8]) -> onnx.ModelProto:
    """A float32 graph with input (n, S, S, 3) uint8 as an int8 one that gives about the same.

    crops: (n, S, S, 3) uint8 RGB, heads on which the ranges of every layer are measured. Weights are kept to 7 bits, so
    that processors without VNNI do not overflow when they add products up.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            target,
            _Heads(model.graph.input[0].name, crops),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def speedup(before: onnx.ModelProto, after: onnx.ModelProto, crops: Any, repeats: int = 9) -> float:
    """How many times as fast the second graph is on one core, by processor time: medians over turns that alternate.

    crops: (n, S, S, 3) uint8, one batch.
    """
    sessions = [
        InferenceSession(model.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"])
        for model in (before, after)
    ]
    times: list[list[float]] = [[], []]
    for turn in range(repeats + 1):
        for session, taken in zip(sessions, times, strict=True):
            began = time.process_time()
            session.run(None, {"crops": crops})
            if turn:  # the first one makes room
                taken.append(time.process_time() - began)
    first, second = (statistics.median(taken) for taken in times)
    return first / max(second, 1e-9)
