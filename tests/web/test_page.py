"""The page in a real browser: a photo goes in through the file input, heads, dials, table and picture come out."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from web.chromium import EXECUTABLE, Chromium

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.server import Server

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="needs chromium")
BOXES = [[20.0, 30, 120, 150], [180, 40, 280, 160]]


def two_heads(image: np.ndarray) -> HeadPoses:
    rotation = from_azimuth_elevation_tilt(*np.radians([[60, -150], [20, 0], [0, 10]]))
    return HeadPoses(
        rotation=rotation,
        box=BOXES,
        detection_score=[0.9, 0.8],
        expected_error_deg=[8.0, 55.0],
        error_90_deg=[15.0, 90.0],
        entropy=[4.0, 1.0],
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Server(two_heads, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Chromium(tmp_path_factory.mktemp("profile")) as browser:
            browser.open(server.url)
            browser.wait("document.querySelector('#status').textContent === 'Ready.'")
            yield browser
        server.shutdown()


def test_a_photo_from_upload_to_download(page: Chromium, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (90, 90, 90)).save(tmp_path / "two.png")
    page.upload("#file", tmp_path / "two.png")
    page.wait("document.querySelectorAll('#heads tbody tr').length === 2")
    text = "document.querySelector({}).textContent"
    assert page.js(text.format("'#azimuth'")) == "+60°"
    assert page.js(text.format("'#elevation'")) == "+20°"
    assert page.js(text.format("'#count'")) == "1 of 2"
    assert "2 heads" in page.js(text.format("'#status'"))
    assert "60 degrees" in page.js("document.querySelector('#dial-azimuth').getAttribute('aria-label')")

    def canvas() -> np.ndarray:
        return np.array(page.js("Array.from(document.querySelector('#canvas').getContext('2d').getImageData(0,0,300,200).data)"),
                        np.uint8).reshape(200, 300, 4)[..., :3].astype(int)  # fmt: skip

    pictures = {}
    for style in ("box", "axes", "cube", "cone", "mesh"):
        page.js(f"document.querySelector('input[value={style}]').click()")
        pictures[style] = canvas()
        assert (pictures[style][:, :160] != 90).any()
    ours = two_heads(np.zeros((200, 300, 3), np.uint8)).draw(np.full((200, 300, 3), 90, np.uint8), "mesh").astype(int)
    inside = np.s_[70:130, 50:90]
    assert np.abs(pictures["mesh"][inside] - ours[inside]).mean() < 12  # the page draws what Python draws

    page.js("document.querySelector('#heads tbody tr[data-head=\"1\"]').click()")
    assert page.js(text.format("'#azimuth'")) == "−150°"
    page.js("document.querySelector('#hide').click()")
    assert page.js("document.querySelectorAll('#heads tbody tr').length") == 1
    page.js("const l = document.querySelector('#limit'); l.value = 80; l.dispatchEvent(new Event('input'))")
    assert page.js("document.querySelectorAll('#heads tbody tr').length") == 2
    saved = page.js(
        "new Promise(done => { const old = URL.createObjectURL; URL.createObjectURL = blob => { blob.text().then(done);"
        " return old.call(URL, blob); }; document.querySelector('#json').click(); })"
    )
    assert HeadPoses.from_dict(json.loads(saved)["heads"]).box.tolist() == BOXES
    screenshot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert screenshot.shape[1] >= 1000 and np.ptp(screenshot) > 100
    assert page.log == []  # no error, no blocked resource


def test_what_is_no_picture_is_reported(page: Chromium, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    page.upload("#file", tmp_path / "bad.png")
    page.wait("document.querySelector('#status').classList.contains('bad')")
    assert "bad.png" in page.js("document.querySelector('#status').textContent")


def test_the_camera_runs_frame_by_frame_and_stops(page: Chromium) -> None:
    page.js("document.querySelector('#camera').click()")
    page.wait("document.querySelector('#status').textContent.includes('frames a second')")
    assert page.js("document.querySelector('#camera').textContent") == "Stop"
    page.js("document.querySelector('#camera').click()")
    page.wait("document.querySelector('#camera').textContent === 'Camera'")


def test_a_narrow_screen_needs_no_sideways_scrolling(page: Chromium) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True)
    assert page.js("document.documentElement.scrollWidth") <= 390
    page.call("Emulation.clearDeviceMetricsOverride")
