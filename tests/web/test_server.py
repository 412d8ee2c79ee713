"""The API answers well-formed uploads, and refuses everything else with a typed JSON error."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semiuhpe.cli.demo import main as demo
from semiuhpe.inference.checks import InputError
from semiuhpe.inference.results import HeadPoses
from semiuhpe.web.api import Limits
from semiuhpe.web.server import Server

LIMITS = Limits(body_bytes=200_000, pixels=40_000, waiting=1, connections=6, seconds=1.5)


def one_head(image: np.ndarray) -> HeadPoses:
    height, width = image.shape[:2]
    return HeadPoses(np.eye(3)[None], [[0, 0, width, height]], [0.9], [5.0], [9.0], [4.0])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(one_head, port=0, limits=LIMITS) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def photo(width: int = 60, height: int = 40, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


def ask(server: Server, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(server.url.rstrip("/") + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def refused(answer: tuple[int, dict[str, str], bytes], status: int, kind: str) -> str:
    code, headers, body = answer
    error = json.loads(body)["error"]
    assert (code, error["type"]) == (status, kind)
    assert headers["Content-Type"].startswith("application/json")
    assert error["message"] and "\n" not in error["message"]
    return str(error["message"])


def raw(server: Server, request: bytes, pause: float = 0) -> bytes:
    with socket.create_connection(server.server_address[:2], timeout=20) as connection:
        connection.sendall(request)
        time.sleep(pause)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_page_and_files(server: Server) -> None:
    status, headers, page = ask(server, "/")
    assert status == 200 and b"<canvas" in page
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert b"http://" not in page and b"https://" not in page  # nothing from elsewhere
    for name in ("style.css", "app.js", "draw.js", "dials.js", "icon.svg"):
        assert f'"{name}"'.encode() in page + ask(server, "/app.js")[2].replace(b"./", b"")
        assert ask(server, f"/{name}")[0] == 200
    mesh = json.loads(ask(server, "/api/mesh")[2])
    assert len(mesh["triangles"]) == len(mesh["normals"]) == 3 * len(mesh["tone"])
    assert max(mesh["triangles"]) < len(mesh["vertices"]) / 3
    assert json.loads(ask(server, "/api/info")[2])["body_bytes"] == LIMITS.body_bytes


def test_an_upload_is_estimated(server: Server) -> None:
    status, _, body = ask(server, "/api/estimate?x=1", photo())
    answer = json.loads(body)
    assert (status, answer["width"], answer["height"]) == (200, 60, 40)
    assert HeadPoses.from_dict(answer["heads"]).azimuth_deg.tolist() == [0.0]


def test_formats_that_browsers_cannot_show_are_converted(server: Server) -> None:
    status, headers, body = ask(server, "/api/preview", photo(kind="TIFF"))
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(body)).size == (60, 40)


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/page/app.js", "/app.js/", "/./app.js",
     "/app.js%00.css", "/\\..\\server.py", "/api/../../server.py", "/etc/passwd", "/server.py", "/api"],
)  # fmt: skip
def test_no_path_leads_anywhere_else(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", "localhost")
    connection.endheaders()
    answer = connection.getresponse()
    refused((answer.status, dict(answer.headers), answer.read()), 404, "not_found")
    connection.close()


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


def test_hostile_files(server: Server) -> None:
    refused(ask(server, "/api/estimate", b""), 400, "empty")
    for body in (
        b"GIF89a",
        b"\x00" * 5000,
        b"<svg onload=alert(1)>",
        photo()[:60],
        photo(kind="JPEG")[:200],
        b"MZ" * 99,
    ):
        refused(ask(server, "/api/estimate", body), 422, "unreadable")
        refused(ask(server, "/api/preview", body), 422, "unreadable")
    message = refused(ask(server, "/api/estimate", png_header(60000, 60000)), 413, "too_many_pixels")
    assert "40,000" in message
    refused(ask(server, "/api/estimate", photo(201, 200)), 413, "too_many_pixels")
    assert ask(server, "/api/estimate", photo(200, 200))[0] == 200


def test_size_is_checked_before_anything_is_read(server: Server) -> None:
    head = b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    answer = raw(server, head % (10**12))
    assert b" 413 " in answer and b'"too_large"' in answer
    for length in (b"-5", b"1e3", b"", b"9" * 400, "٣".encode()):
        answer = raw(
            server, b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n"
        )
        assert b" 411 " in answer, length
    chunked = (
        b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
    )
    assert b" 411 " in raw(server, chunked)


def test_slow_and_broken_uploads_end(server: Server) -> None:
    head = b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
    begin = time.monotonic()
    answer = raw(server, head)
    assert b" 408 " in answer and b'"timeout"' in answer
    assert time.monotonic() - begin < 15
    with socket.create_connection(server.server_address[:2], timeout=20) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        assert b'"incomplete"' in b"".join(iter(lambda: connection.recv(65536), b""))
    assert raw(server, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"{"))
    assert ask(server, "/")[0] == 200


def test_methods(server: Server) -> None:
    refused(ask(server, "/api/estimate"), 405, "method")
    refused(ask(server, "/app.js", b"x"), 404, "not_found")
    for method in (b"PUT", b"DELETE", b"OPTIONS", b"BREW"):
        answer = raw(server, method + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.split()[1] in (b"405", b"501") and b'"error"' in answer
    head = raw(server, b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 200 " in head and b"<canvas" not in head


def test_other_sites_cannot_use_it(server: Server) -> None:
    refused(ask(server, "/api/estimate", photo(), Origin="https://example.org"), 403, "foreign_origin")
    refused(ask(server, "/api/estimate", photo(), Origin="null"), 403, "foreign_origin")
    for host in ("example.org", "127.0.0.1.example.org", "10.0.0.1:7860", ""):
        refused(ask(server, "/", Host=host), 403, "foreign_host")
    _, headers, _ = ask(server, "/api/estimate", photo(), Origin=server.url.rstrip("/"))
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_estimates_take_turns_and_late_comers_are_told() -> None:
    running, most, gate = [0], [0], threading.Event()
    lock = threading.Lock()

    def slow(image: np.ndarray) -> HeadPoses:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(20)
        with lock:
            running[0] -= 1
        return one_head(image)

    with Server(slow, port=0, limits=LIMITS) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        answers: list[Any] = []
        threads = [
            threading.Thread(target=lambda: answers.append(ask(made, "/api/estimate", photo()))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while len(answers) < 2:  # one runs, one waits, two are turned away
            time.sleep(0.01)
        for answer in answers[:2]:
            refused(answer, 503, "busy")
            assert answer[1]["Retry-After"] == "1"
        gate.set()
        for thread in threads:
            thread.join(20)
        made.shutdown()
    assert sorted(a[0] for a in answers) == [200, 200, 503, 503]
    assert most[0] == 1


def test_connections_are_bounded(server: Server) -> None:
    idle = [socket.create_connection(server.server_address[:2], timeout=20) for _ in range(LIMITS.connections)]
    time.sleep(0.2)
    with socket.create_connection(server.server_address[:2], timeout=20) as one_more:
        assert one_more.recv(10) == b""  # closed at once
    time.sleep(LIMITS.seconds + 0.3)  # idle ones are dropped
    assert ask(server, "/")[0] == 200
    for connection in idle:
        connection.close()


def test_a_failing_estimator_does_not_end_the_server() -> None:
    def broken(image: np.ndarray) -> HeadPoses:
        raise RuntimeError("secret path /home/x")

    with Server(broken, port=0, limits=LIMITS) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        answer = ask(made, "/api/estimate", photo())
        assert "secret" not in refused(answer, 500, "internal")
        assert ask(made, "/")[0] == 200
        made.shutdown()


def test_it_listens_to_this_machine_unless_told_otherwise() -> None:
    with Server(one_head, port=0) as made:
        assert made.server_address[0] == "127.0.0.1" and made.on_loopback
        with pytest.raises(InputError, match="cannot listen"):
            Server(one_head, port=made.server_address[1])
    with pytest.raises(InputError, match="--port"):
        Server(one_head, port=99999)
    with pytest.raises(InputError, match="--host"):
        Server(one_head, host="no such host")
    with Server(one_head, host="0.0.0.0", port=0) as made:
        assert not made.on_loopback


def test_the_command_checks_its_limits() -> None:
    with pytest.raises(InputError, match="max-megabytes"):
        demo(["--max-megabytes", "0"])
