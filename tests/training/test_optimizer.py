"""Learning rates of layers: the factor of each stage, and that every parameter is in one group."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from semiuhpe.errors import RecipeError
from semiuhpe.models.backbones import stage_numbers
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.optimizer import parameter_groups


def rates(network: PoseNet, layer_decay: float) -> dict[str, float]:
    """Parameter name → factor, as an optimizer has it after its groups were made."""
    optimizer = torch.optim.AdamW(parameter_groups(network, 0.1, layer_decay), lr=1.0)
    factors = {id(p): group["lr_factor"] for group in optimizer.param_groups for p in group["params"]}
    return {name: factors[id(p)] for name, p in network.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("backbone", "stem", "middle", "last", "depth"),
    [
        ("efficientnet_lite0", "conv_stem.weight", "blocks.3.0.conv_pw.weight", "conv_head.weight", 8),
        ("mobilenetv4_conv_small", "conv_stem.weight", "blocks.3.0.pw_exp.conv.weight", "norm_head.weight", 7),
        ("resnet18", "conv1.weight", "layer3.0.conv1.weight", "layer4.1.bn2.bias", 5),
    ],
)
def test_each_stage_is_slower_than_the_one_after_it(
    backbone: str, stem: str, middle: str, last: str, depth: int
) -> None:
    network = PoseNet(backbone, pretrained=False)
    found = rates(network, 0.5)
    assert {factor for name, factor in found.items() if name.startswith("head.")} == {1.0}
    assert {factor for name, factor in found.items() if name.startswith("backbone.")} == {
        0.5**k for k in range(1, depth + 1)
    }
    assert found[f"backbone.{last}"] == 0.5
    assert found[f"backbone.{stem}"] == 0.5**depth
    assert found[f"backbone.{last}"] > found[f"backbone.{middle}"] > found[f"backbone.{stem}"]


def test_torchvisions_stages_are_its_features() -> None:
    features = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    named = nn.ModuleDict({"features": features})
    assert stage_numbers(named) == {
        "features.0.weight": 0,
        "features.0.bias": 0,
        "features.1.weight": 1,
        "features.1.bias": 1,
    }
    with pytest.raises(RecipeError, match=r"optimizer\.layer_decay"):
        stage_numbers(nn.Linear(2, 2))


def test_without_decay_the_groups_are_two_in_the_order_that_checkpoints_count_by() -> None:
    network = PoseNet("mobilenetv4_conv_small", pretrained=False, frozen_stages=1)
    trained = [p for p in network.parameters() if p.requires_grad]
    first, second = parameter_groups(network, 0.1)
    assert [id(p) for p in first["params"]] == [id(p) for p in trained if p.ndim > 1]
    assert [id(p) for p in second["params"]] == [id(p) for p in trained if p.ndim <= 1]
    assert (first["weight_decay"], second["weight_decay"]) == (0.1, 0.0)
    assert len(trained) < len(list(network.parameters())), "frozen ones are in none"
