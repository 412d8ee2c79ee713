"""Text entries inside an .onnx file (`metadata_props`), read and written without the package onnx.

An ONNX file is one protobuf message; its field 14 repeats, a message of a key (1) and a value (2) each. The message is
walked field by field, and only those are taken out or put in; the network's bytes stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from semiuhpe.errors import WeightsError

_METADATA = 14
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}


def read_metadata(content: bytes) -> dict[str, str]:
    """Entries of an ONNX file's bytes; of equal keys the last. Raises WeightsError for bytes that are no such file."""
    found = {}
    for number, _, body, end in _fields(content):
        if number == _METADATA:
            parts = {n: content[b:e].decode("utf-8", "replace") for n, _, b, e in _fields(content, body, end)}
            found[parts.get(1, "")] = parts.get(2, "")
    return found


def with_metadata(content: bytes, entries: Mapping[str, str]) -> bytes:
    """The same file with `entries`; other entries stay, those of the same keys are replaced.

    Raises WeightsError for bytes that are no ONNX file.
    """
    merged = {**read_metadata(content), **entries}
    view = memoryview(content)
    kept = [bytes(view[start:end]) for number, start, _, end in _fields(content) if number != _METADATA]
    for key, value in merged.items():
        entry = _text(1, key) + _text(2, value)
        kept.append(_varint(_METADATA << 3 | _LENGTH_DELIMITED) + _varint(len(entry)) + entry)
    return b"".join(kept)


def _fields(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Number, start, start of the body and end of every field of a message."""
    stop = len(content) if end is None else end
    try:
        while start < stop:
            tag, body = _read_varint(content, start)
            number, kind = tag >> 3, tag & 7
            if kind == _LENGTH_DELIMITED:
                length, body = _read_varint(content, body)
                after = body + length
            elif kind == 0:
                _, after = _read_varint(content, body)
            else:
                after = body + _FIXED[kind]
            if number == 0 or after > stop:
                raise IndexError
            yield number, start, body, after
            start = after
    except (IndexError, KeyError):
        raise WeightsError("not an ONNX file, or one that was cut short; export it again") from None


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
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
