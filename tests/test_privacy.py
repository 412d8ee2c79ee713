"""Nothing leaves the machine, and nothing is left in the home: of any command, but for a URL that the user gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_weight_options
from helpers.watched import watched
from PIL import Image

from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.context import encode_jpeg
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter


@pytest.fixture
def place(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder with photos, a video and a store."""
    (tmp_path / "in").mkdir()
    picture = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in" / "a.png")
    wandering(tmp_path / "clip.mp4", 4)
    with HeadStoreWriter(tmp_path / "store") as writer:
        for number, rotation in enumerate(random_rotations(12, rng)):
            box = (20.0, 20.0, 60.0, 60.0)
            record = HeadRecord(f"h{number}", "made", "val" if number % 3 else "train", f"p{number}", box, rotation, {})
            writer.add(record, encode_jpeg(picture[:80, :80]))
    return tmp_path


def test_the_witnesses_see(tmp_path: Path) -> None:
    code = """
import pathlib, socket
pathlib.Path.home().joinpath("trace").write_text("x")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("127.0.0.1", 9))
"""
    seen = watched(tmp_path, code=code)
    assert (seen.code, seen.files) == (0, ["trace"])
    assert any(line.startswith("socket.connect") for line in seen.connections)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_witnesses_see_what_python_does_not_tell(tmp_path: Path) -> None:
    code = """
import ctypes, time
ctypes.CDLL(None).socket(2, 2, 0)
time.sleep(0.2)
"""
    assert "a socket is open" in watched(tmp_path, code=code).connections


def test_predict_with_the_weights_that_ship(place: Path) -> None:
    """A photo and a video, with whatever onnxruntime does on its own, and after it."""
    seen = watched(place, "predict", "in", "clip.mp4", "--every", "2", "--csv")
    assert seen.code == 0, seen.output
    assert seen.connections == []
    assert seen.files == []
    assert json.loads((place / "poses" / "predictions.json").read_text())["images"]


def test_the_python_api(place: Path) -> None:
    code = """
import semiuhpe
estimator = semiuhpe.HeadPoseEstimator()
estimator("in/a.png")
assert len(list(estimator.stream("clip.mp4"))) == 4
"""
    seen = watched(place, code=code)
    assert seen.code == 0, seen.output
    assert (seen.connections, seen.files) == ([], [])


COMMANDS = [
    ["--help"], ["--version"], ["predict", "--help"], ["inspect", "store"],
    ["prepare", "photos", "in", "photos-store"],
    ["evaluate", "--help"], ["synthesize", "--help"],
    ["train", "--labelled+={\"store\": \"store\"}", "--run", "run", "--steps", "1", "--batch_size", "2", "--model.backbone",
     "resnet18", "--model.pretrained", "false", "--model.image_size", "32", "--device", "cpu", "--quiet"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: "-".join(words[:2]))
def test_other_commands(command: list[str], place: Path) -> None:
    seen = watched(place, *command)
    assert not seen.network, "\n".join(seen.network)
    assert seen.code == 0, seen.output


def test_weights_of_a_backbone_are_fetched_only_where_the_recipe_says_so(place: Path) -> None:
    """Neither with weights that come with a package, nor where nobody has said whether to fetch others."""
    flags = ['--labelled+={"store": "store"}', "--steps", "1", "--batch_size", "2", "--device", "cpu", "--quiet"]
    seen = watched(place, "train", *flags, "--run", "lite0", "--model.image_size", "32")
    assert not seen.network, "\n".join(seen.network)
    assert seen.code == 0, seen.output
    assert json.loads((place / "lite0" / "recipe.json").read_text())["model"]["pretrained"] is True
    asked = watched(place, "train", *flags, "--run", "resnet", "--model.backbone", "resnet18")
    assert not asked.network, "\n".join(asked.network)
    assert asked.code == 1
    assert asked.output.splitlines() == [
        "semiuhpe: error: resnet18: say --model.pretrained true to fetch its ImageNet weights from the hub, or false to train from "
        "scratch"
    ]
    assert not (place / "resnet").exists()


def test_a_url_that_the_user_gave_is_the_exception(place: Path) -> None:
    options = write_weight_options(place, [[2.0, 2, 30, 30]], [0.9])
    seen = watched(place, "predict", "http://127.0.0.1:9/a.mp4", *options)
    assert seen.code == 1
    assert sys.platform != "linux" or seen.connections
