"""Multiply-adds that the cost model counts, against a network whose layers are counted by hand, and by running it."""

from __future__ import annotations

import io
from types import ModuleType

import pytest
from helpers.scripts import script

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def cost_model() -> ModuleType:
    return script("benchmarks/cost_model.py")


def test_counts_are_those_of_the_layers(cost_model: ModuleType) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.Conv2d(8, 8, 5, padding=2, groups=8),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 9),
    )
    content = io.BytesIO()
    torch.onnx.export(network, torch.zeros(1, 3, 20, 16), content, dynamo=False)
    counted = cost_model.count(onnx.load_from_string(content.getvalue()), (1, 3, 20, 16))
    assert counted.macs == 10 * 8 * (8 * 3 * 9 + 8 * 25) + 9 * 8
    assert counted.parameters == sum(p.numel() for p in network.parameters())


def test_the_embedded_networks_are_counted(cost_model: ModuleType) -> None:
    pose = cost_model.count(onnx.load(cost_model.FOLDER / "head_pose.onnx"), (1, 112, 112, 3))
    assert 80e6 < pose.macs < 120e6  # EfficientNet-Lite0: 407 M at 224 pixels
    whole = cost_model.count(onnx.load(cost_model.FOLDER / "head_detector.onnx"), (1, 640, 640, 3))
    quarter = cost_model.count(onnx.load(cost_model.FOLDER / "head_detector.onnx"), (1, 320, 320, 3))
    assert whole.macs == pytest.approx(4 * quarter.macs, rel=1e-6)
    assert whole.parameters == quarter.parameters


def test_the_scarcest_resource_sets_the_rate(cost_model: ModuleType) -> None:
    assert cost_model.slowest({"a": 3.0, "b": 2.0, "c": 5.0}) == (2.0, "b")
