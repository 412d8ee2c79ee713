"""Where attention went in a video, from Python: python examples/attention.py lesson.mp4 zones.json report

The same as `semiuhpe attention`, but the heads come from a stream and are kept in memory: for a short video, a camera, or as
a start for an analysis of your own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from semiuhpe import HeadPoseEstimator
from semiuhpe.attention.report import write_report
from semiuhpe.attention.sightings import sightings_of
from semiuhpe.attention.summary import Attention, attention_of
from semiuhpe.attention.zones_file import read_scene


def analyse(estimator: HeadPoseEstimator, video: str, zones: Path, output: Path) -> Attention:
    """Follow the heads of a video, and write the report of where they looked."""
    lines, size = [], None
    for frame in estimator.stream(video):
        size = frame.image.shape[1], frame.image.shape[0]
        lines += [json.dumps({"gap": gap.to_dict()}) for gap in frame.gaps]
        lines.append(json.dumps({"time_s": frame.time_s, "heads": frame.heads.to_dict()}))
    attention = attention_of(sightings_of(lines, video), read_scene(zones, size))
    write_report(output, attention, video, minute_s=60.0)
    return attention


def main() -> None:
    """Print how long each person looked at what."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", help="file, camera number or URL")
    parser.add_argument("zones", type=Path, help="JSON of what can be looked at")
    parser.add_argument("output", type=Path, help="folder of the report")
    args = parser.parse_args()
    for person in analyse(HeadPoseEstimator(), args.video, args.zones, args.output).persons:
        print(f"person {person.track_id}:", {name: round(seconds, 1) for name, seconds in person.expected_s.items()})


if __name__ == "__main__":
    main()
