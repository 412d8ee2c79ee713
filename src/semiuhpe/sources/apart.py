"""What a store is to be kept apart from: heads of other stores and folders, recognised by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from semiuhpe.errors import ImageError, Rejected, SourceError
from semiuhpe.geometry.crop import MARGIN, Image
from semiuhpe.heads.appearance import (
    Appearances,
    Thumbnail,
    appearances_of_store,
    concatenated,
    thumbnail_of_head,
    thumbnail_of_photo,
)
from semiuhpe.heads.duplicates import THRESHOLD, DuplicateIndex, Twin
from semiuhpe.heads.store import HeadStore
from semiuhpe.images.load import list_images, load_image
from semiuhpe.sources.pictures import Box


def box_of_crop(width: int, height: int) -> Box:
    """Box of the head in a picture that is a network's crop already, x1, y1, x2, y2 in its pixels."""
    half = (width + height) / 2 / MARGIN / 2
    return width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a head store."""
    return (Path(path) / "heads.lmdb").is_dir()


def heads_of(path: str | os.PathLike[str]) -> Appearances:
    """Heads of a store, or pictures of a folder (a head crop each), named "PATH: id".

    Raises StoreError, SourceError or ImageError where there is nothing to read.
    """
    if is_store(path):
        found = appearances_of_store(HeadStore(path))
        return Appearances(tuple(f"{path}: {name}" for name in found.names), found.grey, found.seen)
    return _of_folder(Path(path), lambda image: thumbnail_of_head(image, box_of_crop(image.shape[1], image.shape[0])))


def photos_of(folder: str | os.PathLike[str]) -> Appearances:
    """Whole photos of a folder, named "FOLDER: file". Raises SourceError or ImageError where there are none."""
    return _of_folder(Path(folder), thumbnail_of_photo)


def photo_appearances(paths: Iterable[Path]) -> Appearances:
    """Whole photos, named by their stems. One that cannot be decoded is left out: nothing can be learnt from it either."""
    return Appearances.of(_thumbnails(((path.stem, path) for path in paths), thumbnail_of_photo))


def _of_folder(folder: Path, thumbnail: Callable[[Image], Thumbnail]) -> Appearances:
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such store or folder; name one of heads or pictures to keep apart from")

    paths = (
        (f"{folder}: {path.relative_to(folder).as_posix()}", path) for path in list_images([folder], recursive=True)
    )
    return Appearances.of(_thumbnails(paths, thumbnail))


def _thumbnails(
    named: Iterable[tuple[str, Path]], thumbnail: Callable[[Image], Thumbnail]
) -> Iterator[tuple[str, Thumbnail]]:
    for name, path in named:
        with contextlib.suppress(ImageError):  # what cannot be decoded cannot leak
            yield name, thumbnail(load_image(path))


@dataclass(frozen=True)
class KeptApart:
    """Refuses heads that show the same picture as a reference."""

    references: Appearances

    @classmethod
    def from_paths(cls, paths: Sequence[str | os.PathLike[str]]) -> KeptApart:
        """Of stores and folders. Raises as `heads_of`."""
        return cls(concatenated(heads_of(path) for path in paths))

    @cached_property
    def digest(self) -> str:
        """Tells whether two of them refuse the same."""
        shown = hashlib.sha256(self.references.grey.tobytes() + self.references.seen.tobytes())
        shown.update(repr(THRESHOLD).encode())
        return shown.hexdigest()

    @cached_property
    def _index(self) -> DuplicateIndex:
        return DuplicateIndex(self.references)

    def check(self, image: Image, box: Box) -> None:
        """Raise Rejected, of kind "twin" and naming the twin, for a head in its picture that is one of the references."""
        twins = self._index.twins(thumbnail_of_head(image, box))
        if twins:
            raise Rejected("twin", f"shows the same picture as {self.describe(twins[0])}")

    def describe(self, twin: Twin) -> str:
        """A twin among the references in words: its name, the correlation and how it is turned."""
        how = f", {twin.how}" if twin.how else ""
        return f"{self.references.names[twin.second]} (correlation {twin.correlation:.3f}{how})"
