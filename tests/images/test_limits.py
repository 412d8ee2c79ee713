"""What a picture may cost is known before it is decoded."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.hostile import forget_peak, icon, peak, scans, zero_png
from PIL import Image, ImageFile, ImageOps

from semiuhpe.errors import ImageError
from semiuhpe.images import limits as picture_limits
from semiuhpe.images import rgb
from semiuhpe.images.limits import allowed_pixels, scans_of
from semiuhpe.images.load import image_size_of, load_image


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "picture", [zero_png(16_000, 16_000, kind=6), zero_png(257, 4), b"\x28\0\0\0" + b"\x00\x50\0\0" * 2]
)
@pytest.mark.parametrize("side", [0, 16])
def test_an_icon_is_no_larger_than_icons_are(picture: bytes, side: int) -> None:
    forget_peak()
    before = peak()
    with pytest.raises(ImageError, match=r"an icon with a picture of .* over the limit of 256 × 256"):
        load_image(icon(picture, side=side))
    assert peak() - before < 50 << 20


def test_ordinary_icons_are_read() -> None:
    picture = Image.new("RGB", (256, 256), (10, 200, 30))
    for options in ({"sizes": [(16, 16), (256, 256)]}, {"bitmap_format": "bmp", "sizes": [(32, 32)]}):
        content = encoded(picture, "ICO", **options)
        assert load_image(content).shape[0] in (32, 256)
        assert load_image(content)[5, 5].tolist() == [10, 200, 30]


def test_scans_are_counted_as_a_decoder_meets_them() -> None:
    plain = encoded(Image.new("RGB", (64, 64)), "JPEG")
    assert scans_of(plain) == 1
    for count in (10, 57, 3000):
        content = scans(count, 64, 64)
        assert scans_of(content) == content.count(b"\xff\xda") == count
        assert scans_of(content + scans(500, 64, 64)) == count  # what follows the end is another picture
    assert scans_of(scans(12, 64, 64, preview_scans=90)) == 12  # one in EXIF is not decoded
    assert scans_of(b"\xff\xd8") == scans_of(b"") == 0
    filled = plain.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert scans_of(filled) == 1
    assert load_image(filled).shape == (64, 64, 3)


def test_scans_agree_with_what_the_decoder_does(rng: np.random.Generator) -> None:
    """Noise with restart markers: no byte of coded pixels may be taken for a marker."""
    picture = Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    for progressive in (False, True):
        content = encoded(picture, "JPEG", quality=98, progressive=progressive, restart_marker_blocks=3)
        assert scans_of(content) == (10 if progressive else 1)


def test_thousands_of_scans_are_refused_at_once() -> None:
    content = scans(20_000)
    begin = time.process_time()
    with pytest.raises(ImageError, match="a JPEG of 20000 scans"):
        load_image(content)
    assert time.process_time() - begin < 2
    assert load_image(scans(picture_limits.MAX_SCANS, 64, 64)).shape == (64, 64, 3)
    with pytest.raises(ImageError, match="101 scans"):
        load_image(scans(101, 64, 64))


def test_scans_and_pixels_are_bounded_together() -> None:
    most = 64 * 64
    assert load_image(scans(picture_limits.MAX_PASSES, 64, 64), max_pixels=most).shape == (64, 64, 3)
    with pytest.raises(ImageError, match="21 scans"):
        load_image(scans(picture_limits.MAX_PASSES + 1, 64, 64), max_pixels=most)


def test_dear_formats_have_fewer_pixels() -> None:
    picture = Image.new("RGB", (100, 100))
    assert (allowed_pixels("JPEG"), allowed_pixels("JPEG2000")) == (200_000_000, 50_000_000)
    for kind in ("JPEG", "JPEG2000", "WEBP"):
        times = {"JPEG": 1, "JPEG2000": 4, "WEBP": 2}[kind]
        content = encoded(picture, kind)
        assert load_image(content, max_pixels=10_000 * times).shape == (100, 100, 3)
        with pytest.raises(ImageError, match="pixels are more than the limit"):
            load_image(content, max_pixels=10_000 * times - 1)


def test_a_file_of_many_bytes_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for reader in (load_image, image_size_of):
        with pytest.raises(ImageError, match=r"a\.webp: 1,048,576 MiB are more than the limit of 1,024"):
            reader(path)


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "I;16", "I", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_strips_are_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, (37, 23, 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        picture = Image.fromarray(values[..., 0].astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]) * 3)
    else:
        picture = Image.fromarray(values).convert("RGB" if mode == "LAB" else "RGBA")
        picture = picture.convert("P").convert("PA") if mode == "PA" else picture
        picture = Image.frombytes("LAB", (23, 37), picture.tobytes()) if mode == "LAB" else picture.convert(mode)
    assert picture.mode == mode
    whole = rgb.upright_rgb(picture)
    monkeypatch.setattr(rgb, "_STRIP_PIXELS", 23 * 5)
    np.testing.assert_array_equal(rgb.upright_rgb(picture), whole)
    monkeypatch.setattr(rgb, "_STRIP_PIXELS", 1)  # less than a row
    np.testing.assert_array_equal(rgb.upright_rgb(picture), whole)


@pytest.mark.parametrize("orientation", range(10))
def test_turned_as_pillow_turns(orientation: int, tmp_path: Path, rng: np.random.Generator) -> None:
    picture = Image.fromarray(rng.integers(0, 256, (7, 5, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), expected)
    assert image_size_of(tmp_path / "a.png") == expected.shape[1::-1]
    assert load_image(tmp_path / "a.png").flags.c_contiguous


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", [0, 2, 6])
def test_a_large_picture_takes_ten_bytes_a_pixel(kind: int) -> None:
    content = zero_png(4000, 4000, depth=16 if kind == 0 else 8, kind=kind)
    forget_peak()
    before = peak()
    assert load_image(content).shape == (4000, 4000, 3)
    assert peak() - before < 10 * 4000**2


def test_a_fault_of_our_own_is_no_damaged_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(image: Image.Image) -> np.ndarray:
        raise AttributeError("a bug")

    monkeypatch.setattr("semiuhpe.images.load.upright_rgb", fault)
    with pytest.raises(AttributeError):
        load_image(zero_png(4, 4))


def test_a_fault_of_the_decoder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(self: ImageFile.ImageFile) -> None:
        raise KeyError("a tag")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fault)
    with pytest.raises(ImageError, match="the picture is damaged"):
        load_image(zero_png(4, 4))
