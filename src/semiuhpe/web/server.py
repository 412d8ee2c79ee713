"""The page and its API over HTTP: Python's own server, and what it lacks to be left alone with strangers' requests.

- Static files come from a fixed table made at start, so no request path ever reaches the file system.
- A request has to be complete within a deadline: its first lines, and a body, whose length is stated and small enough.
  What comes with a body that none is expected of is refused and closed, never read as another request.
- Pictures are decoded by processes that end when their time is up. One estimate runs at a time; a few more may wait;
  whoever comes then is told to come again. Connections are bounded; a new one takes the place of a silent one.
- A page of another site can neither read answers (no CORS headers) nor send uploads (foreign Origin is refused); with
  the server on loopback, neither can a name that was pointed at 127.0.0.1 (foreign Host is refused).
"""

from __future__ import annotations

import io
import ipaddress
import logging
import socketserver
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_text
from semiuhpe.web import api
from semiuhpe.web.api import Limits, Refusal
from semiuhpe.web.connections import Connections, DeadlineReader
from semiuhpe.web.service import PictureService

_LOG = logging.getLogger(__name__)

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves the page and the API until `shutdown`.

    estimator: from (H, W, 3) uint8 RGB to HeadPoses; called by one thread at a time. Raises InputError where the address
    cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        estimator: api.Estimate,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.service = PictureService(estimator, self.limits)
        self.connections = Connections(self.limits.connections, self.limits.header_seconds)
        self.static = _page_files()
        self.static["/"] = self.static["/index.html"]
        self.static["/api/mesh"] = (json_text(api.mesh() | {"palette": api.palette()}).encode(), "application/json")
        self.static["/api/info"] = (json_text(api.page_info(self.limits, estimator)).encode(), "application/json")
        self.static["/health"] = (json_text({"status": "ok"}).encode(), "application/json")
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{host}:{port}: cannot listen there ({reason}); choose another --host or --port"
            ) from error

    def server_bind(self) -> None:
        """Without the base class's look-up of the host's name, which may wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach the server."""
        return ipaddress.ip_address(str(self.server_address[0])).is_loopback

    def server_close(self) -> None:
        """Let go of the address, and end the processes that decode."""
        super().server_close()
        self.service.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread a connection, up to the limit; those that find no place are closed at once."""
        if not self.connections.admit(request):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.connections.leave(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up or dawdle are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "semiuhpe", ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Wait for a request, whose first lines have to be complete within their time, and answer it."""
        self._reader.allow(self.server.limits.header_seconds)
        self.server.connections.silent(self.connection)
        super().handle_one_request()

    def log_message(self, format: str, *args: Any) -> None:
        pass  # what people look at stays private

    def do_GET(self) -> None:
        self._answer(self._static)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_OPTIONS(self) -> None:
        self._answer(self._refuse_method)

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses (malformed request lines, unknown methods), as JSON too."""
        self.close_connection = True
        status = HTTPStatus(code)
        refusal = Refusal(status, "bad_request", " ".join((message or status.phrase).split())[:200])
        self._send(status, json_text(refusal.to_dict()).encode(), "application/json")

    def _answer(self, serve: Callable[[], tuple[bytes, str]]) -> None:
        status = HTTPStatus.OK
        self.server.connections.served(self.connection)
        try:
            self._check_body()
            self._check_caller()
            content, kind = serve()
        except Refusal as refusal:
            status, content, kind = refusal.status, json_text(refusal.to_dict()).encode(), "application/json"
            self.close_connection = True  # its body may be unread
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception:  # no stack trace to a client, but to the log; and no picture may end the server
            _LOG.exception("a request could not be answered")
            failure = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the picture could not be processed")
            status, content, kind = failure.status, json_text(failure.to_dict()).encode(), "application/json"
            self.close_connection = True
        self._send(status, content, kind)

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.connection.settimeout(self.server.limits.seconds)
        self.send_response(status)
        text = kind.startswith("text/") or kind == "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _check_body(self) -> None:
        """What is not read would be taken for the next request."""
        lengths = set(self.headers.get_all("Content-Length", []))
        if len(lengths) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "Content-Length is stated twice, and differs")
        if self.command != "POST" and (lengths - {"0"} or "Transfer-Encoding" in self.headers):
            raise Refusal(HTTPStatus.BAD_REQUEST, "unexpected_body", f"{self.command} takes no body; send it with POST")

    def _check_caller(self) -> None:
        host = self.headers.get("Host", "")
        if self.server.on_loopback and not _is_loopback(host):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "foreign_host",
                "this server answers to localhost; start it with --host to share it",
            )
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal(HTTPStatus.FORBIDDEN, "foreign_origin", "pages of other sites may not use this server")

    def _refuse_method(self) -> tuple[bytes, str]:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", f"{self.command} is not served; use GET or POST")

    def _static(self) -> tuple[bytes, str]:
        path = urlsplit(self.path).path
        if path in ("/api/estimate", "/api/preview"):
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", "send the bytes of a picture with POST")
        if path not in self.server.static:
            raise Refusal(HTTPStatus.NOT_FOUND, "not_found", "there is no such page")
        return self.server.static[path]

    def _post(self) -> tuple[bytes, str]:
        path, query = urlsplit(self.path)[2:4]
        if path == "/api/estimate":
            moment = api.read_moment(query)
            return json_text(self.server.service.estimate(self._body(), moment=moment)).encode(), "application/json"
        if path == "/api/preview":
            return self.server.service.preview(self._body()), "image/jpeg"
        raise Refusal(HTTPStatus.NOT_FOUND, "not_found", "pictures go to /api/estimate")

    def _body(self) -> bytes:
        limits, stated = self.server.limits, self.headers.get("Content-Length", "")
        if not (stated.isascii() and stated.isdigit() and len(stated) < 16) or "Transfer-Encoding" in self.headers:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "length_required", "state the upload's size in Content-Length")
        length = int(stated)
        if length > limits.body_bytes:
            megabytes = limits.body_bytes / (1 << 20)
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"the upload is larger than {megabytes:g} MB; reduce it",
            )
        self._reader.allow(limits.seconds)
        self.server.connections.sending(self.connection)
        try:
            body = self.rfile.read(length)
        except TimeoutError as error:
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the upload took too long") from error
        finally:
            self.server.connections.served(self.connection)
        if len(body) < length:
            raise Refusal(HTTPStatus.BAD_REQUEST, "incomplete", "the upload ended early; send it again")
        return body


def _page_files() -> dict[str, tuple[bytes, str]]:
    """Content and type of the page's files, by the path of a request."""
    known = {file: _KINDS.get(Path(file.name).suffix) for file in files("semiuhpe.web").joinpath("page").iterdir()}
    return {f"/{file.name}": (file.read_bytes(), kind) for file, kind in known.items() if kind is not None}


def _is_loopback(host: str) -> bool:
    name = (urlsplit(f"//{host}").hostname or "").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
