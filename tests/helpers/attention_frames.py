"""`frames.jsonl` files as `semiuhpe predict` writes them, of heads whose directions are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.poses.head_poses import HeadPoses


def head_line(
    track: int,
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    *,
    error_deg: float = 5.0,
    box: Sequence[float] = (590, 310, 690, 410),
) -> dict[str, Any]:
    """One head of a frame; track −1: without an identity."""
    rotation = from_azimuth_elevation_tilt(np.radians([azimuth_deg]), np.radians([elevation_deg]), np.zeros(1))
    heads = HeadPoses(
        rotation=rotation,
        box=np.array([box], dtype=float),
        detection_score=np.ones(1),
        expected_error_deg=np.full(1, error_deg),
        error_90_deg=np.full(1, 1.6 * error_deg),
        entropy=np.full(1, -3.0),
        track_id=np.array([track]),
    )
    (line,) = heads.to_dict()
    return line


def write_frames(
    path: Path, frames: Sequence[Sequence[dict[str, Any]]], fps: float = 10.0, gaps: Mapping[int, float] | None = None
) -> Path:
    """A file of frames; gaps: frame → seconds that are missing before it."""
    lines, time_s = [], 0.0
    for number, heads in enumerate(frames):
        if number:
            time_s += 1 / fps
        if gaps and number in gaps:
            time_s += gaps[number]
            gap = {"reason": "disconnected", "seconds": gaps[number], "frames": 0, "detail": ""}
            lines.append({"gap": gap, "before_frame": number})
        lines.append({"frame": number, "time_s": round(time_s, 6), "detected": True, "heads": list(heads)})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
