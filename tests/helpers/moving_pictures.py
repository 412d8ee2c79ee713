"""Tiny videos that the tests make: a head that wanders over a plain ground, with or without sound."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "astronaut.jpg"
HEAD = (170, 20, 290, 180)
"""The head in the demo photo, roughly; square enough for a stamp."""


@functools.cache
def stamp(size: int) -> np.ndarray:
    """The demo photo's head, size × size."""
    photo = np.asarray(Image.open(DEMO).convert("RGB"))
    scale = photo.shape[1] / 512
    x1, y1, x2, y2 = (round(v * scale) for v in HEAD)
    return cv2.resize(photo[y1:y2, x1:x2], (size, size), interpolation=cv2.INTER_AREA)


def scene(centres: Sequence[tuple[float, float]], size: int = 40, width: int = 160, height: int = 120) -> np.ndarray:
    """A picture with the head at each centre; sub-pixel exact."""
    canvas = np.full((height, width, 3), (70, 110, 90), np.uint8)
    head = stamp(size)
    for x, y in centres:
        matrix = np.array([[1.0, 0, x - size / 2], [0, 1.0, y - size / 2]])
        cv2.warpAffine(head, matrix, (width, height), dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
    return canvas


def box_at(x: float, y: float, size: int = 40) -> list[float]:
    return [x - size / 2, y - size / 2, x + size / 2, y + size / 2]


def centre_at(index: int) -> tuple[float, float]:
    """Where the head of a test video is."""
    return 40.0 + 1.5 * index, 60.0 + 8 * np.sin(index / 6)


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    times_s: Sequence[float] | None = None,
    *,
    fps: int = 25,
    sound_s: float = 0.0,
    audio: str = "aac",
    delay_s: float = 0.0,
) -> Path:
    """A video of images at given times (or at fps); with `sound_s` seconds of a rising tone, all of it `delay_s` late."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = "yuv420p", Fraction(1, 90_000)
        tone = container.add_stream(audio, rate=48_000, layout="mono") if sound_s else None
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            time_s = index / fps if times_s is None else times_s[index]
            frame.pts, frame.time_base = round((time_s + delay_s) * 90_000), Fraction(1, 90_000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone is not None:
            assert isinstance(tone, av.AudioStream)
            count = round(sound_s * 48_000 / 1024)
            for block in range(count):
                at = np.arange(block * 1024, (block + 1) * 1024) / 48_000
                wave = np.sin(2 * np.pi * (300 + 200 * at) * at)[None]
                if audio == "aac":
                    kind, values = "fltp", (0.3 * wave).astype(np.float32)
                else:
                    kind, values = "s16", (9000 * wave).astype(np.int16)
                sample = av.AudioFrame.from_ndarray(values, format=kind, layout="mono")
                sample.sample_rate, sample.time_base = 48_000, Fraction(1, 48_000)
                sample.pts = block * 1024 + round(delay_s * 48_000)
                container.mux(tone.encode(sample))
            container.mux(tone.encode(None))
    return path


def wandering(path: Path, count: int = 30, **options: object) -> Path:
    """A video of one head at `centre_at(index)`."""
    return write_video(path, [scene([centre_at(i)]) for i in range(count)], **options)  # type: ignore[arg-type]


def turned(path: Path, degrees: int) -> Path:
    """Write a display matrix into a MP4's only video track: stored pixels are shown turned clockwise."""
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version and flags, five numbers, reserved, layer to volume: 40 bytes
    matrix = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], dtype=">i4")
    content[at : at + 36] = matrix.tobytes()
    path.write_bytes(bytes(content))
    return path


def people(
    centres: Sequence[tuple[float, float] | None],
    clothes: Sequence[tuple[int, int, int]],
    *,
    size: int = 40,
    width: int = 320,
    height: int = 200,
    light: float = 1.0,
    noise: np.random.Generator | None = None,
    pillar: tuple[int, int] | None = None,
) -> np.ndarray:
    """People with the same head and clothes of their own; None: not there. light: factor on all; noise: of the sensor;
    pillar: x from and to that is before everybody.
    """
    canvas = np.full((height, width, 3), (150, 150, 140), np.uint8)
    head = stamp(size)
    for centre, colour in zip(centres, clothes, strict=True):
        if centre is None:
            continue
        x, y = centre
        corner = (round(x - 0.9 * size), round(y + 0.5 * size)), (round(x + 0.9 * size), height)
        cv2.rectangle(canvas, *corner, colour, -1)
        matrix = np.array([[1.0, 0, x - size / 2], [0, 1.0, y - size / 2]])
        cv2.warpAffine(head, matrix, (width, height), dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
    if pillar is not None:
        canvas[:, pillar[0] : pillar[1]] = (90, 80, 75)
    shown = canvas * light + (0 if noise is None else noise.normal(0, 6, canvas.shape))
    return shown.clip(0, 255).astype(np.uint8)
