"""Photos by their URL, from a server in this process that behaves well or badly."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from semiuhpe.errors import ImageError, TooLargeError
from semiuhpe.images.remote import fetch
from semiuhpe.images.urls import load_photo, photo_url, web_url

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        leads = {
            "/moved.png": "/a.png",
            "/file.png": "file:///etc/hostname",
            "/ftp.png": "ftp://127.0.0.1/a.png",
            "/round.png": "/round.png",
        }
        if path == "/mine.png" and self.headers["Authorization"] != "Basic bWU6c2UgY3JldA==":
            self.send_error(401)
        elif path in leads:
            self.send_response(302)
            self.send_header("Location", leads[path])
            self.end_headers()
        elif path == "/none.png":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 30 if path == "/cut.png" else len(png())))
            self.end_headers()
            self.answer(path)

    def answer(self, path: str) -> None:
        if path == "/slow.png":
            for byte in png()[:500]:
                with contextlib.suppress(OSError):
                    self.wfile.write(bytes([byte]))
                time.sleep(0.02)
        else:
            self.wfile.write(b"<html>" + b" " * (len(png()) - 6) if path == "/page.png" else png())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/a.png", "/moved.png", "/photo?id=3"])
def test_a_photo_is_what_its_file_would_be(server: str, path: str) -> None:
    np.testing.assert_array_equal(load_photo(server + path), PICTURE)


def test_user_and_password_reach_the_server(server: str) -> None:
    with pytest.raises(ImageError, match="answers 401"):
        load_photo(f"{server}/mine.png")
    found = load_photo(server.replace("//", "//me:se%20cret@") + "/mine.png")
    np.testing.assert_array_equal(found, PICTURE)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/none.png", "answers 404"),
        ("/page.png", "not a picture"),
        ("/file.png", "not allowed"),
        ("/ftp.png", "not to the web"),
        ("/cut.png", "cannot be fetched"),
        ("/round.png", "302"),
    ],
)
def test_everything_else_is_one_line_that_names_it(server: str, path: str, match: str) -> None:
    with pytest.raises(ImageError, match=match) as caught:
        load_photo(f"{server.replace('//', '//me:secret@')}{path}?token=abc")
    assert f"{server}{path}#" in str(caught.value)
    assert "\n" not in str(caught.value)
    for secret in ("secret", "token", "abc"):
        assert secret not in str(caught.value)


def test_what_a_server_may_cost_is_bounded(server: str) -> None:
    with pytest.raises(TooLargeError, match="MiB"):
        fetch(f"{server}/a.png", "it", max_bytes=100)
    began = time.monotonic()
    with pytest.raises(ImageError, match=r"not there after 0\.3 s"):
        fetch(f"{server}/slow.png", "it", max_seconds=0.3)  # which never pauses long enough for a socket's own limit
    assert time.monotonic() - began < 60
    with pytest.raises(ImageError, match="cannot be fetched"):
        load_photo("http://127.0.0.1:9/a.png")


def test_which_urls_are_photos() -> None:
    assert photo_url("https://host/a.JPG?width=90") is not None
    assert photo_url("HTTP://host/b.heic") is not None
    for other in (
        "https://host/live.m3u8",
        "https://host/stream",
        "rtsp://host/a.jpg",
        "a.jpg",
        3,
        b"http://host/a.jpg",
    ):
        assert photo_url(other) is None
    assert web_url("https://host/stream") is not None
    for wrong in ("http://", "http:///a.jpg", "http://[::1/a.jpg"):
        with pytest.raises(ImageError, match="no URL"):
            web_url(wrong)
    one, another = web_url("https://u:p@host:8/x/a.jpg?id=1"), web_url("https://host:8/x/a.jpg?id=2")
    assert one is not None and another is not None
    assert str(one).startswith("https://host:8/x/a.jpg#")
    assert str(one) != str(another)
