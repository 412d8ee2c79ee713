"""The report and the command, from a store whose poses are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.labels import label_of
from helpers.tiny_onnx import write_opentrack_network, write_pose_weights
from PIL import Image as Pillow

from semiuhpe.cli.main import main
from semiuhpe.geometry.rotation import project_to_rotation, rotation_x
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.labelling.report import REPORT, SHEET

BOX = (40.0, 40.0, 88.0, 88.0)
GREYS = (20, 60, 150, 180, 210, 240)


def store_of_greys(path: Path, given: np.ndarray | None = None) -> Path:
    """Flat grey heads: the tiny opentrack network calls all of them front, and is unsure of the two dark ones."""
    with HeadStoreWriter(path) as writer:
        for i, grey in enumerate(GREYS):
            picture = cv2.imencode(".png", np.full((128, 128, 3), grey, np.uint8))[1].tobytes()
            split = "unlabelled" if given is None else "val"
            writer.add(HeadRecord(f"h{i}", "greys", split, f"p{i}", BOX, given), picture)
    return path


def label(store: Path, out: Path, *options: str) -> dict[str, object]:
    assert main(["label", str(store), *options, str(out), "--workers", "1"]) == 0
    return dict(json.loads((out / REPORT).read_text()))


def test_the_report_counts_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = write_opentrack_network(tmp_path / "o.onnx", turn=(0.0, 0.0), dark_deg=20.0)
    store = store_of_greys(tmp_path / "s", rotation_x(np.radians(6)))
    report = label(store, tmp_path / "out", "--teacher", f"opentrack={network}", "--given", "replace")
    printed = capsys.readouterr().out
    assert "4 of 6 heads are labelled (66.7 %)" in printed and "no answer, no teacher is trusted: 2" in printed
    assert report["labelled"] == 4 and report["splits"] == {"unlabelled": 2, "val": 4}
    assert report["labelled_by"] == {"committee": 4, "nobody": 2}
    agreement = report["with_given_labels"]
    assert agreement["all"] == {"n": 4, "median": 6.0, "mean": 6.0, "p90": 6.0}  # type: ignore[index]
    assert agreement["0-30"]["n"] == 4 and agreement["30-60"] == {"n": 0}  # type: ignore[index]
    assert agreement["offset_deg"] == pytest.approx([-6.0, 0, 0], abs=0.01)  # type: ignore[index]
    assert report["teachers"]["opentrack"]["not_trusted"] == {"own sigma too large": 2}  # type: ignore[index]
    with Pillow.open(tmp_path / "out" / SHEET) as sheet:
        assert sheet.width == 8 * 160
    kept = label(store, tmp_path / "kept", "--teacher", f"opentrack={network}")
    assert kept["labelled"] == 6 and kept["labelled_by"] == {"given": 6}
    assert kept["with_given_labels"] == agreement and kept["no_answer"] == report["no_answer"]


def test_two_teachers_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our own tiny network is 12° off in pitch from the other one."""
    network = write_opentrack_network(tmp_path / "o.onnx", turn=(0.0, 0.0))
    (tmp_path / "w").mkdir()
    own = write_pose_weights(tmp_path / "w", bias=4000 * rotation_x(np.radians(12)))
    teachers = ("--teacher", f"opentrack={network}", "--teacher", f"weights={own}")
    report = label(store_of_greys(tmp_path / "s"), tmp_path / "out", *teachers)
    between = report["between_teachers"]["opentrack / weights"]  # type: ignore[index]
    assert between["all"]["n"] == 6 and between["all"]["median"] == pytest.approx(12, abs=0.2)
    assert "opentrack / weights: median 1" in capsys.readouterr().out
    for record in HeadStore(tmp_path / "out"):
        told = record.extras["labelling"]["teachers"]
        apart = [told[name]["from_answer_deg"] for name in ("opentrack", "weights")]
        assert sum(apart) == pytest.approx(12, abs=0.3) and told["weights"]["used"]
        assert apart[1] < apart[0]  # the surer of them has more to say
        assert record.extras["labelling"]["disagreement_deg"] == pytest.approx(
            np.sqrt(np.mean(np.square(apart))), abs=0.01
        )
        np.testing.assert_allclose(
            project_to_rotation(np.reshape(record.extras["belief"], (3, 3))), label_of(record), atol=1e-9
        )
    strict = label(tmp_path / "s", tmp_path / "strict", *teachers, "--apart-deg", "8")
    assert strict["labelled"] == 0 and strict["no_answer"] == {"teachers apart": 6}
    assert strict["between_teachers"]["opentrack / weights"]["all"]["n"] == 6  # type: ignore[index]


def test_wrong_usage_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_of_greys(tmp_path / "s")
    assert main(["label", str(store), str(tmp_path / "out")]) == 1
    assert "a committee needs a teacher; give --teacher NAME=FILE" in capsys.readouterr().err
    assert main(["label", str(tmp_path / "none"), str(tmp_path / "out"), "--teacher", "weights"]) == 1
    assert "no head store here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit, match="2"):
        main(["label", str(store), str(tmp_path / "out"), "--teacher", "weights", "--scales", "big"])
