"""Names that come from other files' names, which may be too long, or no text at all."""

from __future__ import annotations

import hashlib
import os

LONGEST = 180
"""Bytes; with a number and a suffix it stays below the 255 that file systems take."""


def safe_name(name: str) -> str:
    """A name that any file system and any program takes: itself, or if it is too long or no text, the readable part of
    its beginning and eight digits of its SHA-256, so that different names stay different."""
    raw = os.fsencode(name)
    readable = raw.decode("utf-8", "ignore")
    if readable == name and len(raw) <= LONGEST:
        return name
    start = readable.encode()[: LONGEST - 9].decode("utf-8", "ignore")
    return f"{start}-{hashlib.sha256(raw).hexdigest()[:8]}"


def readable_name(name: str) -> str:
    """A name as text that can be stored and shown anywhere: bytes that are no UTF-8 become escapes such as `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
