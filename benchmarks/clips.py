"""Videos for the benchmarks, made from the pictures of this repository: heads that move over a textured ground.

    python benchmarks/clips.py clip.mp4 [--width 1280 --height 720 --heads 4 --frames 300]

The heads are cut out of the photos of docs/demo, with soft edges, so that detector, tracker and pose network have
something real to work on; the ground drifts slowly and is uneven, so that the codecs have too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

DEMO = Path(__file__).resolve().parents[1] / "docs" / "demo"
PEOPLE = {"astronaut.jpg": (130, 0, 320, 230), "grace_hopper.jpg": (130, 20, 390, 330)}
"""Head and neck in each photo: x1, y1, x2, y2."""
Picture = NDArray[np.uint8]


def cut_outs(count: int, side: float) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """So many heads, colour (h, w, 3) and cover (h, w, 1) in 0..1, of about `side` pixels; each second pair is mirrored."""
    found = []
    for number in range(count):
        name, (x1, y1, x2, y2) = list(PEOPLE.items())[number % len(PEOPLE)]
        photo = np.asarray(Pillow.open(DEMO / name).convert("RGB"))[y1:y2, x1:x2]
        photo = photo[:, ::-1] if number // len(PEOPLE) % 2 else photo
        scale = side * (1.0 - 0.12 * (number % 3)) / photo.shape[0]
        size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
        cover = np.clip((1 - (np.abs(x) ** 4 + np.abs(y) ** 4)) * 5, 0, 1)[..., None]
        found.append((small, cover.astype(np.float32)))
    return found


def scenes(width: int, height: int, heads: int, frames: int, fps: int = 25) -> Iterator[Picture]:
    """(height, width, 3) uint8 RGB, one after the other; the same for the same arguments. Each head has a place of its own."""
    rng = np.random.default_rng(0)
    ground = np.zeros((height + 64, width + 64, 3), np.float32)
    for cells, strength in ((6, 40.0), (24, 20.0), (160, 10.0)):
        noise = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        ground += cv2.resize(noise, (width + 64, height + 64), interpolation=cv2.INTER_CUBIC)[..., None]
    ground = np.clip(ground + [105, 120, 110], 0, 255)
    people = cut_outs(heads, 0.42 * height if heads > 1 else 0.6 * height)
    for index in range(frames):
        t = index / fps
        left, top = (round(32 + 30 * np.sin(t / 4 + shift)) for shift in (0.0, 1.0))
        scene = np.rint(ground[top : top + height, left : left + width]).astype(np.uint8)
        for number, (colour, cover) in enumerate(people):
            h, w = cover.shape[:2]
            room_x, room_y = width / heads - w, height - h
            x = width / heads * number + room_x * (0.5 + 0.4 * np.sin(0.9 * t + number))
            y = room_y * (0.5 + 0.45 * np.sin((0.5 + 0.1 * number) * t + 2 * number))
            x, y = float(np.clip(x, 0, width - w)), float(np.clip(y, 0, height - h))
            shift = np.array([[1, 0, x % 1], [0, 1, y % 1]])
            moved, veil = (cv2.warpAffine(part, shift, (w, h)) for part in (colour, cover))
            place = scene[int(y) : int(y) + h, int(x) : int(x) + w]
            place[:] = np.rint(place + veil[..., None] * (moved - place)).astype(np.uint8)
        yield scene


def write_clip(path: Path, width: int, height: int, heads: int, frames: int, fps: int = 25) -> Path:
    """An H.264 video of such scenes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for index, scene in enumerate(scenes(width, height, heads, frames, fps)):
            frame = av.VideoFrame.from_ndarray(scene, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def main() -> None:
    """Write a video."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--frames", type=int, default=300)
    args = parser.parse_args()
    write_clip(args.path, args.width, args.height, args.heads, args.frames)


if __name__ == "__main__":
    main()
