"""The page in a real browser: a photo goes in through the file input, heads, dials, table and picture come out."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from web.chromium import EXECUTABLE, Chromium

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.poses.exchange import csv_columns
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.server import Server

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="needs chromium")
BOXES = np.array([[20.0, 30, 120, 150], [180, 40, 280, 160], [300, 60, 380, 150]])
ERRORS, SCORES = [8.0, 55.0, 20.0], [0.9, 0.8, 0.6]
SIZE = (400, 200)
SCREENS = {360: (740, 2.0), 1440: (900, 1.0), 3840: (2160, 1.0)}
"""Height and pixels of the screen for each of the page, by width."""


def heads(count: int, boxes: np.ndarray = BOXES) -> HeadPoses:
    rotation = from_azimuth_elevation_tilt(*np.radians([[60, -150, -40], [20, 0, -30], [0, 10, -15]]))
    return HeadPoses(
        rotation=rotation[:count],
        box=boxes[:count],
        detection_score=SCORES[:count],
        expected_error_deg=ERRORS[:count],
        error_90_deg=[15.0, 90.0, 35.0][:count],
        entropy=[4.0, 1.0, 3.0][:count],
    )


def estimator(image: np.ndarray) -> HeadPoses:
    """Three heads in a picture of SIZE, but one in a dark one; in any other, which is a frame of the camera, two."""
    if image.shape[:2] == SIZE[::-1]:
        return heads(1 if image.mean() < 40 else 3)
    return heads(2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chromium, Server]]:
    with Server(estimator, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
            yield chromium, server
        server.shutdown()


@pytest.fixture
def page(browser: tuple[Chromium, Server]) -> Iterator[Chromium]:
    """A page that has just been opened, 1440 pixels wide."""
    chromium, server = browser
    opened(chromium, server, 1440)
    yield chromium
    assert chromium.log == []  # no error, no blocked resource


def opened(page: Chromium, server: Server, width: int) -> None:
    page.resize(width, *SCREENS[width])
    page.open(server.url)
    page.wait("'ready' in document.documentElement.dataset")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", SIZE, (90, 90, 90)).save(tmp_path / "class photo.v2.png")
    return tmp_path / "class photo.v2.png"


def choose(page: Chromium, photo: Path, count: int = 3) -> None:
    page.upload("#file", photo)
    page.wait(f"document.querySelectorAll('#heads tbody tr').length === {count}")


def text(page: Chromium, selector: str) -> str:
    return str(page.js(f"document.querySelector({selector!r}).textContent"))


def rows(page: Chromium) -> list[list[str]]:
    found: list[list[str]] = page.js(
        "[...document.querySelectorAll('#heads tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def slide(page: Chromium, selector: str, value: float) -> None:
    page.js(
        f"(s => {{ s.value = {value}; s.dispatchEvent(new Event('input')); }})(document.querySelector('{selector}'))"
    )


def written(page: Chromium) -> list[tuple[str, float, float, float]]:
    """What is written on the picture: text, x and y in pixels of the page from the canvas's corner, letters' height."""
    found = page.js(
        "(() => { const proto = CanvasRenderingContext2D.prototype, old = proto.fillText, seen = [];"
        " proto.fillText = function (text, x, y) { const scale = this.canvas.clientWidth / this.canvas.width;"
        "   seen.push([text, x * scale, y * scale, parseFloat(this.font.match(/([0-9.]+)px/)[1]) * scale]);"
        "   return old.call(this, text, x, y); };"
        " document.querySelector('#score').dispatchEvent(new Event('input')); proto.fillText = old; return seen; })()"
    )
    return [tuple(one) for one in found]


def saved(page: Chromium, button: str) -> tuple[str, bytes]:
    """Name and bytes of a download."""
    name, content = page.js(
        "new Promise(done => { let blob; const link = HTMLAnchorElement.prototype, make = URL.createObjectURL, go = link.click;"
        " URL.createObjectURL = given => make.call(URL, blob = given);"
        " link.click = function () { URL.createObjectURL = make; link.click = go;"
        "   blob.arrayBuffer().then(all => done([this.download, [...new Uint8Array(all)]])); };"
        f" document.querySelector('{button}').click(); }})"
    )
    return name, bytes(content)


def test_a_photo_from_upload_to_figures(page: Chromium, photo: Path) -> None:
    choose(page, photo)
    assert text(page, "#azimuth") == "+60°"
    assert text(page, "#elevation") == "+20°"
    assert text(page, "#words") == "faces half left, looks up"
    assert text(page, "#count") == "3"
    assert "3 heads" in text(page, "#status")
    assert "60 degrees" in page.js("document.querySelector('#dial-azimuth').getAttribute('aria-label')")
    assert rows(page) == [
        ["1", "+60°", "+20°", "0°", "±8°", "0.90"],
        ["2", "−150°", "0°", "+10°", "±55°", "0.80"],
        ["3", "−40°", "−30°", "−15°", "±20°", "0.60"],
    ]


def test_every_style_draws_and_the_saved_picture_is_what_python_draws(page: Chromium, photo: Path) -> None:
    choose(page, photo)
    for style in ("box", "axes", "cube", "cone", "mesh"):
        page.js(f"document.querySelector('input[value={style}]').click()")
        name, content = saved(page, "#picture")
        picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
        assert name == "class photo.v2.png" and picture.shape == (*SIZE[::-1], 3)
        assert (picture[30:150, 20:120] != 90).any() and (picture[40:160, 180:280] != 90).any()
    ours = heads(3).draw(np.full((*SIZE[::-1], 3), 90, np.uint8), "mesh").astype(int)
    inside = np.s_[70:130, 50:90]
    assert np.abs(picture[inside] - ours[inside]).mean() < 12


def test_downloads_are_named_after_the_photo_and_read_back_with_the_same_numbers(page: Chromium, photo: Path) -> None:
    choose(page, photo)
    slide(page, "#score", 0.7)
    name, content = saved(page, "#json")
    answer = json.loads(content)
    assert (name, answer["source"], answer["score_from"]) == ("class photo.v2.json", "class photo.v2.png", 0.7)
    assert [head["head"] for head in answer["heads"]] == [1, 2]
    assert np.array_equal(HeadPoses.from_dict(answer["heads"]).box, BOXES[:2])
    name, content = saved(page, "#csv")
    lines = content.decode().splitlines()
    assert (name, lines[0].split(",")) == ("class photo.v2.csv", ["head", *csv_columns(["300w-lp"])])
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    table = HeadPoses.from_csv(content.decode())
    assert np.array_equal(table.box, BOXES[:2])
    assert np.allclose(table.rotation, heads(2).rotation, atol=1e-4)
    assert content.decode().split("\n", 1)[1] == "".join(
        f"{i + 1},{row}\n" for i, row in enumerate(compared(heads(2).to_csv().splitlines()[1:]))
    )


def compared(lines: list[str]) -> list[str]:
    """Rows of Python's table as JavaScript writes the same numbers: 8, not 8.0."""
    return [",".join(cell.removesuffix(".0") for cell in line.split(",")) for line in lines]


def test_the_score_hides_and_the_error_turns_grey_and_numbers_stay(page: Chromium, photo: Path) -> None:
    choose(page, photo)

    def grey() -> list[str]:
        found: list[str] = page.js("[...document.querySelectorAll('tr.grey')].map(row => row.dataset.head)")
        return found

    assert grey() == ["2"]
    assert [one[0] for one in written(page) if "±" in one[0]] == ["2 ±55°"]
    slide(page, "#limit", 10)
    assert grey() == ["2", "3"]
    slide(page, "#limit", 60)
    assert grey() == []
    slide(page, "#limit", 40)
    page.js("document.querySelector('#hide').click()")
    assert [row[0] for row in rows(page)] == ["1", "3"]
    assert text(page, "#count") == "2 of 3"
    assert sorted(one[0] for one in written(page)) == ["1", "3"]
    slide(page, "#score", 0.95)
    assert rows(page) == [] and "hidden" in text(page, "#none")
    assert text(page, "#azimuth") == "–"


def test_arrow_keys_on_the_picture_and_in_the_table_choose_a_head(page: Chromium, photo: Path) -> None:
    choose(page, photo)

    def pressed(*keys: str) -> str:
        for key in keys:
            page.press(key)
        return text(page, "#selected-name")

    page.js("document.querySelector('#view').focus()")
    assert pressed() == "#1"
    assert pressed("ArrowRight") == "#2"
    assert text(page, "#azimuth") == "−150°" and "Head 2: faces away" in text(page, "#announce")
    assert page.js("document.querySelector('tr[aria-current]').dataset.head") == "2"
    assert pressed("ArrowDown") == "#3"
    assert pressed("ArrowRight") == "#1"
    assert pressed("ArrowLeft") == "#3"
    assert pressed("Home") == "#1"
    assert pressed("End", "ArrowUp") == "#2"
    page.js("document.querySelector('tr[aria-current]').focus()")
    assert pressed("ArrowDown") == "#3"
    assert page.js("document.activeElement.dataset.head") == "3"
    page.js("document.activeElement.blur()")
    assert pressed("ArrowDown") == "#3"  # elsewhere the keys belong to the browser


def test_clicks_on_picture_and_table_choose_a_head(page: Chromium, photo: Path) -> None:
    choose(page, photo)
    page.js("document.querySelector('#heads tbody tr[data-head=\"3\"]').click()")
    assert text(page, "#selected-name") == "#3"
    left, top, width = page.js("(r => [r.x, r.y, r.width])(document.querySelector('#canvas').getBoundingClientRect())")
    x, y = (BOXES[1, :2] + BOXES[1, 2:]) / 2 * width / SIZE[0]
    page.click(left + x, top + y)
    assert text(page, "#selected-name") == "#2"


@pytest.mark.parametrize("width", SCREENS)
def test_the_page_fits_and_can_be_read_and_its_numbers_agree(
    browser: tuple[Chromium, Server], photo: Path, width: int
) -> None:
    page, server = browser
    opened(page, server, width)
    choose(page, photo)
    assert page.js("document.documentElement.scrollWidth") <= width
    wide = page.js(
        "[...document.querySelectorAll('button, input:not(#file), .segments, #view, canvas, table, td, th, h1, h2, svg,"
        " dl, dd, figcaption, #status, #scale, .card')].filter(one => one.checkVisibility()).map(one =>"
        " [one.id || one.tagName, one.getBoundingClientRect()]).filter(([, r]) => r.left < 0 || r.right > innerWidth"
        "   || r.width < 1).map(([name, r]) => [name, r.left, r.right])"
    )
    assert wide == []
    cut = page.js(
        "[...document.querySelectorAll('.scroll, .bar, .segments, button, td, th, dd, figcaption, .card, #stage')]"
        ".filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"
        ".map(one => [one.id || one.className || one.tagName, one.scrollWidth, one.clientWidth])"
    )
    assert cut == []
    least = page.js(
        "Math.min(...[...document.querySelectorAll('body *')].filter(one => one.checkVisibility()"
        " && [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(one => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert least >= (18 if width == 3840 else 11.5)
    assert {row[0] for row in rows(page)} == {"1", "2", "3"}

    # Each number stands beside the head that has it in the table, on the canvas, readable, apart from the others.
    scale = page.js("document.querySelector('#canvas').clientWidth") / SIZE[0]
    labels = {one[0].split()[0]: one[1:] for one in written(page)}
    assert set(labels) == {"1", "2", "3"}
    for number, (x, y, letters) in labels.items():
        assert letters >= 11
        centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2 * scale
        nearest = int(np.argmin(np.abs(centres - [x, y]).max(axis=1)))
        assert nearest + 1 == int(number)
        assert 0 <= x <= SIZE[0] * scale and 0 <= y <= SIZE[1] * scale
    screenshot = Image.open(io.BytesIO(page.screenshot())).convert("L")
    assert screenshot.width == width * SCREENS[width][1] and np.ptp(np.asarray(screenshot)) > 100
    assert page.log == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_contrast_and_every_control_a_name(page: Chromium, photo: Path, theme: str) -> None:
    page.js(f"document.documentElement.dataset.theme = '{theme}'")
    choose(page, photo)
    page.js("document.getAnimations().forEach(animation => animation.finish())")
    weak = page.js(
        "(() => { const sheet = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});"
        " const rgba = colour => { sheet.clearRect(0, 0, 1, 1); sheet.fillStyle = colour; sheet.fillRect(0, 0, 1, 1);"
        "   return [...sheet.getImageData(0, 0, 1, 1).data]; };"
        " const ground = one => { const layers = []; for (let n = one; n; n = n.parentElement) {"
        "   layers.push(rgba(getComputedStyle(n).backgroundColor)); if (layers.at(-1)[3] === 255) break; }"
        "   return layers.reverse().reduce((under, [r, g, b, a]) =>"
        "     [r, g, b].map((v, i) => v * a / 255 + under[i] * (1 - a / 255)), [255, 255, 255]); };"
        " const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)"
        "   .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);"
        " return [...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && !one.disabled"
        "   && [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(one => {"
        "     const [a, b] = [light(rgba(getComputedStyle(one).color)), light(ground(one))].sort((p, q) => q - p);"
        "     return [one.id || one.tagName + ' ' + one.textContent.slice(0, 20), (a + .05) / (b + .05)]; })"
        "   .filter(([, ratio]) => ratio < 4.5); })()"
    )
    assert weak == []  # WCAG 2.2, 1.4.3
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in tree if node.get("role", {}).get("value") in ("button", "slider", "checkbox", "radio")]
    assert len(controls) >= 12
    assert [node for node in controls if not node.get("name", {}).get("value")] == []


def test_tab_reaches_every_control_and_shows_where_it_is(page: Chromium, photo: Path) -> None:
    choose(page, photo)
    page.js("document.activeElement.blur()")
    reached: list[str] = []
    for _ in range(20):
        page.press("Tab")
        if page.js("document.activeElement === document.body"):
            break
        name, outline = page.js(
            "(one => [one.id || one.value || one.dataset.head, [one, one.nextElementSibling].some(o => o &&"
            " getComputedStyle(o).outlineStyle === 'solid')])(document.activeElement)"
        )
        assert outline, name
        reached.append(name)
    wanted = ["theme", "mesh", "file", "camera", "view", "score", "limit", "hide", "picture", "json", "csv", "1"]
    assert reached == wanted


def test_dials_show_the_side_that_the_head_faces(page: Chromium, photo: Path) -> None:
    choose(page, photo)

    def tip(dial: str) -> tuple[float, float]:
        """Where the needle ends on the screen, from the middle of the dial, in pixels."""
        x, y = page.js(
            f"(svg => {{ const line = svg.querySelector('.dial-needle'), face = svg.querySelector('.dial-face');"
            " const p = new DOMPoint(line.x2.baseVal.value, line.y2.baseVal.value).matrixTransform(line.getScreenCTM());"
            " const r = face.getBoundingClientRect(); return [p.x - r.x - r.width / 2, p.y - r.y - r.height / 2]; })"
            f"(document.querySelector('#dial-{dial}'))"
        )
        return x, y

    for number, head in enumerate(heads(3), start=1):
        page.js(f"document.querySelector('tr[data-head=\"{number}\"]').click()")
        facing = head.facing[0]  # x to the right of the picture, y down, z away from the camera
        x, y = tip("azimuth")
        assert np.sign(x) == np.sign(facing[0]) and np.sign(y) == -np.sign(facing[2])
        x, y = tip("elevation")
        if abs(head.elevation_deg[0]) < 80:
            assert np.sign(x) == np.sign(facing[0])
        if abs(facing[1]) > 1e-3:
            assert np.sign(y) == np.sign(facing[1])
        faces_us = facing[2] < 0
        assert page.js("document.querySelectorAll('#dial-tilt .dial-eye').length > 0") == faces_us
        side = "left" if facing[0] < 0 else "right"
        assert side in text(page, "#words") and ("away" in text(page, "#words")) != faces_us


def test_a_single_head_needs_no_number(page: Chromium, tmp_path: Path) -> None:
    Image.new("RGB", SIZE, (10, 10, 10)).save(tmp_path / "one.png")
    choose(page, tmp_path / "one.png", 1)
    assert written(page) == []
    assert page.js("document.querySelector('#hint').hidden")


def test_a_photo_that_is_opened_next_starts_anew(page: Chromium, photo: Path, tmp_path: Path) -> None:
    choose(page, photo)
    page.js("document.querySelector('tr[data-head=\"3\"]').click()")
    Image.new("RGB", SIZE, (10, 10, 10)).save(tmp_path / "other.jpg")
    choose(page, tmp_path / "other.jpg", 1)
    assert text(page, "#selected-name") == "#1"
    assert saved(page, "#json")[0] == "other.json"


def test_what_is_no_picture_is_reported(page: Chromium, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    page.upload("#file", tmp_path / "bad.png")
    page.wait("document.querySelector('#status').classList.contains('bad')")
    assert "bad.png" in text(page, "#status")
    page.log.clear()  # the browser reports the refusal of the server


def test_the_camera_runs_frame_by_frame_with_identities_and_stops(page: Chromium) -> None:
    page.js("document.querySelector('#camera').click()")
    page.wait("document.querySelector('#status').textContent.includes('frames a second')")
    assert text(page, "#camera") == "Stop"
    page.js("document.querySelector('tr[data-head=\"2\"]').click()")
    page.js("window.frames_before = document.querySelector('#status').textContent")
    page.wait("document.querySelector('#status').textContent !== window.frames_before")
    assert text(page, "#selected-name") == "#2" and [row[0] for row in rows(page)] == ["1", "2"]
    page.js("document.querySelector('#camera').click()")
    page.wait("document.querySelector('#camera').textContent === 'Camera'")
    name, content = saved(page, "#json")
    frames: list[dict[str, Any]] = json.loads(content)["frames"]
    assert (
        name == "camera.json" and [frame["frame"] for frame in frames] == list(range(len(frames))) and len(frames) > 1
    )
    assert all([head["track_id"] for head in frame["heads"]] == [1, 2] for frame in frames)
    name, content = saved(page, "#csv")
    by_frame = HeadPoses.from_csv_by_picture(content.decode())
    assert name == "camera.csv" and len(by_frame) == len(frames)
    assert by_frame[0].track_id.tolist() == [1, 2]
