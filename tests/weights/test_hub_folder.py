from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.time_limits import within
from helpers.tiny_onnx import write_detector_weights, write_pose_weights

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.weights import open_weights
from semiuhpe.weights.hub_folder import write_hub_folder

ROOT = Path(semiuhpe.__file__).parents[1]
PHOTO = Path(__file__).parents[2] / "docs" / "demo" / "astronaut.jpg"


def page(folder: Path) -> tuple[dict[str, Any], str]:
    """The YAML head and the text of a repository's page."""
    yaml = pytest.importorskip("yaml")
    _, head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run_example(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(folder / "example.py"), str(PHOTO)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=within(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_embedded_weights_become_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "repository"
    options = ["--hub-license", "apache-2.0", "--hub-dataset", "owner/renders"]
    assert main(["export", "open", "--hub-folder", str(folder), *options]) == 0
    assert "hf upload" in capsys.readouterr().out
    assert names(folder) == {"model.onnx", "model.json", "README.md", "example.py"}
    assert open_weights(folder / "model.onnx").content == open_weights("open").content
    head, text = page(folder)
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "semiuhpe"
    assert head["datasets"] == ["owner/renders"]
    assert head["metrics"] == ["mean_geodesic_error_deg"]
    assert {"head-pose-estimation", "onnx"} <= set(head["tags"])
    card = json.loads((folder / "model.json").read_text())
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"]["name"] == "synth"
    assert result["metrics"][0]["value"] == pytest.approx(card["validation_deg"]["synth"], abs=1e-4)
    assert hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest() in text
    assert card["licence"] in text
    assert "](.." not in text


def test_the_hubs_library_reads_the_head(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    for name in ("default", "head_detector"):
        write_hub_folder(open_weights(name), tmp_path / name)
        data = hub.ModelCard.load(tmp_path / name / "README.md").data
        assert data.license == "other"
        assert data.license_link == "README.md"
        assert data.eval_results
        assert all(result.metric_value > 0 for result in data.eval_results)
    assert data.pipeline_tag == "object-detection"


def test_what_a_card_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    write_hub_folder(open_weights(write_pose_weights(tmp_path)), tmp_path / "r")
    head, text = page(tmp_path / "r")
    assert not {"model-index", "metrics", "datasets"} & set(head)
    assert "not stated in the model card" in text
    assert "Trained on" not in text


def test_the_examples_run(tmp_path: Path) -> None:
    detector = open_weights(write_detector_weights(tmp_path, [[20.0, 20, 60, 80]], task="head detection"))
    write_hub_folder(detector, tmp_path / "d")
    told = run_example(tmp_path / "d")
    assert re.fullmatch(r"(\d+ \d+ \d+ \d+, score 0\.90\n)+", told)
    write_hub_folder(open_weights("open"), tmp_path / "p")
    told = run_example(tmp_path / "p")
    assert re.fullmatch(r"(azimuth -?\d+° elevation -?\d+° tilt -?\d+°, expected error \d+°\n)+", told)


def test_a_run_gives_its_checkpoint_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint, with_prefix
    from semiuhpe.models.export import network_of
    from semiuhpe.models.pose_net import PoseNet

    torch.manual_seed(0)
    network = PoseNet("mobilenetv4_conv_small", pretrained=False, head="linear").eval()
    model = {"backbone": "mobilenetv4_conv_small", "head": "linear", "dropout": 0.2, "image_size": 32}
    recipe = {"model": model, "loss": {"overreg": 1.0}, "labelled": [{"store": "data/stores/mine"}]}
    recipe["semi"] = {"unlabelled": [{"store": "data/stores/wild"}]}
    state = {"step": 5, "validation_deg": {"mine": 9.5, "mean": 9.5}, "recipe": recipe}
    tensors = with_prefix("averaged", network.state_dict()) | {"current/x": torch.zeros(3)}
    save_checkpoint(tmp_path / "run" / "best.safetensors", tensors, state)
    folder = tmp_path / "repository"
    command = ["export", str(tmp_path / "run"), "--hub-folder", str(folder), "--licence", "MIT", "--precision", "half"]
    assert main(command) == 0
    assert names(folder) == {"model.onnx", "model.json", "model.safetensors", "README.md", "example.py"}
    kept, known = load_checkpoint(folder / "model.safetensors")
    assert known == state
    assert set(kept) == set(with_prefix("averaged", network.state_dict()))
    assert network_of(folder / "model.safetensors")[1]["step"] == 5
    head, text = page(folder)
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 9.5
    assert "| License | MIT |" in text
    assert "mine, wild (without labels)" in text

    capsys.readouterr()
    assert main(["export", "open", "--hub-folder", str(folder)]) == 1  # would leave two networks in one repository
    assert "model.safetensors of other weights" in capsys.readouterr().err
    (folder / "README.md").unlink()
    assert main(["export", str(folder / "model.onnx"), "--hub-folder", str(folder)]) == 0  # writes the page anew
    assert "| License | MIT |" in page(folder)[1]


def test_wrong_usage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["open"], ["open", str(tmp_path / "a.onnx"), "--hub-folder", str(tmp_path)]):
        with pytest.raises(SystemExit):
            main(["export", *arguments])
        assert "one of the two" in capsys.readouterr().err
    assert main(["export", "open", "--hub-folder", str(tmp_path), "--licence", "MIT"]) == 1
    assert "its licence is in the file already" in capsys.readouterr().err
    assert names(tmp_path) == set()
