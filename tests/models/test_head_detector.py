from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from semiuhpe.models.detector_export import export_detector
from semiuhpe.models.head_detector import STRIDES, HeadDetectorNet, cell_centers


@pytest.fixture(scope="module")
def network() -> HeadDetectorNet:
    """Random weights whose norms have seen something, so that scores and boxes vary."""
    torch.manual_seed(0)
    network = HeadDetectorNet(16, pretrained=False)
    with torch.no_grad():
        network.predict.weight.mul_(30)
        network.train()
        network(torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8))
    return network.eval()


def test_outputs_one_box_and_score_a_cell(network: HeadDetectorNet) -> None:
    with torch.no_grad():
        logits, boxes = network(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    cells = sum((64 // s) * (96 // s) for s in STRIDES)
    assert logits.shape == (2, cells)
    assert boxes.shape == (2, cells, 4)
    assert len(cell_centers(64, 96)[0]) == cells


def test_boxes_lie_around_their_cells(network: HeadDetectorNet) -> None:
    """The order of `cell_centers` is the order of the outputs, and every box contains its cell's centre."""
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, (boxes,) = network(pixels)
    centres, _ = cell_centers(64, 96)
    assert bool((boxes[:, :2] < centres).all())
    assert bool((boxes[:, 2:] > centres).all())


def test_a_network_of_four_stages_is_smaller_and_has_the_same_cells(network: HeadDetectorNet) -> None:
    small = HeadDetectorNet(16, stages=4, pretrained=False).eval()
    pixels = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
    with torch.no_grad():
        assert [part.shape for part in small(pixels)] == [part.shape for part in network(pixels)]
    weights = [sum(p.numel() for p in each.parameters()) for each in (small, network)]
    assert weights[0] < 0.45 * weights[1]


def test_constant_padding_equals_tensorflows(network: HeadDetectorNet) -> None:
    """At even sizes the backbone's maps are those of timm's network with its dynamic "same" padding."""
    import timm

    original: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    original.conv_stem.load_state_dict(network.stem[0].state_dict())
    original.bn1.load_state_dict(network.stem[1].state_dict())
    original.blocks[:5].load_state_dict(network.stages.state_dict())
    x = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, own = original.bn1(original.conv_stem(x)), network.stem(x)
        for theirs, ours in zip(original.blocks[:5], network.stages, strict=True):
            expected, own = theirs(expected), ours(own)
    torch.testing.assert_close(own, expected)


def test_frozen_parts_do_not_learn() -> None:
    network = HeadDetectorNet(16, pretrained=False)
    network.freeze(2)
    network.train()
    logits, boxes = network(torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8))
    (logits.sum() + boxes.sum()).backward()
    assert all(p.grad is None for p in [*network.stem.parameters(), *network.stages[:2].parameters()])
    assert all(module.training is False for module in network.stages.modules())
    trained = [name for name, p in network.named_parameters() if p.grad is not None]
    assert any(name.startswith("stages.2") for name in trained)
    assert "predict.weight" in trained


def test_onnx_equals_torch_at_any_size_and_the_card_names_its_hash(network: HeadDetectorNet, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    export_detector(network, path, {"seed": 3})
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["seed"] == 3
    assert str(Path.cwd()).encode() not in path.read_bytes()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for height, width in ((32, 32), (192, 64), (96, 320)):
        pixels = rng.integers(0, 256, (1 + height // 96, height, width, 3), dtype=np.uint8)
        boxes, scores = session.run(["boxes", "scores"], {"pixels": pixels})
        with torch.no_grad():
            logits, expected = network(torch.from_numpy(pixels))
        np.testing.assert_allclose(boxes, expected.numpy(), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(scores, logits.sigmoid().numpy(), atol=1e-5)
