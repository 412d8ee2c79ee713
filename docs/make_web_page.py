"""The picture of the web page in docs/web_page.md: a headless Chromium opens `semiuhpe demo` and chooses a demo photo.

python docs/make_web_page.py
"""

from __future__ import annotations

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


def main() -> None:
    """Write docs/img/web_page.jpg."""
    with Server(HeadPoseEstimator(), port=0) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Chromium(Path(profile), width=1400, height=960) as page:
            page.open(server.url)
            page.wait("document.querySelector('#status').textContent === 'Ready.'")
            page.upload("#file", DOCS / "demo" / "grace_hopper.jpg")
            page.wait("document.querySelectorAll('#heads tbody tr').length > 0")
            page.js("document.querySelector('input[value=mesh]').click()")
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        server.shutdown()
    picture.save(DOCS / "img" / "web_page.jpg", quality=88)


if __name__ == "__main__":
    main()
