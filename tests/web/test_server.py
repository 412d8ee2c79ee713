"""The API answers well-formed uploads, and refuses everything else with a typed JSON error."""

from __future__ import annotations

import http.client
import io
import json
import re
import struct
import sys
import threading
import time
import zlib
from typing import Any

import numpy as np
import pytest
from helpers.page_server import (
    LIMITS,
    address_of,
    ask,
    one_head,
    photo,
    raw,
    refused,
    serving,
)
from helpers.time_limits import within
from PIL import Image

from semiuhpe.cli.demo import main as demo
from semiuhpe.errors import InputError
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web import decoding
from semiuhpe.web.server import Server


def test_page_and_files(server: Server) -> None:
    status, headers, page = ask(server, "/")
    assert status == 200 and b"<canvas" in page
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert b"http://" not in page and b"https://" not in page  # nothing from elsewhere
    named: set[bytes] = set(re.findall(rb'(?:src|href)="([^"]+)"', page))
    served: set[bytes] = set()
    while named - served:  # what the page names, and what that imports
        name = min(named - served)
        status, _, content = ask(server, f"/{name.decode()}")
        assert status == 200, name
        served.add(name)
        named |= set(re.findall(rb'from "\./([^"]+)"', content))
    assert {f"/{name.decode()}" for name in served} == set(server.static) - {
        "/",
        "/index.html",
        "/api/mesh",
        "/api/info",
        "/health",
    }
    mesh = json.loads(ask(server, "/api/mesh")[2])
    assert len(mesh["triangles"]) == len(mesh["normals"]) == 3 * len(mesh["tone"])
    assert max(mesh["triangles"]) < len(mesh["vertices"]) / 3
    assert json.loads(ask(server, "/api/info")[2])["body_bytes"] == LIMITS.body_bytes
    assert json.loads(ask(server, "/health")[2]) == {"status": "ok"}


def test_an_upload_is_estimated(server: Server) -> None:
    status, _, body = ask(server, "/api/estimate?x=1", photo())
    answer = json.loads(body)
    assert (status, answer["width"], answer["height"]) == (200, 60, 40)
    assert HeadPoses.from_dict(answer["heads"]).azimuth_deg.tolist() == [0.0]


def test_heads_keep_their_identities_over_the_frames_of_a_stream(server: Server) -> None:
    def identity(stream: str, time_s: float) -> int:
        status, _, body = ask(server, f"/api/estimate?stream={stream}&time_s={time_s}", photo())
        assert status == 200
        return int(json.loads(body)["heads"][0]["track_id"])

    assert [identity("a", 0), identity("a", 0.5), identity("b", 0.5), identity("a", 1.0)] == [1, 1, 1, 1]
    assert identity("a", 0.2) == 2  # somebody went back in the video
    assert identity("a", 60) == 3  # and far on
    assert "track_id" not in json.loads(ask(server, "/api/estimate", photo())[2])["heads"][0]


@pytest.mark.parametrize(
    "query",
    [
        "stream=a",
        "time_s=1",
        "stream=a&time_s=nan",
        "stream=a&time_s=-1",
        "stream=%2e%2e&time_s=1",
        "stream=&time_s=1",
        f"stream={'a' * 65}&time_s=1",
        "stream=a&time_s=",
    ],
)
def test_a_frame_without_a_good_name_and_time_is_refused(server: Server, query: str) -> None:
    refused(ask(server, f"/api/estimate?{query}", photo()), 400, "bad_request")


def test_formats_that_browsers_cannot_show_are_converted(server: Server) -> None:
    status, headers, body = ask(server, "/api/preview", photo(kind="TIFF"))
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(body)).size == (60, 40)


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "//etc/passwd",
        "/page/app.js",
        "/app.js/",
        "/./app.js",
        "/app.js%00.css",
        "/\\..\\server.py",
        "/api/../../server.py",
        "/etc/passwd",
        "/server.py",
        "/api",
    ],
)
def test_no_path_leads_anywhere_else(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection(*address_of(server), timeout=within(20))
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


@pytest.mark.skipif(sys.platform == "win32", reason="the clock of a process")
def test_a_hostile_upload_is_ended_and_an_honest_one_passes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        decoding,
        "_PROGRAM",
        decoding._PROGRAM.replace(
            "main()",
            """
import semiuhpe.web.decode_worker as worker
read = worker.load_image
def hostile(body, max_pixels):
    while body == b"hostile": pass
    return read(body, max_pixels=max_pixels)
worker.load_image = hostile
main()
""",
        ),
    )
    with serving(decode_seconds=30, waiting=5, seconds=300) as server:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(ask(server, "/api/estimate", b"hostile")))
        thread.start()
        while server.service.decoders._free.qsize() > 1:
            time.sleep(0.01)
        for _ in range(3):  # while the hostile one has 30 s of its own
            assert ask(server, "/api/estimate", photo())[0] == 200
        assert not answers
        server.service.decoders.close()
        thread.join(60)
        refused(answers[0], 422, "unreadable")
    with serving(decode_seconds=0.2, seconds=300) as server:
        refused(ask(server, "/api/estimate", b"hostile"), 413, "too_slow")
        refused(ask(server, "/api/preview", b"hostile"), 413, "too_slow")
        assert ask(server, "/api/estimate", photo())[0] == 200


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
