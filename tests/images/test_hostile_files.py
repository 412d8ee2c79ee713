"""Every hostile file, through every reader: a result or one typed error, in little time and memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.scripts import script

from semiuhpe.errors import ImageError
from semiuhpe.images.load import load_image

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "fuzz"))


FILES: dict[str, bytes] = script("fuzz/corpus.py").hostile_files()
fuzzed = script("fuzz/targets.py")
READABLE = {"jpeg_twice", "jpeg_then_zip", "jpeg_hostile_exif", "webp_wrong_size", "png_too_much_data", "png_animated_lie",
            "png_text_bomb", "png_profile_bomb", "png_short_data", "png_palette_without_palette", "png_endless_chunk"}  # fmt: skip
"""Files whose pixels are all there, whatever else is wrong with them; they may be read or refused."""


@pytest.mark.parametrize("target", fuzzed.TARGETS)
def test_every_target_stands_every_file(target: str) -> None:
    run = fuzzed.quiet(fuzzed.TARGETS[target])
    for name, content in FILES.items():
        begin = time.process_time()
        try:
            run(content)
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {str(error)[:300]}")
        assert time.process_time() - begin < 5, name


@pytest.mark.parametrize("target", fuzzed.TARGETS)
def test_every_target_stands_damage(target: str, rng: np.random.Generator) -> None:
    seeds = [fuzzed.photo(kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP")]
    seeds += [
        FILES[name]
        for name in (
            "mp4_good",
            "mkv_good",
            "avi_good",
            "json_good",
            "json_heads",
            "json_record",
            "csv_formula",
            "mat_header_only",
            "pts_not_numbers",
            "obj_far_index",
            "mhclo_lies",
            "target_far_index",
        )
    ]
    run = fuzzed.quiet(fuzzed.TARGETS[target])
    for number in range(40):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        run(bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data))


@pytest.mark.parametrize("name", [n for n in FILES if n not in READABLE and not n.startswith(("ppm_wide",))])
def test_damaged_pictures_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    with pytest.raises(ImageError) as caught:
        load_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "name", ["png_bomb", "png_huge_header", "gif_huge_screen", "bmp_huge", "tiff_huge", "ppm_huge"]
)
def test_refusing_a_bomb_costs_no_memory(name: str) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    with pytest.raises(ImageError):
        load_image(FILES[name])
    assert resident() - before < 100 << 20


def test_the_corpus_is_the_same_every_time() -> None:
    again = script("fuzz/corpus.py").hostile_files()
    assert list(again) == list(FILES)
    assert all(again[name] == FILES[name] for name in FILES)
    assert max(map(len, FILES.values())) < 4 << 20
