from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.cli.main import main
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.weights.graph_metadata import read_metadata


def test_the_calibration_is_in_the_weights_too(tmp_path: Path) -> None:
    weights = write_pose_weights(tmp_path)
    picture = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    with HeadStoreWriter(tmp_path / "store") as writer:
        for i, rotation in enumerate(random_rotations(200, np.random.default_rng(0))):
            writer.add(HeadRecord(f"h{i}", "x", "val", "", (16.0, 16.0, 48.0, 48.0), rotation), picture)
    for _ in range(2):  # a second calibration replaces the first
        assert main(["calibrate", str(weights), "--heads", str(tmp_path / "store")]) == 0
        content = weights.read_bytes()
        card = json.loads(weights.with_suffix(".json").read_text())
        assert card["sha256"] == hashlib.sha256(content).hexdigest()
        assert json.loads(read_metadata(content)["calibration"]) == card["calibration"]
    assert HeadPoseEstimator(weights).weights.card["calibration"]["heads"] == 200
