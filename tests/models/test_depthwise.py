from __future__ import annotations

import pytest
import torch
from torch import nn

from semiuhpe.models.depthwise import LARGEST_MAP, FastDepthwiseConv2d, use_fast_depthwise_gradients


@pytest.mark.parametrize(("kernel", "stride", "size"), [(5, 1, 7), (5, 2, 7), (5, 1, 4), (7, 2, 8), (5, 1, 1)])
def test_gradients_are_those_of_the_plain_convolution(kernel: int, stride: int, size: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=False).double()
    fast = FastDepthwiseConv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=False).double()
    fast.load_state_dict(plain.state_dict())
    x = torch.randn(3, 6, size, size, dtype=torch.float64)
    results = []
    for layer in (plain, fast):
        own = x.clone().requires_grad_(True)
        out = layer(own)
        (out * torch.arange(out.numel()).view(out.shape)).sum().backward()
        results.append((out, own.grad, layer.weight.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


def test_only_wide_depthwise_layers_change_and_names_stay() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 8, 5, 1, 2, groups=8, bias=False), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 8, 5, 1, 2)
    )
    names = list(network.state_dict())
    use_fast_depthwise_gradients(network)
    assert [type(m) is FastDepthwiseConv2d for m in network] == [True, False, False]
    assert list(network.state_dict()) == names


def test_large_maps_take_the_plain_way() -> None:
    layer = FastDepthwiseConv2d(2, 2, 5, 1, 2, groups=2, bias=False)
    side = int(LARGEST_MAP**0.5) + 1
    out = layer(torch.randn(1, 2, side, side))
    assert "DepthwiseConvolution" not in type(out.grad_fn).__name__
    out = layer(torch.randn(1, 2, 4, 4))
    assert "DepthwiseConvolution" in type(out.grad_fn).__name__
