"""Who is who in the frames that pages send: one tracker for each stream of frames, a bounded number of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.tracking.tracker import MotionTracker


@dataclass(frozen=True)
class Moment:
    """Where a frame stands. stream: the name that its page gave to the video or the camera; time_s: when, in seconds."""

    stream: str
    time_s: float


class Identities:
    """Identities for the heads of frames, by the tracker that `semiuhpe predict` follows videos with.

    Every frame here has gone through the detector. Not thread-safe. streams: so many are remembered, those that were
    asked for last; heads: so many are remembered of one stream.
    """

    def __init__(self, streams: int = 16, heads: int = 500) -> None:
        self._most_streams, self._most_heads = streams, heads
        self._trackers: OrderedDict[str, tuple[MotionTracker, float]] = OrderedDict()

    def __call__(self, moment: Moment, heads: HeadPoses) -> HeadPoses:
        """The heads of a stream's next frame with `track_id`.

        Where time goes back, as when somebody seeks in a video, the heads are strangers: nobody is taken for another,
        and no identity is given twice.
        """
        tracker, before = self._trackers.pop(moment.stream, (MotionTracker(), -1.0))
        state = tracker.state()
        if moment.time_s <= before or len(state["tracks"]) > self._most_heads:
            tracker.restore(state | {"tracks": {}})
        track_id = tracker.update(heads, moment.time_s)
        self._trackers[moment.stream] = tracker, moment.time_s
        while len(self._trackers) > self._most_streams:
            self._trackers.popitem(last=False)
        return replace(heads, track_id=track_id)
