"""Connections that are slow, silent, too many, or that hide one request in another."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import numpy as np
import pytest
from helpers.page_server import (
    LIMITS,
    address_of,
    ask,
    connected,
    is_closed,
    one_head,
    photo,
    raw,
    serving,
)
from helpers.time_limits import within

from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.server import Server


def test_slow_and_broken_uploads_end(server: Server) -> None:
    head = b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
    begin = time.monotonic()
    answer = raw(server, head)
    assert b" 408 " in answer and b'"timeout"' in answer
    assert time.monotonic() - begin < within(15)
    with socket.create_connection(address_of(server), timeout=within(20)) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        assert b'"incomplete"' in b"".join(iter(lambda: connection.recv(65536), b""))
    assert raw(server, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"{"))
    assert ask(server, "/")[0] == 200


def test_a_new_connection_takes_the_place_of_the_one_that_is_silent_the_longest(server: Server) -> None:
    silent: list[socket.socket] = []
    for number in range(LIMITS.connections + 2):
        silent.append(connected(server))
        while silent[-1].getsockname() not in {c.getpeername() for c in list(server.connections._silent)}:
            time.sleep(0.01)
        if number >= LIMITS.connections:
            assert is_closed(silent[number - LIMITS.connections])
    for connection in silent[2:]:  # the others may still ask
        connection.sendall(HIDDEN)
        assert connection.recv(15).startswith(b"HTTP/1.1 200")
        connection.close()


def test_dripped_headers_hold_no_place(server: Server) -> None:
    """All places are taken by requests of which a line comes now and then: an honest one is served all the same."""
    dripping = [connected(server) for _ in range(LIMITS.connections)]
    for connection in dripping:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1\r\n")
    for _ in range(3):
        for connection in dripping:
            with contextlib.suppress(OSError):
                connection.sendall(b"X-More: 1\r\n")
        assert ask(server, "/")[0] == 200
    for connection in dripping:
        connection.close()


def test_headers_have_a_deadline_however_they_come() -> None:
    with serving(header_seconds=0.5) as server, connected(server) as connection:
        until = time.monotonic() + within(60)
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
            while time.monotonic() < until:
                connection.sendall(b"X: y\r\n")  # never silent for longer than this
                time.sleep(0.05)
        assert time.monotonic() < until
        with connected(server) as idle:
            assert is_closed(idle)


def test_dripped_bodies_give_way_after_a_while() -> None:
    with serving(connections=3, seconds=300, header_seconds=0.3) as server:
        dripping = [connected(server) for _ in range(3)]
        for connection in dripping:
            connection.sendall(b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\nx")
        while len(server.connections._sending) < 3:
            time.sleep(0.01)
        time.sleep(0.5)
        assert ask(server, "/")[0] == 200
        for connection in dripping:
            connection.close()


def test_connections_are_bounded() -> None:
    gate = threading.Event()

    def slow(image: np.ndarray) -> HeadPoses:
        gate.wait(120)
        return one_head(image)

    with serving(slow, connections=2, waiting=5, seconds=120) as server:
        busy = [connected(server) for _ in range(2)]
        body = photo()
        for connection in busy:
            connection.sendall(
                b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            connection.sendall(body)
        while server.connections._silent or server.connections._sending or len(server.connections._open) < 2:
            time.sleep(0.01)
        with connected(server) as one_more:
            assert is_closed(one_more)  # at once: nobody is taken from while being served
        gate.set()
        for connection in busy:
            assert connection.recv(15).startswith(b"HTTP/1.1 200")
            connection.close()
        while len(server.connections._open) == 2:  # a place is free when its thread has seen that the client is gone
            time.sleep(0.01)
        assert ask(server, "/")[0] == 200


HIDDEN = b"GET /api/info HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("framing", [b"Content-Length: %d" % len(HIDDEN), b"Transfer-Encoding: chunked"])
def test_a_body_is_never_read_as_a_request(server: Server, method: bytes, framing: bytes) -> None:
    answer = raw(server, method + b" / HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n" + HIDDEN)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1 and b"Connection: close" in answer


def test_the_body_of_a_refused_upload_is_never_read_as_a_request(server: Server) -> None:
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n"
    for path, length, more, status in (
        (b"nowhere", len(HIDDEN), b"", b"404"),
        (b"api/estimate", 10**9, b"", b"413"),
        (b"api/estimate", 1, b"Content-Length: %d\r\n" % len(HIDDEN), b"400"),
        (b"api/estimate", len(HIDDEN), b"Transfer-Encoding: chunked\r\n", b"411"),
        (b"api/estimate", len(HIDDEN), b"Origin: http://example.org\r\n", b"403"),
    ):
        answer = raw(server, head % (path, length, more) + HIDDEN)
        assert answer.split()[1] == status and answer.count(b"HTTP/1.1") == 1


def test_requests_may_follow_each_other(server: Server) -> None:
    body = photo()
    post = b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    empty = HIDDEN.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    last = HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert raw(server, post + empty + post + last).count(b"HTTP/1.1 200") == 4
