"""What the dearest files that are still read may cost: memory and processor time, each file in a process of its own.

    python benchmarks/hostile.py [--megapixels 25]

First, one large picture of each kind that Pillow decodes, noise where noise costs more: bytes and nanoseconds a pixel, and
what that makes of the largest picture that is allowed. Then the files that are made to cost more than they look.
Memory is what the process takes beyond itself with nothing but the package loaded.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from semiuhpe.errors import SemiUHPEError

Maker = Callable[[Path, int], None]


def _noise(side: int, kind: type = np.uint8, channels: int = 3) -> np.ndarray:
    rows = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (64, side, channels), dtype=kind, endpoint=True)
    return np.tile(rows, (-(-side // 64), 1, 1))[:side]


def _save(form: str, mode: str = "RGB", **options: object) -> Maker:
    def make(path: Path, side: int) -> None:
        if mode == "I;16":
            picture = Image.fromarray(_noise(side, np.uint16, 1)[..., 0])
        elif mode == "F":
            picture = Image.fromarray(_noise(side, np.uint16, 1)[..., 0].astype(np.float32))
        elif form == "WEBP":  # whose encoder gives up on noise
            picture = Image.fromarray(_noise(side // 8)).resize((side, side), Image.Resampling.BICUBIC)
        else:
            picture = Image.fromarray(_noise(side)).convert(mode)
        picture.save(path, form, **options)

    return make


def _many_scans(path: Path, side: int, scans: int | None = None) -> None:
    """A progressive JPEG of one colour, whose last scan is repeated as often as is allowed."""
    from semiuhpe.images.limits import MAX_PASSES, MAX_PIXELS, MAX_SCANS

    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 30)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    known = content.count(b"\xff\xda")
    allowed = min(MAX_SCANS, MAX_PASSES * MAX_PIXELS // side**2)
    path.write_bytes(content[:-2] + last * ((scans or allowed) - known) + content[-2:])


def _interlaced(path: Path, side: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packed, coder = [], zlib.compressobj(1)
    for x, y, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        row = b"\x00" + b"\x55" * (8 * -(-(side - x) // across))
        packed += [coder.compress(row) for _ in range(y, side, down)]
    header = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 1)
    data = b"".join(packed) + coder.flush()
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


KINDS: dict[str, Maker] = {
    "JPEG": _save("JPEG", quality=95),
    "JPEG, progressive": _save("JPEG", quality=95, progressive=True),
    "JPEG, all scans that are allowed": _many_scans,
    "JPEG, CMYK": _save("JPEG", "CMYK", quality=95),
    "PNG": _save("PNG", compress_level=1),
    "PNG, transparent": _save("PNG", "RGBA", compress_level=1),
    "PNG, 16-bit grey": _save("PNG", "I;16", compress_level=1),
    "PNG, 16-bit transparent, interlaced": _interlaced,
    "GIF": _save("GIF", "P"),
    "WebP": _save("WEBP", quality=60, method=0),
    "WebP, lossless": _save("WEBP", lossless=True, quality=0, method=0),
    "BMP": _save("BMP"),
    "PPM": _save("PPM"),
    "TGA, packed": _save("TGA", compression="tga_rle"),
    "TIFF": _save("TIFF"),
    "TIFF, deflate": _save("TIFF", compression="tiff_adobe_deflate"),
    "TIFF, LZW, 16-bit grey": _save("TIFF", "I;16", compression="tiff_lzw"),
    "TIFF, JPEG": _save("TIFF", compression="jpeg"),
    "TIFF, float": _save("TIFF", "F"),
    "JPEG 2000": _save("JPEG2000", quality_mode="rates", quality_layers=[2]),
    "AVIF": _save("AVIF", quality=90, speed=10),
}


def peak() -> int:
    """The most memory that this process has had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def read(path: Path) -> dict[str, float | str]:
    """Read a picture or a MATLAB file in this process, and tell what that took."""
    from semiuhpe.images.load import load_image
    from semiuhpe.sources.matlab import read_mat

    load_image(np.zeros((2, 2, 3), np.uint8))
    if path.suffix == ".mat":
        import scipy.io  # noqa: F401 - not part of what the file costs
    before, begin, outcome = peak(), time.process_time(), "read"
    try:
        read_mat(path) if path.suffix == ".mat" else load_image(path)
    except SemiUHPEError as error:
        outcome = str(error).partition(": ")[2][:60]
    return {"bytes": max(0, peak() - before), "seconds": time.process_time() - begin, "outcome": outcome}


def child(*arguments: str) -> dict[str, Any]:
    """This file in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"bytes": 0, "seconds": 0, "outcome": "no file made"}


def measure_kinds(folder: Path, side: int) -> None:
    """Print the table of large pictures."""
    from semiuhpe.images.limits import allowed_pixels

    print("| picture | file MiB | bytes a pixel | ns a pixel | largest, megapixels | its memory, GiB | its seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in KINDS:
        path = folder / "picture"
        child("--make", name, "--path", str(path), "--side", str(side))
        row = child("--read", "--path", str(path))
        memory, seconds = row["bytes"] / side**2, row["seconds"] / side**2
        form = name.partition(",")[0].replace(" ", "").upper()
        most = allowed_pixels(form)
        print(
            f"| {name} | {path.stat().st_size / (1 << 20):.1f} | {memory:.1f} | {seconds * 1e9:.0f} | {most / 1e6:.0f} "
            f"| {most * memory / (1 << 30):.1f} | {most * seconds:.1f} | {'' if row['outcome'] == 'read' else row['outcome']}",
            flush=True,
        )
        path.unlink()


def measure_bombs(folder: Path) -> None:
    """Print the table of files that are made to cost more than they look."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
    from bombs import bombs

    print("\n| file | KiB | MiB taken | seconds | answer |\n|---|---|---|---|---|")
    for name, content in bombs().items():
        path = folder / f"bomb{'.mat' if name.startswith('mat') else ''}"
        path.write_bytes(content)
        row = child("--read", "--path", str(path))
        size = len(content) / 1024
        print(
            f"| {name} | {size:.0f} | {row['bytes'] / (1 << 20):.0f} | {row['seconds']:.2f} | {row['outcome']} |",
            flush=True,
        )


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=25.0)
    parser.add_argument("--make", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        KINDS[args.make](args.path, args.side)
        print("{}")
    elif args.read:
        print(json.dumps(read(args.path)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure_kinds(Path(folder), int((args.megapixels * 1e6) ** 0.5))
            measure_bombs(Path(folder))


if __name__ == "__main__":
    main()
