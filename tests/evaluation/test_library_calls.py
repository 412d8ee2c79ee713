"""calibrate, evaluate and submit from Python: they answer values, print nothing, and the commands tell the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.coloured_heads import colours, poses_of, write_store
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.cli.main import main
from semiuhpe.errors import ProtocolError, StoreError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation.measure import Detection, measure
from semiuhpe.evaluation.models import open_model
from semiuhpe.evaluation.submit import submit_dad3dheads
from semiuhpe.evaluation.weights_calibration import calibrate_weights, drawn_truths
from semiuhpe.geometry.rotation import geodesic_distance, random_rotations, rotation_y

OFF_DEG = 9.0


def off_by(colour: np.ndarray) -> list[np.ndarray]:
    """Labels of which the tiny network is `OFF_DEG` away."""
    return list(poses_of(colour) @ rotation_y(np.radians(OFF_DEG)))


def test_a_measurement_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour = colours(8)
    store, weights = write_store(tmp_path / "store", colour, off_by(colour)), write_pose_weights(tmp_path)
    seen: list[int] = []

    def progress(numbers):  # type: ignore[no-untyped-def]
        for number in numbers:
            seen.append(number)
            yield number

    found = measure("synthetic", open_model(weights), store, progress=progress)
    assert capsys.readouterr() == ("", "")
    assert seen == list(range(8))
    np.testing.assert_allclose(found.evaluation.errors_deg, OFF_DEG, atol=1e-3)
    assert main(["evaluate", str(weights), "--protocol", "synthetic", "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.document).replace("NaN", "null"))
    nothing = Detection(lambda image: (np.zeros((0, 4)), np.zeros(0)), name="mine")
    assert measure("synthetic", open_model(weights), store, detection=nothing).document["data"]["boxes"] == (
        "detected by mine, IoU from 0.5"
    )
    with pytest.raises(ProtocolError):
        measure("none", open_model(weights), store)


def test_a_calibration_tells_what_it_found(tmp_path: Path) -> None:
    colour = colours(240)
    store, weights = write_store(tmp_path / "store", colour, off_by(colour), split="val"), write_pose_weights(tmp_path)
    found = calibrate_weights(weights, [store], mirrored=False)
    assert (found.heads, found.card) == (240, weights.with_suffix(".json"))
    assert found.mean_error_deg == pytest.approx(OFF_DEG, abs=1e-3)
    assert found.aurc_deg == pytest.approx(OFF_DEG, abs=1e-3)  # all errors are alike
    heads = HeadPoseEstimator(weights).estimate(np.full((64, 64, 3), 90, np.uint8), [16, 16, 48, 48])
    assert heads.expected_error_deg[0] == pytest.approx(OFF_DEG, abs=0.5)
    before = weights.read_bytes()
    with pytest.raises(StoreError, match="at least 200"):
        calibrate_weights(weights, [store], limit=100)
    assert weights.read_bytes() == before


def test_a_submission_and_its_score(tmp_path: Path) -> None:
    colour = colours(4)
    extras = [{"item_id": f"item{i}"} for i in range(4)]
    store = write_store(tmp_path / "val", colour, off_by(colour), extras, split="val")
    written = submit_dad3dheads(
        open_model(write_pose_weights(tmp_path)), store, tmp_path / "new" / "out.json", score=True
    )
    assert (written.split, written.heads) == ("val", 4)
    assert list(json.loads(written.path.read_text())) == [f"item{i}" for i in range(4)]
    assert written.score is not None
    assert written.score["geodesic"]["mean_deg"] == pytest.approx(OFF_DEG, abs=1e-3)


def test_truths_are_as_far_from_labels_as_the_labels_are_noisy() -> None:
    labels = random_rotations(4000, np.random.default_rng(1))
    sigmas = np.repeat([0.0, 6.0], 2000)
    apart = np.degrees(geodesic_distance(drawn_truths(labels, sigmas), labels))
    assert apart[:2000].max() < 1e-5
    assert np.sqrt(np.mean(apart[2000:] ** 2)) == pytest.approx(6.0, rel=0.05)
