"""docs/first_ten_minutes.md: its cheap ways run as they are written, on real photos, and give no wrong picture."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.pages import links
from helpers.scripts import script
from PIL import Image

pytest.importorskip("skimage")
pytest.importorskip("moderngl")
pytestmark = pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="the page is for bash")

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first_ten_minutes.md"
MAN_BOX = (157, 63, 275, 197)
"""His head in photographer.jpg."""


@pytest.fixture(scope="module")
def tries() -> ModuleType:
    return script("docs/try_ten_ways.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photos that need no rendering."""
    work = tmp_path_factory.mktemp("tries")
    script("docs/make_try_photos.py").free_photos(work / "photos")
    return work


def printed(tries: ModuleType, folder: Path, title: str) -> str:
    """What a section's blocks print, run as they are written."""
    (way,) = [way for way in tries.ways(PAGE.read_text(encoding="utf-8")) if title in way.title]
    (text,) = tries.run(way, folder)
    assert "Traceback" not in text
    return text


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "out" / name / "predictions.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def box_overlap(box: list[float]) -> float:
    """IoU with the man's head."""
    x1, y1, x2, y2 = np.maximum(box[:2], MAN_BOX[:2]).tolist() + np.minimum(box[2:], MAN_BOX[2:]).tolist()
    shared = max(0.0, x2 - x1) * max(0.0, y2 - y1)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, MAN_BOX)]
    return shared / (sum(areas) - shared)


def drawn_on(drawing: Path, photo: Path) -> bool:
    """Whether a drawing shows more than its photo, but for what JPEG changes."""
    a, b = (np.asarray(Image.open(path).convert("RGB"), np.int16) for path in (drawing, photo))
    return bool((np.abs(a - b) > 40).mean() > 1e-3)


def test_one_photo(tries: ModuleType, folder: Path) -> None:
    printed(tries, folder, "One photo")
    (image,) = json.loads((folder / "out" / "one" / "predictions.json").read_text())["images"]
    first = image["heads"][0]  # the surest
    assert box_overlap(first["box"]) > 0.6
    assert -85 < first["azimuth_deg"] < -40
    assert -35 < first["elevation_deg"] < 0
    assert first["expected_error_deg"] < 20
    assert drawn_on(folder / "out" / "one" / "photographer.jpg", folder / "photos" / "people" / "photographer.jpg")


def test_upside_down(tries: ModuleType, folder: Path) -> None:
    printed(tries, folder, "upside down")
    first = rows(folder, "turned")[0]
    assert abs(float(first["tilt_deg"])) > 150


def test_nobody(tries: ModuleType, folder: Path) -> None:
    assert printed(tries, folder, "without people").startswith("0 heads in 2 pictures, 0 failed")
    for name in ("cat", "coffee"):
        assert not drawn_on(folder / "out" / "nobody" / f"{name}.jpg", folder / "photos" / "nobody" / f"{name}.jpg")


def test_a_small_photo(tries: ModuleType, folder: Path) -> None:
    printed(tries, folder, "very small")
    first = rows(folder, "sizes")[0]
    assert box_overlap([float(first[key]) * 512 / 200 for key in ("x1", "y1", "x2", "y2")]) > 0.6
    assert -85 < float(first["azimuth_deg"]) < -35


def test_boxes_of_your_own(tries: ModuleType, folder: Path) -> None:
    assert printed(tries, folder, "Boxes of your own").startswith("1 head in 1 picture, 0 failed")
    (image,) = json.loads((folder / "out" / "boxes" / "predictions.json").read_text())["images"]
    given = json.loads((folder / "boxes.json").read_text())["photographer.jpg"]
    assert [head["box"] for head in image["heads"]] == given


def test_each_mistake_is_one_line_that_names_it(tries: ModuleType, folder: Path) -> None:
    (way,) = [way for way in tries.ways(PAGE.read_text(encoding="utf-8")) if way.title == tries.MISTAKES]
    told = [line for line in printed(tries, folder, tries.MISTAKES).splitlines() if "error:" in line]
    wrong = ["--stile", "'mash'", "'predikt'", "peeple", "broken.jpg", "shp.mp4"]
    assert len(told) == len(way.blocks[0].code.splitlines()) == len(wrong)
    for line, word in zip(told, wrong, strict=True):
        assert word in line and re.search("did you mean|check the path|copy or export", line), line


def test_the_page_shows_what_came_out() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) == 10
    assert not re.search(r"```text\n```", text)
    assert "Traceback" not in text
    shown = {(PAGE.parent / link).resolve() for link in links(PAGE) if link.endswith(".jpg")}
    there = set((ROOT / "docs" / "img" / "tries").iterdir())
    assert shown == there
    assert sum(path.stat().st_size for path in there) < 1_200_000


def test_the_page_is_renewed_in_place(tries: ModuleType) -> None:
    text = "## A\n\n```sh\nls\n```\n\n```text\nold\n```\n\n```sh\nrun\n```\n\n```python\nx\n```\n\n```text\nold\n```\n"
    (way,) = tries.ways(text)
    assert [(block.language, block.shows) for block in way.blocks] == [("sh", True), ("sh", False), ("python", True)]
    assert tries.with_outputs(text, ["one\\1\n", "two"]) == text.replace("old", "one\\1", 1).replace("old", "two")
