"""What a practitioner runs works where torch cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from helpers.moving_pictures import wandering
from helpers.time_limits import within
from helpers.tiny_onnx import write_detector_weights, write_pose_weights

import semiuhpe

BARRIER = '''
import sys

class Barrier:
    """Only what `pip install semiuhpe` installs may be imported."""
    banned = {"torch", "torchvision", "timm", "lightning_fabric", "onnx", "scipy", "matplotlib", "lmdb", "pyarrow", "yaml", "supervision", "trackers", "pandas"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.banned:
            raise ImportError(f"{name} was imported")
        return None

sys.meta_path.insert(0, Barrier())
'''


def run(code: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", BARRIER + code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=within(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_barrier_holds() -> None:
    assert "torch was imported" in run("try:\n  import torch\nexcept ImportError as error: print(error)")


def test_python_api(tmp_path: Path, rng: np.random.Generator) -> None:
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    weights = write_pose_weights(tmp_path)
    detector = write_detector_weights(tmp_path, [[20.0, 20, 120, 140]])
    code = """
from semiuhpe import HeadDetector, HeadPoseEstimator, HeadPoses
photo, weights, detector = sys.argv[1:]
estimator = HeadPoseEstimator(weights, detector=HeadDetector(detector), mirrored=True)
heads = estimator(photo)
assert isinstance(heads, HeadPoses) and len(heads) == 1, heads
heads = HeadPoses.concatenate([heads, estimator.estimate_crops([photo])])
for style in ("axes", "cube"):
    from semiuhpe.images.load import load_image
    assert heads.draw(load_image(photo), style, labels=True).shape == (90, 120, 3)
print(len(heads), heads.to_json(["300w-lp", "mediapipe"])[:1], heads.to_csv()[:2])
"""
    assert run(code, str(tmp_path / "a.png"), str(weights), str(detector)).split() == ["2", "[", "x1"]


def test_predict(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "in" / "a.png")
    weights = write_pose_weights(tmp_path)
    detector = write_detector_weights(tmp_path, [[20.0, 20, 120, 140]])
    options = ["-o", str(tmp_path / "out"), "--weights", str(weights), "--detector", str(detector), "--csv"]
    run("from semiuhpe.cli.main import main; sys.exit(main(sys.argv[1:]))", "predict", str(tmp_path / "in"), *options)
    document = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(document["images"][0]["heads"]) == 1
    assert Image.open(tmp_path / "out" / "a.jpg").size == (120, 90)


def test_predict_on_a_video(tmp_path: Path) -> None:
    video = wandering(tmp_path / "clip.mp4", 4, sound_s=0.2)
    weights = write_pose_weights(tmp_path)
    detector = write_detector_weights(tmp_path, [[20.0, 20, 120, 140]])
    options = ["-o", str(tmp_path / "out"), "--weights", str(weights), "--detector", str(detector)]
    options += ["--smooth", "0.2", "--every", "2", "--format", "jsonl", "csv"]
    run("from semiuhpe.cli.main import main; sys.exit(main(sys.argv[1:]))", "predict", str(video), *options)
    names = {"annotated.mp4", "frames.jsonl", "heads.csv", "video.json"}
    assert {p.name for p in (tmp_path / "out" / "clip").iterdir()} == names


def test_help_of_every_training(tmp_path: Path) -> None:
    code = 'Barrier.banned.add("jsonargparse")\n' + "from semiuhpe.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for command, key in (("train", "--optimizer.lr"), ("train-detector", "--learning_rate"), ("sweep", "--variant")):
        text = run(code, command, "--help")
        assert key in text and "\nexample" in text
