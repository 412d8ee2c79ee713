"""The small test sets of the benchmarks: boxes and labels as their files say, figures as the protocols do."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from coloured_heads import poses_of
from PIL import Image
from tiny_onnx import write_pose_weights

from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "photo_sets.py"


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("photo_sets", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "photo_sets", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pitch, yaw, roll = euler_deg(poses_of(np.array([[200, 10, 10]])), "300w-lp")[0]
    paint(tmp_path / "AFLW2000_subset" / "images" / "a.png", (200, 10, 10), (150, 150))
    (tmp_path / "AFLW2000_subset" / "labels.csv").write_text(
        f"file,pitch_deg,yaw_deg,roll_deg\na.png,{pitch},{yaw + 6},{roll}\n"
    )
    azimuth, elevation, _ = np.degrees(azimuth_elevation_tilt(poses_of(np.array([[5, 90, 30]])))[0])
    stem = f"person01102{round(elevation):+d}{round(azimuth) + 10:+d}"
    paint(tmp_path / "Pointing04" / "person01" / f"{stem}.jpg", (5, 90, 30), (384, 288))
    (tmp_path / "Pointing04" / "person01" / f"{stem}.txt").write_text(f"{stem}.jpg\n\nFace\n200\n150\n50\n60\n")
    paint(tmp_path / "WildDirections" / "images" / "w.png", (40, 40, 40), (150, 150))
    (tmp_path / "WildDirections" / "labels.csv").write_text(
        "file,photo,x1,y1,x2,y2,azimuth_deg\nw.png,p,25,25,125,125,180\n"
    )
    return tmp_path


def test_boxes_and_labels(sets: ModuleType, data: Path) -> None:
    (record,) = sets.aflw2000_subset(data / "AFLW2000_subset").records
    assert record.box == (10.5, 4.5, 139.5, 133.5)
    (record,) = sets.pointing04(data / "Pointing04").records
    # The face box is 50 × 60 around (200, 150): a square of 1.7 · 60 around a point 0.2 · 60 higher.
    assert record.box == pytest.approx((149, 87, 251, 189))
    assert record.rotation is None and set(record.extras) == {"azimuth_deg", "elevation_deg"}
    heads = sets.wild_directions(data / "WildDirections")
    assert heads.records[0].box == (25, 25, 125, 125) and heads.records[0].extras == {"azimuth_deg": 180}
    assert len(heads) == 1 and heads.image(0).shape == (150, 150, 3)


def test_the_command(
    sets: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_pose_weights(data)
    monkeypatch.setattr(sys, "argv", ["photo_sets.py", str(data), "--weights", str(weights), "--threads", "1"])
    assert sets.main() == 0
    results = json.loads(capsys.readouterr().out)["results"]
    subset = next(iter(results["AFLW2000_subset"].values()))
    assert subset["kept"] == 1
    # The crop of a face that fills its photo has a padded rim, which this network sees too.
    assert subset["euler_mae_deg"]["yaw"] == pytest.approx(6, abs=4)
    assert results["Pointing04"]["all"]["azimuth_mae_deg"] == pytest.approx(10, abs=1)
    assert results["WildDirections"]["all"]["heads_rear"] == 1
    monkeypatch.setattr(sys, "argv", ["photo_sets.py", str(data / "AFLW2000_subset")])
    assert sets.main() == 1
    assert "has none of" in capsys.readouterr().err
