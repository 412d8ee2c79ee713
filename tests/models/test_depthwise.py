from __future__ import annotations

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from semiuhpe.models.depthwise import LARGEST_MAP, use_fast_depthwise_gradients

SIDE = int(LARGEST_MAP**0.5)


def gradients(layer: nn.Module, x: torch.Tensor, *, half: bool = False) -> tuple[torch.Tensor, ...]:
    own = x.clone().requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = layer(own)
    (out.to(x.dtype) * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    assert own.grad is not None
    return out.to(x.dtype), own.grad, layer.weight.grad  # type: ignore[return-value]


def pair(kind: type[nn.Conv2d], kernel: int, stride: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    padding = 0 if kind is Conv2dSame else kernel // 2
    plain, fast = (kind(6, 6, kernel, stride, padding, groups=6, bias=False) for _ in range(2))
    fast.load_state_dict(plain.state_dict())
    use_fast_depthwise_gradients(nn.ModuleList([fast]))
    assert type(fast) is not kind
    return plain, fast


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [(3, 1, 5), (3, 2, 6), (5, 1, 7), (5, 2, 7), (5, 1, 4), (7, 2, 8), (5, 1, 1), (5, 2, SIDE + 5), (5, 1, SIDE + 1)],
)
def test_gradients_are_those_of_the_plain_convolution(
    kind: type[nn.Conv2d], kernel: int, stride: int, size: int
) -> None:
    plain, fast = (layer.double() for layer in pair(kind, kernel, stride))
    x = torch.randn(3, 6, size, size, dtype=torch.float64)
    for one, other in zip(gradients(plain, x), gradients(fast, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 2, 12), (5, 2, 12), (5, 1, 7), (3, 1, 9)])
def test_under_bfloat16_they_differ_by_its_rounding_alone(kernel: int, stride: int, size: int) -> None:
    plain, fast = pair(Conv2dSame, kernel, stride)
    x = torch.randn(4, 6, size, size).contiguous(memory_format=torch.channels_last)
    for one, other in zip(gradients(plain, x), gradients(fast, x, half=True), strict=True):
        assert float((one - other).norm()) < 0.02 * float(one.norm())


def test_only_depthwise_layers_without_bias_change_and_names_stay() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 8, 5, 1, 2, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, 1, 1, groups=8),
        nn.Conv2d(8, 8, 5, 1, 2, bias=False),
        nn.Conv2d(8, 8, 3, 1, 1, groups=2, bias=False),
        nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False),
    )
    names, before = list(network.state_dict()), [type(layer) for layer in network]
    use_fast_depthwise_gradients(network)
    assert [type(m) is not kind for m, kind in zip(network, before, strict=True)] == [True, False, False, False, True]
    assert list(network.state_dict()) == names


def test_without_gradients_nothing_but_the_library_runs() -> None:
    _, layer = pair(nn.Conv2d, 5, 1)
    with torch.no_grad():
        assert layer(torch.randn(1, 6, 4, 4)).grad_fn is None
    assert "DepthwiseConvolution" in type(layer(torch.randn(1, 6, 4, 4)).grad_fn).__name__
