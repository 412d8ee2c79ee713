from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.coloured_heads import BOX, SIDE, colours, poses_of, write_store
from helpers.time_limits import within
from helpers.tiny_onnx import write_pose_weights
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.drawing.axes import draw_axes
from semiuhpe.evaluation.benchmarks import protocol
from semiuhpe.evaluation.models import ExportedModel
from semiuhpe.evaluation.report import html_page
from semiuhpe.evaluation.run import evaluate
from semiuhpe.evaluation.worst_heads import TILE, worst_heads
from semiuhpe.geometry.rotation import rotation_x
from semiuhpe.heads.store import HeadStore

CHROMIUM = Path("/usr/bin/chromium")
VOID = {"meta", "img", "br", "hr", "link"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps what a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.images: list[bytes] = []
        self.captions: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert name not in {"href", "srcset", "action"} and not name.startswith("on"), name
            if name == "src":
                kind, _, data = (value or "").partition(";base64,")
                assert kind in ("data:image/png", "data:image/jpeg"), value
                self.images.append(base64.b64decode(data, validate=True))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "figcaption":
            self.captions.append(data)


def store_of(path: Path, count: int = 30) -> HeadStore:
    """Head i is i degrees off."""
    colour = colours(count)
    return HeadStore(write_store(path, colour, list(poses_of(colour) @ rotation_x(np.radians(np.arange(count))))))


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    store_of(tmp_path / "store")
    out = tmp_path / "new" / "out.html"
    options = ["--protocol", "synthetic", "--store", str(tmp_path / "store"), "--report", str(out)]
    assert main(["evaluate", str(write_pose_weights(tmp_path)), *options]) == 0
    assert "geodesic mean deg" in capsys.readouterr().out
    return out


def test_the_page_is_whole_and_asks_for_nothing(report: Path) -> None:
    text = report.read_text()
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", re.sub(r"base64,[^\"]*", "", text))
    pictures = [Image.open(io.BytesIO(data)) for data in page.images]
    assert [picture.format for picture in pictures] == ["PNG"] * 6 + ["JPEG"] * 24
    assert all(picture.size == (2 * TILE, TILE) for picture in pictures[6:])
    assert "geodesic mean deg" in text and "euler mae deg yaw" in text and "kept" in text
    assert page.captions[6].startswith("29.0° · h29 ·")
    assert [float(c.split("°")[0]) for c in page.captions[6:]] == list(range(29, 5, -1))


def test_the_json_beside_it_is_what_json_prints(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = json.loads(report.with_suffix(".json").read_text())
    assert beside["results"]["all"]["geodesic"]["median_deg"] == pytest.approx(14.5, abs=0.01)
    assert beside["results"]["all"]["by_azimuth"].keys() == {"0-60", "60-120", "120-180"}
    options = ["--protocol", "synthetic", "--store", str(tmp_path / "store"), "--json"]
    assert main(["evaluate", str(tmp_path / "tiny.onnx"), *options]) == 0
    assert json.loads(capsys.readouterr().out) == beside


def test_worst_heads_show_the_label_and_the_prediction(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store")
    evaluation = evaluate(protocol("any"), ExportedModel(write_pose_weights(tmp_path)), store)
    first = worst_heads(evaluation, 3)[0]
    assert (first.id, first.picture.shape) == ("h29", (TILE, 2 * TILE, 3))
    assert first.error_deg == pytest.approx(29, abs=0.01)
    left, right = first.picture[:, :TILE], first.picture[:, TILE:]
    plain = np.full((TILE, TILE, 3), colours(30)[29], np.uint8)
    side = TILE / 1.8
    box = [[TILE / 2 - side / 2, TILE / 2 - side / 2, TILE / 2 + side / 2, TILE / 2 + side / 2]]
    label = store.record(29).rotation
    assert label is not None and BOX[0] + BOX[2] == SIDE
    np.testing.assert_array_equal(left, draw_axes(plain, label[None], box))
    np.testing.assert_array_equal(right, draw_axes(plain, evaluation.predictions.rotation[29:], box))
    assert not np.array_equal(left, right)


@pytest.mark.parametrize("elevation", [{}, {"elevation_deg": 20.0}])
def test_reports_of_directions(tmp_path: Path, elevation: dict[str, float]) -> None:
    """Where less is labelled there are fewer figures: no calibration of rotations, no elevation that is not known."""
    extras = [{"azimuth_deg": 15.0 * i, **elevation} for i in range(6)]
    store = HeadStore(write_store(tmp_path / "store", colours(6), [None] * 6, extras))
    evaluation = evaluate(protocol("any"), ExportedModel(write_pose_weights(tmp_path)), store)
    document = {"protocol": "<any>", "summary": "&", "model": {}, "data": {}, "results": evaluation.results}
    page = Page(html_page(evaluation, document))
    formats = [Image.open(io.BytesIO(data)).format for data in page.images]
    assert formats == ["PNG"] * (4 if elevation else 3) + ["JPEG"] * 6
    assert "<any>" not in html_page(evaluation, document)


def test_a_report_of_heads_that_were_all_missed(tmp_path: Path) -> None:
    def blind(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((0, 4)), np.zeros(0)

    store = store_of(tmp_path / "store", 3)
    evaluation = evaluate(protocol("any"), ExportedModel(write_pose_weights(tmp_path)), store, detector=blind)
    page = html_page(
        evaluation, {"protocol": "any", "summary": "", "model": {}, "data": {}, "results": evaluation.results}
    )
    assert "No head was measured." in page and Page(page).images == []


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium here")
def test_a_browser_opens_it(report: Path) -> None:
    picture = report.with_suffix(".png")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    profile = f"--user-data-dir={report.parent / 'profile'}"
    window = ["--window-size=1200,3000", f"--screenshot={picture}"]
    command = [str(CHROMIUM), *flags, profile, *window, report.as_uri()]
    subprocess.run(command, capture_output=True, timeout=within(120), check=True)
    shown = np.asarray(Image.open(picture).convert("RGB"))
    assert shown.shape[:2] == (3000, 1200)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 500  # tables alone are black on white
