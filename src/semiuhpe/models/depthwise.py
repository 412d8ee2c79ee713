"""Fast gradients of depthwise convolutions on the CPU.

oneDNN's forward kernels of depthwise convolutions are fast, its gradients are not always:

- the gradient of the input of a strided one in bfloat16 has only a reference kernel, a hundred times slower than
  the forward pass: it is computed in float32;
- the gradient of the weights of a 5×5 one is slow in every type. On small maps it is cheaper to correlate every
  input pixel with every output pixel, channel by channel, as one batched matrix product, and to add up the pairs
  that belong to each tap; on larger ones float32 is least slow.

The parameters, the outputs and the exported graph stay those of `nn.Conv2d`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn

LARGEST_MAP = 64
"""Input pixels up to which pairs of pixels are cheaper than taps."""


@lru_cache(maxsize=32)
def tap_membership(height: int, width: int, kernel: int, stride: int, padding: int) -> Tensor:
    """Which pair (input pixel, output pixel) belongs to which tap. → (H·W·H'·W', kernel²) float32 of 0 and 1."""
    out_h = (height + 2 * padding - kernel) // stride + 1
    out_w = (width + 2 * padding - kernel) // stride + 1
    member = torch.zeros(height, width, out_h, out_w, kernel, kernel)
    for row in range(out_h):
        for column in range(out_w):
            for tap_row in range(kernel):
                for tap_column in range(kernel):
                    y = row * stride + tap_row - padding
                    x = column * stride + tap_column - padding
                    if 0 <= y < height and 0 <= x < width:
                        member[y, x, row, column, tap_row, tap_column] = 1.0
    return member.reshape(-1, kernel * kernel)


def _weight_gradient_by_pairs(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    channels, _, kernel, _ = weight.shape
    batch, _, height, width = x.shape
    # Channel-major copies first: the batched product would otherwise go matrix by matrix.
    inputs = x.reshape(batch, channels, -1).transpose(0, 1).contiguous()
    outputs = gradient.reshape(batch, channels, -1).transpose(0, 1).contiguous()
    pairs = torch.bmm(inputs.transpose(1, 2), outputs)
    member = tap_membership(height, width, kernel, stride, padding).to(pairs.dtype)
    return (pairs.reshape(channels, -1) @ member).reshape(weight.shape)


class _DepthwiseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding

        def library(wanted: list[bool], *, whole: bool) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
            tensors = [t.float() if whole and t.dtype is torch.bfloat16 else t for t in (gradient, x, weight)]
            sizes = [stride] * 2, [padding] * 2, [1, 1]
            result: tuple[Tensor | None, Tensor | None, Tensor | None] = torch.ops.aten.convolution_backward(
                *tensors, None, *sizes, False, [0, 0], weight.shape[0], wanted
            )
            return result

        to_input = to_weight = None
        if ctx.needs_input_grad[0]:
            to_input, _, _ = library([True, False, False], whole=stride > 1)
            to_input = None if to_input is None else to_input.to(x.dtype)
        if ctx.needs_input_grad[1]:
            wide = weight.shape[-1] > 3
            if wide and x.shape[-1] * x.shape[-2] <= LARGEST_MAP:
                to_weight = _weight_gradient_by_pairs(gradient, x, weight, stride, padding)
            else:
                _, to_weight, _ = library([False, True, False], whole=wide)
            to_weight = None if to_weight is None else to_weight.to(weight.dtype)
        return to_input, to_weight, None, None


def _convolve(layer: nn.Conv2d, x: Tensor, padding: int) -> Tensor:
    weight = layer.weight
    if torch.is_autocast_enabled("cpu"):
        # Outside of the function's own forward, so that its backward sees what was multiplied.
        kind = torch.get_autocast_dtype("cpu")
        x, weight = x.to(kind), weight.to(kind)
    result: Tensor = _DepthwiseConvolution.apply(x, weight, layer.stride[0], padding)
    return result


def _takes_the_short_way(layer: nn.Conv2d, x: Tensor) -> bool:
    trained = torch.is_grad_enabled() and layer.weight.requires_grad
    return trained and x.device.type == "cpu" and not torch.onnx.is_in_onnx_export()


class FastDepthwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` whose gradients take the short way where that is one: training on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(self, x, int(self.padding[0])) if _takes_the_short_way(self, x) else super().forward(x)


class FastDepthwiseConv2dSame(Conv2dSame):
    """The same for timm's convolution with the padding of TensorFlow."""

    def forward(self, x: Tensor) -> Tensor:
        if not _takes_the_short_way(self, x):
            plain: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return plain
        padded = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        return _convolve(self, padded, 0)


_FAST = {nn.Conv2d: FastDepthwiseConv2d, Conv2dSame: FastDepthwiseConv2dSame}


def use_fast_depthwise_gradients(module: nn.Module) -> None:
    """Give every depthwise convolution of a network the fast gradients, in place; parameters keep their names."""
    for child in module.modules():
        if (
            type(child) in _FAST
            and child.groups == child.in_channels == child.out_channels
            and child.kernel_size in ((3, 3), (5, 5), (7, 7))
            and child.bias is None
            and child.dilation == (1, 1)
            and (type(child) is Conv2dSame or child.padding == (child.kernel_size[0] // 2,) * 2)
            and child.stride[0] == child.stride[1]
        ):
            child.__class__ = _FAST[type(child)]
