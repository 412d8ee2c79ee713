"""Recordings for the Rerun viewer, read back with its own reader; and what is told without it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_weight_options
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.drawing.style import GREY
from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.prediction.rerun_log import RerunLog, write_recording
from semiuhpe.tracking.stream import Frame

Cells = dict[tuple[str, str], list[tuple[float, Any]]]
SIDE = 0.5 * 1.1  # of an axis in box sides: half of it is the radius


def recorded(path: Path) -> Cells:
    """Time and value of everything in a recording, by entity and component; time −1 for what holds always."""
    from rerun.chunk import RrdReader

    found: Cells = {}
    for chunk in RrdReader(str(path)).stream():
        for row in chunk.to_record_batch().to_pylist():
            time_s = row["time"].total_seconds() if "time" in row else -1.0
            for name, value in row.items():
                if ":" in name and value is not None:
                    found.setdefault((chunk.entity_path, name), []).append((time_s, value))
    return {key: sorted(cells, key=lambda cell: cell[0]) for key, cells in found.items()}


def heads_at(azimuth_deg: list[float], error_deg: list[float], ids: list[int]) -> HeadPoses:
    """Heads 40 pixels wide, the k-th one 100·k pixels from the left."""
    count = len(ids)
    rotation = from_azimuth_elevation_tilt(np.radians(azimuth_deg), np.zeros(count), np.zeros(count))
    boxes = [[100.0 * k, 20, 100 * k + 40, 60] for k in range(count)]
    ones = np.ones(count)
    return HeadPoses(
        rotation=rotation,
        box=np.reshape(boxes, (-1, 4)),
        detection_score=ones,
        expected_error_deg=error_deg,
        error_90_deg=2 * np.array(error_deg),
        entropy=-ones,
        track_id=ids,
    )


@pytest.fixture
def rerun() -> Any:
    return pytest.importorskip("rerun")


def test_boxes_axes_and_error_bars_over_time(tmp_path: Path, rerun: Any) -> None:
    path = tmp_path / "heads.rrd"
    image = np.full((200, 400, 3), (10, 200, 30), np.uint8)
    with RerunLog(path, name="clip", picture_side=100) as log:  # a quarter of its size
        log(Frame(0, 0.0, image, heads_at([90.0, 0.0], [5.0, 60.0], [7, 9]), True))
        log(Frame(1, 0.2, image, heads_at([-60.0], [8.0], [7]), True))
        log(Frame(2, 0.4, image, heads_at([170.0], [20.0], [-1]), True))
    found = recorded(path)
    assert found["/heads/7/azimuth", "Scalars:scalars"] == [
        (0.0, pytest.approx([85.0, 90.0, 95.0])),
        (0.2, pytest.approx([-68.0, -60.0, -52.0])),
    ]
    assert found["/heads/7/expected_error", "Scalars:scalars"] == [(0.0, [5.0]), (0.2, [8.0])]
    assert found["/heads/9/tilt", "Scalars:scalars"] == [(0.0, pytest.approx([-60.0, 0.0, 60.0]))]
    assert [t for t, _ in found["/heads/9", "Clear:is_recursive"]] == [0.2]
    assert [t for t, _ in found["/heads/7", "Clear:is_recursive"]] == [0.4]
    assert not any(entity.startswith("/heads/-1") for entity, _ in found)
    names = found["/heads/7/azimuth", "SeriesLines:names"]
    assert names == [(-1.0, ["− error of 7", "azimuth of 7", "+ error of 7"])]
    assert [value for _, value in found["/picture/boxes", "Boxes2D:labels"]] == [
        ["7  ±5°", "9  ±60°"],
        ["7  ±8°"],
        ["±20°"],
    ]
    np.testing.assert_allclose(found["/picture/boxes", "Boxes2D:centers"][0][1], [[5, 10], [30, 10]])
    np.testing.assert_allclose(found["/picture/boxes", "Boxes2D:half_sizes"][0][1], [[5, 5], [5, 5]])
    colours = found["/picture/boxes", "Boxes2D:colors"][0][1]
    grey = int.from_bytes(bytes([*GREY, 255]), "big")
    assert colours[0] != grey
    assert colours[1] == grey, "a head of which little is known"
    arrows = np.array(found["/picture/axes", "Arrows2D:vectors"][0][1])
    # Azimuth 90°: the face points to the image left, the right-hand axis into the scene; the chin stays below.
    np.testing.assert_allclose(arrows[:3], SIDE * 10 * np.array([[0, 0], [0, 1], [-1, 0]]), atol=1e-5)
    np.testing.assert_allclose(arrows[3:], SIDE * 10 * np.array([[1, 0], [0, 1], [0, 0]]), atol=1e-5)
    np.testing.assert_allclose(
        found["/picture/axes", "Arrows2D:origins"][0][1], [[5, 10]] * 3 + [[30, 10]] * 3, atol=1e-5
    )
    blob = bytes(np.ravel(found["/picture", "EncodedImage:blob"][0][1]).astype(np.uint8))
    with Image.open(io.BytesIO(blob)) as picture:
        assert picture.size == (100, 50)
        np.testing.assert_allclose(np.asarray(picture)[25, 50], (10, 200, 30), atol=4)


def test_a_frame_without_heads_takes_the_boxes_away(tmp_path: Path, rerun: Any) -> None:
    with RerunLog(tmp_path / "heads.rrd") as log:
        for index, heads in enumerate([heads_at([0.0], [5.0], [1]), HeadPoses.empty()]):
            log.at(index, index / 10)
            log.heads(heads)
    centres = recorded(tmp_path / "heads.rrd")["/picture/boxes", "Boxes2D:centers"]
    assert [len(value) for _, value in centres] == [1, 0]


def test_predict_writes_a_recording_of_a_video(tmp_path: Path, rerun: Any) -> None:
    source, out = wandering(tmp_path / "clip.mp4", 5), tmp_path / "out"
    options = [*write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9]), "--threads", "1", "--every", "1"]
    command = ["predict", str(source), "-o", str(out), *options, "--format", "jsonl", "rerun"]
    assert main(command) == 0
    folder = out / "clip"
    assert sorted(p.name for p in folder.iterdir()) == ["annotated.mp4", "frames.jsonl", "heads.rrd", "video.json"]
    found = recorded(folder / "heads.rrd")
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    key = lines[0]["heads"][0]["track_id"]
    logged = found[f"/heads/{key}/elevation", "Scalars:scalars"]
    assert [t for t, _ in logged] == pytest.approx([line["time_s"] for line in lines])
    for (_, (low, value, high)), line in zip(logged, lines, strict=True):
        (head,) = line["heads"]
        assert value == pytest.approx(head["elevation_deg"], abs=0.01)
        assert (high - low) / 2 == pytest.approx(head["expected_error_deg"], abs=0.01)
    ((_, blob),) = found["/picture", "AssetVideo:blob"]
    assert bytes(np.ravel(blob).astype(np.uint8)) == (folder / "annotated.mp4").read_bytes()
    shown = found["/picture", "VideoFrameReference:timestamp"]
    assert len(shown) == len(lines)
    assert all(value == [pytest.approx(1e9 * t, abs=1e3)] for t, value in shown)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert main([*command, "--resume"]) == 0  # nothing is done again
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    (folder / "heads.rrd").unlink()
    assert main([*command, "--resume"]) == 0  # as for tables: what is missing is made of what is there
    assert (folder / "heads.rrd").stat().st_size > 0


def test_what_stops_a_recording_leaves_none(tmp_path: Path, rerun: Any) -> None:
    from semiuhpe.files.atomic import replacing_by_name

    def lines() -> Any:
        yield json.dumps({"frame": 0, "time_s": 0.0, "heads": heads_at([0.0], [5.0], [1]).to_dict()})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing_by_name(tmp_path / "heads.rrd") as path:
        write_recording(path, lines(), None, "clip")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, rerun: Any) -> None:
    with pytest.raises(InputError, match=r"nowhere.*cannot be written.*choose another file"):
        RerunLog(tmp_path / "nowhere" / "heads.rrd")


def test_without_the_package_the_remedy_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"semiuhpe\[rerun\]"):
        RerunLog(tmp_path / "heads.rrd")
    source = wandering(tmp_path / "clip.mp4", 2)
    options = write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9])
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *options, "--format", "rerun"]) == 1
    error = capsys.readouterr().err
    assert "semiuhpe[rerun]" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
