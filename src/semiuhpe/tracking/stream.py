"""Tracking, from frames to heads with identities: detect, carry, estimate in one batch, match, smooth.

Where the detector does not run, boxes are carried by what moves in them (`box_flow`), and the pose of every carried head
is estimated afresh: only the search for heads is spared. A head that the detector misses goes on for two of its runs
if its motion can still be seen. Nothing is kept but one small grey picture and a few numbers a head.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from semiuhpe.arrays import usable_boxes
from semiuhpe.errors import InputError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Image
from semiuhpe.images.load import load_image
from semiuhpe.poses.head_poses import HeadPoses, png_of
from semiuhpe.tracking.appearance import describe
from semiuhpe.tracking.box_flow import Grey, carry, grey_of
from semiuhpe.tracking.pace import Pace, fixed_interval
from semiuhpe.tracking.smoothing import RotationSmoother
from semiuhpe.tracking.tracker import UNTRACKED, Int, MotionTracker, Tracker
from semiuhpe.video.frames import Gap, SourceFrame, frames_of
from semiuhpe.video.reader import FrameReader, ReadPolicy
from semiuhpe.video.sources import list_sources, moving_source

if TYPE_CHECKING:
    import os

MAX_MISSES = 2
"""Runs of the detector in a row that a head may be missed in and still be shown, if its motion is seen."""
_LONG_GAP_S = 0.5
_SAME = 0.3
"""A carried box that overlaps a detection by this IoU is that detection."""


class Estimator(Protocol):
    """What a stream asks of `HeadPoseEstimator`; see there."""

    def detect(self, image: Image) -> tuple[Any, Any]:
        """Boxes (n, 4) and scores (n,) of the heads of a picture."""

    def estimate(self, image: Image, boxes: Any, scores: Any = None) -> HeadPoses:
        """The poses of the heads in these boxes."""


@dataclass(frozen=True)
class Frame:
    """One frame and its heads.

    Attributes:
        index: counts the source's frames from 0, dropped ones too.
        time_s: seconds since its first frame (0 for photos).
        image: (H, W, 3) uint8 RGB, upright.
        heads: with track_id.
        detected: whether the detector ran here.
        gaps: what is missing just before.
        name: the file, URL or camera.
    """

    index: int
    time_s: float
    image: Image
    heads: HeadPoses
    detected: bool
    gaps: tuple[Gap, ...] = ()
    name: str = ""

    def _repr_png_(self) -> bytes:
        return png_of(self.heads.draw(self.image, labels=True))


class PoseStream:
    """Estimates frame after frame of one source.

    every: detect on each k-th frame; None: `pace.fixed_interval`, or where the source is live as often as keeps up with
    `fps`. track: give identities; without, every frame
    stands by itself. tracker: None for a `MotionTracker`. smooth_s: time constant of smoothing, 0 for none.

    Raises InputError for settings that do not go together.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        every: int | None = None,
        track: bool = True,
        tracker: Tracker | None = None,
        smooth_s: float = 0.0,
        fps: float = 30.0,
        live: bool = False,
    ) -> None:
        if not track and (tracker is not None or smooth_s or every not in (None, 1)):
            raise InputError("without tracking every frame is detected and none is smoothed; leave these settings out")
        self._estimator = estimator
        self._tracker: Tracker | None = (tracker or MotionTracker()) if track else None
        if every is None and not live:
            every = fixed_interval(fps)
        self._pace = Pace(every if track else 1, fps)
        self._smoother = RotationSmoother(smooth_s) if smooth_s else None
        self._before: Grey | None = None
        self._heads, self._misses = HeadPoses.empty(), dict[int, int]()

    @property
    def every(self) -> int:
        """The detector runs on each k-th frame at the moment."""
        return self._pace.every

    def __call__(self, frame: SourceFrame) -> Frame:
        """The heads of the next frame; times must grow."""
        start = time.perf_counter()
        image, detection_s = frame.image, None
        if any(gap.seconds > _LONG_GAP_S for gap in frame.gaps):
            self._before = None
        carried, seen = self._carried(image)
        if len(carried) and not seen.any():  # the scene was cut, or too much is missing to carry anything over it
            self._pace.hurry()
        if detects := self._pace.detects_now():
            began = time.perf_counter()
            boxes, scores = self._estimator.detect(image)
            detection_s = time.perf_counter() - began
            heads = self._detected(image, boxes, scores, carried[seen], frame.time_s)
        else:
            # A head whose motion cannot be seen stays where it was until the detector says otherwise.
            good = usable_boxes(carried.box) & _inside(carried.box, image)
            heads = self._estimator.estimate(image, carried.box[good], carried.detection_score[good])
            heads = replace(heads, track_id=carried.track_id[good])
            if self._tracker is not None:
                self._tracker.carry(heads.track_id, heads, frame.time_s)
        self._heads = heads
        if self._smoother is not None:
            smooth = self._smoother(heads.track_id, heads.rotation, heads.expected_error_deg, frame.time_s)
            heads = replace(heads, rotation=smooth)
        self._pace.note(detection_s, time.perf_counter() - start - (detection_s or 0.0))
        return Frame(frame.index, frame.time_s, image, heads, detects, frame.gaps, frame.name)

    def note_after(self, seconds: float) -> None:
        """How long the caller was busy with the last frame; with k chosen automatically, that has to fit in as well."""
        self._pace.note_after(seconds)

    def _carried(self, image: Image) -> tuple[HeadPoses, Any]:
        """The last frame's heads with their boxes moved, and of which the motion was seen."""
        if self._tracker is None:
            return HeadPoses.empty(), np.zeros(0, dtype=bool)
        before, (grey, scale) = self._before, grey_of(image)
        self._before = grey
        if before is None or len(self._heads) == 0:
            return self._heads, np.zeros(len(self._heads), dtype=bool)
        boxes, seen = carry(before, grey, scale, self._heads.box)
        return replace(self._heads, box=boxes), seen

    def _detected(self, image: Image, boxes: Any, scores: Any, carried: HeadPoses, time_s: float) -> HeadPoses:
        """Heads of a frame on which the detector ran: its boxes, and the carried ones that it missed; one batch."""
        if self._tracker is None:
            return self._estimator.estimate(image, boxes, scores)
        missed = box_math.iou(carried.box, boxes).max(axis=1, initial=0.0) < _SAME
        few = np.array([self._misses.get(int(key), 0) < MAX_MISSES for key in carried.track_id], dtype=bool)
        coasting = carried[
            missed & few & (carried.track_id != UNTRACKED) & usable_boxes(carried.box) & _inside(carried.box, image)
        ]
        count = len(boxes)
        heads = self._estimator.estimate(
            image,
            np.concatenate([boxes, coasting.box]),
            np.concatenate([scores, coasting.detection_score]),
        )
        found, rest = heads[:count], heads[count:]
        ids = self._identified(image, found, time_s)
        # One that a detection has taken over, though they hardly overlap, is not shown twice.
        left = ~np.isin(coasting.track_id, ids)
        rest_ids = coasting.track_id[left]
        rest = replace(rest[left], track_id=rest_ids)
        self._tracker.carry(rest_ids, rest, time_s)
        self._misses = {int(key): self._misses.get(int(key), 0) + 1 for key in rest_ids}
        return HeadPoses.concatenate([replace(found, track_id=ids), rest])

    def _identified(self, image: Image, found: HeadPoses, time_s: float) -> Int:
        """The tracker's answer; it is told what people look like where it asks for that."""
        if isinstance(self._tracker, MotionTracker) and self._tracker.reidentify_s:
            return self._tracker.update(found, time_s, describe(image, found.box))
        return self._tracker.update(found, time_s) if self._tracker is not None else found.track_id

    def prime(self, image: Image) -> None:
        """The frame before the next one, after `restore`."""
        if self._tracker is not None:
            self._before = grey_of(image)[0]

    def state(self) -> dict[str, Any]:
        """JSON-ready: all that the next frames depend on, but for the last image."""
        return {
            "heads": {name: array.tolist() for name, array in self._heads.arrays().items()},
            "misses": {str(key): count for key, count in self._misses.items()},
            "pace": self._pace.state(),
            "tracker": None if self._tracker is None else self._tracker.state(),
            "smoother": None if self._smoother is None else self._smoother.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, to the bit where the tracker and a given `every` allow it; then `prime`."""
        self._heads = HeadPoses(**state["heads"])
        self._misses = {int(key): int(count) for key, count in state["misses"].items()}
        self._pace.restore(state["pace"])
        if self._tracker is not None:
            self._tracker.restore(state["tracker"])
        if self._smoother is not None:
            self._smoother.restore(state["smoother"])


def _inside(boxes: Any, image: Image) -> Any:
    """Which boxes (n, 4) have their centre in the picture."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.all((centre >= 0) & (centre < [image.shape[1], image.shape[0]]), axis=1)


def stream(
    estimator: Estimator,
    source: Any,
    *,
    every: int | None = None,
    track: bool = True,
    tracker: Tracker | None = None,
    smooth_s: float = 0.0,
    fps: float = 30.0,
    policy: ReadPolicy | None = None,
) -> Iterator[Frame]:
    """Frames of any source, one after the other; see `HeadPoseEstimator.stream`."""
    settings: dict[str, Any] = {"every": every, "track": track, "tracker": tracker, "smooth_s": smooth_s}
    PoseStream(estimator, **settings)  # wrong settings fail now, before anything is opened
    if not isinstance(source, str | int | Path) and not hasattr(source, "__fspath__"):
        if isinstance(source, np.ndarray) and source.ndim == 3:
            source = [source]
        if not isinstance(source, Iterable):
            raise InputError(f"a source is a path, URL, camera number or frames, got {type(source).__name__}")
        return _moving(PoseStream(estimator, fps=fps, **settings), frames_of(source, fps))
    return _opened(estimator, source, settings, policy)


def _opened(
    estimator: Estimator,
    source: str | int | os.PathLike[str],
    settings: dict[str, Any],
    policy: ReadPolicy | None,
) -> Iterator[Frame]:
    single = moving_source(source)
    photos, videos = ([], [single]) if single is not None else list_sources([str(source)])
    alone = PoseStream(estimator, track=False)
    for path in photos:
        yield alone(SourceFrame(0, 0.0, load_image(path), name=str(path)))
    if len(videos) > 1 and settings["tracker"] is not None:
        raise InputError(f"{source}: holds several videos; a tracker follows one, stream them one by one")
    for video in videos:
        with FrameReader(video.opener(), video.public_name, policy) as reader:
            moving = PoseStream(estimator, fps=reader.fps or 30.0, live=reader.live, **settings)
            yield from _moving(moving, iter(reader))


def _moving(moving: PoseStream, frames: Iterator[SourceFrame]) -> Iterator[Frame]:
    for frame in frames:
        result = moving(frame)
        began = time.perf_counter()
        yield result
        moving.note_after(time.perf_counter() - began)
