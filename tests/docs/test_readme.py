"""README.md: what it prints is what the package answers, its Python runs, and it stays short."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semiuhpe import HeadPoseEstimator, HeadPoses
from semiuhpe.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def heads() -> HeadPoses:
    return HeadPoseEstimator()(ROOT / "docs" / "demo" / "astronaut.jpg")


def test_the_json_is_that_of_the_demo_photo(heads: HeadPoses) -> None:
    (block,) = blocks("json")
    said: dict[str, Any] = json.loads(block)
    entry = heads.to_dict()[0]
    assert Path(said.pop("file")) == Path("docs/demo/astronaut.jpg")
    for key, value in said.items():
        np.testing.assert_allclose(entry[key], value, atol=0.06, err_msg=key)  # processors differ in the last digits


def test_the_python_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    assert len(block.strip().splitlines()) <= 10
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["picture"].shape == names["image"].shape and (names["picture"] != names["image"]).any()
    assert capsys.readouterr().out


def test_commands_exist() -> None:
    said = [line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("semiuhpe ")]
    assert said and set(said) <= set(COMMANDS)
    makefile = (ROOT / "Makefile").read_text()
    made = [line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("make ")]
    assert made == ["demo", "test"] and all(f"\n{target}:" in makefile for target in made)


def test_it_is_read_in_two_minutes() -> None:
    prose = re.sub(r"^```.*?^```|^\|.*?$|\]\([^)]*\)", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len(prose.split()) <= 480
