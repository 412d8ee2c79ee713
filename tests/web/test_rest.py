"""The REST service over real connections: answers as its OpenAPI document says, typed refusals, deadlines, limits."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.page_server import one_head
from helpers.time_limits import within
from helpers.tiny_onnx import write_weight_options
from PIL import Image

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.errors import InputError
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.api import Limits

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from semiuhpe.web.rest import RestServer, _patient

LIMITS = Limits(body_bytes=200_000, pixels=40_000, waiting=1, connections=12, seconds=1.5, header_seconds=60)
Answer = tuple[int, dict[str, str], Any]


@contextlib.contextmanager
def serving(
    estimator: Callable[[Any], HeadPoses] = one_head, limits: Limits = LIMITS, **options: float
) -> Iterator[RestServer]:
    with RestServer(estimator, "127.0.0.1", 0, limits, **options) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        end = time.monotonic() + within(20)
        while not server.server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        try:
            yield server
        finally:
            server.server.should_exit = True
            thread.join(within(20))
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[RestServer]:
    with serving() as made:
        yield made


def photo(width: int = 60, height: int = 40, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


def ask(server: RestServer, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
    headers.setdefault("Content-Type", "application/octet-stream")
    request = urllib.request.Request(server.url.rstrip("/") + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=within(20)) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), json.load(error)


def assert_refused(answer: Answer, status: int, kind: str) -> None:
    code, headers, content = answer
    assert (code, content["error"]["type"]) == (status, kind)
    assert content["error"]["message"]
    assert "\n" not in content["error"]["message"]
    assert headers["content-type"] == "application/json"


def test_a_picture_becomes_poses(server: RestServer) -> None:
    status, headers, content = ask(
        server, "/v1/estimate?euler=mediapipe&euler=biwi", photo(), **{"Content-Type": "image/png"}
    )
    assert status == 200
    assert (content["width"], content["height"]) == (60, 40)
    heads = HeadPoses.from_dict(content["heads"])
    np.testing.assert_allclose(heads.box, [[0, 0, 60, 40]])
    assert list(content["heads"][0]["euler_deg"]) == ["mediapipe", "biwi"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_every_answer_is_as_the_document_says(server: RestServer) -> None:
    """And every path of the document is served."""
    jsonschema = pytest.importorskip("jsonschema")
    _, _, document = ask(server, "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"] == semiuhpe.__version__

    def check(content: Any, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"][name])
        jsonschema.Draft202012Validator(schema).validate(content)

    bodies = {"/v1/estimate": photo()}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            status, _, content = ask(server, path, bodies.get(path), method.upper())
            assert status == 200
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            check(content, schema.rpartition("/")[2])
    status, _, content = ask(server, "/v1/estimate", b"no picture")
    assert str(status) in document["paths"]["/v1/estimate"]["post"]["responses"]
    check(content, "Error")
    with pytest.raises(jsonschema.ValidationError):  # or the checks above could not fail
        check(content, "Estimate")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "kind"),
    [
        ("/v1/estimate", b"", {}, 400, "empty"),
        ("/v1/estimate", b"no picture", {}, 422, "unreadable"),
        ("/v1/estimate", photo()[:60], {}, 422, "unreadable"),
        ("/v1/estimate", photo(300, 200), {}, 413, "too_many_pixels"),
        ("/v1/estimate", bytes(200_001), {}, 413, "too_large"),
        ("/v1/estimate?euler=nobody", photo(), {}, 400, "unknown_convention"),
        ("/v1/estimate", photo(), {"Content-Type": "multipart/form-data; boundary=x"}, 415, "not_a_picture"),
        ("/v1/estimate", photo(), {"Origin": "http://elsewhere.example"}, 403, "foreign_origin"),
        ("/v1/estimate", None, {}, 405, "method"),
        ("/etc/passwd", None, {}, 404, "not_found"),
        ("/health", photo(), {}, 405, "method"),
    ],
)
def test_refusals_are_typed(
    server: RestServer, path: str, body: bytes | None, headers: dict[str, str], status: int, kind: str
) -> None:
    assert_refused(ask(server, path, body, **headers), status, kind)
    assert ask(server, "/v1/estimate", photo())[0] == 200


def test_an_upload_in_chunks_is_counted(server: RestServer) -> None:
    """Its length is not stated, so it has to be noticed on the way."""
    connection = http.client.HTTPConnection(server.url[7:-1], timeout=within(20))
    connection.request(
        "POST", "/v1/estimate", iter([photo()]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 200
    connection.close()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 400_000_000:
            sent += 50_000
            yield bytes(50_000)

    connection = http.client.HTTPConnection(server.url[7:-1], timeout=within(20))
    with contextlib.suppress(ConnectionError):  # it may be closed while we write
        connection.request(
            "POST", "/v1/estimate", endless(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert connection.getresponse().status == 413
    assert sent < 100_000_000
    connection.close()


def raw(server: RestServer) -> socket.socket:
    host, port = server.url[7:-1].split(":")
    return socket.create_connection((host, int(port)), timeout=within(20))


def test_an_upload_that_drips_ends(server: RestServer) -> None:
    with raw(server) as connection:
        connection.sendall(b"POST /v1/estimate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # it comes in parts, and then the end
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"timeout"' in answer


def test_a_request_that_drips_or_never_comes_is_closed() -> None:
    with serving(limits=Limits(header_seconds=0.5)) as server:
        for first in (b"", b"GET /health HT"):
            with raw(server) as connection:
                connection.sendall(first)
                assert connection.recv(10) == b""
        with raw(server) as connection:  # one that was answered, and does not go on
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
                connection.sendall(b"G") if len(parts) == 1 else None
            assert b"".join(parts).startswith(b"HTTP/1.1 200 ")


def test_late_comers_and_late_answers_are_told_and_health_answers() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(image: np.ndarray) -> HeadPoses:
        begun.set()
        assert go_on.wait(within(60))
        return one_head(image)

    with serving(slow, answer_seconds=within(1.0)) as server:
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.append(ask(server, "/v1/estimate", photo()))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        assert begun.wait(within(20))
        end = time.monotonic() + within(20)
        while ask(server, "/health")[2]["inside"] < 2:
            assert time.monotonic() < end
        busy = ask(server, "/v1/estimate", photo())
        assert_refused(busy, 503, "busy")
        assert busy[1]["retry-after"] == "1"
        for thread in threads:
            thread.join(within(20))
        assert len(answers) == 2
        for answer in answers:
            assert_refused(answer, 503, "late")
        go_on.set()
        while ask(server, "/health")[2]["inside"]:
            assert time.monotonic() < end + within(20)
        assert ask(server, "/v1/estimate", photo())[0] == 200


def test_a_fault_is_no_stack_trace_to_the_client_and_does_not_end_the_service() -> None:
    def faulty(image: np.ndarray) -> HeadPoses:
        if image.shape[0] == 41:
            raise RuntimeError("a secret of the house")
        return one_head(image)

    with serving(faulty) as server:
        answer = ask(server, "/v1/estimate", photo(60, 41))
        assert_refused(answer, 500, "internal")
        assert "secret" not in json.dumps(answer[2])
        assert ask(server, "/v1/estimate", photo())[0] == 200


def test_a_client_that_takes_no_answer_is_not_waited_for() -> None:
    ended = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start"})
        pytest.fail("it was not to be sent")

    async def never(message: Any) -> None:
        await asyncio.sleep(3600)

    async def run() -> None:
        nonlocal ended
        await _patient(app, 0.05)({"type": "http"}, None, never)
        ended = True

    asyncio.run(run())
    assert ended


def test_more_connections_than_the_limit_are_told(server: RestServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(LIMITS.connections):
            stack.enter_context(raw(server))
        last = stack.enter_context(raw(server))
        last.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert last.recv(100).startswith(b"HTTP/1.1 503 ")
    end = time.monotonic() + within(20)
    while True:
        try:
            assert ask(server, "/health")[0] == 200
            break
        except ValueError:  # the server has not noticed yet that they are closed, and says so in plain text
            assert time.monotonic() < end


def test_an_address_that_is_taken_is_told(server: RestServer) -> None:
    with pytest.raises(InputError, match="cannot listen there"):
        RestServer(one_head, "127.0.0.1", int(server.url[7:-1].split(":")[1]))


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    options = [*write_weight_options(tmp_path, [[10.0, 10, 50, 50]], [0.9]), "--port", "0", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "semiuhpe", "serve", *options],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip("/")
        request = urllib.request.Request(f"{url}/v1/estimate", photo(100, 100), {"Content-Type": "image/png"})
        with urllib.request.urlopen(request, timeout=within(20)) as answer:
            assert len(json.load(answer)["heads"]) == 1
        with urllib.request.urlopen(f"{url}/v1/info", timeout=within(20)) as answer:
            assert {"weights_sha256", "detector_sha256"} <= set(json.load(answer))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=within(20))
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.wait()


def test_without_the_packages_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "semiuhpe.web.rest")
    assert main(["serve", *write_weight_options(tmp_path, [[10.0, 10, 50, 50]], [0.9])]) == 1
    assert "semiuhpe[serve]" in capsys.readouterr().err
