from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.coloured_heads import colours, poses_of, write_store
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.evaluation import dad3dheads
from semiuhpe.geometry.rotation import random_rotations, rotation_y
from semiuhpe.heads.record import HeadRecord


def test_the_file_is_the_benchmarks(rng: np.random.Generator) -> None:
    """By hand: the data set's head has y up and z out of the face, so a frontal head is diag(1, −1, −1)."""
    content = json.loads(json.dumps(dad3dheads.submission(["a", "b"], [np.eye(3), rotation_y(np.pi / 2)])))
    assert list(content) == ["a", "b"]
    assert set(content["a"]) == {"68_landmarks_2d", "N_landmarks_3d", "7_landmarks_3d", "rotation_matrix"}
    assert content["a"]["68_landmarks_2d"] == content["a"]["N_landmarks_3d"] == content["a"]["7_landmarks_3d"] == []
    np.testing.assert_allclose(content["a"]["rotation_matrix"], np.diag([1, -1, -1]), atol=1e-12)
    # A face turned to the image left: its z axis, out of the face, is the camera's −x.
    np.testing.assert_allclose(np.array(content["b"]["rotation_matrix"])[:, 2], [-1, 0, 0], atol=1e-12)


def test_reading_is_the_inverse_and_the_score_its_definition(tmp_path: Path, rng: np.random.Generator) -> None:
    label, predicted = random_rotations(2, rng), random_rotations(2, rng)
    path = tmp_path / "s.json"
    path.write_text(json.dumps(dad3dheads.submission(["a", "b"], predicted)))
    read = dad3dheads.read_submission(path)
    np.testing.assert_allclose([read["a"], read["b"]], predicted, atol=1e-9)
    flip = np.diag([1.0, -1, -1])
    found = dad3dheads.score(read, {"a": label[0], "b": label[1]})
    slow = [np.linalg.norm(np.eye(3) - (p @ flip) @ (q @ flip).T) for p, q in zip(label, predicted, strict=True)]
    assert found["pose_error"] == pytest.approx(np.mean(slow))
    assert found["heads"] == 2


def test_a_file_that_is_no_submission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    for text in ("{", "[1]", '{"a": {}}', '{"a": {"rotation_matrix": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]}}'):
        path.write_text(text)
        with pytest.raises(SourceError, match=r"s\.json"):
            dad3dheads.read_submission(path)
    with pytest.raises(SourceError, match="cannot be read"):
        dad3dheads.read_submission(tmp_path / "gone.json")
    with pytest.raises(SourceError, match="1 of 2 labelled heads"):
        dad3dheads.score({"a": np.eye(3)}, {"a": np.eye(3), "b": np.eye(3)})


def test_items_are_named_by_the_data_set() -> None:
    named = HeadRecord("id", "s", "test", "", (0, 0, 1, 1), None, {"item_id": "x-1"})
    assert dad3dheads.item_id(named) == "x-1"
    assert dad3dheads.item_id(HeadRecord("id", "s", "test", "", (0, 0, 1, 1))) == "id"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour = colours(12)
    extras = [{"item_id": f"item{i}"} for i in range(12)]
    store = write_store(tmp_path / "dad", colour[:5], [None] * 5, extras[:5])
    weights, out = write_pose_weights(tmp_path), tmp_path / "new" / "out.json"
    command = ["submit", "dad-3dheads", str(weights), "--store", str(store), str(out)]
    assert main(command) == 0
    assert "5 heads of the test split" in capsys.readouterr().out
    read = dad3dheads.read_submission(out)
    assert list(read) == [f"item{i}" for i in range(5)]
    np.testing.assert_allclose(np.stack(list(read.values())), poses_of(colour[:5]), atol=1e-5)
    assert main([*command, "--score"]) == 1
    assert "no heads in split 'val'" in capsys.readouterr().err

    label = poses_of(colour) @ rotation_y(np.radians(9.0))
    store = write_store(tmp_path / "val", colour, list(label), extras, split="val")
    assert main(["submit", "dad-3dheads", str(weights), "--store", str(store), str(out), "--score"]) == 0
    printed = capsys.readouterr().out
    assert f"pose error (Frobenius) {2 * np.sqrt(2) * np.sin(np.radians(4.5)):.4f} on 12 labelled heads" in printed
    assert "geodesic mean 9.000°" in printed
    with pytest.raises(SystemExit) as wrong:
        main(["submit", "dad-3dheads", str(weights), "--store", str(store), str(tmp_path / "out.txt")])
    assert wrong.value.code == 2


def test_official_val_and_test_in_one_split_of_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colour = colours(6)
    extras = [{"item_id": f"item{i}", "official_split": "val" if i % 2 else "test"} for i in range(6)]
    labels = [pose if i % 2 else None for i, pose in enumerate(poses_of(colour) @ rotation_y(np.radians(9.0)))]
    store = write_store(tmp_path / "dad", colour, labels, extras)
    weights, out = str(write_pose_weights(tmp_path)), str(tmp_path / "out.json")
    assert main(["submit", "dad-3dheads", weights, out, "--store", str(store)]) == 0
    assert list(json.loads(Path(out).read_text())) == ["item0", "item2", "item4"]
    assert main(["submit", "dad-3dheads", weights, out, "--store", str(store), "--score"]) == 0
    assert list(json.loads(Path(out).read_text())) == ["item1", "item3", "item5"]
    assert "on 3 labelled heads" in capsys.readouterr().out
    assert main(["evaluate", weights, "--protocol", "dad-3dheads", "--store", str(store), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["results"]["all"]
    assert (figures["kept"], figures["dropped"]) == (3, 0)
    assert figures["geodesic"]["mean_deg"] == pytest.approx(9, abs=1e-3)
