"""Photos of telephones in HEIC or HEIF, which Pillow reads with the package pillow-heif (`semiuhpe[heif]`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image as Pillow

from semiuhpe.errors import ImageError, MissingExtraError

_FIRST_BYTES = 64
_SIGNATURE = re.compile(
    rb"....ftyp(?:heic|heix|hevc|hevx|heim|heis|hevm|hevs|mif1(?!.*avif)|msf1(?!.*avi[fs]))", re.DOTALL
)
"""Of the general kinds mif1 and msf1, those that are AVIF say so further on; Pillow itself reads these."""


class MissingHeifError(MissingExtraError, ImageError):
    """A picture is HEIC, and the package that reads it is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: a HEIC picture", "heif")


def is_heif(file: BinaryIO) -> bool:
    """Whether a file begins as HEIC or HEIF does; it is at its beginning afterwards."""
    file.seek(0)
    start = file.read(_FIRST_BYTES)
    file.seek(0)
    return _SIGNATURE.match(start) is not None


def open_heif(file: BinaryIO, name: str) -> Pillow.Image:
    """A picture whose header was read and that is decoded when it is loaded. Raises MissingHeifError.

    pillow-heif's reader is called by itself and not registered with Pillow, whose other users would find it there.
    """
    try:
        from pillow_heif import as_plugin
    except ImportError as error:
        raise MissingHeifError(name) from error
    reader: Callable[[BinaryIO], Pillow.Image] = as_plugin.HeifImageFile
    return reader(file)
