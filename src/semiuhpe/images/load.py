"""From whatever a user has to one upright RGB picture, and from a SOURCE to the list of its pictures.

Decoding untrusted files is Pillow's job; this module decides what odd pictures mean:

- EXIF orientation is applied. Transparent pictures are laid on white. Of an animation, the first frame counts.
- CMYK, palettes and greyscale become RGB (colour profiles are not applied); how, `rgb` says.
- What a picture may cost is checked in its header, before anything is decoded: `picture_limits`.
- What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from semiuhpe.errors import ImageError
from semiuhpe.geometry.crop import Image
from semiuhpe.images.heif import is_heif, open_heif
from semiuhpe.images.limits import MAX_PIXELS, check_icon, check_pixels, check_scans, check_size
from semiuhpe.images.patterns import Budget, is_pattern, matching_files, within_one_folder
from semiuhpe.images.rgb import TURNED, orientation_of, upright_rgb

_LOG = logging.getLogger(__name__)

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".jp2",
    ".avif",
    ".heic",
    ".heif",
    ".mpo",
)
"""Files of a folder with these names are pictures, or failures to report; others are if their first bytes say so."""

_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\x00|MM\x00\*|BM....\x00\x00\x00\x00|P[1-6]\s"
    rb"|\x00\x00\x00\x0cjP  |....ftyp(?:avif|avis|heic|heix|hevc|hevx|heim|heis|mif1|msf1)",
    re.DOTALL,
)
_FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO", "TGA", "PCX",
)  # fmt: skip
"""What is decoded, where Pillow can. Above all not EPS, for which Pillow runs Ghostscript: a program, not a picture."""
_PILLOW_LIMIT = threading.Lock()


def load_image(
    source: str | os.PathLike[str] | bytes | Any, *, max_pixels: int = MAX_PIXELS, name: str = "the picture"
) -> Image:
    """Read an upright picture.

    Args:
        source: a path, the bytes of a file, a PIL image, or an array: (H, W, 3) uint8 is taken as RGB, (H, W) as grey.
        max_pixels: files and PIL images of more pixels are refused.
        name: what errors call a picture that has no path.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: anything that is no readable picture, in one line that names the file; of HEIC without pillow-heif
            it is a MissingExtraError too.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Pillow.Image):
        return _decoded(source, name, max_pixels)
    if isinstance(source, bytes | bytearray):
        return _read(io.BytesIO(source), name, max_pixels, len(source))
    try:
        path = Path(os.fspath(source))
    except TypeError as error:
        raise ImageError(f"a picture is a path, an array, bytes or a PIL image, got {type(source).__name__}") from error
    file, size = _open_file(path)
    with file:
        return _read(file, str(path), max_pixels, size)


def image_size_of(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from its header: no pixel is decoded. Raises ImageError."""
    with _header(path) as image:
        return _upright_size(image)


def exif_of(photo: str | os.PathLike[str] | Pillow.Image) -> tuple[dict[int, Any], tuple[int, int]]:
    """EXIF tags of a photo, number → value, those about the exposure included; width and height of the upright picture.

    From the header: no pixel is decoded. Raises ImageError for anything that is no readable picture.
    """
    if isinstance(photo, Pillow.Image):
        return _exif(photo, "the picture")
    path = Path(os.fspath(photo))
    with _header(path) as image:
        return _exif(image, str(path))


def _exif(image: Pillow.Image, name: str) -> tuple[dict[int, Any], tuple[int, int]]:
    with _one_line(name):
        tags = image.getexif()
        found = {**tags, **tags.get_ifd(ExifTags.IFD.Exif)}
    return found, _upright_size(image)


@contextlib.contextmanager
def _header(path: Path) -> Iterator[Pillow.Image]:
    """A picture file of which nothing but the header is read. Raises ImageError."""
    file, size = _open_file(path)
    with file:
        check_size(size, str(path))
        check_icon(file, str(path))
        with _one_line(str(path)):
            image = _opened(file, str(path))
        with image:
            yield image


def _upright_size(image: Pillow.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if orientation_of(image) in TURNED else (width, height)


def _open_file(path: Path) -> tuple[BinaryIO, int]:
    """An ordinary file, and its size in bytes. Raises ImageError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path}: is a folder, not a picture; name a file in it")
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
            raise ImageError(f"{path}: is no ordinary file; save the picture to a file first")
        return path.open("rb"), status.st_size
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path!s}: cannot be read ({reason}); check the file and its permissions") from error


def _from_array(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return array
    if array.dtype == np.uint8 and array.ndim == 2 and array.size:
        return np.repeat(array[..., None], 3, axis=2)
    raise ImageError(f"an array must be a non-empty (H, W, 3) uint8 RGB picture, got {array.shape} {array.dtype}")


def _read(file: BinaryIO, name: str, max_pixels: int, size: int) -> Image:
    check_size(size, name)
    check_icon(file, name)
    with _one_line(name):
        image = _opened(file, name)
    with image:
        check_pixels(image, name, max_pixels)
        check_scans(image, file, name, max_pixels)
        return _decoded(image, name, max_pixels)


def _opened(file: BinaryIO, name: str) -> Pillow.Image:
    if is_heif(file):
        return open_heif(file, name)
    # Pillow's own limit is one number for the whole process and lower than ours. It is put aside only while the
    # header is read, by one thread at a time, so that it is never lost.
    with _PILLOW_LIMIT:
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            Pillow.init()
            return Pillow.open(file, formats=[name for name in _FORMATS if name in Pillow.OPEN])
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit


def _decoded(image: Pillow.Image, name: str, max_pixels: int) -> Image:
    check_pixels(image, name, max_pixels)
    with _one_line(name):
        image.load()  # a file that was just opened stands at its first frame
    check_pixels(image, name, max_pixels)  # of some formats only the pixels tell
    return upright_rgb(image)


@contextlib.contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Whatever Pillow raises on a bad file, as one line that names it. Holds nothing but calls of Pillow's."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not a picture in a known format; give a JPEG, PNG, WebP, TIFF, GIF or BMP"
        ) from error
    except ImageError:
        raise
    except Exception as error:  # decoders raise anything from OSError to struct.error on damaged files
        _LOG.debug("%s: the decoder failed", name, exc_info=True)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name}: the picture is damaged ({reason[:120]}); copy or export it again") from error


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(p)) if p.isdigit() else (1, p) for p in parts]


def list_images(sources: Iterable[str | os.PathLike[str]], *, recursive: bool = False) -> list[Path]:
    """List the picture files of SOURCEs, each once, in order; files of a folder in natural order (2 before 10).

    What a list names but is not there stays in the result, so that only it fails, when it is opened.

    Args:
        sources: each a file (taken as it is, whatever its name), a folder (its pictures; hidden ones are left out), a
            glob pattern, or a .txt file that lists files, folders and patterns within one folder (`photos/*.jpg`, never
            `**`), one per line, relative to itself: lists come from strangers.
        recursive: pictures of a folder's sub-folders too.

    Returns:
        Paths.

    Raises:
        ImageError: a source that does not exist or matches nothing, a list with any other pattern, or a pattern or a
            list's folders that hold more than `patterns.MAX_ENTRIES` files and folders.
    """
    return list_files(sources, recursive=recursive)


def is_collection(source: object) -> bool:
    """Whether a path stands for many pictures: a folder, a pattern that is no file's name, or a .txt list."""
    if not isinstance(source, str | os.PathLike):
        return False
    path = Path(os.fspath(source))
    try:
        if path.is_file():
            return path.suffix.lower() == ".txt" and not is_picture(path)
        return path.is_dir() or (is_pattern(str(path)) and "://" not in str(source))
    except (OSError, ValueError):  # no name that a file can have
        return False


def list_files(
    sources: Iterable[str | os.PathLike[str]], *, recursive: bool = False, also: Callable[[Path], bool] | None = None
) -> list[Path]:
    """As `list_images`; of folders, files for which `also` is true too."""
    found: dict[Path, None] = {}
    for source in sources:
        for path in _expand(Path(os.fspath(source)), recursive, also):
            found.setdefault(path)
    return list(found)


def _expand(path: Path, recursive: bool, also: Callable[[Path], bool] | None) -> Iterable[Path]:
    if path.is_dir():
        return _in_folder(path, recursive, also, None)
    if path.is_file():
        return _in_list(path, recursive, also) if path.suffix.lower() == ".txt" and not is_picture(path) else [path]
    if is_pattern(str(path)):
        return _in_pattern(path, Budget(str(path)))
    if path.exists():
        return [path]
    raise ImageError(f"{path}: no such file or folder; check the path")


def _in_pattern(pattern: Path, budget: Budget) -> list[Path]:
    files = sorted(matching_files(pattern, budget), key=_natural)
    if not files:
        raise ImageError(f"{pattern}: the pattern matches no file")
    return files


def _in_folder(folder: Path, recursive: bool, also: Callable[[Path], bool] | None, budget: Budget | None) -> list[Path]:
    files = sorted(_pictures_in(folder, recursive, also, budget), key=_natural)
    if not files:
        more = "" if recursive else "; --recursive looks into its sub-folders"
        raise ImageError(f"{folder}: the folder holds no pictures{more}")
    return files


def _pictures_in(
    folder: Path, recursive: bool, also: Callable[[Path], bool] | None, budget: Budget | None
) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if budget is not None:
            budget.spend(len(folders) + len(names))
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or not path.is_file():
                continue
            if path.suffix.lower() in SUFFIXES or is_picture(path) or (also is not None and also(path)):
                yield path


def _in_list(path: Path, recursive: bool, also: Callable[[Path], bool] | None) -> Iterator[Path]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()]
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    budget = Budget(str(path))
    for number, line in enumerate(lines, 1):
        entry = path.parent / line
        if not line or line.startswith("#"):
            continue
        try:
            is_folder = entry.is_dir()
            several = not is_folder and is_pattern(line) and not entry.exists()
        except (OSError, ValueError):  # no name that a file can have
            is_folder = several = False
        if is_folder:
            yield from _in_folder(entry, recursive, also, budget)
        elif several and not within_one_folder(line):
            raise ImageError(
                f"{path}: line {number}, {line[:80]!r}: a list's patterns look into one folder, such as photos/*.jpg; "
                "name the folder and add --recursive, or give the pattern as a source of its own"
            )
        elif several:
            yield from _in_pattern(entry, budget)
        else:  # never a list in a list: one that names itself would not end
            yield entry


def is_picture(path: Path) -> bool:
    """Whether a file begins as a picture does."""
    try:
        if path.stat().st_size == 0:  # empty, or one of the system's, whose reading may never end
            return False
        with path.open("rb") as file:
            return _SIGNATURES.match(file.read(16)) is not None
    except OSError:
        return False
