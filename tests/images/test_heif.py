"""HEIC: read with pillow-heif, and told with the remedy where that is missing."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.time_limits import within

import semiuhpe
from semiuhpe.errors import ImageError, MissingExtraError
from semiuhpe.images.heif import is_heif
from semiuhpe.images.load import image_size_of, is_picture, list_images, load_image


def header(major: bytes, *brands: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(brands)
    return struct.pack(">I", 4 + len(body)) + body + bytes(200)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (header(b"heic", b"mif1", b"heic"), True),
        (header(b"mif1", b"mif1", b"heic", b"miaf"), True),
        (header(b"mif1", b"mif1", b"avif", b"miaf"), False),
        (header(b"avif", b"mif1"), False),
        (header(b"isom", b"mp42"), False),
        (b"", False),
        (b"\xff\xd8\xff" + bytes(60), False),
    ],
)
def test_it_is_known_by_its_first_bytes(start: bytes, expected: bool) -> None:
    file = io.BytesIO(start)
    assert is_heif(file) == expected
    assert file.tell() == 0


def test_without_the_package_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    photo = tmp_path / "IMG_1.HEIC"
    photo.write_bytes(header(b"heic", b"mif1"))
    assert is_picture(photo)
    assert list_images([tmp_path]) == [photo]
    for kind in (ImageError, MissingExtraError):
        with pytest.raises(kind, match=r"IMG_1\.HEIC: a HEIC picture needs .* 'semiuhpe\[heif\]'"):
            load_image(photo)


def test_pictures_are_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:30, :40] = [200, 30, 30]
    from PIL import Image

    pillow_heif.from_pillow(Image.fromarray(picture)).save(tmp_path / "a.heic", quality=95)
    found = load_image(tmp_path / "a.heic").astype(int)
    assert np.abs(found - picture).mean() < 3
    assert image_size_of(tmp_path / "a.heic") == (80, 60)
    # Nothing is registered for all users of Pillow; in a process of its own, for imageio registers it where it is imported.
    code = (
        "import sys; from PIL import Image; from semiuhpe.images.load import load_image; load_image(sys.argv[1]);"
        "assert '.heic' not in Image.registered_extensions()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.heic")], check=True, env=environment, timeout=within(60)
    )
    (tmp_path / "cut.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:300])
    with pytest.raises(ImageError, match="damaged"):
        load_image(tmp_path / "cut.heic")
