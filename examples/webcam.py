"""Who is before the camera, and do they look at it? python examples/webcam.py [camera number or video] [--show]

A read-out in the terminal, one line a frame; with `--show` a window beside it, which q or Esc closes. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from semiuhpe import HeadPoseEstimator
from semiuhpe.errors import SemiUHPEError
from semiuhpe.poses.camera import Camera
from semiuhpe.prediction.window import Window, open_window


def read_out(
    estimator: HeadPoseEstimator, source: Any, horizontal_deg: float = 65.0, window: Window | None = None
) -> Iterator[str]:
    """A line for each frame: number, distance and probability of looking into the lens of every head.

    horizontal_deg: the camera's field of view; 65° is a usual one of webcams. window: shows the frames too, and ends the
    read-out when it is closed.
    """
    for frame in estimator.stream(source):
        height, width = frame.image.shape[:2]
        camera, heads = Camera.from_field_of_view((width, height), horizontal_deg=horizontal_deg), frame.heads
        figures = zip(heads.track_id, heads.position(camera).distance_m, heads.looks_at([0, 0, 0], camera), strict=True)
        said = "  ".join(f"#{k} {m:.1f} m, looks here {p:4.0%}" for k, m, p in figures)
        yield f"{frame.time_s:7.1f} s  {said or 'nobody'}"
        if window is not None and not window.show(heads.draw(frame.image, labels=True)):
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Read out a source until it ends. Returns the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("source", nargs="?", default="0", help="camera number, file or URL (default: the first camera)")
    parser.add_argument("--show", action="store_true", help="show the frames in a window")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--detector", default="default")
    args = parser.parse_args(arguments)
    source = int(args.source) if args.source.isdecimal() else args.source
    try:
        with open_window(args.show) as window, contextlib.suppress(KeyboardInterrupt):
            estimator = HeadPoseEstimator(args.weights, detector=args.detector)
            for line in read_out(estimator, source, window=window):
                print(f"\r{line}", end="\x1b[K", flush=True)
        print()
    except SemiUHPEError as error:
        print(f"webcam.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
