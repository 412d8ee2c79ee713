"""Text entries inside an .onnx file (`metadata_props`), read and written without the package onnx.

An ONNX file is one protobuf message; its field 14 repeats, a message of a key (1) and a value (2) each. The message is
walked field by field, and only those are taken out or put in; the network's bytes stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from semiuhpe.errors import WeightsError

_METADATA = 14
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}
_NUMBERS = 1 << 29
"""A field's number is below it; a reader that keeps fewer bits of a larger one would take it for another."""

Wire = Literal["message", "number"]
"""Whether a field is a run of bytes, such as a message or a text, or one number."""


def read_metadata(content: bytes) -> dict[str, str]:
    """Entries of an ONNX file's bytes; of equal keys the last. Raises WeightsError for bytes that are no such file."""
    found = {}
    for number, _, body, end in fields(content):
        if number == _METADATA:
            parts = {n: content[b:e].decode("utf-8", "replace") for n, _, b, e in fields(content, body, end)}
            found[parts.get(1, "")] = parts.get(2, "")
    return found


def with_metadata(content: bytes, entries: Mapping[str, str]) -> bytes:
    """The same file with `entries`; other entries stay, those of the same keys are replaced.

    Raises WeightsError for bytes that are no ONNX file.
    """
    merged = {**read_metadata(content), **entries}
    view = memoryview(content)
    kept, start = [], 0
    for number, _, _, end in fields(content):
        if number != _METADATA:
            kept.append(bytes(view[start:end]))
        start = end
    for key, value in merged.items():
        entry = _text(1, key) + _text(2, value)
        kept.append(_varint(_METADATA << 3 | _LENGTH_DELIMITED) + _varint(len(entry)) + entry)
    return b"".join(kept)


def fields(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, Wire, int, int]]:
    """Number, kind, start of the body and end of every field of a message, which itself lies between `start` and `end`.

    Raises WeightsError for bytes that are no message.
    """
    stop = len(content) if end is None else end
    try:
        while start < stop:
            tag, body = varint_at(content, start)
            number, kind = tag >> 3, tag & 7
            if kind == _LENGTH_DELIMITED:
                length, body = varint_at(content, body)
                after = body + length
            elif kind == 0:
                _, after = varint_at(content, body)
            else:
                after = body + _FIXED[kind]
            if not 0 < number < _NUMBERS or after > stop:
                raise IndexError
            yield number, "message" if kind == _LENGTH_DELIMITED else "number", body, after
            start = after
    except (IndexError, KeyError):
        raise WeightsError("not an ONNX file, or one that was cut short; export it again") from None


def varint_at(content: bytes, at: int) -> tuple[int, int]:
    """A number of the format, and where it ends. Raises IndexError where there is none."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _text(number: int, text: str) -> bytes:
    encoded = text.encode()
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(encoded)) + encoded
