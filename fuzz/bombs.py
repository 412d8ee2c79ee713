"""Small files that would cost much: each was worth gigabytes or minutes to a reader that believed it."""

from __future__ import annotations

import functools
import io
import struct
import zlib

from PIL import Image


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


_BLOCK = 1 << 20


def _deflated_zeros(size: int) -> bytes:
    """So many zero bytes as zlib would pack them; of full blocks one is packed, and repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(b"\x00" * _BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(b"\x00" * (size % _BLOCK)) + packer.flush()
    return b"\x78\xda" + block * (size // _BLOCK) + rest + struct.pack(">HH", size % 65521, 1)


def zero_png(width: int, height: int, *, depth: int = 8, kind: int = 2) -> bytes:
    """A whole PNG of black pixels."""
    data = _deflated_zeros(height * (1 + width * (depth // 8) * {0: 1, 2: 3, 6: 4}[kind]))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def icon(picture: bytes, *, side: int = 0) -> bytes:
    """An icon whose directory says that its picture has so many pixels a side, 0 for 256."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, side, side, 0, 0, 1, 32, len(picture), 22) + picture


def scans(count: int, width: int = 1024, height: int = 1024, *, preview_scans: int = 0) -> bytes:
    """A progressive JPEG of so many scans, after one in its EXIF, which has so many too."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    content = content[:-2] + last * (count - content.count(b"\xff\xda")) + content[-2:]
    if not preview_scans:
        return content
    preview = scans(preview_scans, 8, 8)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview + content[2:]


def _jp2_header_lies() -> bytes:
    """A JPEG 2000 whose box says 8 × 8 pixels, and whose code stream many more."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG2000")
    content = buffer.getvalue()
    at = content.index(b"\xff\x4f\xff\x51") + 8  # sizes of picture and tile
    sizes = struct.pack(">8I", 30_000, 30_000, 0, 0, 30_000, 30_000, 0, 0)
    return content[:at] + sizes + content[at + len(sizes) :]


_MAT = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\x00")


def _array(cls: int, sides: tuple[int, ...], body: bytes, name: bytes = b"x") -> bytes:
    head = _element(6, struct.pack("<II", cls, 0)) + _element(5, struct.pack(f"<{len(sides)}i", *sides))
    return _element(14, head + _element(1, name) + body)


def _deflated(element: bytes) -> bytes:
    packed = zlib.compress(element, 9)
    return struct.pack("<II", 15, len(packed)) + packed


def _zeros(size: int) -> bytes:
    """An element that inflates to so many zero bytes and more."""
    data = _deflated_zeros(size)
    return struct.pack("<II", 15, len(data)) + data


def _nested(depth: int) -> bytes:
    inner = _array(9, (1, 1), _element(9, struct.pack("<d", 1.0)), b"")
    for _ in range(depth):
        inner = _array(1, (1, 1), inner, b"")
    return inner


@functools.cache
def bombs() -> dict[str, bytes]:
    """All of them by name. None is larger than 4 MB."""
    empty = _array(9, (0, 0), _element(9, b""), b"")
    return {
        "ico_png_bomb": icon(zero_png(16_000, 16_000, kind=6)),
        "ico_bmp_bomb": icon(struct.pack("<IiiHHIIiiII", 40, 20_000, 40_000, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(2000)),
        "jpeg_20_000_scans": scans(20_000),
        "jpeg_101_scans": scans(101, 64, 64),
        "jp2_header_lies": _jp2_header_lies(),
        "mat_zeros": _MAT + _zeros(1 << 30),
        "mat_many_zeros": _MAT + _zeros(100 << 20) * 20,
        "mat_huge_cell": _MAT + _array(1, (1 << 16, 1 << 14), b""),
        "mat_huge_struct": _MAT + _deflated(_array(2, (2**31 - 1, 1), _element(5, b"\x20\0\0\0") + _element(1, b""))),
        "mat_huge_text": _MAT + _array(4, (1 << 15, 1 << 15), _element(16, b"")),
        "mat_many_cells": _MAT + _deflated(_array(1, (1000, 1001), empty * 1_001_000)),
        "mat_deep": _MAT + _deflated(_nested(1_000)),
    }


def picture_bombs() -> dict[str, bytes]:
    """Those that claim to be pictures."""
    return {name: content for name, content in bombs().items() if not name.startswith("mat")}
