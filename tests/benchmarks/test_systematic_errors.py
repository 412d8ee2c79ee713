"""`benchmarks/systematic_errors.py`: slopes, biases and ranks are those of what a model was made to do."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.coloured_heads import colours, poses_of, write_store
from helpers.scripts import script
from helpers.tiny_onnx import write_pose_weights
from scipy import stats

from semiuhpe.evaluation.predictions import Predictions
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.heads.store import HeadStore


@pytest.fixture(scope="module")
def systematic() -> ModuleType:
    return script("benchmarks/systematic_errors.py")


def test_the_slope_is_that_of_a_line_through_the_origin(systematic: ModuleType, rng: np.random.Generator) -> None:
    label = rng.uniform(-np.pi, np.pi, 200)
    assert systematic.slope(0.8 * label, label) == pytest.approx(0.8)
    assert systematic.slope(label + 0.01 + 2 * np.pi, label) == pytest.approx(1.0, abs=0.02), "angles are circular"
    assert np.isnan(systematic.slope(label[:0], label[:0]))


def test_ranks_are_spearmans(systematic: ModuleType, rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 9, 80).astype(float), rng.normal(size=80)
    b += a
    assert systematic.rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_a_moved_box_is_moved_by_a_share_of_its_side(systematic: ModuleType, tmp_path: Path) -> None:
    colour = colours(3)
    store = HeadStore(write_store(tmp_path / "flat", colour, list(poses_of(colour)), split="val"))
    moved = systematic.MovedBoxes(store, (0.1, -0.2))
    for index in range(3):
        before, after = np.array(store.record(index).box), np.array(moved.record(index).box)
        side = np.sqrt(np.prod(before[2:] - before[:2]))
        np.testing.assert_allclose(after - before, side * np.array([0.1, -0.2, 0.1, -0.2]))


def test_a_model_that_sees_colours_alone_does_not_mind_where_the_box_is(systematic: ModuleType, tmp_path: Path) -> None:
    colour = colours(6)
    store, weights = (
        write_store(tmp_path / "flat", colour, list(poses_of(colour)), split="val"),
        write_pose_weights(tmp_path),
    )
    systematic.main(["--store", str(store), "--weights", str(weights), "--json", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())[f"flat, {weights}"]
    assert found["moved box, mean_deg"] == pytest.approx(0, abs=0.1)
    assert found["mean_deg"] < 1
    assert found["within_90"] == 1.0


class Answers:
    """Answers the same pitches again and again."""

    size, description = 32, {"model": "answers"}
    pitches = np.arange(-20.0, 40.0, 10.0)

    def __call__(self, crops: np.ndarray) -> Predictions:
        poses = from_euler_deg([(pitch, 10.0, 0.0) for pitch in self.pitches], "300w-lp")
        return Predictions(poses, np.ones(len(poses), bool))


def test_an_offset_is_a_bias_and_a_shrunk_angle_a_slope(systematic: ModuleType, tmp_path: Path) -> None:
    def found(name: str, labels: np.ndarray) -> dict[str, float]:
        store = HeadStore(
            write_store(tmp_path / name, colours(6), list(from_euler_deg(labels, "300w-lp")), split="val")
        )
        figures: dict[str, float] = systematic.measured(
            Answers(), store, range(6), beyond_deg=0.0, shift=0.1, margin=1.3
        )
        return figures

    yaw, roll = np.full(6, 10.0), np.zeros(6)
    lower = found("lower", np.column_stack([Answers.pitches - 4, yaw, roll]))
    assert lower["pitch bias_deg"] == pytest.approx(4, abs=1e-3)
    assert lower["yaw bias_deg"] == pytest.approx(0, abs=1e-3)
    assert lower["moved box, mean_deg"] == pytest.approx(0, abs=1e-3)
    shrunk = found("shrunk", np.column_stack([Answers.pitches / 0.8, yaw / 0.8, roll]))
    assert shrunk["elevation slope"] == pytest.approx(0.8, abs=0.02)
    assert shrunk["azimuth slope"] == pytest.approx(0.8, abs=0.03)
