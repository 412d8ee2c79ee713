"""`examples/rerun_viewer.py` writes a recording of a video."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_weight_options

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rerun_viewer.py"


def test_a_video_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    from rerun.chunk import RrdReader

    main = runpy.run_path(str(EXAMPLE))["main"]
    source, recording = wandering(tmp_path / "clip.mp4", 4), tmp_path / "heads.rrd"
    main([str(source), "--save", str(recording), *write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9])])
    rows: dict[str, int] = {}
    for chunk in RrdReader(str(recording)).stream():
        if not chunk.is_static:
            rows[chunk.entity_path] = rows.get(chunk.entity_path, 0) + chunk.num_rows
    assert rows["/picture"] == rows["/picture/boxes"] == 4
    assert rows["/heads/1/azimuth"] == 4
