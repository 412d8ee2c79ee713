"""The REST service as OpenAPI 3.1 describes it: a dict that is made from the limits that hold."""

from __future__ import annotations

from typing import Any

from semiuhpe.geometry.euler import CONVENTIONS
from semiuhpe.web.api import Limits

_NUMBER: dict[str, Any] = {"type": "number"}


def _array(items: dict[str, Any], length: int | None = None) -> dict[str, Any]:
    fixed = {} if length is None else {"minItems": length, "maxItems": length}
    return {"type": "array", "items": items, **fixed}


def _object(optional: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _number(text: str, **limits: float) -> dict[str, Any]:
    return {**_NUMBER, "description": text, **limits}


_ANGLES = _object(pitch=_NUMBER, yaw=_NUMBER, roll=_NUMBER)
_SCHEMAS: dict[str, Any] = {
    "Head": _object(
        box={**_array(_NUMBER, 4), "description": "x1, y1, x2, y2, pixels of the upright picture"},
        detection_score=_number("how sure the detector is", minimum=0, maximum=1),
        rotation={**_array(_array(_NUMBER, 3), 3), "description": "camera←head by rows; identity faces the camera"},
        quaternion_xyzw=_array(_NUMBER, 4),
        azimuth_deg=_number("positive: the face turns to the image left; ±180: seen from behind"),
        elevation_deg=_number("positive looks up"),
        tilt_deg=_number("positive leans clockwise"),
        euler_deg={"type": "object", "additionalProperties": _ANGLES, "description": "by the conventions asked for"},
        expected_error_deg=_number("how far off to expect the rotation", minimum=0, maximum=180),
        error_90_deg=_number("within which the truth lies in 9 of 10 cases", minimum=0, maximum=180),
        entropy=_number("of the belief, nats relative to uniform"),
    ),
    "Estimate": _object(
        width={"type": "integer"},
        height={"type": "integer"},
        heads=_array({"$ref": "#/components/schemas/Head"}),
        seconds=_number("of estimating, without decoding and waiting"),
    ),
    "Health": _object(
        status={"const": "ok"},
        inside={"type": "integer", "minimum": 0, "description": "pictures that are estimated or wait"},
    ),
    "Info": _object(
        ("weights_sha256", "detector_sha256"),
        version={"type": "string"},
        body_bytes={"type": "integer"},
        pixels={"type": "integer"},
        unreadable_deg=_number("heads with a larger expected error are a guess"),
        euler=_array({"enum": list(CONVENTIONS)}),
        weights_sha256={"type": "string"},
        detector_sha256={"type": "string"},
    ),
    "Error": _object(
        error=_object(
            type={"type": "string", "description": "for programs: a word that stays"},
            message={"type": "string", "description": "for people: one line"},
        )
    ),
}

_REFUSALS = {
    400: "empty, incomplete, unknown convention",
    403: "a page of another site asks",
    408: "the upload took too long",
    413: "too large, too many pixels, or too slow to decode",
    415: "a form; the body is the picture itself",
    422: "no picture that can be read",
    503: "busy, or not answered in time; try again after the seconds of Retry-After",
}


def _answer(text: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _operation(name: str, summary: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": _answer("done", schema)}, **more}


def openapi(limits: Limits) -> dict[str, Any]:
    """The document at `/openapi.json`."""
    from semiuhpe import __version__

    estimate = _operation(
        "estimate",
        "The pose of every head in a picture",
        "Estimate",
        parameters=[
            {
                "name": "euler",
                "in": "query",
                "schema": _array({"enum": list(CONVENTIONS)}),
                "explode": True,
                "description": "Euler conventions to report; default 300w-lp",
            }
        ],
        requestBody={
            "required": True,
            "description": f"the bytes of a picture file: at most {limits.body_bytes} bytes and {limits.pixels} pixels",
            "content": {"application/octet-stream": {}, "image/*": {}},
        },
    )
    estimate["responses"] |= {str(status): _answer(text, "Error") for status, text in _REFUSALS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "semiuhpe",
            "version": __version__,
            "description": "How every head in a photo is turned",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/estimate": {"post": estimate},
            "/v1/info": {"get": _operation("info", "Version, networks and limits", "Info")},
            "/health": {"get": _operation("health", "Whether the service answers", "Health")},
        },
        "components": {"schemas": _SCHEMAS},
    }
