"""Fetching a photo from the web, within bounds: bytes, seconds in all, redirections, and only http and https."""

from __future__ import annotations

import http.client
import re
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from semiuhpe.errors import ImageError, TooLargeError

MAX_BYTES = 64 << 20
"""Of a photo from the web; a camera's largest JPEG has about half of that."""
MAX_SECONDS = 30.0
_PIECE = 1 << 16


def fetch(url: str, name: str, *, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS) -> bytes:
    """What a server sends. name: what errors call it. Raises ImageError where it fails, sends too much or is too slow."""
    answers: list[bytes | Exception] = []
    given_up = threading.Event()

    def work() -> None:
        try:
            answers.append(_get(url, name, max_bytes, max_seconds, given_up))
        except Exception as error:  # told by the thread that waits
            answers.append(error)

    # A server that sends a byte now and then keeps every time limit of a socket; it cannot keep this thread waiting.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max_seconds)
    given_up.set()
    if not answers:
        raise ImageError(f"{name}: not there after {max_seconds:g} s; save the photo to a file first")
    answer = answers[0]
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, ImageError):
        raise answer
    if isinstance(answer, urllib.error.HTTPError):
        raise ImageError(
            f"{name}: the server answers {answer.code} {_line(answer.reason)}; check the address"
        ) from answer
    reason = getattr(answer, "reason", None) or answer
    raise ImageError(f"{name}: cannot be fetched ({_line(reason)}); check the address and the connection") from answer


def _line(reason: object) -> str:
    return " ".join(str(reason).split())[:160]


def _get(url: str, name: str, max_bytes: int, max_seconds: float, given_up: threading.Event) -> bytes:
    content = bytearray()
    with _opener().open(_request(url), timeout=max_seconds) as answer:
        while (piece := answer.read1(_PIECE)) and not given_up.is_set():
            content += piece
            if len(content) > max_bytes:
                raise TooLargeError(f"{name}: more than {max_bytes >> 20} MiB; save the photo to a file first")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and len(content) < int(length):
            raise http.client.IncompleteRead(bytes(content), int(length) - len(content))
    return bytes(content)


def _request(url: str) -> urllib.request.Request:
    """User and password of the URL become a header, which no other host is sent to whom the server may lead."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    headers = {"User-Agent": "semiuhpe", "Accept": "image/*"}
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host, fragment="")), headers=headers)
    if login:
        request.add_unredirected_header("Authorization", f"Basic {b64encode(unquote(login).encode()).decode()}")
    return request


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, to http and https alone."""

    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not re.match(r"https?://", newurl, re.IGNORECASE):
            raise urllib.error.URLError(f"it leads to {newurl.partition(':')[0]}:, not to the web")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https, no files and no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _WebOnly(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
