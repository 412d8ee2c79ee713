"""Which head of this frame is which head of the last ones.

A `Tracker` is asked wherever the detector has run; on the frames between, heads keep their identities while their boxes
are carried, and `carry` tells the tracker where they went. `MotionTracker` needs nothing but numpy. `ByteTracker` is
ByteTrack (Zhang et al. 2022) as the package `trackers` keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import MissingExtraError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.rotation import Float, geodesic_distance, rotation_of_vector, rotation_vector
from semiuhpe.poses.head_poses import UNREADABLE_DEG, HeadPoses
from semiuhpe.tracking.assignment import assign

Int = NDArray[np.int64]

UNTRACKED = -1


class Tracker(Protocol):
    """Gives heads their identities."""

    def update(self, heads: HeadPoses, time_s: float) -> Int:
        """Identities of a frame's detected heads: (n,) int64, unique, `UNTRACKED` for heads that are not followed yet."""
        ...

    def carry(self, track_id: Int, heads: HeadPoses, time_s: float) -> None:
        """Heads whose identities (n,) are known have been seen again, without the detector."""
        ...

    def state(self) -> dict[str, Any]:
        """JSON-ready, for `restore`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken; no identity is ever given twice."""
        ...


@dataclass
class _Track:
    """box: (4,) when last seen, moving with velocity (4,) a second; rotation: (3, 3), turning by spin (3,) radians a second."""

    box: Float
    velocity: Float
    rotation: Float
    spin: Float
    error_deg: float
    time_s: float

    def box_at(self, time_s: float) -> Float:
        # Nobody keeps going for long: beyond half a second a constant velocity says nothing.
        return np.asarray(self.box + self.velocity * min(time_s - self.time_s, 0.5))

    def rotation_at(self, time_s: float) -> Float:
        return np.asarray(rotation_of_vector(self.spin * min(time_s - self.time_s, 0.5)) @ self.rotation)

    def see(self, box: Float, rotation: Float, error_deg: float, time_s: float) -> None:
        elapsed = time_s - self.time_s
        if elapsed > 1e-6:
            share = 1 - np.exp(-elapsed / 0.15)  # velocities are averaged over about 0.15 s, whatever the frame rate
            self.velocity = (1 - share) * self.velocity + share * (box - self.box) / elapsed
            # Between unreadable rotations there is no speed to learn.
            sure = max(error_deg, self.error_deg) <= UNREADABLE_DEG
            turned = rotation_vector(rotation @ self.rotation.T) / elapsed if sure else np.zeros(3)
            self.spin = (1 - share) * self.spin + share * turned
        self.box, self.rotation, self.error_deg, self.time_s = box.copy(), rotation.copy(), error_deg, time_s


class MotionTracker:
    """Boxes and rotations at constant velocity, matched at the least total cost.

    Two heads that cross overlap in their boxes but seldom in the way they are turned, so the cost of a match is made of
    overlap, distance and, where both poses are readable, the angle between the expected and the seen rotation.

    memory_s: a head that comes back within so long keeps its identity. Identities count from 1 and are never reused.
    """

    def __init__(self, memory_s: float = 1.5) -> None:
        self.memory_s = memory_s
        self._tracks: dict[int, _Track] = {}
        self._given = 0

    def update(self, heads: HeadPoses, time_s: float) -> Int:
        """See `Tracker`. Every head gets an identity at once."""
        self._tracks = {key: t for key, t in self._tracks.items() if time_s - t.time_s <= self.memory_s}
        keys = list(self._tracks)
        ids = np.full(len(heads), UNTRACKED, dtype=np.int64)
        if keys and len(heads):
            affinity = self._affinity([self._tracks[key] for key in keys], heads, time_s)
            # What may not match costs as much as no match, so it is never preferred to one that may.
            for head, column in enumerate(assign(-np.maximum(affinity, 0.0))):
                if column >= 0 and affinity[head, column] > 0:
                    ids[head] = keys[column]
        for i in np.flatnonzero(ids == UNTRACKED):
            self._given += 1
            ids[i] = self._given
            box, rotation = heads.box[i].copy(), heads.rotation[i].copy()
            self._tracks[self._given] = _Track(
                box, np.zeros(4), rotation, np.zeros(3), float(heads.expected_error_deg[i]), time_s
            )
        self.carry(ids, heads, time_s)
        return ids

    def carry(self, track_id: Int, heads: HeadPoses, time_s: float) -> None:
        """See `Tracker`; identities that it has never given or has forgotten are passed over."""
        for i, key in enumerate(track_id):
            if int(key) in self._tracks:
                self._tracks[int(key)].see(heads.box[i], heads.rotation[i], float(heads.expected_error_deg[i]), time_s)

    def _affinity(self, tracks: list[_Track], heads: HeadPoses, time_s: float) -> Float:
        """How well heads fit tracks, (n, m); 0 or less where they must not match."""
        box = np.stack([track.box_at(time_s) for track in tracks])
        overlap = box_math.iou(heads.box, box)
        side = np.sqrt(np.maximum(box_math.area(box), 1e-9))[None]
        ratio = np.sqrt(np.maximum(box_math.area(heads.box), 1e-9))[:, None] / side
        centre, expected = (heads.box[:, :2] + heads.box[:, 2:]) / 2, (box[:, :2] + box[:, 2:]) / 2
        distance = np.linalg.norm(centre[:, None] - expected[None], axis=-1) / side
        rotation = np.stack([track.rotation_at(time_s) for track in tracks])
        angle = geodesic_distance(heads.rotation[:, None], rotation[None])
        readable = (heads.expected_error_deg[:, None] <= UNREADABLE_DEG) & (
            np.array([track.error_deg for track in tracks])[None] <= UNREADABLE_DEG
        )
        # The longer a head was out of sight, the farther it may have gone.
        unseen = np.array([time_s - track.time_s for track in tracks])[None]
        allowed = (distance < 1.0 + np.minimum(unseen, 1.0)) & (ratio > 0.5) & (ratio < 2.0)
        turned = np.where(readable, (1 - np.cos(angle)) / 2, 0.0)
        return np.where(allowed, 0.05 + 0.5 * overlap + 0.5 * np.exp(-2 * distance**2) - 0.5 * turned, 0.0)

    def state(self) -> dict[str, Any]:
        """See `Tracker`."""
        rows = {
            str(key): [t.box.tolist(), t.velocity.tolist(), t.rotation.tolist(), t.spin.tolist(), t.error_deg, t.time_s]
            for key, t in self._tracks.items()
        }
        return {"given": self._given, "tracks": rows}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Tracker`; exact to the bit."""
        self._given = int(state["given"])
        self._tracks = {
            int(key): _Track(np.array(b), np.array(v), np.array(r), np.array(s), float(e), float(t))
            for key, (b, v, r, s, e, t) in state["tracks"].items()
        }


_SURE, _BEGINS = 0.25, 0.35
"""Detection scores of ByteTrack's first association, and from which on a head that nobody expects is followed."""


class ByteTracker:
    """ByteTrack, from the package `trackers`. Raises MissingExtraError without it.

    rate: how often the detector runs, a second.
    """

    def __init__(self, rate: float = 30.0) -> None:
        try:
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise MissingExtraError("ByteTrack", "tracking") from error
        self._inner: Any = ByteTrackTracker(
            frame_rate=max(1.0, rate), minimum_consecutive_frames=1,
            track_activation_threshold=_BEGINS, high_conf_det_threshold=_SURE,
        )  # fmt: skip
        self._given = 0
        self._own: dict[int, int] = {}  # its identities → ours: some of its versions count over the whole process

    def update(self, heads: HeadPoses, time_s: float) -> Int:
        """See `Tracker`. A head has no identity before its second detection."""
        detections = heads.to_supervision()
        detections.data["row"] = np.arange(len(heads))  # what comes back may have another order
        followed = self._inner.update(detections)
        ids = np.full(len(heads), UNTRACKED, dtype=np.int64)
        if len(followed):
            theirs = np.asarray(followed.tracker_id).tolist()
            ids[np.asarray(followed.data["row"], dtype=np.int64)] = [self._ours(identity) for identity in theirs]
        return ids

    def _ours(self, identity: int) -> int:
        if identity < 0:
            return UNTRACKED
        if identity not in self._own:
            self._given += 1
            self._own[identity] = self._given
        return self._own[identity]

    def carry(self, track_id: Int, heads: HeadPoses, time_s: float) -> None:
        """Nothing: ByteTrack has a motion model of its own."""

    def state(self) -> dict[str, Any]:
        """See `Tracker`; ByteTrack's own state cannot be kept."""
        return {"largest": self._given}

    def restore(self, state: dict[str, Any]) -> None:
        """Identities begin anew, above all that were given."""
        self._given, self._own = int(state["largest"]), {}
        self._inner.reset()
