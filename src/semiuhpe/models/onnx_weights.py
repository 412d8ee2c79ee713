"""From an exported ONNX file back to a network that trains, so that the weights that ship can be fine-tuned.

The exporter folds every batch norm into the layer before it; a network that is to train needs its norms back.
A norm whose own statistics are those of the layer's output, and whose scale and shift undo them, leaves every
output as it was: its statistics are measured on a few crops, in one pass. Folded kernels are of odd sizes, ten times
smaller or larger than what an optimiser's step suits; so each is brought to the size of the network's own initial
one, and its norm's scale takes the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from semiuhpe.errors import WeightsError
from semiuhpe.models.head_detector import HeadDetectorNet
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.weights import open_weights
from semiuhpe.weights.external_data import refuse_external_data

_Norm = nn.BatchNorm1d | nn.BatchNorm2d


def load_exported(network: PoseNet | HeadDetectorNet, weights: str, crops: NDArray[np.uint8]) -> None:
    """Give `network` the weights of an export, in place; in evaluation mode it then computes what the export does.

    weights: a name of `semiuhpe.weights.EMBEDDED` or the path of an .onnx file with its card. crops: (n, S, S, 3) uint8
    RGB, a few dozen pictures of the kind to train on, from which the statistics of the batch norms are taken; norms that
    the export kept (it does behind layers that others share) and parameters of the network's own are taken as they are.
    Raises WeightsError where the export is of another architecture, or of one whose branches it merged (RepVGG).
    """
    if len(crops) < 2:
        raise WeightsError(f"{weights}: at least 2 crops are needed to start from an export, got {len(crops)}")
    file = open_weights(weights)
    refuse_external_data(file.content, file.path)
    tensors = _tensors(onnx.load_model_from_string(file.content))
    was_training = network.training
    network.eval()
    pairs = _layers_with_norm(network, tensors)
    _copy_layers(network, pairs, tensors, file.path)
    _copy_unfolded(network, tensors, file.path)
    for _, _, norm in pairs:
        _measure_at_next_forward(norm)
    with torch.no_grad():
        network(torch.from_numpy(np.ascontiguousarray(crops)).to(network.mean.device))
    network.train(was_training)


def _tensors(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Weights under the names of the network's own state dict, single precision."""
    found = {}
    for tensor in model.graph.initializer:
        name = tensor.name.removesuffix(".half").removeprefix("network.")
        found[name] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    return found | _detector_constants(model.graph, found)


def _detector_constants(graph: onnx.GraphProto, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The detector's `bias` and `log_scale`, which an export keeps as nameless constants; nothing of another network.

    The bias is added to what the kernel `predict` gives; a level's scale, finest first, is added before the reach is cut.
    """
    predicted = {node.output[0] for node in graph.node if "network.predict.weight" in node.input}
    cut = {node.input[0] for node in graph.node if node.op_type == "Clip"}
    sums = [(set(node.input), node.output[0]) for node in graph.node if node.op_type == "Add"] if predicted else []
    biases = [tensors[name] for inputs, _ in sums if inputs & predicted for name in inputs & tensors.keys()]
    scales = [tensors[name] for inputs, output in sums if output in cut for name in inputs & tensors.keys()]
    return {"bias": biases[0].flatten(), "log_scale": torch.stack(scales).flatten()} if biases and scales else {}


def _layers_with_norm(network: nn.Module, tensors: Mapping[str, Tensor]) -> list[tuple[str, nn.Module, _Norm]]:
    """Every convolution or linear layer with the batch norm that was folded into it, by the order of the modules."""
    pairs: list[tuple[str, nn.Module, _Norm]] = []
    before: tuple[str, nn.Module] | None = None
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if before is not None and f"{name}.running_mean" not in tensors:
                pairs.append((*before, module))
            before = None
        elif isinstance(module, nn.Conv2d | nn.Linear):
            before = (name, module)
    return pairs


def _copy_layers(
    network: nn.Module, pairs: list[tuple[str, nn.Module, _Norm]], tensors: Mapping[str, Tensor], path: Path
) -> None:
    """Weights of every layer; where a norm follows, the folded shift becomes the norm's, which is otherwise neutral."""
    norms = {name: norm for name, _, norm in pairs}
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        weight = tensors.get(f"{name}.weight")
        if weight is None or weight.shape != module.weight.shape:
            raise WeightsError(
                f"{path}: has no weights for {name} {tuple(module.weight.shape)}; check model.backbone and model.head, "
                f"or start from a .safetensors of the run"
            )
        shift = tensors.get(f"{name}.weight_bias", tensors.get(f"{name}.bias"))
        with torch.no_grad():
            if name not in norms:
                module.weight.copy_(weight)
                if module.bias is not None and shift is not None:
                    module.bias.copy_(shift)
                continue
            growth = float(module.weight.square().mean().sqrt() / weight.square().mean().sqrt().clamp_min(1e-12))
            module.weight.copy_(growth * weight)
            if module.bias is not None:
                module.bias.zero_()
            _scale_and_shift(norms[name], 1 / growth, shift)


def _copy_unfolded(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Norms that the export kept, and parameters that belong to no layer."""
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and f"{name}.running_mean" in tensors:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    _same_shape(f"{name}.{part}", tensors, getattr(module, part), path)
        for name, parameter in network.named_parameters(recurse=False):
            _same_shape(name, tensors, parameter, path)


def _same_shape(name: str, tensors: Mapping[str, Tensor], into: Tensor, path: Path) -> None:
    found = tensors.get(name)
    if found is None or found.numel() != into.numel():
        raise WeightsError(f"{path}: has no {name} {tuple(into.shape)}; start from a .safetensors of the run")
    into.copy_(found.reshape(into.shape))


def _scale_and_shift(norm: _Norm, scale: float, shift: Tensor | None) -> None:
    """Make a norm `scale·x + shift`, with statistics that do nothing."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(scale)
    norm.bias.zero_()
    if shift is not None:
        norm.bias.copy_(shift)


def _measure_at_next_forward(norm: _Norm) -> None:
    """At the next forward pass, take the statistics of the input, and undo them by scale and shift."""

    def measure(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        over = [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = x.mean(over), x.var(over)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.bias.add_(mean * norm.weight)
        norm.weight.mul_((variance + norm.eps).sqrt())
        handle.remove()

    handle = norm.register_forward_pre_hook(measure)
