"""The head detector as ONNX: uint8 pixels in, boxes and scores out, any number of any size that is a multiple of 32."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from semiuhpe.detection.canvas import STEP
from semiuhpe.files.atomic import json_text, write_atomically

OPSET = 18


class _Decoded(nn.Module):
    """Pictures (n, H, W, 3) uint8 → boxes (n, N, 4), scores (n, N)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes = self.network(pixels)
        return boxes, logits.sigmoid()


def detector_onnx(network: nn.Module) -> bytes:
    """The network as a checked ONNX model: input `pixels`, outputs `boxes` and `scores`, all cells, unsuppressed."""
    height, width = torch.export.Dim("height32", min=1, max=512), torch.export.Dim("width32", min=1, max=512)
    program = torch.onnx.export(
        _Decoded(network).eval(),
        (torch.zeros(2, 6 * STEP, 8 * STEP, 3, dtype=torch.uint8),),
        input_names=["pixels"],
        output_names=["boxes", "scores"],
        dynamic_shapes=({0: torch.export.Dim("n", min=1), 1: STEP * height, 2: STEP * width},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    # Where each node was traced is of no use to anyone else, and names files of the exporting machine.
    graph = model.graph
    for entry in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def export_detector(network: nn.Module, path: str | os.PathLike[str], card: Mapping[str, Any]) -> None:
    """Write `path` (.onnx) and its model card (.json) with the SHA-256; each is written whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = detector_onnx(network)
    full = {"sha256": hashlib.sha256(content).hexdigest(), "name": target.stem, "task": "head detection", **card}
    for file, data in ((target, content), (target.with_suffix(".json"), json_text(full, indent=2).encode() + b"\n")):
        write_atomically(file, data)
