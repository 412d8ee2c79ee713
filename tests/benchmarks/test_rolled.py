"""The turned copies of `benchmarks/rolled.py`: their pictures and labels agree, and its figures are those of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from helpers.axes_heads import draw_axes, make_store
from helpers.coloured_heads import colours, poses_of, write_store
from helpers.labels import label_of
from helpers.scripts import script
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.geometry.rotation import geodesic_distance, image_rotation
from semiuhpe.heads.store import HeadStore


@pytest.fixture(scope="module")
def rolled() -> ModuleType:
    return script("benchmarks/rolled.py")


@pytest.mark.parametrize("turn_deg", [30, -90, 180])
def test_the_label_turns_with_the_picture(rolled: ModuleType, tmp_path: Path, turn_deg: float) -> None:
    """On pictures whose pose can be read: the turned copy is the picture of the turned label."""
    store = HeadStore(make_store(tmp_path / "store", 4))
    heads = rolled.TurnedHeads(store, [2], np.radians(turn_deg), 1.2)
    record, image = heads.record(0), heads.image(0)
    side = len(image)
    x1, y1, x2, y2 = record.box
    assert x2 - x1 == pytest.approx(49.2, abs=0.5), "the head is as large as it was"
    assert (x1 + x2, y1 + y2) == (side, side)
    expected = draw_axes(label_of(record))
    cut = (128 - side) // 2
    apart = np.abs(cv2.resize(expected[cut : 128 - cut, cut : 128 - cut], (side, side)).astype(float) - image)
    unturned = draw_axes(label_of(store.record(2)))
    other = np.abs(cv2.resize(unturned[cut : 128 - cut, cut : 128 - cut], (side, side)).astype(float) - image)
    assert apart.mean() < 0.4 * other.mean()


def test_figures_are_those_of_a_model_that_cannot_see_turns(rolled: ModuleType, tmp_path: Path) -> None:
    """Flat pictures look alike at every turn, so this model's error is that between its answer and the turned label."""
    colour = colours(5)
    truth = poses_of(colour)
    store = write_store(tmp_path / "flat", colour, list(truth), split="val")
    weights = write_pose_weights(tmp_path)
    rolled.main(["--store", str(store), "--weights", str(weights), "--json", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())["flat"][str(weights)]
    assert [int(turn) for turn in found] == list(rolled.TURNS_DEG)
    for turn, figures in found.items():
        expected = np.degrees(geodesic_distance(truth, image_rotation(np.radians(float(turn))) @ truth))
        assert figures["median_deg"] == pytest.approx(abs(float(turn)), abs=0.5)
        assert figures["mean_deg"] == pytest.approx(expected.mean(), abs=0.5)
        assert figures["n"] == 5
    assert found["0"]["within_90"] == 1.0
    assert found["180"]["within_90"] == 0.0
    assert found["0"]["stated_deg"] > 0


def test_the_table_has_a_row_for_every_turn(
    rolled: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour = colours(3)
    store = write_store(tmp_path / "flat", colour, list(poses_of(colour)), split="val")
    rolled.main(["--store", str(store), "--weights", str(write_pose_weights(tmp_path)), "--limit", "2"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "| flat |" in line]
    assert len(rows) == len(rolled.TURNS_DEG)
    assert all("| 2 |" in row for row in rows)
