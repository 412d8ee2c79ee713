from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.coloured_heads import SIDE, colours, poses_of, write_store
from helpers.tiny_onnx import write_detector_weights, write_pose_weights

from semiuhpe.cli.main import main
from semiuhpe.detection.tiling import plan_views
from semiuhpe.evaluation.benchmarks import PROTOCOLS


def test_protocols_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--protocol", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PROTOCOLS)


def test_a_table_and_its_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour = colours(20)
    store = write_store(tmp_path / "store", colour, list(poses_of(colour)), split="val")
    command = [
        "evaluate",
        str(write_pose_weights(tmp_path)),
        "--protocol",
        "any",
        "--store",
        str(store),
        "--split",
        "val",
    ]
    assert main(command) == 0
    rows = dict(line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert float(rows["geodesic mean deg"]) < 1e-3
    assert rows["kept"].strip() == "20"
    assert main([*command, "--json", "--limit", "7", "--batch-size", "3", "--threads", "1"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["heads"] == 7 and document["data"]["split"] == "val"
    assert document["results"]["all"]["kept"] == 7
    assert document["results"]["all"]["by_azimuth"]["120-180"]["n"] == 0
    assert document["results"]["all"]["by_azimuth"]["120-180"]["mean_deg"] is None  # JSON knows no NaN
    assert len(document["model"]["sha256"]) == 64


def test_boxes_of_a_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour = colours(5)
    store = write_store(tmp_path / "store", colour, list(poses_of(colour)))
    weights = str(write_pose_weights(tmp_path))
    command = ["evaluate", weights, "--protocol", "synthetic", "--store", str(store), "--json"]
    (view,) = plan_views(SIDE, SIDE, 960, 16)  # the tiny detector answers in the pixels of the canvas
    detector = str(write_detector_weights(tmp_path, [[view.scale * v for v in (41.0, 40.0, 89.0, 88.0)]]))
    assert main([*command, "--detector", detector, "--iou", "0.6"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["boxes"].endswith("IoU from 0.6")
    figures = found["results"]["all"]
    assert figures["found"] == 5 and figures["geodesic"]["mean_deg"] < 1e-3
    assert main([*command, "--detector", detector, "--iou", "0.99"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["all"]["missed"] == 5


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(write_store(tmp_path / "store", colours(2), [None] * 2))
    weights = str(write_pose_weights(tmp_path))
    for arguments, expected in (
        (["--protocol", "nothing", "--store", store], "no protocol 'nothing'"),
        (["--protocol", "any", "--store", str(tmp_path)], "no head store here"),
        (["--protocol", "aflw2000", "--store", store], "none of the 2 heads has a label of its rotation"),
        (["--protocol", "any", "--store", store, "--split", "val"], "choose --split from: test"),
        (["--protocol", "any", "--store", store, "--student", "current"], "leave --student out"),
    ):
        assert main(["evaluate", weights, *arguments]) == 1
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1
    for arguments in (
        ["--protocol", "any"],
        ["--protocol", "any", "--store", store, "--report", "out.pdf"],
        ["--protocol", "any", "--store", store, "--batch-size", "0"],
        ["--protocol", "any", "--store", store, "--detect", "--iou", "0"],
    ):
        with pytest.raises(SystemExit) as wrong:
            main(["evaluate", weights, *arguments])
        assert wrong.value.code == 2
