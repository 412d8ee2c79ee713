"""A fast gradient for the weights of wide depthwise convolutions on small maps, on the CPU.

oneDNN has no fast kernel for the weight gradient of a 5×5 depthwise convolution on AVX2: on a 7×7 map of 672
channels it takes 12 times as long as the forward pass, and nine such layers are a quarter of a training step
of EfficientNet-Lite0. On maps this small it is cheaper to correlate every input pixel with every output
pixel, channel by channel, as one batched matrix product, and to add up the pairs that belong to each tap.
The parameters, the outputs and the exported graph stay those of `nn.Conv2d`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
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
        to_input = None
        if ctx.needs_input_grad[0]:
            to_input, _, _ = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], weight.shape[0],
                [True, False, False],
            )  # fmt: skip
        to_weight = None
        if ctx.needs_input_grad[1]:
            batch, channels, height, width = x.shape
            # Channel-major copies first: the batched product would otherwise go matrix by matrix.
            inputs = x.reshape(batch, channels, -1).transpose(0, 1).contiguous()
            outputs = gradient.reshape(batch, channels, -1).transpose(0, 1).contiguous()
            pairs = torch.bmm(inputs.transpose(1, 2), outputs)
            member = tap_membership(height, width, weight.shape[-1], stride, padding).to(pairs.dtype)
            to_weight = (pairs.reshape(channels, -1) @ member).reshape(weight.shape)
        return to_input, to_weight, None, None


class FastDepthwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` whose weight gradient takes the short way where that is one: training, CPU, small maps."""

    def forward(self, x: Tensor) -> Tensor:
        if (
            not (torch.is_grad_enabled() and self.weight.requires_grad)
            or x.device.type != "cpu"
            or x.shape[-1] * x.shape[-2] > LARGEST_MAP
            or torch.onnx.is_in_onnx_export()
        ):
            return super().forward(x)
        padding = int(self.padding[0])
        result: Tensor = _DepthwiseConvolution.apply(x, self.weight, self.stride[0], padding)
        return result


def use_fast_depthwise_gradients(module: nn.Module) -> None:
    """Give every wide depthwise convolution of a network the fast gradient, in place; parameters keep their names."""
    for child in module.modules():
        if (
            type(child) is nn.Conv2d
            and child.groups == child.in_channels == child.out_channels
            and child.kernel_size in ((5, 5), (7, 7))
            and child.bias is None
            and child.dilation == (1, 1)
            and child.padding in ((2, 2), (3, 3))
            and child.stride[0] == child.stride[1]
        ):
            child.__class__ = FastDepthwiseConv2d
