"""What a picture may cost, judged by its header before it is decoded: bytes, pixels, and scans of a JPEG.

Pillow's decoders take 5 to 20 bytes and up to 230 ns a pixel (benchmarks/hostile.py), so a limit on pixels bounds both,
but for two formats. An icon's header does not tell the size of the pictures in it, and Pillow decodes one as it opens
the file. And a progressive JPEG may refine its pixels over and over: 31 bytes are another pass over all of them.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from PIL import Image as Pillow

from semiuhpe.errors import ImageError, TooLargeError

MAX_PIXELS = 200_000_000
"""Largest picture that is decoded; beyond it a file is more likely an attack than a photo."""

MAX_BYTES = 1 << 30
"""Largest file that is opened as a picture: some decoders read all of it first."""

MAX_SCANS = 100
"""Scans of a JPEG; encoders write up to a dozen."""

MAX_PASSES = 20
"""Scans of a JPEG of as many pixels as are allowed; of a smaller one in proportion more, up to `MAX_SCANS`."""

_ICON, _ICON_SIDE = b"\x00\x00\x01\x00", 256
_PNG = b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff+[^\x00\xff]")
_SOS, _EOI = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_COSTLY = {"JPEG2000": 4, "WEBP": 2, "AVIF": 2, "HEIF": 2}
"""Formats that take so many times as much of memory and time for a pixel as the others."""


def check_size(size: int, name: str) -> None:
    """Raise ImageError for a file of so many bytes that no picture has them."""
    if size == 0:
        raise ImageError(f"{name}: the file is empty; copy it again")
    if size > MAX_BYTES:
        raise TooLargeError(f"{name}: {size / (1 << 20):,.0f} MiB are more than the limit of {MAX_BYTES >> 20:,}")


def allowed_pixels(form: str, max_pixels: int = MAX_PIXELS) -> int:
    """How many pixels a picture may have. form: as Pillow calls it, such as "JPEG2000"."""
    return max_pixels // _COSTLY.get(form, 1)


def check_pixels(image: Pillow.Image, name: str, max_pixels: int) -> None:
    """Raise TooLargeError for a picture that has more pixels than are allowed, ImageError for one that has none."""
    width, height = image.size
    allowed = allowed_pixels(image.format or "", max_pixels)
    if width * height > allowed:
        kind = f" of {image.format}" if allowed < max_pixels else ""
        raise TooLargeError(
            f"{name}: {width} × {height} pixels are more than the limit{kind} of {allowed:,}; reduce the picture first"
        )
    if width * height == 0:
        raise ImageError(f"{name}: the picture has no pixels, {width} × {height}; export it again")


def check_icon(file: BinaryIO, name: str) -> None:
    """Raise ImageError for an icon, not opened yet, with a picture that is larger than icons are. Other files pass."""
    if file.read(4) == _ICON:
        (count,) = struct.unpack("<H", file.read(2).ljust(2, b"\0"))
        directory = file.read(16 * count)
        for start in range(0, len(directory) - 15, 16):
            file.seek(struct.unpack_from("<I", directory, start + 12)[0])
            width, height = _icon_size(file.read(24))
            if width > _ICON_SIDE or height > _ICON_SIDE:
                raise ImageError(
                    f"{name}: an icon with a picture of {width} × {height} pixels is over the limit of 256 × 256"
                )
    file.seek(0)


def _icon_size(head: bytes) -> tuple[int, int]:
    """Width and height of a picture in an icon by its first 24 bytes; of one that is cut short, far too large."""
    if head[:8] == _PNG:
        width, height = struct.unpack(">II", head[16:24].ljust(8, b"\xff"))
        return width, height
    width, height = struct.unpack("<ii", head[4:12].ljust(8, b"\x7f"))
    return abs(width), abs(height) // 2  # of a bitmap and its mask


def check_scans(image: Pillow.Image, file: BinaryIO, name: str, max_pixels: int) -> None:
    """Raise ImageError for an opened JPEG whose scans go over its pixels too often. Other files pass."""
    if image.format not in ("JPEG", "MPO"):
        return
    position = file.tell()
    file.seek(0)
    scans, (width, height) = scans_of(file.read()), image.size
    file.seek(position)
    if scans > MAX_SCANS or scans * width * height > MAX_PASSES * max_pixels:
        raise ImageError(f"{name}: a JPEG of {scans} scans, more than its size allows; save it anew")


def scans_of(content: bytes) -> int:
    """How many scans the first picture of a JPEG file has, as a decoder meets them: to its end, not in its previews."""
    scans, position = 0, 2
    while (found := _MARKER.search(content, position)) is not None:
        marker, position = content[found.end() - 1], found.end()
        if marker == _EOI:
            break
        scans += marker == _SOS
        if marker not in _WITHOUT_LENGTH:
            # What follows a scan's header is coded so that it holds no marker but those of restarts.
            position += max(2, int.from_bytes(content[position : position + 2], "big"))
    return scans
