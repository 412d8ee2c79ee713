"""`examples/heads.ipynb` runs from top to bottom, and what it shows holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pyplot = pytest.importorskip("matplotlib.pyplot")
pytest.importorskip("pandas")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the notebook's cells leave behind."""
    found: dict[str, Any] = {}
    cells = json.loads((EXAMPLES / "heads.ipynb").read_text())["cells"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(EXAMPLES)
        pyplot.switch_backend("agg")
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"cell {number}", "exec"), found)
        pyplot.close("all")
    return found


def test_it_finds_the_head(names: dict[str, Any]) -> None:
    assert len(names["heads"]) == 1
    assert 0.2 < names["positions"].distance_m[0] < 5


def test_the_pose_follows_the_photo_at_every_roll(names: dict[str, Any]) -> None:
    off = np.array(names["off"])[:, 0]
    assert off.max() < 25 and np.median(off) < 12
    assert off[names["angles"] == 0] < 0.5


def test_the_error_bar_opens_with_the_blur(names: dict[str, Any]) -> None:
    bars = [bar.expected_error_deg[0] for bar in names["bars"]]
    assert bars[0] < bars[len(bars) // 2] < bars[-1]
    assert bars[-1] > 2 * bars[0]


def test_the_head_keeps_its_identity(names: dict[str, Any]) -> None:
    assert len(names["track"]) > 5
    assert {int(key) for _, found in names["track"] for key in found.track_id} == {1}
