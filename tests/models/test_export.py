from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.layers import last_layer
from helpers.published_networks import Published
from onnx import numpy_helper

from semiuhpe.cli.main import main
from semiuhpe.errors import WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.crop import MARGIN
from semiuhpe.models.backbones import BACKBONES
from semiuhpe.models.checkpoint import save_checkpoint, with_prefix
from semiuhpe.models.export import LEAST_HEADS, drift_deg, export, to_onnx
from semiuhpe.models.pose_net import PoseNet

ELSEWHERE = {"mobilenetv4_conv_small", "mobilenetv2_100", "resnet18", "efficientnet_lite0", "repvgg_b1g2"}
"""Backbones whose export `test_pose_net.py` compares."""


def heads(count: int, size: int) -> np.ndarray:
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 255
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return fine.byte().permute(0, 2, 3, 1).contiguous().numpy()


def checkpoint(folder: Path, *, size: int = 32) -> Path:
    """A run's checkpoint of a small network whose last layer is lively."""
    torch.manual_seed(0)
    network = PoseNet("mobilenetv4_conv_small", pretrained=False, head="linear").eval()
    torch.nn.init.normal_(last_layer(network).weight, std=0.5)
    with torch.no_grad():
        last_layer(network).bias.copy_(10 * torch.eye(3).ravel())
    model = {"backbone": "mobilenetv4_conv_small", "head": "linear", "dropout": 0.2, "image_size": size}
    state = {"step": 5, "recipe": {"model": model, "loss": {"overreg": 1.025}}}
    save_checkpoint(folder / "best.safetensors", with_prefix("averaged", network.state_dict()), state)
    return folder / "best.safetensors"


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in ELSEWHERE])
def test_export_of_large_backbones_agrees_with_torch(name: str) -> None:
    torch.manual_seed(0)
    network = PoseNet(name, pretrained=False, head="linear").eval()
    torch.nn.init.normal_(last_layer(network).weight, std=0.5)
    model = to_onnx(network, 64)
    assert next(entry.version for entry in model.opset_import if entry.domain == "") >= 17
    assert drift_deg(network, model, heads(3, 64)) < 0.01
    assert drift_deg(network, model, heads(1, 64)) < 0.01


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    card = export(checkpoint(tmp_path), tmp_path / "a.onnx", precision="float32", card={"licence": "CC0"})
    content = (tmp_path / "a.onnx").read_bytes()
    assert card == json.loads((tmp_path / "a.json").read_text())
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert float(told["crop_margin"]) == MARGIN
    assert told["image_size"] == "32"
    assert told["licence"] == "CC0"
    assert "camera<-head" in told["convention"]
    assert told["weights_sha256"] == card["weights_sha256"]
    again = export(checkpoint(tmp_path), tmp_path / "b.onnx", precision="half")
    assert again["weights_sha256"] != card["weights_sha256"]
    assert (tmp_path / "b.onnx").stat().st_size < 0.6 * len(content)


def test_int8_computes_in_integers_one_scale_a_channel(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    options: dict[str, Any] = {"precision": "int8", "heads": heads(LEAST_HEADS, 32), "largest_drift_deg": 20}
    with pytest.raises(
        WeightsError, match=r"times as fast as float32 on this machine, the least is 99;.*--precision half"
    ):
        export(path, tmp_path / "a.onnx", **options, least_speedup=99)
    assert not (tmp_path / "a.onnx").exists()
    card = export(path, tmp_path / "a.onnx", **options, least_speedup=0)
    assert 0 < card["export_speedup"] < 99
    model = onnx.load(tmp_path / "a.onnx")
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    weights = [c for c in constants.values() if c.dtype == np.int8 and c.ndim == 4]
    assert len(weights) > 20
    assert all(np.abs(w.astype(int)).max() <= 64 for w in weights)  # seven bits
    scales = [n.input[1] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in constants]
    assert any(constants[name].size > 16 for name in scales)
    assert card["precision"] == "int8"
    assert 0 < card["export_mean_drift_deg"] < card["export_drift_deg"]
    poses = HeadPoseEstimator(tmp_path / "a.onnx").estimate_crops(list(heads(2, 32)))
    whole = export(path, tmp_path / "b.onnx", precision="float32")
    expected = HeadPoseEstimator(tmp_path / "b.onnx").estimate_crops(list(heads(2, 32)))
    assert whole["export_drift_deg"] < 0.01
    assert np.abs(poses.rotation - expected.rotation).max() < 0.5


def test_int8_is_refused_without_heads_and_beyond_the_limit(tmp_path: Path) -> None:
    path, target = checkpoint(tmp_path), tmp_path / "a.onnx"
    with pytest.raises(WeightsError, match="--heads"):
        export(path, target, precision="int8")
    with pytest.raises(WeightsError, match=f"at least {LEAST_HEADS}"):
        export(path, target, precision="int8", heads=heads(LEAST_HEADS - 1, 32))
    with pytest.raises(WeightsError, match=r"int8 graph differs by .*limit is 0\.2°"):
        export(path, target, precision="int8", heads=heads(LEAST_HEADS, 32))
    with pytest.raises(WeightsError, match=r"int8 graph differs by .*limit is 1e-06.*--precision half"):
        export(path, target, precision="int8", heads=heads(LEAST_HEADS, 32), largest_drift_deg=1e-6)
    assert not target.exists()


def test_imported_weights_export_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(1)
    published = Published("resnet18")
    with torch.no_grad():  # a belief with a mode, so that angles mean something
        last_layer(published).bias.add_(6 * torch.diag(torch.tensor([1.0, -1.0, -1.0])).ravel())
    torch.save({"model_state_dict": published.released()}, tmp_path / "DAD.pth")
    assert main(["import-weights", str(tmp_path / "DAD.pth"), str(tmp_path / "run")]) == 0
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "p.onnx"), "--precision", "float32"]) == 0
    assert "at most 0.00" in capsys.readouterr().out
    card = json.loads((tmp_path / "p.json").read_text())
    assert card["imported_from"]["file"] == "DAD.pth"
    assert card["image_size"] == 224
    told = onnxruntime.InferenceSession(tmp_path / "p.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(told["imported_from"])["weights"] == "student"
    assert "CC BY-NC-SA" in told["licence"]
    assert len(HeadPoseEstimator(tmp_path / "p.onnx").estimate_crops(list(heads(1, 224)))) == 1
