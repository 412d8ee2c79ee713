"""Whether an .onnx file would have other files read, found out without opening it and without the package onnx.

A tensor of an ONNX file may say that its numbers lie elsewhere: in any file that whoever opens the network may read, or
at an address of its memory. A hash of the .onnx says nothing about those. So every place that may hold a tensor is
looked at: initializers, attributes of nodes, sub-graphs, functions and the graphs of training.
"""

from __future__ import annotations

from pathlib import Path

from semiuhpe.errors import WeightsError
from semiuhpe.weights.graph_metadata import fields, varint_at

MAX_FIELDS = 5_000_000
"""Fields of the format that are looked at; the largest embedded network has a few thousand."""

_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Kind of a message → number of a field → kind of the message in it, wherever that leads to tensors (onnx.proto)."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def refuse_external_data(content: bytes, origin: Path | str) -> None:
    """Raise WeightsError unless an .onnx file's bytes are all that it needs, and are such a file at all."""
    if content[4:8] == b"ORTM":  # a flatbuffer, which onnxruntime tells by these letters
        raise WeightsError(f"{origin}: a network in onnxruntime's own format, which is not read; give it as .onnx")
    left, waiting = MAX_FIELDS, [("model", 0, len(content))]
    try:
        while waiting:
            kind, start, end = waiting.pop()
            children = _CHILDREN[kind]
            for number, wire, body, after in fields(content, start, end):
                left -= 1
                if left < 0:
                    raise WeightsError(f"has more than {MAX_FIELDS:,} parts")
                if kind == "tensor" and _points_elsewhere(content, number, body):
                    raise WeightsError("keeps its numbers in other files; save it as one file, without external data")
                if number in children and wire == "message":
                    waiting.append((children[number], body, after))
    except WeightsError as error:
        raise WeightsError(f"{origin}: {error}") from error


def _points_elsewhere(content: bytes, number: int, body: int) -> bool:
    # A location of 0 is the file itself. Whether another is EXTERNAL depends on how many bits a reader looks at.
    return number == _EXTERNAL_DATA or (number == _DATA_LOCATION and varint_at(content, body)[0] != 0)
