"""`semiuhpe attention`: from frames or a video to the report, and what it refuses."""

from __future__ import annotations

import csv
import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.attention_frames import head_line, write_frames
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_weight_options

from semiuhpe.cli.main import main

ZONES = {
    "zones": [
        {"name": "camera", "azimuth_deg": [-30, 30], "elevation_deg": [-30, 30]},
        {"name": "left", "azimuth_deg": [60, 120]},
    ]
}


def zones(tmp_path: Path, content: object = ZONES) -> str:
    path = tmp_path / "zones.json"
    path.write_text(json.dumps(content))
    return str(path)


class Page(HTMLParser):
    """What a page holds, and that its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.seen = list[str](), list[str]()
        self.links = list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_frames_become_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = write_frames(
        tmp_path / "frames.jsonl", [[head_line(1, 0), head_line(2, 90 if i < 50 else 0)] for i in range(100)]
    )
    output = tmp_path / "out"
    assert main(["attention", str(frames), "--zones", zones(tmp_path), "-o", str(output), "--minute", "5"]) == 0
    printed = capsys.readouterr().out
    assert "person 1: seen 10.0 s" in printed and "2 persons, 3 dwells, 0.0 s of gaps" in printed
    page = Page((output / "report.html").read_text(encoding="utf-8"))
    assert page.seen.count("section") == 2 and page.seen.count("svg") == 6
    assert page.links == []  # it needs nothing but itself
    result = json.loads((output / "attention.json").read_text())
    assert [p["dwells"][1]["total_s"] for p in result["persons"]] == pytest.approx([0, 5], abs=0.01)
    rows = list(csv.DictReader((output / "minutes.csv").open()))
    assert [(r["track_id"], float(r["start_s"])) for r in rows] == [("1", 0), ("1", 5), ("2", 0), ("2", 5)]
    assert float(rows[2]["azimuth_mean_deg"]) == pytest.approx(90, abs=0.5)
    assert float(rows[2]["left_s"]) > 4.5 > 0.5 > float(rows[3]["left_s"])
    dwells = list(csv.DictReader((output / "dwells.csv").open()))
    assert [(d["zone"], float(d["seconds"])) for d in dwells if d["track_id"] == "2"] == [
        ("left", 5.0),
        ("camera", 5.0),
    ]
    # Once more, it is the same; another recording's report is left alone.
    before = (output / "report.html").read_bytes()
    assert main(["attention", str(frames), "--zones", zones(tmp_path), "-o", str(output), "--minute", "5"]) == 0
    assert (output / "report.html").read_bytes() == before
    other = write_frames(tmp_path / "other.jsonl", [[head_line(1, 0)]])
    assert main(["attention", str(other), "--zones", zones(tmp_path), "-o", str(output)]) == 1
    assert "choose another --output" in capsys.readouterr().err


def test_a_video_is_predicted_first_and_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = wandering(tmp_path / "walk.mp4", 30)
    weights = write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9])
    options = [*weights, "--threads", "1", "-o", str(tmp_path / "out")]
    scene = {"camera": {"horizontal_fov_deg": 60}, "zones": [{"name": "lens", "point_m": [0, 0, 0], "within_deg": 60}]}
    assert main(["attention", str(video), "--zones", zones(tmp_path, scene), *options]) == 0
    first = json.loads((tmp_path / "out" / "attention.json").read_text())
    assert len(first["persons"]) == 1 and first["persons"][0]["seen_s"] == pytest.approx(1.2, abs=0.01)
    (frames,) = (tmp_path / "out").rglob("frames.jsonl")
    written = frames.stat().st_mtime_ns
    assert main(["attention", str(video), "--zones", zones(tmp_path, scene), *options]) == 0
    assert frames.stat().st_mtime_ns == written  # what is done is not done again
    # Its folder of frames does as well, and still knows the pictures' size.
    assert (
        main(["attention", str(frames.parent), "--zones", zones(tmp_path, scene), "-o", str(tmp_path / "again")]) == 0
    )
    again = json.loads((tmp_path / "again" / "attention.json").read_text())
    assert again["persons"] == first["persons"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "zones"),
        ({"zones": [{"name": "a"}]}, "azimuth_deg and elevation_deg, or box, or point_m"),
        ({"zones": [{"name": "a", "azimuth_deg": [0]}]}, "list of 2 numbers"),
        ({"zones": [{"name": "a", "azimuth": [0, 1]}]}, "zone 'a'"),
        ({"zones": [{"name": "a", "elevation_deg": [9, 1]}]}, "lower, upper"),
        ({"zones": [{"name": "a", "box": [5, 5, 1, 9]}]}, "x2 > x1"),
        ({"zones": [{"name": "a", "box": [1, 1, 5, 9], "depth_m": 2}]}, 'needs "camera"'),
        ({"zones": [{"name": "a", "point_m": [0, 0, 1], "wihtin_deg": 3}]}, "unknown key 'wihtin_deg'"),
        ({"zones": [{"name": "unsure", "azimuth_deg": [0, 1]}]}, "unique"),
        ({"zones": [{"name": "a", "point_m": [0, 0, 1]}], "camera": {"horizontal_fov_deg": 60}}, "size"),
        (
            {"zones": [{"name": "a", "point_m": [0, 0, 1]}], "camera": {"horizontal_fov_deg": 600, "size": [9, 9]}},
            "from 1° to 179°",
        ),
        ({"zones": [{"name": "a", "point_m": [0, 0, 1]}], "camera": {"size": [9, 9]}}, "give one of"),
    ],
)
def test_what_is_wrong_in_a_zones_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    frames = write_frames(tmp_path / "frames.jsonl", [[head_line(1, 0)]])
    output = tmp_path / "out"
    assert main(["attention", str(frames), "--zones", zones(tmp_path, content), "-o", str(output)]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "zones.json" in line and message in line
    assert not output.exists()


def test_what_cannot_be_analysed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = write_frames(tmp_path / "frames.jsonl", [[head_line(1, 0)]])
    untracked = write_frames(tmp_path / "untracked.jsonl", [[head_line(-1, 0)]])
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty").mkdir()
    for words, message in [
        ([str(tmp_path / "none.jsonl")], "none.jsonl: cannot be read"),
        ([str(tmp_path / "empty")], "holds no frames.jsonl"),
        ([str(photo)], "photo.jpg: is no video"),
        ([str(tmp_path / "lesson.mp4")], "lesson.mp4: no such file or folder"),
        ([str(frames), "--every", "3"], "--every is for a video"),
        ([str(frames), "--minute", "0"], "--minute is a positive number"),
        ([str(untracked)], "without --no-track"),
    ]:
        assert main(["attention", *words, "--zones", zones(tmp_path), "-o", str(tmp_path / "out")]) == 1, words
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert message in line
    assert not (tmp_path / "out").exists()
    assert main(["attention", str(frames), "--zones", str(tmp_path / "no.json"), "-o", str(tmp_path / "out")]) == 1
    assert "no.json: cannot be read" in capsys.readouterr().err
