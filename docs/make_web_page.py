"""The picture of the web page in docs/web_page.md: a headless Chromium opens `semiuhpe demo` and chooses a demo photo, in
a window and on a phone.

python docs/make_web_page.py
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image

from semiuhpe import HeadPoseEstimator
from semiuhpe.web.server import Server

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))
from web.chromium import Chromium

WINDOW, PHONE, SPACE = (1440, 900), (390, 900), 24
"""Width and height in pixels of the page, and the space between the two."""


def seen(page: Chromium, url: str, size: tuple[int, int]) -> Image.Image:
    """The page of that size with the photo, as it is seen."""
    page.resize(*size)
    page.open(url)
    page.wait("'ready' in document.documentElement.dataset")
    page.upload("#file", DOCS / "demo" / "astronaut.jpg")
    page.wait("document.querySelectorAll('#heads tbody tr').length > 0")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main() -> None:
    """Write docs/img/web_page.jpg."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with Server(HeadPoseEstimator(), port=0) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Chromium(Path(profile)) as page:
            window, phone = seen(page, server.url, WINDOW), seen(page, server.url, PHONE)
        server.shutdown()
    picture = Image.new("RGB", (window.width + SPACE + phone.width, window.height), "white")
    picture.paste(window, (0, 0))
    picture.paste(phone, (window.width + SPACE, 0))
    picture.save(DOCS / "img" / "web_page.jpg", quality=85)


if __name__ == "__main__":
    main()
