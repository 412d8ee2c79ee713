from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.noting import noting
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.time_limits import within
from helpers.tiny_onnx import write_weight_options

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.images.load import load_image

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def weights(tmp_path: Path) -> list[str]:
    """The options that name tiny weights: two heads in every photo, one surer than the other."""
    return write_weight_options(tmp_path, [[40.0, 60, 160, 200], [200, 80, 300, 190]], [0.9, 0.6])


def photos(folder: Path, names: list[str], size: tuple[int, int] = (160, 120)) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path, format="JPEG")
    return folder


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "predictions.json").read_text())


def test_a_folder_becomes_drawings_json_and_csv(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = photos(tmp_path / "in", ["b10.jpg", "b2.jpg"]), tmp_path / "out"
    names = ["300w-lp", "whenet"]
    assert (
        main(["predict", str(source), "-o", str(out), "--csv", "--euler", names[0], "--euler", names[1], *weights]) == 0
    )
    document = result(out)
    assert [Path(e["file"]).name for e in document["images"]] == ["b2.jpg", "b10.jpg"]
    assert len(document["weights_sha256"]) == 64
    for entry in document["images"]:
        assert (entry["width"], entry["height"]) == (160, 120)
        assert Image.open(out / entry["drawing"]).size == (160, 120)
        for head in entry["heads"]:
            rotation = np.array(head["rotation"])
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
            assert set(head["euler_deg"]) == set(names)
            assert {"box", "detection_score", "quaternion_xyzw", "azimuth_deg", "elevation_deg", "tilt_deg"} <= set(
                head
            )
            assert 0 < head["expected_error_deg"] <= 180
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(e["heads"]) for e in document["images"]) == 4
    assert float(rows[0]["azimuth_deg"]) == document["images"][0]["heads"][0]["azimuth_deg"]
    assert "4 heads in 2 pictures, 0 failed" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == ["b10.jpg", "b2.jpg", "predictions.csv", "predictions.json"]


def test_bad_files_are_told_and_the_rest_is_done(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = photos(tmp_path / "in", ["a.jpg", "z.jpg"])
    (source / "empty.jpg").write_bytes(b"")
    (source / "text.jpg").write_text("hello")
    (source / "cut.jpg").write_bytes((source / "a.jpg").read_bytes()[:700])
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *weights]) == 1
    entries = {Path(e["file"]).name: e for e in result(tmp_path / "out")["images"]}
    assert {name for name, e in entries.items() if "error" in e} == {"empty.jpg", "text.jpg", "cut.jpg"}
    assert len(entries["z.jpg"]["heads"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("semiuhpe: error: ") and str(source) in line for line in lines)


def test_an_unforeseen_failure_costs_one_picture(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from semiuhpe.detection import detector

    source = photos(tmp_path / "in", ["a.jpg", "b.jpg"])
    bad, original = load_image(source / "a.jpg"), detector.HeadDetector.batch

    def failing(self: detector.HeadDetector, images: Iterable[np.ndarray]) -> list[Any]:
        images = list(images)
        if any(np.array_equal(image, bad) for image in images):
            raise MemoryError("no room")
        return original(self, images)

    monkeypatch.setattr(detector.HeadDetector, "batch", failing)
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *weights]) == 1
    assert "a.jpg: MemoryError: no room" in capsys.readouterr().err
    assert len(result(tmp_path / "out")["images"][1]["heads"]) == 2


def test_photos_of_one_name_get_drawings_of_their_own_and_are_never_replaced(
    tmp_path: Path, weights: list[str]
) -> None:
    source = photos(tmp_path / "in", ["a.jpg", "sub/a.jpg", "sub/A.jpeg", "sub/a_2.jpg"])
    before = {p: p.read_bytes() for p in source.rglob("*.jp*g")}
    for _ in range(2):  # the second time, what the first one drew is not a photo
        assert main(["predict", str(source), "-r", "-o", str(source), *weights]) == 0
        drawn = [e["drawing"] for e in result(source)["images"]]
        assert len(drawn) == len({name.casefold() for name in drawn}) == 4
        assert "a.jpg" not in drawn
    assert all(p.read_bytes() == content for p, content in before.items())


def test_score_and_style(tmp_path: Path, weights: list[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg"]), tmp_path / "out"
    assert main(["predict", str(source), "-o", str(out), "--score", "0.7", "--style", "none", *weights]) == 0
    (entry,) = result(out)["images"]
    assert [h["detection_score"] for h in entry["heads"]] == [0.9]
    assert "drawing" not in entry
    assert [p.name for p in out.iterdir()] == ["predictions.json"]
    pictures = set()
    for style in ("axes", "cube"):
        for labels in ([], ["--labels"]):
            assert (
                main(["predict", str(source), "-o", str(out), "--overwrite", "--style", style, *labels, *weights]) == 0
            )
            pictures.add((out / "a.jpg").read_bytes())
    assert len(pictures) == 4


def test_the_detectors_side_is_a_setting_of_the_results(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sides: list[int] = []
    batch = HeadDetector.batch
    monkeypatch.setattr(HeadDetector, "batch", noting(sides, lambda self, images: self.max_side, batch))
    Image.new("RGB", (320, 240)).save(tmp_path / "a.png")
    command = ["predict", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--style", "none", *weights]
    assert main([*command, "--detector-side", "640"]) == 0
    assert set(sides) == {640}
    assert main([*command, "--resume"]) == 1
    assert "detector_side" in capsys.readouterr().err


def test_boxes_of_another_detector(tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg", "b.jpg"]), tmp_path / "out"
    pose = weights[:2]
    (tmp_path / "boxes.json").write_text(json.dumps({"a.jpg": [[5, 5, 50, 60], [-20, 10, 30, 70, 0.25]]}))
    assert main(["predict", str(source), "-o", str(out), "--csv", "--boxes", str(tmp_path / "boxes.json"), *pose]) == 0
    first, second = result(out)["images"]
    assert [h["box"] for h in first["heads"]] == [[5, 5, 50, 60], [-20, 10, 30, 70]]
    assert [h["detection_score"] for h in first["heads"]] == [1, 0.25]
    assert second["heads"] == []
    assert "1 picture without an entry" in capsys.readouterr().err
    # What predict itself wrote, in both forms, is a boxes file too.
    for name in ("predictions.json", "predictions.csv"):
        again = tmp_path / "again"
        boxes = tmp_path / name
        boxes.write_bytes((out / name).read_bytes())
        assert main(["predict", str(source), "-o", str(again), "--boxes", str(boxes), *pose]) == 0
        assert result(again)["images"][0]["heads"] == first["heads"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[1, 2]", "malformed"),
        ('{"a.jpg": 5}', "malformed"),
        ('{"a.jpg": [[1, 2, 3]]}', "a.jpg"),
        ('{"a.jpg": [[9, 2, 3, 4]]}', r"a.jpg: boxes\[0\]"),
        ('{"other.jpg": []}', "names none"),
        ("file,x1\na.jpg,1\n", "malformed"),
        ("", "malformed"),
    ],
)
def test_malformed_boxes(
    tmp_path: Path, weights: list[str], text: str, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    source = photos(tmp_path / "in", ["a.jpg"])
    (tmp_path / "boxes").write_text(text)
    assert (
        main(["predict", str(source), "-o", str(tmp_path / "out"), "--boxes", str(tmp_path / "boxes"), *weights[:2]])
        == 1
    )
    message = capsys.readouterr().err
    assert re.search(match, message)
    assert message.count("\n") == 1


def test_boxes_that_are_not_there(tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    source, gone = photos(tmp_path / "in", ["a.jpg"]), tmp_path / "gone.json"
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), "--boxes", str(gone), *weights[:2]]) == 1
    assert capsys.readouterr().err == (
        f"semiuhpe: error: {gone}: cannot be read (No such file or directory); check the path\n"
    )


def test_crops_are_one_head_each(tmp_path: Path, weights: list[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg", "b.jpg"], (70, 70)), tmp_path / "out"
    assert main(["predict", str(source), "-o", str(out), "--crops", *weights[:2]]) == 0
    assert [len(e["heads"]) for e in result(out)["images"]] == [1, 1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["absent"], "no such file"),
        (["--euler", "nonsense", "IN"], "nonsense"),
        (["IN", "--score", "2"], "score"),
        (["IN", "--detector-side", "8"], "max_side"),
        (["IN", "--threads", "0"], "threads"),
        (["IN", "--weights", "absent.onnx"], "no such weights"),
        (["IN", "-o", "IN/a.jpg"], "cannot be written"),
    ],
)
def test_wrong_arguments_are_one_line_before_any_work(
    tmp_path: Path, weights: list[str], options: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photos(tmp_path / "in", ["a.jpg"])
    options = [o.replace("IN", str(source)) for o in options]
    if "-o" not in options:
        options += ["-o", str(tmp_path / "out")]
    if "--weights" not in options:
        options += weights[:2]
    assert main(["predict", *options, *weights[2:]]) == 1
    message = capsys.readouterr().err
    assert match in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_killed_run_is_resumed_and_ends_as_if_it_never_was(tmp_path: Path, weights: list[str]) -> None:
    source = photos(tmp_path / "in", [f"{i}.jpg" for i in range(24)], (320, 240))
    (source / "7.jpg").write_bytes(b"broken")
    out, whole = tmp_path / "out", tmp_path / "whole"
    arguments = ["predict", str(source), *weights, "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "semiuhpe", *arguments, "-o", str(out)], env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    journal, deadline = out / "predictions.jsonl", time.monotonic() + within(60)
    while process.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b"\n") > 8:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert journal.exists(), "the run ended before it could be killed"
    done = [json.loads(line) for line in journal.read_text().split("\n")[1:-1]]
    assert 8 <= len(done) < 24
    # The last line may tell of a drawing whose name was still to be given.
    drawn = {e["drawing"]: (out / e["drawing"]).stat().st_mtime_ns for e in done[:-1] if "drawing" in e}
    with journal.open("a") as file:
        file.write('{"file": "cut sho')

    before = journal.read_bytes()
    assert main([*arguments, "-o", str(out), "--mirrored"]) == 1  # other settings are another folder
    assert (out.with_name("out-2") / "predictions.json").exists()
    assert main([*arguments, "-o", str(out), "--resume", "--mirrored"]) == 1  # which --resume finds
    assert main([*arguments, "-o", str(out), "--resume", "--score", "0.7"]) == 1  # and never mixes
    assert journal.read_bytes() == before
    assert main([*arguments, "-o", str(out), "--resume"]) == 1  # 7.jpg is still broken
    assert {name: (out / name).stat().st_mtime_ns for name in drawn} == drawn
    assert main([*arguments, "-o", str(whole)]) == 1
    assert result(out) == result(whole)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in whole.iterdir()}


def test_resume_adds_photos_and_mends_failed_ones(tmp_path: Path, weights: list[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg", "b.jpg"]), tmp_path / "out"
    good = (source / "a.jpg").read_bytes()
    (source / "a.jpg").write_bytes(b"")
    arguments = ["predict", str(source), "-o", str(out), *weights]
    assert main(arguments) == 1
    (source / "a.jpg").write_bytes(good)
    photos(tmp_path / "more", ["b.jpg"])
    assert main([*arguments, str(tmp_path / "more"), "--resume"]) == 0
    entries = result(out)["images"]
    assert [e["drawing"] for e in entries] == ["a.jpg", "b.jpg", "b_2.jpg"]
    assert main(["predict", str(tmp_path / "more"), "-o", str(out), *weights, "--resume"]) == 0
    assert len(result(out)["images"]) == 3  # earlier results are kept
    (out / "predictions.jsonl").write_text("{")
    assert main([*arguments, "--overwrite"]) == 0
    assert len(result(out)["images"]) == 2


def test_foreign_results_are_not_overwritten_unasked(tmp_path: Path, weights: list[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg"]), tmp_path / "out"
    out.mkdir()
    (out / "predictions.json").write_text("[1, 2]")
    assert main(["predict", str(source), "-o", str(out), *weights]) == 0
    assert (out / "predictions.json").read_text() == "[1, 2]"
    assert len(result(tmp_path / "out-2")["images"]) == 1
    assert main(["predict", str(source), "-o", str(out), *weights, "--overwrite"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="file names are text there")
def test_names_that_are_not_text(tmp_path: Path, weights: list[str]) -> None:
    source, out = photos(tmp_path / "in", ["a.jpg"]), tmp_path / "out"
    try:
        os.rename(source / "a.jpg", os.path.join(os.fsencode(source), b"\xff\xfe.jpg"))
    except OSError:
        pytest.skip("this file system wants text")
    assert main(["predict", str(source), "-o", str(out), "--csv", *weights]) == 0
    assert len(result(out)["images"][0]["heads"]) == 2


def test_pictures_tables_and_json_have_one_number_for_a_head_and_grey_is_a_choice(
    tmp_path: Path, weights: list[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(photos / "a.png")
    assert main(["predict", str(photos), "-o", str(tmp_path / "out"), "--csv", "--style", "box", *weights]) == 0
    heads = result(tmp_path / "out")["images"][0]["heads"]
    assert [head["head"] for head in heads] == list(range(1, len(heads) + 1)) and heads
    with (tmp_path / "out" / "predictions.csv").open() as file:
        assert [row["head"] for row in csv.DictReader(file)] == [str(head["head"]) for head in heads]
    above = str(min(head["expected_error_deg"] for head in heads) / 2)
    strict = [str(photos), "-o", str(tmp_path / "out"), "--style", "box", "--grey-above", above, *weights]
    assert main(["predict", *strict]) == 0  # other settings: the next number
    drawn = [np.asarray(Image.open(tmp_path / name / "a.jpg")).astype(int) for name in ("out", "out-2")]
    assert np.abs(drawn[0] - drawn[1]).max() > 40
    assert main(["predict", str(photos), "-o", str(tmp_path / "no"), "--grey-above", "0", *weights]) == 1
    assert not (tmp_path / "no").exists()
