"""Every odd file gives a documented picture or one line that names it."""

from __future__ import annotations

import glob
import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from helpers.noting import noting
from PIL import Image

from semiuhpe.errors import ImageError
from semiuhpe.images.load import is_picture, list_images, load_image
from semiuhpe.images.patterns import Budget, matching_files


def quadrants() -> np.ndarray:
    """Red, green / blue, white: every orientation looks different. 40 × 60."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30], image[:20, 30:] = (255, 0, 0), (0, 255, 0)
    image[20:, :30], image[20:, 30:] = (0, 0, 255), (255, 255, 255)
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    upright = quadrants()
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo(upright))).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), upright)


def test_colour_modes_become_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(quadrants())
    for mode, suffix in [("L", "png"), ("1", "png"), ("P", "gif"), ("LA", "png"), ("CMYK", "jpg"), ("YCbCr", "jpg")]:
        path = tmp_path / f"{mode}.{suffix}"
        image.convert(mode).save(path)
        loaded = load_image(path)
        assert loaded.shape == (40, 60, 3), mode
        assert loaded.dtype == np.uint8, mode
        assert loaded[30, 45].min() > 240, mode


def test_cmyk_keeps_colours(tmp_path: Path) -> None:
    Image.fromarray(quadrants()).convert("CMYK").save(tmp_path / "a.jpg", quality=95, subsampling=0)
    assert np.abs(load_image(tmp_path / "a.jpg").astype(int) - quadrants())[5:15, 5:25].max() < 30


def test_sixteen_bit_and_float_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray((ramp / 7.0).astype(np.float32)).save(tmp_path / "b.tiff")
    expected = (ramp.astype(float) / 65535 * 255).round()
    for name in ("a.png", "b.tiff"):
        assert np.abs(load_image(tmp_path / name)[..., 0] - expected).max() <= 1


def test_twelve_bits_in_sixteen_are_not_dark(tmp_path: Path) -> None:
    for bits, white in [(8, 255), (10, 1023), (12, 4095), (14, 16383)]:
        ramp = np.linspace(0, white, 64).astype(np.uint16).reshape(8, 8)
        Image.fromarray(ramp).save(tmp_path / f"{bits}.png")
        loaded = load_image(tmp_path / f"{bits}.png")
        assert (loaded.min(), loaded.max()) == (0, 255)


def test_sixteen_bit_colour_and_transparency(tmp_path: Path, rng: np.random.Generator) -> None:
    import cv2

    image = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    deep = image[..., ::-1].astype(np.uint16) * 257
    for name, content in [
        ("a.png", deep),
        ("a.tiff", deep),
        ("b.png", np.dstack([deep, np.full((12, 16), 65535, np.uint16)])),
    ]:
        cv2.imwrite(str(tmp_path / name), content)
        np.testing.assert_array_equal(load_image(tmp_path / name), image)


def test_floats_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    values = np.array([[np.nan, np.inf, 0.5, 1.0]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    assert load_image(tmp_path / "a.tiff")[0, :, 0].tolist() == [0, 0, 128, 255]


def test_damaged_exif_is_no_damaged_picture(tmp_path: Path) -> None:
    for number, exif in enumerate(
        [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\0\0x", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
    ):
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(quadrants()).save(path, exif=exif)
        assert load_image(path).shape == (40, 60, 3)


def test_palettes_with_transparency_and_rgb_with_a_transparent_colour(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode="L").convert("P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "p.png", transparency=1)
    assert load_image(tmp_path / "p.png")[0].tolist() == [[255, 0, 0], [255, 255, 255]]
    Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8)).save(tmp_path / "c.png", transparency=(1, 2, 3))
    assert load_image(tmp_path / "c.png")[0].tolist() == [[255, 255, 255], [9, 9, 9]]
    Image.fromarray(np.array([[10, 200]], np.uint8)).save(tmp_path / "l.png", transparency=10)
    assert load_image(tmp_path / "l.png")[0, :, 0].tolist() == [255, 200]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (255, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    loaded = load_image(tmp_path / "a.png")
    assert (loaded[:4] == (255, 0, 0)).all()
    assert (loaded[4:] == 255).all()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_the_first_frame_of_an_animation_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((16, 16, 3), v, np.uint8)) for v in (250, 10, 10)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / f"a.{suffix}").mean() > 240


def png_header(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    pixels = b"IDAT" + zlib.compress(b"")
    return header + struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))


def test_bad_files_are_told_in_one_line_with_their_name(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    Image.fromarray(quadrants()).save(good)
    bad = {
        "empty.jpg": b"",
        "text.jpg": b"this is no picture at all, whatever its name says",
        "cut.jpg": good.read_bytes()[:400],
        "bomb.png": png_header(60_000, 60_000),
        "cut.png": png_header(50, 50),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError) as caught:
            load_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="limit"):
        load_image(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="no such file"):
        load_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="folder"):
        load_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_pipes_are_refused_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="ordinary"):
        load_image(tmp_path / "a.jpg")


def test_odd_arguments_are_told(tmp_path: Path) -> None:
    for wrong, match in [
        (None, "NoneType"),
        (5, "int"),
        ("a\0b", "cannot be read"),
        (b"", "empty"),
        (b"xyz", "format"),
    ]:
        with pytest.raises(ImageError, match=match):
            load_image(wrong)
    with pytest.raises(ImageError, match="no pixels"):
        load_image(Image.new("RGB", (0, 5)))
    broken = io.BytesIO()
    Image.fromarray(quadrants()).save(broken, "JPEG")
    with pytest.raises(ImageError, match="damaged"):
        load_image(Image.open(io.BytesIO(broken.getvalue()[:-60])))


def test_the_limit_is_an_argument_and_pillows_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2,400 pixels are more than Pillow by itself opens. Up to Pillow 12, cropping asks too, at twice the limit.
    limit = 1300 if PIL.__version__.startswith("12.") else 1000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    Image.fromarray(quadrants()).save(tmp_path / "a.png")
    threads = [threading.Thread(target=lambda: [load_image(tmp_path / "a.png") for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match="60 × 40"):
        load_image(tmp_path / "a.png", max_pixels=2399)
    assert load_image(tmp_path / "a.png", max_pixels=2400).shape == (40, 60, 3)


def test_arrays_bytes_and_pil_are_taken(tmp_path: Path) -> None:
    image = quadrants()
    assert load_image(image) is image
    np.testing.assert_array_equal(load_image(Image.fromarray(image)), image)
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_image((tmp_path / "a.png").read_bytes()), image)
    assert load_image(image[..., 0]).shape == (40, 60, 3)
    for wrong in (image.astype(float), image[..., :2], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ImageError, match="array"):
            load_image(wrong)


def test_extreme_shapes(tmp_path: Path) -> None:
    for shape in [(1, 1), (1, 5000), (5000, 1)]:
        Image.fromarray(np.full((*shape, 3), 9, np.uint8)).save(tmp_path / "a.png")
        assert load_image(tmp_path / "a.png").shape == (*shape, 3)


def test_sources_expand_in_natural_order(tmp_path: Path) -> None:
    for name in ("a10.png", "a2.png", "note.md", "sub/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(quadrants()).save(tmp_path / name, format="PNG")
    (tmp_path / "note.md").write_text("no picture")
    names = [p.name for p in list_images([tmp_path])]
    assert names == ["a2.png", "a10.png"]
    assert [p.name for p in list_images([tmp_path], recursive=True)] == ["a2.png", "a10.png", "b.png"]
    assert [p.name for p in list_images([str(tmp_path / "a*.png"), tmp_path / "a2.png"])] == ["a2.png", "a10.png"]
    (tmp_path / "list.txt").write_text("# mine\nsub/b.png\n\na2.png\n")
    assert [p.name for p in list_images([tmp_path / "list.txt"])] == ["b.png", "a2.png"]
    for wrong in ("nothing", "z*.png"):
        with pytest.raises(ImageError, match=r"no such|matches no"):
            list_images([tmp_path / wrong])
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="holds no pictures"):
        list_images([tmp_path / "none"])


def test_first_bytes_count_and_hidden_files_do_not(tmp_path: Path) -> None:
    for name in ("photo", "notes.dat", ".hidden.png", ".folder/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(quadrants()).save(tmp_path / name, format="PNG")
    (tmp_path / "text.jpg").write_text("a failure to report")
    (tmp_path / "readme").write_text("P1ain text")
    names = [p.name for p in list_images([tmp_path], recursive=True)]
    assert names == ["notes.dat", "photo", "text.jpg"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"])
def test_every_format_is_known_by_its_first_bytes(tmp_path: Path, kind: str) -> None:
    try:
        Image.fromarray(quadrants()).save(tmp_path / "photo", format=kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {kind}")
    assert list_images([tmp_path]) == [tmp_path / "photo"]
    assert load_image(tmp_path / "photo").shape == (40, 60, 3)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a1.png", "a.b/a2.png", "a.b/c/a3.png", ".h/a4.png", "a.b/.a5.png", "d/e/f/g/a6.png", "[x]/a7.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    [
        "*.png",
        "**",
        "**/*",
        "**/*.png",
        "**/**/*.png",
        "*/*.png",
        "*.b/**/a?.png",
        "**/c/*",
        "a.b/.*",
        ".h/*",
        "**/.*",
        "d/**/g/*.png",
        "*/c/a3.png",
        "[[]x]/*",
        "nothing/*",
        "a1.png/*",
        "**/a1.png",
        "[ab]*",
        "*/../*.png",
    ],
)
def test_patterns_match_what_those_of_a_shell_do(tree: Path, pattern: str) -> None:
    files = matching_files(tree / pattern, Budget("a"))
    expected = {p for p in map(Path, glob.glob(str(tree / pattern), recursive=True)) if p.is_file()}
    assert {p.resolve() for p in files} == {p.resolve() for p in expected}
    assert len(files) == len(set(files))


def test_relative_patterns_too(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert {str(p) for p in matching_files(Path("**/a?.png"), Budget("a"))} == set(
        glob.glob("**/a?.png", recursive=True)
    )


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links there")
def test_patterns_end_though_links_lead_round_in_a_circle(tree: Path) -> None:
    (tree / "d" / "back").symlink_to(tree, target_is_directory=True)
    names = [p.name for p in matching_files(tree / "**" / "*.png", Budget("a"))]
    assert sorted(names) == ["a1.png", "a2.png", "a3.png", "a6.png", "a7.png"]


def test_patterns_and_lists_cannot_walk_the_whole_disk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match=r"more than 5 files.*give the folder itself"):
        matching_files(tree / "**" / "**" / "*", Budget("mine", 5))
    looked: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", noting(looked, str, scan))
    for line in ("/**/**", "**/*.png", "*/a2.png", "/*/*", "**"):
        (tree / "list.txt").write_text(f"a1.png\n{line}\n")
        with pytest.raises(ImageError, match=r"list\.txt: line 2, .*one folder, such as photos/\*\.jpg"):
            list_images([tree / "list.txt"])
    assert looked == []
    monkeypatch.undo()
    (tree / "list.txt").write_text("a.b/*.png\n[x]/a7.png\n")
    assert [p.name for p in list_images([tree / "list.txt"])] == ["a2.png", "a7.png"]


def test_a_lists_folders_are_bounded_together(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semiuhpe.images.load.Budget", lambda name: Budget(name, 7))
    (tree / "list.txt").write_text("a.b\n" * 2)
    assert [p.name for p in list_images([tree / "list.txt"])] == ["a2.png"]  # 3 entries each
    (tree / "list.txt").write_text("a.b\n" * 3)
    with pytest.raises(ImageError, match=r"list\.txt: reaches over more than 7"):
        list_images([tree / "list.txt"])
    assert len(list_images([tree], recursive=True)) == 5  # a folder that the user names is looked through


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_files_of_the_system_are_not_read() -> None:
    assert not is_picture(Path("/proc/self/status"))


def test_lists_keep_what_is_missing_and_never_loop(tmp_path: Path) -> None:
    Image.fromarray(quadrants()).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("\ufefflist.txt\nabsent.png\n*.png\n", encoding="utf-8")
    assert [p.name for p in list_images([tmp_path / "list.txt"])] == ["list.txt", "absent.png", "a.png"]
