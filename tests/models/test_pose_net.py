from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from helpers.layers import last_layer
from helpers.noting import noting

from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.models.backbones import BACKBONES, WITH_PACKAGE, begins_pretrained, create_backbone
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint
from semiuhpe.models.export import drift_deg, store_in_half, to_onnx
from semiuhpe.models.pose_net import PoseNet, build_head
from semiuhpe.training.pose.recipe import ModelRecipe, Recipe
from semiuhpe.training.pose.recipe_checks import check_picture_size

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
    other.backbone.get_submodule("conv_stem").register_forward_pre_hook(
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


def asked_of_timm(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What timm is asked for where this backbone is made with its weights, which are not loaded."""
    asked: list[str] = []
    create = timm.create_model

    def without_weights(name: str, *, pretrained: bool, num_classes: int) -> torch.nn.Module:
        assert pretrained
        asked.append(name)
        return create(name, pretrained=False, num_classes=num_classes)

    monkeypatch.setattr(timm, "create_model", without_weights)
    create_backbone(name, pretrained=True)
    return asked[0]


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("resnet50", "resnet50.tv_in1k"),
        ("tf_efficientnet_b4", "tf_efficientnet_b4.aa_in1k"),
        ("tiny_vit_21m_224", "tiny_vit_21m_224.dist_in22k_ft_in1k"),
        ("resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("timm/resnet18.fb_ssl_yfcc100m_ft_in1k", "resnet18.fb_ssl_yfcc100m_ft_in1k"),
        ("timm/mobilenetv3_small_050.lamb_in1k", "mobilenetv3_small_050.lamb_in1k"),
    ],
)
def test_a_name_means_one_set_of_weights(name: str, opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untagged names are pinned to what was published, tagged ones mean what they say."""
    assert asked_of_timm(name, monkeypatch) == opened
    assert opened in timm.list_pretrained()


def test_the_published_efficientnet_v2_s_is_the_first_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    create = torchvision.models.efficientnet_v2_s
    monkeypatch.setattr(
        torchvision.models,
        "efficientnet_v2_s",
        noting(asked, lambda weights: weights, lambda weights: create(weights=None)),
    )
    create_backbone("efficientnet_v2_s", pretrained=True)
    assert asked == ["IMAGENET1K_V1"]


def test_any_backbone_of_timm_trains_and_its_tag_tells_the_normalisation() -> None:
    network = PoseNet("timm/mobilenetv3_small_050.lamb_in1k", pretrained=False).train()
    network(torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)).square().sum().backward()
    half = PoseNet("tf_efficientnetv2_s.in1k", pretrained=False)
    assert half.mean.flatten().tolist() == [127.5] * 3
    assert PoseNet("timm/vit_tiny_patch16_224", pretrained=False).fixed_size == 224
    assert PoseNet("tiny_vit_21m_224.in1k", pretrained=False).head[1].out_features == 128  # as without a tag


@pytest.mark.parametrize("name", [*BACKBONES, "resnet50.a1_in1k", "timm/tf_efficientnet_lite0"])
def test_weights_are_fetched_only_where_somebody_said_so(name: str) -> None:
    assert begins_pretrained(name, True)
    assert not begins_pretrained(name, False)
    if name in WITH_PACKAGE:
        assert begins_pretrained(name, None)
    elif name == "repvgg_b1g2":
        with pytest.raises(WeightsError, match="import-weights"):
            begins_pretrained(name, None)
    else:
        with pytest.raises(RecipeError, match=f"^{name}: say --model.pretrained true to fetch .*, or false .*$"):
            begins_pretrained(name, None)


@pytest.mark.parametrize("name", WITH_PACKAGE)
def test_weights_that_come_with_a_package_need_no_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    fetched, scratch = create_backbone(name, pretrained=True), create_backbone(name, pretrained=False)
    first = next(iter(fetched.module.state_dict()))
    assert not torch.equal(fetched.module.state_dict()[first], scratch.module.state_dict()[first])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/resnet51", "did you mean resnet"),
        ("resnet50.nope", "its tags are .*tv_in1k"),
        ("mobilenetv3_small_050", "any of timm's as timm/NAME.TAG"),
        ("repvgg_b1g2.in1k", "any of timm's"),
    ],
)
def test_wrong_names_and_tags_are_told_the_right_ones(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        create_backbone(name, pretrained=False)


def test_a_picture_size_that_the_network_cannot_take_is_refused() -> None:
    recipe = Recipe(model=ModelRecipe(backbone="timm/vit_tiny_patch16_224", image_size=112))
    with pytest.raises(RecipeError, match=r"model\.image_size 224"):
        check_picture_size(recipe, 224)
    check_picture_size(recipe, 0)


def test_weights_out_of_reach_name_the_remedy() -> None:
    with pytest.raises(WeightsError, match=r"pretrained\s+false"):
        create_backbone("repvgg_b1g2", pretrained=True)


@pytest.mark.parametrize("name", SMALL)
def test_export_agrees_with_torch(name: str) -> None:
    torch.manual_seed(0)
    network = PoseNet(name, pretrained=False, head="linear").eval()
    torch.nn.init.normal_(last_layer(network).weight, std=0.5)
    model = to_onnx(network, 64)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert drift_deg(network, model, crops) < 0.01
    assert drift_deg(network, model, crops[:1]) < 0.01
    half = store_in_half(model)
    assert len(half.SerializeToString()) < 0.6 * sum(p.numel() for p in network.parameters()) * 4 + 200_000


def test_repvgg_is_merged_on_export() -> None:
    network = PoseNet("repvgg_b1g2", pretrained=False, head="linear").eval()
    torch.nn.init.normal_(last_layer(network).weight, std=0.5)
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
