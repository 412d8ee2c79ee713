"""A page's server for tests, what is sent to it, and what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from helpers.time_limits import within
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.api import Limits
from semiuhpe.web.server import Server

LIMITS = Limits(body_bytes=200_000, pixels=40_000, waiting=1, connections=6, seconds=1.5, header_seconds=60)


def one_head(image: np.ndarray) -> HeadPoses:
    height, width = image.shape[:2]
    return HeadPoses(
        rotation=np.eye(3)[None],
        box=[[0, 0, width, height]],
        detection_score=[0.9],
        expected_error_deg=[5.0],
        error_90_deg=[9.0],
        entropy=[4.0],
    )


@contextlib.contextmanager
def serving(estimator: Any = one_head, **limits: Any) -> Iterator[Server]:
    with Server(estimator, port=0, limits=dataclasses.replace(LIMITS, **limits)) as made:
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
        with urllib.request.urlopen(request, timeout=within(20)) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def address_of(server: Server) -> tuple[str, int]:
    return str(server.server_address[0]), int(server.server_address[1])


def connected(server: Server) -> socket.socket:
    return socket.create_connection(address_of(server), timeout=within(60))


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionResetError:
        return True


def refused(answer: tuple[int, dict[str, str], bytes], status: int, kind: str) -> str:
    code, headers, body = answer
    error = json.loads(body)["error"]
    assert (code, error["type"]) == (status, kind)
    assert headers["Content-Type"].startswith("application/json")
    assert error["message"] and "\n" not in error["message"]
    return str(error["message"])


def raw(server: Server, request: bytes, pause: float = 0) -> bytes:
    with socket.create_connection(address_of(server), timeout=within(20)) as connection:
        connection.sendall(request)
        time.sleep(pause)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)
