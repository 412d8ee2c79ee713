"""Head poses as a REST service: an ASGI application of Starlette, and uvicorn that serves it.

The uploads' way is that of the page (`service`): decoded by processes that end when their time is up, one estimate at a
time, a few wait, the rest is told to come again. Everything that is refused has the page's JSON. Besides: an upload has
to be complete, an answer ready and an answer taken within a time; a connection that has not asked by then is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.files.atomic import json_text
from semiuhpe.geometry.euler import CONVENTIONS
from semiuhpe.web import api
from semiuhpe.web.api import Limits, Refusal
from semiuhpe.web.openapi import openapi
from semiuhpe.web.service import PictureService

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise MissingExtraError("the REST service", "serve") from error

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MOST_HEADER_BYTES = 16 << 10

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


def rest_app(estimator: api.Estimate, limits: Limits | None = None, *, answer_seconds: float = 60.0) -> Any:
    """The service as an ASGI application, for `serve` or to be mounted in another.

    estimator: from (H, W, 3) uint8 RGB to HeadPoses; called by one thread at a time. answer_seconds: until an upload that
    is complete has to be answered; it is told to come again else.
    """
    limits = limits or Limits()
    service = PictureService(estimator, limits)
    document = openapi(limits)
    known = {"euler": list(CONVENTIONS), **_networks(estimator)}

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    async def estimate(request: Request) -> Response:
        conventions = request.query_params.getlist("euler") or ["300w-lp"]
        unknown = [name for name in conventions if name not in CONVENTIONS]
        if unknown:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "unknown_convention",
                f"unknown convention {unknown[0][:40]!r}; choose from {', '.join(CONVENTIONS)}",
            )
        body = await _body(request, limits)
        try:
            work = run_in_threadpool(service.estimate, body, conventions)
            return _json(await asyncio.wait_for(asyncio.shield(work), answer_seconds))
        except asyncio.TimeoutError as error:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "late", f"not answered within {answer_seconds:g} s; try again later"
            ) from error

    async def info(_: Request) -> Response:
        return _json({**api.info(limits), **known})

    async def health(_: Request) -> Response:
        return _json({"status": "ok", "inside": service.inside})

    async def described(_: Request) -> Response:
        return _json(document)

    app = Starlette(
        routes=[
            Route("/v1/estimate", estimate, methods=["POST"]),
            Route("/v1/info", info),
            Route("/health", health),
            Route("/openapi.json", described),
        ],
        exception_handlers={Refusal: _refused, HTTPException: _not_served, Exception: _failed},
        lifespan=lifespan,
    )
    return _patient(app, limits.seconds)


def _networks(estimator: Any) -> dict[str, str]:
    """Hashes of the networks, where the estimator is this package's."""
    parts = {"weights_sha256": estimator, "detector_sha256": getattr(estimator, "detector", None)}
    files = {name: getattr(part, "weights", None) for name, part in parts.items()}
    return {name: file.sha256 for name, file in files.items() if file is not None}


async def _body(request: Request, limits: Limits) -> bytes:
    """The upload, complete and within its limits. Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/json"):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not_a_picture",
            "send the bytes of the picture as the body (curl --data-binary)",
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise Refusal(HTTPStatus.FORBIDDEN, "foreign_origin", "pages of other sites may not use this server")
    too_large = Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the upload is larger than {limits.body_bytes / (1 << 20):g} MB; reduce it",
    )
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated[:20]) > limits.body_bytes:
        raise too_large
    content = bytearray()

    async def read() -> None:
        async for part in request.stream():
            content.extend(part)
            if len(content) > limits.body_bytes:
                raise too_large

    try:
        await asyncio.wait_for(read(), limits.seconds)
    except asyncio.TimeoutError as error:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the upload took too long") from error
    except ClientDisconnect as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "incomplete", "the upload ended early; send it again") from error
    return bytes(content)


def _json(content: Any, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    return Response(json_text(content), status, {**_HEADERS, **headers}, media_type="application/json")


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    headers = {"Connection": "close"} if request.method == "POST" else {}  # its body may be unread
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    return _json(refusal.to_dict(), refusal.status, **headers)


async def _not_served(request: Request, error: Exception) -> Response:
    """What Starlette refuses: paths and methods that there are not."""
    status = HTTPStatus(getattr(error, "status_code", 404))
    kind, text = "not_found", "there is no such page; pictures go to /v1/estimate, /openapi.json describes the service"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        kind, text = "method", f"{request.method} is not served here; /openapi.json describes the service"
    return await _refused(request, Refusal(status, kind, text))


async def _failed(request: Request, error: Exception) -> Response:
    """No stack trace to a client; Starlette hands the error on, to the server's log."""
    failure = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the picture could not be processed")
    return await _refused(request, failure)


def _patient(app: Any, seconds: float) -> Any:
    """The application, where nobody is waited for longer than that who does not take an answer."""

    async def patient(scope: Message, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), seconds)
            except asyncio.TimeoutError as error:
                raise _NotTaken from error

        with contextlib.suppress(_NotTaken):  # the server closes what was not answered to the end
            await app(scope, receive, bounded if scope["type"] == "http" else send)

    return patient


class _NotTaken(Exception):
    """A client does not read its answer."""


class _Protocol(H11Protocol):  # type: ignore[misc]  # uvicorn is not typed where it is not installed
    """HTTP as uvicorn speaks it; a connection that has not asked in time is closed, however it drips."""

    header_seconds = Limits.header_seconds
    _due: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._due.cancel()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(self.header_seconds, self._close_if_waiting)

    def _close_if_waiting(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class RestServer:
    """uvicorn with the application, bound to an address. A context manager; `serve` returns on SIGINT and SIGTERM.

    Raises InputError where the address cannot be had.
    """

    def __init__(
        self,
        estimator: api.Estimate,
        host: str,
        port: int,
        limits: Limits | None = None,
        *,
        answer_seconds: float = 60.0,
    ) -> None:
        limits = limits or Limits()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{host}:{port}: cannot listen there ({reason}); choose another --host or --port"
            ) from error
        protocol = type("Protocol", (_Protocol,), {"header_seconds": limits.header_seconds})
        config = uvicorn.Config(
            rest_app(estimator, limits, answer_seconds=answer_seconds),
            http=protocol,
            ws="none",
            lifespan="on",
            timeout_keep_alive=int(limits.header_seconds) or 1,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=5,
            access_log=False,
            log_level="warning",
            server_header=False,
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        )
        self.server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """Where the service is."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def __enter__(self) -> RestServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def serve(self) -> None:
        """Answer until a signal comes, or `server.should_exit` is set."""
        self.server.run(sockets=[self._socket])
