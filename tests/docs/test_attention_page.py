"""docs/attention.md: its zones are read, its commands run, on frames in place of the videos; examples/attention.py runs."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.attention_frames import head_line, write_frames
from helpers.moving_pictures import wandering
from helpers.scripts import script
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.cli.main import main
from semiuhpe.estimator import HeadPoseEstimator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "attention.md").read_text(encoding="utf-8")
SECTIONS = {
    name: re.search(rf"## {title}\n(.*?)(?=\n## )", PAGE, re.DOTALL)[1]  # type: ignore[index]
    for name, title in (("driver", "A driver"), ("classroom", "A classroom"), ("shelf", "A shelf"))
}


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    ("name", "looks", "zone"),
    [
        ("driver", (0.0, 0.0), "road"),
        ("driver", (10.0, -40.0), "console"),
        ("driver", (-50.0, -8.0), "left mirror"),
        ("classroom", (0.0, 0.0), "board"),
        ("shelf", (0.0, -44.0), "lower shelf"),
        ("shelf", (0.0, -16.0), "upper shelf"),
    ],
)
def test_each_use_runs_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, looks: tuple[float, float], zone: str
) -> None:
    (scene,), (command,) = blocks("json", SECTIONS[name]), blocks("sh", SECTIONS[name])
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name}.json").write_text(scene)
    size = json.loads(scene).get("camera", {"size": [1280, 720]})["size"]
    box = [size[0] / 2 - 50, size[1] / 2 - 50, size[0] / 2 + 50, size[1] / 2 + 50]
    write_frames(tmp_path / "frames.jsonl", [[head_line(1, *looks, error_deg=4, box=box)] for _ in range(40)])
    words = shlex.split(command)
    assert words[:2] == ["semiuhpe", "attention"] and f"{name}.json" in words
    words[2] = "frames.jsonl"
    assert main(words[1:]) == 0
    output = Path(words[words.index("-o") + 1])
    person = json.loads((output / "attention.json").read_text())["persons"][0]
    assert max(json.loads(scene)["zones"], key=lambda z: person[f"{z['name']}_s"])["name"] == zone
    assert (output / "report.html").is_file()


def estimator_of(tmp_path: Path) -> HeadPoseEstimator:
    """Finds one head, always at one place."""
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), threads=1)
    estimator.detect = lambda image: (np.array([[40.0, 40, 80, 80]]), np.array([0.9]))  # type: ignore[method-assign]
    return estimator


def test_the_example_runs(tmp_path: Path) -> None:
    (tmp_path / "zones.json").write_text(blocks("json", SECTIONS["driver"])[0])
    video = wandering(tmp_path / "walk.mp4", 12)
    attention = script("examples/attention.py").analyse(
        estimator_of(tmp_path), str(video), tmp_path / "zones.json", tmp_path / "report"
    )
    assert [person.seen_s for person in attention.persons] == [pytest.approx(12 / 25, abs=0.01)]
    assert (tmp_path / "report" / "minutes.csv").is_file()


def test_the_read_out_of_a_camera(tmp_path: Path) -> None:
    lines = list(
        script("examples/webcam.py").read_out(estimator_of(tmp_path), str(wandering(tmp_path / "walk.mp4", 3)))
    )
    assert len(lines) == 3
    # 160 pixels across 65° and a head of 40: about 0.7 m.
    assert re.fullmatch(r" +0\.0 s  #1 0\.[67] m, looks here +\d+%", lines[0])
