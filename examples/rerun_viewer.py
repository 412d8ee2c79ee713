"""Heads of a video, camera or stream in the Rerun viewer, as they come.

    pip install 'semiuhpe[rerun]'
    python examples/rerun_viewer.py 0                        # the first camera
    python examples/rerun_viewer.py clip.mp4 --save heads.rrd

Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from semiuhpe import HeadPoseEstimator
from semiuhpe.prediction.rerun_log import RerunLog


def main(arguments: Sequence[str] | None = None) -> None:
    """Log every frame until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="file, camera number or URL")
    parser.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a recording instead of opening the viewer")
    parser.add_argument("--smooth", type=float, default=0.0, metavar="SECONDS", help="smooth with this time constant")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--detector", default="default")
    args = parser.parse_args(arguments)
    estimator = HeadPoseEstimator(args.weights, detector=args.detector)
    source = int(args.source) if args.source.isdecimal() else args.source
    with RerunLog(args.save, name=args.source) as log, contextlib.suppress(KeyboardInterrupt):
        for frame in estimator.stream(source, smooth_s=args.smooth):
            log(frame)


if __name__ == "__main__":
    main()
