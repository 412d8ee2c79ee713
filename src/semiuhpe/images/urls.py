"""Photos on the web: a URL is fetched because the user named this very one, never because a file or a page names it.

User, password and query of a URL are told to the server and to nobody else.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from semiuhpe.errors import ImageError
from semiuhpe.geometry.crop import Image
from semiuhpe.images.load import SUFFIXES, load_image

_HTTP = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class PhotoUrl:
    """The http or https URL of a photo. As text it is `public_name`."""

    url: str

    @property
    def public_name(self) -> str:
        """Without user, password and query; a short hash stands for the query, so that two photos have two names."""
        parts = urlsplit(self.url)
        digest = f"#{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
        return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}{parts.path}{digest}"

    def __str__(self) -> str:
        return self.public_name

    def load(self) -> Image:
        """The upright picture, (H, W, 3) uint8 RGB. Raises ImageError."""
        from semiuhpe.images.remote import fetch

        return load_image(fetch(self.url, str(self)), name=str(self))


Photo = Path | PhotoUrl
"""Where a photo comes from; as text, the name that results give it."""


def web_url(source: object) -> PhotoUrl | None:
    """An http or https URL, taken to be a photo's; None for all else. Raises ImageError for one that is malformed."""
    if not isinstance(source, str) or not _HTTP.match(source):
        return None
    try:
        if not urlsplit(source).hostname:
            raise ValueError("no host")
    except ValueError as error:
        raise ImageError(f"{source[:200]!r}: is no URL ({error}); check the address") from error
    return PhotoUrl(source)


def photo_url(source: object) -> PhotoUrl | None:
    """As `web_url`, where the path ends as a picture's name does: https://host/a.jpg?width=900, but no stream."""
    url = web_url(source)
    return url if url and PurePosixPath(urlsplit(url.url).path).suffix.lower() in SUFFIXES else None


def load_photo(source: Any) -> Image:
    """As `load_image`, and of an http or https URL that the user gave. Raises ImageError."""
    if isinstance(source, PhotoUrl):
        return source.load()
    url = web_url(source)
    return load_image(source) if url is None else url.load()
