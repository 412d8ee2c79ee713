"""Connections of strangers: so many at a time, and none of them may be waited for beyond its time."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from typing import Any


class Connections:
    """Who is connected; a new one takes the place of one that has nothing to say.

    most: how many at a time. patience: seconds after which one that still sends a body may have to go too.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most, self._patience = most, patience
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._silent: dict[socket.socket, float] = {}
        self._sending: dict[socket.socket, float] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Take a connection in. Where there is no place, the one that has been silent the longest is closed, or one
        that has been sending for too long; where all are being served, False."""
        with self._changed:
            if len(self._open) >= self._most:
                leaving = self._dispensable()
                if leaving is None:
                    return False
                self._forget(leaving)
                with contextlib.suppress(OSError):
                    leaving.shutdown(socket.SHUT_RDWR)  # which wakes the thread that reads from it
                if not self._changed.wait_for(lambda: len(self._open) < self._most, timeout=1.0):
                    return False
            self._open.add(connection)
            self._silent[connection] = time.monotonic()
            return True

    def silent(self, connection: socket.socket) -> None:
        """A connection has been answered, and may ask again."""
        self._mark(connection, self._silent)

    def sending(self, connection: socket.socket) -> None:
        """A connection has asked, and is sending the body."""
        self._mark(connection, self._sending)

    def served(self, connection: socket.socket) -> None:
        """A connection has asked, and waits for the answer."""
        self._mark(connection, None)

    def leave(self, connection: socket.socket) -> None:
        """A connection is closed."""
        with self._changed:
            self._forget(connection)
            self._open.discard(connection)
            self._changed.notify_all()

    def _mark(self, connection: socket.socket, state: dict[socket.socket, float] | None) -> None:
        with self._changed:
            self._forget(connection)
            if state is not None:
                state[connection] = time.monotonic()

    def _forget(self, connection: socket.socket) -> None:
        self._silent.pop(connection, None)
        self._sending.pop(connection, None)

    def _dispensable(self) -> socket.socket | None:
        # Each begins with the one that has been in it the longest.
        for connection in self._silent:
            return connection
        for connection, since in self._sending.items():
            return connection if time.monotonic() - since > self._patience else None
        return None


class DeadlineReader(io.RawIOBase):
    """Bytes from a socket until a moment, however many pieces they come in: a read beyond it raises TimeoutError."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = time.monotonic()

    def allow(self, seconds: float) -> None:
        """From now on, so long."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """As many bytes as are there, once there are any; 0 at the end."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client takes too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
