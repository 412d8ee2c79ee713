"""Who is before the camera, and do they look at it? python examples/webcam.py [camera number or video]

A read-out in the terminal, one line a frame; `semiuhpe predict 0 --show` is the same in a window.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from semiuhpe import HeadPoseEstimator
from semiuhpe.poses.camera import Camera


def read_out(estimator: HeadPoseEstimator, source: Any, horizontal_deg: float = 65.0) -> Iterator[str]:
    """A line for each frame: number, distance and probability of looking into the lens of every head.

    horizontal_deg: the camera's field of view; 65° is a usual one of webcams.
    """
    for frame in estimator.stream(source):
        height, width = frame.image.shape[:2]
        camera, heads = Camera.from_field_of_view((width, height), horizontal_deg=horizontal_deg), frame.heads
        if not len(heads):
            yield f"{frame.time_s:7.1f} s  nobody"
            continue
        figures = zip(heads.track_id, heads.position(camera).distance_m, heads.looks_at([0, 0, 0], camera), strict=True)
        yield f"{frame.time_s:7.1f} s  " + "  ".join(f"#{k} {m:.1f} m, looks here {p:4.0%}" for k, m, p in figures)


if __name__ == "__main__":
    source = sys.argv[1] if len(sys.argv) > 1 else "0"
    try:
        for line in read_out(HeadPoseEstimator(), int(source) if source.isdigit() else source):
            print(f"\r{line}", end="\x1b[K", flush=True)
    except KeyboardInterrupt:
        print()
