"""Ctrl-C on a video at placed moments, again and again, then to the end: nothing tells that it ever came."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.moments import Moments
from helpers.moving_pictures import wandering
from helpers.noting import options_of
from helpers.tiny_onnx import write_weight_options

from semiuhpe.cli.main import main
from semiuhpe.files.journal import Journal
from semiuhpe.prediction.video_folder import VideoFolder
from semiuhpe.tracking.stream import PoseStream
from semiuhpe.tracking.tracker import MotionTracker
from semiuhpe.video.writer import SegmentWriter

INTERRUPTS, SEGMENT_FRAMES, FRAMES = 50, 2, 150

SECTIONS: dict[str, list[Callable[..., Any]]] = {
    "between line and done": [VideoFolder.add, VideoFolder._line, Journal.add],
    "between tracker and state": [
        PoseStream.__call__,
        PoseStream._detected,
        MotionTracker.update,
        VideoFolder.checkpoint,
        VideoFolder._write_status,
    ],
    "before the first packet": [VideoFolder._new_segment, SegmentWriter.__init__, SegmentWriter.add],
}
"""Where the audit saw an interrupt do damage: every line of these functions is a moment."""


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("section", SECTIONS)
def test_fifty_interrupts_leave_no_trace(
    tmp_path: Path, section: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # what a power failure leaves is not the question here
    monkeypatch.setitem(options_of(VideoFolder), "segment_frames", SEGMENT_FRAMES)
    weights = [*write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9]), "--threads", "1"]
    source = wandering(tmp_path / "clip.mp4", FRAMES)
    arguments = ["predict", str(source), *weights, "--every", "3", "--smooth", "0.2", "--format", "jsonl", "csv"]
    functions = SECTIONS[section]
    with Moments(functions, 0, lambda: None) as moments:
        assert main([*arguments, "-o", str(tmp_path / "whole")]) == 0
    per_segment = moments.count // (FRAMES // SEGMENT_FRAMES)

    codes = []
    for number in range(INTERRUPTS):
        signum = signal.SIGTERM if number % 4 == 3 else signal.SIGINT
        times = 3 if number % 2 else 1  # the third one does not wait for the end of the frame

        def strike(signum: int = signum, times: int = times) -> None:
            for _ in range(times):
                signal.raise_signal(signum)

        # In the segment after the first one of each session, at another line each time.
        at = per_segment + 1 + number * 7919 % per_segment
        with Moments(functions, at, strike):
            codes.append(main([*arguments, "-o", str(tmp_path / "out"), "--resume"]))
    assert codes == [143 if number % 4 == 3 else 130 for number in range(INTERRUPTS)]
    assert main([*arguments, "-o", str(tmp_path / "out"), "--resume"]) == 0
    assert content_of(tmp_path / "out") == content_of(tmp_path / "whole")
