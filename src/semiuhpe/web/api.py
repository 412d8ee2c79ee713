"""What the page asks for, as pure functions from bytes to JSON-ready dicts; and the one shape that refusals have."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from PIL import Image as Pillow

from semiuhpe.errors import ImageError, TooLargeError
from semiuhpe.geometry.crop import Image
from semiuhpe.poses.exchange import csv_columns
from semiuhpe.poses.head_poses import UNREADABLE_DEG, HeadPoses
from semiuhpe.web.decoding import TooSlowError
from semiuhpe.web.identities import Moment

Estimate = Callable[[Image], HeadPoses]
Decode = Callable[[bytes, int], Image]
PREVIEW_SIDE = 2048
"""Longest side of a picture that is sent back, pixels."""


@dataclass(frozen=True)
class Limits:
    """What the server takes. body_bytes: of one upload; pixels: of one picture; waiting: requests that may wait while
    one is estimated; connections: open at a time; seconds: until an upload has to be complete; header_seconds: until a
    request's first lines have to be; decode_seconds: of processor time to decode one picture."""

    body_bytes: int = 32 << 20
    pixels: int = 50_000_000
    waiting: int = 8
    connections: int = 32
    seconds: float = 30.0
    header_seconds: float = 5.0
    decode_seconds: float = 2.0


class Refusal(Exception):
    """A request that is not served. kind: a stable word for programs; message: one line for people."""

    def __init__(self, status: HTTPStatus, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the answer: {"error": {"type", "message"}}."""
        return {"error": {"type": self.kind, "message": self.message}}


def read_picture(body: bytes, limits: Limits, decode: Decode) -> Image:
    """The picture of an upload, (H, W, 3) uint8 RGB upright. decode: as `load_image`. Raises Refusal."""
    if not body:
        raise Refusal(HTTPStatus.BAD_REQUEST, "empty", "the upload is empty; send the bytes of a picture")
    try:
        return decode(body, limits.pixels)
    except TooSlowError as error:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_slow", str(error)) from error
    except TooLargeError as error:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_pixels", str(error)) from error
    except ImageError as error:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable", str(error)) from error


def read_moment(query: str) -> Moment | None:
    """Where a frame stands, from `stream=NAME&time_s=SECONDS`; None for a picture by itself. Raises Refusal."""
    given = parse_qs(query, keep_blank_values=True)
    if "stream" not in given and "time_s" not in given:
        return None
    stream, time_s = given.get("stream", [""])[-1], given.get("time_s", [""])[-1]
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", stream):
        raise Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "stream is a name of at most 64 letters, digits and -")
    try:
        seconds = float(time_s)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < 1e9:
        raise Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "time_s is the frame's time in seconds, 0 or more")
    return Moment(stream, seconds)


def estimate(picture: Image, estimator: Estimate, conventions: Sequence[str] = ("300w-lp",)) -> dict[str, Any]:
    """Size, heads (as `HeadPoses.to_dict`) and seconds of estimating of one picture."""
    begin = time.perf_counter()
    heads = estimator(picture)
    return {
        "width": picture.shape[1],
        "height": picture.shape[0],
        "heads": heads.to_dict(conventions),
        "seconds": round(time.perf_counter() - begin, 4),
    }


def preview(picture: Image) -> bytes:
    """A picture that browsers cannot show (TIFF, JPEG 2000, PPM) as a JPEG of at most `PREVIEW_SIDE`."""
    smaller = Pillow.fromarray(picture)
    smaller.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def info(limits: Limits) -> dict[str, Any]:
    """What the page needs to know: version, limits, from which expected error a head counts as unreadable, degrees."""
    from semiuhpe import __version__

    return {
        "version": __version__,
        "body_bytes": limits.body_bytes,
        "pixels": limits.pixels,
        "unreadable_deg": UNREADABLE_DEG,
    }


def page_info(limits: Limits, estimator: Any) -> dict[str, Any]:
    """What the page needs to know besides `info`: from which detection score on the estimator finds heads (0 where it
    does not say), and the columns of a table of heads."""
    curve = getattr(estimator, "head_probability", None)
    detector = getattr(estimator, "detector", None)
    threshold = getattr(detector, "score_threshold", 0.0) if curve is None else curve.threshold
    return {**info(limits), "score_threshold": threshold, "columns": csv_columns(["300w-lp"])}


def mesh() -> dict[str, Any]:
    """The head of `drawing.mesh`: vertices, triangles, normals and tones, flat lists."""
    from semiuhpe.drawing.mesh import head_mesh

    head = head_mesh()
    return {
        "vertices": head.vertices.round(4).ravel().tolist(),
        "triangles": head.triangles.ravel().tolist(),
        "normals": head.normals.round(3).ravel().tolist(),
        "tone": head.tone.round(2).tolist(),
    }


def palette(steps: int = 41) -> list[list[int]]:
    """The colours of `drawing.colour` from 0 to the worst error, RGB."""
    import numpy as np

    from semiuhpe.drawing.colour import error_colours

    rows: list[list[int]] = error_colours(np.linspace(0, 1, steps), 1.0).tolist()
    return rows
