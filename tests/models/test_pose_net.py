from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.models.backbones import BACKBONES, create_backbone
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint
from semiuhpe.models.export import drift_deg, store_in_half, to_onnx
from semiuhpe.models.pose_net import PoseNet, build_head

SMALL = ["mobilenetv4_conv_small", "mobilenetv2_100", "resnet18", "efficientnet_lite0"]


@pytest.mark.parametrize("name", list(BACKBONES))
def test_every_backbone_gives_one_matrix_a_head_and_trains(name: str) -> None:
    torch.manual_seed(0)
    size = 224 if name.startswith("tiny_vit") else 64
    network = PoseNet(name, pretrained=False).train()
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    parameter = network(images)
    assert parameter.shape == (2, 3, 3)
    parameter.square().sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)


def test_uint8_and_float_pixels_mean_the_same() -> None:
    network = PoseNet("mobilenetv4_conv_small", pretrained=False).eval()
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    torch.testing.assert_close(network(images), network(images.float()))


@pytest.mark.parametrize(("features", "widths"), [(1280, [512, 128, 9]), (2048, [512, 128, 9]), (512, [128, 64, 9])])
def test_reference_head_has_the_published_widths(features: int, widths: list[int]) -> None:
    head = build_head(features, "reference", 0.2)
    assert [m.out_features for m in head if isinstance(m, torch.nn.Linear)] == widths


def test_frozen_stages_do_not_move() -> None:
    network = PoseNet(pretrained=False, frozen_stages=2).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)).square().sum().backward()
    optimiser.step()
    after = network.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert not any(
        k.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0", "backbone.blocks.1")) for k in moved
    )
    assert any(k.startswith("backbone.blocks.2") for k in moved)


def test_channels_last_changes_the_order_in_memory_and_nothing_else() -> None:
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    plain, other = PoseNet(pretrained=False).eval(), PoseNet(pretrained=False, channels_last=True).eval()
    other.load_state_dict(plain.state_dict())
    seen: list[bool] = []
    other.backbone.conv_stem.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    torch.testing.assert_close(plain(images), other(images), atol=1e-5, rtol=1e-4)
    assert seen == [True]


def test_channels_last_is_refused_where_its_kernels_are_broken() -> None:
    with pytest.raises(RecipeError, match="channels_last"):
        PoseNet("repvgg_b1g2", pretrained=False, channels_last=True)


def test_unknown_names_are_told_with_the_choices() -> None:
    with pytest.raises(RecipeError, match="resnet18"):
        create_backbone("vgg", pretrained=False)
    with pytest.raises(RecipeError, match="frozen_stages"):
        PoseNet("resnet18", pretrained=False, frozen_stages=1)


def test_weights_out_of_reach_name_the_remedy() -> None:
    with pytest.raises(WeightsError, match=r"pretrained\s+false"):
        create_backbone("repvgg_b1g2", pretrained=True)


@pytest.mark.parametrize("name", SMALL)
def test_export_agrees_with_torch(name: str) -> None:
    torch.manual_seed(0)
    network = PoseNet(name, pretrained=False, head="linear").eval()
    torch.nn.init.normal_(network.head[-1].weight, std=0.5)
    model = to_onnx(network, 64)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert drift_deg(network, model, crops) < 0.01
    assert drift_deg(network, model, crops[:1]) < 0.01
    half = store_in_half(model)
    assert len(half.SerializeToString()) < 0.6 * sum(p.numel() for p in network.parameters()) * 4 + 200_000


def test_repvgg_is_merged_on_export() -> None:
    network = PoseNet("repvgg_b1g2", pretrained=False, head="linear").eval()
    torch.nn.init.normal_(network.head[-1].weight, std=0.5)
    model = to_onnx(network, 32)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 28  # stem + 4 + 6 + 16 + 1: one 3×3 each, branches merged
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert drift_deg(network, model, crops) < 0.01


def test_checkpoint_round_trip_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"x/y": torch.arange(5.0)}, {"step": 3, "best": None})
    tensors, state = load_checkpoint(path)
    assert state == {"step": 3, "best": None}
    torch.testing.assert_close(tensors["x/y"], torch.arange(5.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.safetensors"]
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        load_checkpoint(path)
    with pytest.raises(WeightsError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "b.safetensors")
