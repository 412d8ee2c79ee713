"""`benchmarks/face_mesh.py`: heads without a face are missed, and the others measured."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.coloured_heads import colours, poses_of, write_store
from helpers.scripts import script

from semiuhpe.labelling.opinion import ViewAnswer


class StandIn:
    """Knows the pose of every colour but the last, in which it sees no face."""

    size, description = 32, {"file": "stand-in"}
    colours = colours(4)

    def __call__(self, crops: np.ndarray) -> ViewAnswer:
        seen = crops[:, 16, 16].astype(int)
        found = np.abs(seen - self.colours[-1]).max(axis=1) > 2
        return ViewAnswer(poses_of(seen), found)


def test_misses_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    face_mesh = script("benchmarks/face_mesh.py")
    monkeypatch.setattr(face_mesh, "FaceMesh", StandIn)
    store = write_store(tmp_path / "flat", StandIn.colours, list(poses_of(StandIn.colours)), split="test")
    assert face_mesh.main(["--protocol", "any", "--store", str(store)]) == 0
    said = capsys.readouterr().out
    assert "faces found in 3 of 4 heads" in said
    assert re.search(r"geodesic n +3\n  geodesic mean deg +0\.\d", said)


def test_a_store_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    face_mesh = script("benchmarks/face_mesh.py")
    monkeypatch.setattr(face_mesh, "FaceMesh", StandIn)
    assert face_mesh.main(["--protocol", "any", "--store", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
