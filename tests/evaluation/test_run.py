"""From a store to figures: the tiny network's answers are known, so the figures are too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.coloured_heads import BOX, SIDE, colours, poses_of, write_store
from helpers.time_limits import within
from helpers.tiny_onnx import write_pose_weights

import semiuhpe
from semiuhpe import HeadPoseEstimator
from semiuhpe.errors import StoreError, WeightsError
from semiuhpe.evaluation import metrics
from semiuhpe.evaluation.benchmarks import protocol
from semiuhpe.evaluation.models import ExportedModel, open_model
from semiuhpe.evaluation.predictions import predict
from semiuhpe.evaluation.run import best_match, evaluate, predict_heads
from semiuhpe.geometry.rotation import random_rotations, rotation_x
from semiuhpe.heads.store import HeadStore

COUNT = 70


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    """Labels that are 12° from what the tiny network says."""
    colour = colours(COUNT)
    return HeadStore(write_store(tmp_path / "store", colour, list(poses_of(colour) @ rotation_x(np.radians(12)))))


def test_figures_of_a_known_network(tmp_path: Path, store: HeadStore) -> None:
    found = evaluate(protocol("synthetic"), ExportedModel(write_pose_weights(tmp_path), threads=1), store)
    figures = found.results["all"]
    assert figures["geodesic"]["n"] == COUNT
    assert figures["geodesic"]["mean_deg"] == pytest.approx(12, abs=1e-3)
    assert (figures["accuracy"]["10"], figures["accuracy"]["15"]) == (0, 1)
    np.testing.assert_allclose(found.errors_deg, 12, atol=1e-3)
    assert found.labels.ids.tolist() == [r.id for r in store]
    part = evaluate(protocol("any"), ExportedModel(write_pose_weights(tmp_path)), store, limit=9)
    assert part.results["all"]["kept"] == 9 and part.numbers[-1] == COUNT - 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_batch_changes_nothing(mirrored: bool, store: HeadStore) -> None:
    """On the embedded network, and so that what is measured is what `HeadPoseEstimator` answers."""
    one, many = (
        predict_heads(
            ExportedModel("default", threads=1, mirrored=mirrored, batch_size=size), store, range(66), batch_size=size
        )
        for size in (1, 64)
    )
    assert metrics.geodesic_errors_deg(one.rotation, many.rotation).max() < 1e-6
    assert one.stated is not None and many.stated is not None
    np.testing.assert_allclose(one.stated.error_90_deg, many.stated.error_90_deg, atol=1e-6)
    estimator = HeadPoseEstimator("default", threads=1, mirrored=mirrored)
    for number in (0, 30, 65):
        heads = estimator.estimate(store.image(number), [store.record(number).box])
        assert metrics.geodesic_errors_deg(heads.rotation, many.rotation[number : number + 1])[0] < 1e-6
        assert heads.expected_error_deg[0] == pytest.approx(many.stated.expected_error_deg[number], abs=1e-6)


def test_no_heads_are_no_predictions(tmp_path: Path) -> None:
    nothing = predict(ExportedModel(write_pose_weights(tmp_path)), [])
    assert nothing.rotation.shape == (0, 3, 3) and nothing.stated is None


def test_detected_boxes_are_matched_and_misses_counted(tmp_path: Path, store: HeadStore) -> None:
    """The detector misses every head whose red is odd, and elsewhere finds it besides a box in a corner."""
    seen: list[tuple[int, ...]] = []

    def detector(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(image.shape)
        corner = [0.0, 0.0, 20.0, 20.0]
        boxes = [corner] if image[0, 0, 0] % 2 else [corner, [BOX[0] + 4, BOX[1], BOX[2] + 4, BOX[3]]]
        return np.array(boxes, np.float32), np.ones(len(boxes), np.float32)

    found = evaluate(
        protocol("synthetic"), ExportedModel(write_pose_weights(tmp_path), threads=1), store, detector=detector
    )
    hit = colours(COUNT)[:, 0] % 2 == 0
    np.testing.assert_array_equal(found.predictions.found, hit)
    assert seen == [(SIDE, SIDE, 3)] * COUNT
    figures = found.results["all"]
    assert (figures["found"], figures["missed"]) == (hit.sum(), COUNT - hit.sum())
    assert figures["geodesic"]["mean_deg"] == pytest.approx(12, abs=1e-3)
    assert figures["accuracy_missed_are_wrong"]["15"] == pytest.approx(hit.mean())
    assert len(found.errors_deg) == hit.sum()
    strict = evaluate(
        protocol("synthetic"), ExportedModel(write_pose_weights(tmp_path)), store, detector=detector, iou=0.95
    )
    assert strict.results["all"]["missed"] == COUNT


def test_best_match_by_hand() -> None:
    label = [0.0, 0.0, 10.0, 10.0]
    boxes = [[0, 0, 10, 6], [0, 0, 10, 9], [0, 0, 40, 40]]
    assert best_match(boxes, label) is not None
    np.testing.assert_array_equal(best_match(boxes, label), [0, 0, 10, 9])
    assert best_match(boxes, label, 0.91) is None
    assert best_match(np.zeros((0, 4)), label) is None


def test_the_labels_are_asked_for_before_the_network_runs(tmp_path: Path) -> None:
    store = HeadStore(write_store(tmp_path / "bare", colours(3), [None] * 3))

    def refuses(crops: np.ndarray) -> None:
        raise AssertionError("the network ran")

    refuses.size, refuses.description = 32, {}  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="none of the 3 heads"):
        evaluate(protocol("synthetic"), refuses, store)  # type: ignore[arg-type]


def test_weights_by_what_they_are(tmp_path: Path) -> None:
    assert isinstance(open_model(write_pose_weights(tmp_path)), ExportedModel)
    with pytest.raises(WeightsError, match="only a run folder"):
        open_model("default", student="current")
    with pytest.raises(WeightsError, match="no such weights"):
        open_model(tmp_path / "nothing.onnx")


def test_an_exported_file_is_measured_without_torch(tmp_path: Path, store: HeadStore) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            code,
            "evaluate",
            *arguments,
            "--protocol",
            "synthetic",
            "--store",
            str(store.path),
        ]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=within(120), check=False
        )

    code = (
        "import sys\n"
        "class Barrier:\n"
        "  def find_spec(self, name, path=None, target=None):\n"
        "    if name.partition('.')[0] in {'torch', 'timm', 'onnx', 'scipy', 'matplotlib'}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Barrier())\n"
        "from semiuhpe.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    weights = str(write_pose_weights(tmp_path))
    done = run(weights)
    assert done.returncode == 0, done.stderr
    assert "geodesic mean deg" in done.stdout
    done = run(weights, "--report", str(tmp_path / "r.html"))
    assert done.returncode == 1 and "an evaluation report needs an optional dependency" in done.stderr
    done = run(str(tmp_path))
    assert done.returncode == 1 and "semiuhpe[train]" in done.stderr


def test_haar_random_guesses_score_as_chance_does() -> None:
    """E[θ] of two uniform rotations is π/2 + 2/π: a check of the whole chain that no prediction can fool."""
    rng = np.random.default_rng(3)
    errors = metrics.geodesic_errors_deg(random_rotations(20_000, rng), random_rotations(20_000, rng))
    assert errors.mean() == pytest.approx(np.degrees(np.pi / 2 + 2 / np.pi), abs=0.6)
