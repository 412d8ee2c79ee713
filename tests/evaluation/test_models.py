"""Weights of a training before any export: which ones are taken, and that they answer as their export does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from semiuhpe.errors import WeightsError
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.evaluation.models import open_model
from semiuhpe.geometry.rotation import mirror, project_to_rotation
from semiuhpe.models.checkpoint import BEST, LAST, save_checkpoint, with_prefix
from semiuhpe.models.pose_net import PoseNet

SIZE = 48


def network(seed: int) -> PoseNet:
    """An untrained network whose poses differ by seed and from crop to crop."""
    torch.manual_seed(seed)
    net = PoseNet("mobilenetv4_conv_small", head="linear", pretrained=False).eval()
    with torch.no_grad():
        for parameter in net.head.parameters():
            parameter.normal_(0, 1)
    return net


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PoseNet, PoseNet]:
    """A run folder, its averaged network and its student."""
    folder = tmp_path_factory.mktemp("run")
    averaged, current = network(1), network(2)
    model = {"backbone": "mobilenetv4_conv_small", "head": "linear", "dropout": 0.0, "image_size": SIZE}
    state = {"step": 7, "recipe": {"model": model, "loss": {"overreg": 1.025}}}
    tensors = with_prefix("averaged", averaged.state_dict())
    save_checkpoint(folder / BEST, tensors, state)
    save_checkpoint(folder / LAST, {**tensors, **with_prefix("current", current.state_dict())}, state)
    return folder, averaged, current


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def poses(net: PoseNet, pictures: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return project_to_rotation(net(torch.from_numpy(pictures)).double().numpy())


def test_teacher_and_student_are_told_apart(run: tuple[Path, PoseNet, PoseNet]) -> None:
    folder, averaged, current = run
    pictures = crops(6)
    model = open_model(folder, device="cpu")
    assert (model.size, model.description["step"]) == (SIZE, 7)
    for opened, net in (
        (model, averaged),
        (open_model(folder / BEST, device="cpu"), averaged),
        (open_model(folder, student="current", device="cpu"), current),
        (open_model(folder / LAST, student="current", device="cpu"), current),
    ):
        found = opened(pictures)
        assert geodesic_errors_deg(found.rotation, poses(net, pictures)).max() < 1e-6
        assert found.stated is not None and (found.stated.error_50_deg <= found.stated.error_90_deg).all()
    assert geodesic_errors_deg(poses(averaged, pictures), poses(current, pictures)).min() > 1
    with pytest.raises(WeightsError, match=r"best.safetensors: has no current weights; give last.safetensors"):
        open_model(folder / BEST, student="current")


def test_mirrored_is_the_mean_of_both_beliefs(run: tuple[Path, PoseNet, PoseNet]) -> None:
    folder, averaged, _ = run
    pictures = crops(3)
    with torch.no_grad():
        plain, flipped = (
            averaged(torch.from_numpy(p.copy())).double().numpy() for p in (pictures, pictures[:, :, ::-1])
        )
    expected = project_to_rotation((plain + mirror(flipped)) / 2)
    found = open_model(folder, mirrored=True, device="cpu")(pictures)
    assert geodesic_errors_deg(found.rotation, expected).max() < 1e-4


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"best\.safetensors: no such checkpoint"):
        open_model(tmp_path)
