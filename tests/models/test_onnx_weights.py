"""An exported file gives back a network that computes the same and trains."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from semiuhpe.errors import WeightsError
from semiuhpe.models.detector_export import export_detector
from semiuhpe.models.export import to_onnx
from semiuhpe.models.head_detector import HeadDetectorNet
from semiuhpe.models.onnx_weights import load_exported
from semiuhpe.models.pose_net import PoseNet


def _trained_a_little(backbone: str) -> PoseNet:
    """A network whose norms are not neutral: a few steps in training mode on noise move their statistics."""
    torch.manual_seed(0)
    network = PoseNet(backbone, pretrained=False)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(3):
        images = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8)
        loss = (network(images) - torch.eye(3)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[PoseNet, Path]:
    network = _trained_a_little("efficientnet_lite0")
    path = tmp_path_factory.mktemp("export") / "pose.onnx"
    content = to_onnx(network, 64).SerializeToString()
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(content).hexdigest()}))
    return network, path


def _crops(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_round_trip_keeps_the_outputs(exported: tuple[PoseNet, Path]) -> None:
    network, path = exported
    copy = PoseNet("efficientnet_lite0", pretrained=False)
    load_exported(copy, str(path), _crops(32))
    images = torch.from_numpy(_crops(16, seed=2))
    with torch.no_grad():
        expected, got = network(images), copy.eval()(images)
    scale = expected.abs().max()
    assert float((got - expected).abs().max()) < 1e-3 * float(scale)


def test_training_mode_sees_the_same_statistics(exported: tuple[PoseNet, Path]) -> None:
    """Without this, the first training step would normalise by other statistics and undo the weights."""
    _, path = exported
    copy = PoseNet("efficientnet_lite0", pretrained=False, dropout=0.0)
    crops = _crops(64)
    load_exported(copy, str(path), crops)
    for module in copy.backbone.modules():
        if hasattr(module, "drop_path"):
            module.drop_path = torch.nn.Identity()
    images = torch.from_numpy(crops)
    with torch.no_grad():
        in_training, in_evaluation = copy.train()(images), copy.eval()(images)
    assert float((in_training - in_evaluation).abs().max()) < 0.02 * float(in_evaluation.abs().max())


def test_kernels_have_the_size_that_an_optimiser_expects(exported: tuple[PoseNet, Path]) -> None:
    _, path = exported
    fresh = PoseNet("efficientnet_lite0", pretrained=False)
    copy = PoseNet("efficientnet_lite0", pretrained=False)
    load_exported(copy, str(path), _crops(32))
    for name in ("conv_head", "blocks.3.0.conv_pw", "blocks.3.0.conv_dw"):
        sizes = [float(net.backbone.get_parameter(f"{name}.weight").square().mean()) for net in (fresh, copy)]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_another_architecture_is_named(exported: tuple[PoseNet, Path]) -> None:
    _, path = exported
    with pytest.raises(WeightsError, match=r"model\.backbone"):
        load_exported(PoseNet("resnet18", pretrained=False), str(path), _crops(8))


def test_a_detector_goes_on_from_its_export(tmp_path: Path) -> None:
    """Its towers share their kernels between levels, so the export keeps their norms; its bias and scales lose their names."""
    torch.manual_seed(0)
    network = HeadDetectorNet(16, pretrained=False).train()
    with torch.no_grad():
        for _ in range(3):  # statistics that are not neutral
            network(torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8))
        for module in network.modules():  # nor equal, for an export keeps one of equal tensors
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.add_(0.1 * torch.randn_like(module.weight))
                module.bias.add_(0.1 * torch.randn_like(module.bias))
        network.log_scale.add_(torch.tensor([0.1, -0.2, 0.3, 0.05]))
        network.bias.add_(torch.tensor([1.5, 0.1, 0.2, -0.1, 0.3]))
        network.predict.weight *= 60
    export_detector(network.eval(), tmp_path / "heads.onnx", {})
    pictures = np.random.default_rng(3).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    copy = HeadDetectorNet(16, pretrained=False)
    load_exported(copy, str(tmp_path / "heads.onnx"), pictures)
    images = torch.from_numpy(np.random.default_rng(4).integers(0, 256, (2, 96, 64, 3), dtype=np.uint8))
    with torch.no_grad():
        expected, got = network(images), copy.eval()(images)
    assert float(expected[0].std()) > 0.1
    for one, other in zip(expected, got, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    with pytest.raises(WeightsError, match="has no weights for"):
        load_exported(HeadDetectorNet(24, pretrained=False), str(tmp_path / "heads.onnx"), pictures)
