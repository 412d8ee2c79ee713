"""The trackers: which head of this frame is which head of the last ones.

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
from semiuhpe.tracking.appearance import likeness
from semiuhpe.tracking.assignment import assign

Int = NDArray[np.int64]

UNTRACKED = -1

_ALIKE = 0.82
"""Likeness from which on somebody who comes up may be one who was lost."""
_LOOK_SHARE = 0.2
"""Of each new look in what is remembered of a person."""
_WALK = 4.0
"""Sides of a head that people walk in a second: about a metre."""


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
    """box: (4,) when last seen, moving with velocity (4,) a second; rotation: (3, 3), turning by spin (3,) radians a second;
    look: as `appearance.describe` tells, None where nobody looked.
    """

    box: Float
    velocity: Float
    rotation: Float
    spin: Float
    error_deg: float
    time_s: float
    look: Float | None = None

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

    def see_look(self, look: Float) -> None:
        self.look = look.copy() if self.look is None else (1 - _LOOK_SHARE) * self.look + _LOOK_SHARE * look


class MotionTracker:
    """Boxes and rotations at constant velocity, matched at the least total cost.

    Two heads that cross overlap in their boxes but seldom in the way they are turned, so the cost of a match is made of
    overlap, distance and, where both poses are readable, the angle between the expected and the seen rotation.

    memory_s: a head that comes back within so long, where its motion took it, keeps its identity. reidentify_s: one that
    nobody expects any more keeps it for so long too, if it looks alike and could have walked there; 0 for never. Identities
    count from 1 and are never reused.
    """

    def __init__(self, memory_s: float = 1.5, reidentify_s: float = 5.0) -> None:
        self.memory_s, self.reidentify_s = memory_s, reidentify_s
        self._tracks: dict[int, _Track] = {}
        self._given = 0

    def update(self, heads: HeadPoses, time_s: float, looks: Float | None = None) -> Int:
        """See `Tracker`. Every head gets an identity at once. looks: (n, d) of the heads, as `appearance.describe` tells."""
        self._tracks = {key: track for key, track in self._tracks.items() if self._remembers(track, time_s)}
        ids = np.full(len(heads), UNTRACKED, dtype=np.int64)
        expected = [key for key, track in self._tracks.items() if time_s - track.time_s <= self.memory_s]
        if expected and len(heads):
            affinity = self._affinity([self._tracks[key] for key in expected], heads, time_s)
            _match(affinity, np.arange(len(heads)), expected, ids)
        if looks is not None:
            self._reidentify(heads, looks, time_s, ids)
        for i in np.flatnonzero(ids == UNTRACKED):
            self._given += 1
            ids[i] = self._given
            box, rotation = heads.box[i].copy(), heads.rotation[i].copy()
            self._tracks[self._given] = _Track(
                box, np.zeros(4), rotation, np.zeros(3), float(heads.expected_error_deg[i]), time_s
            )
        self.carry(ids, heads, time_s)
        if looks is not None:
            for key, look in zip(ids, looks, strict=True):
                self._tracks[int(key)].see_look(look)
        return ids

    def _remembers(self, track: _Track, time_s: float) -> bool:
        longest = self.memory_s if track.look is None else max(self.memory_s, self.reidentify_s)
        return time_s - track.time_s <= longest

    def _reidentify(self, heads: HeadPoses, looks: Float, time_s: float, ids: Int) -> None:
        """Give heads that nobody expected the identities of lost ones that look alike and could have come so far."""
        taken = set(ids.tolist())
        lost = [key for key, track in self._tracks.items() if key not in taken and track.look is not None]
        new = np.flatnonzero(ids == UNTRACKED)
        if not self.reidentify_s or not lost or not len(new):
            return
        tracks = [self._tracks[key] for key in lost]
        alike = likeness(looks[new], np.stack([track.look for track in tracks if track.look is not None]))
        box = np.stack([track.box for track in tracks])
        unseen = np.array([time_s - track.time_s for track in tracks])[None]
        distance, ratio = _distance_and_ratio(heads.box[new], box)
        reachable = (distance < 1.0 + _WALK * unseen) & (ratio > 0.5) & (ratio < 2.0)
        # Of two who look the same, the nearer one; how near matters less the longer nobody looked.
        nearness = 0.05 * np.exp(-distance / (1.0 + _WALK * unseen))
        _match(np.where(reachable & (alike >= _ALIKE), alike - _ALIKE + nearness, 0.0), new, lost, ids)

    def carry(self, track_id: Int, heads: HeadPoses, time_s: float) -> None:
        """See `Tracker`; identities that it has never given or has forgotten are passed over."""
        for i, key in enumerate(track_id):
            if int(key) in self._tracks:
                self._tracks[int(key)].see(heads.box[i], heads.rotation[i], float(heads.expected_error_deg[i]), time_s)

    def _affinity(self, tracks: list[_Track], heads: HeadPoses, time_s: float) -> Float:
        """How well heads fit tracks, (n, m); 0 or less where they must not match."""
        box = np.stack([track.box_at(time_s) for track in tracks])
        overlap = box_math.iou(heads.box, box)
        distance, ratio = _distance_and_ratio(heads.box, box)
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
            str(key): [
                t.box.tolist(),
                t.velocity.tolist(),
                t.rotation.tolist(),
                t.spin.tolist(),
                t.error_deg,
                t.time_s,
                None if t.look is None else t.look.tolist(),
            ]
            for key, t in self._tracks.items()
        }
        return {"given": self._given, "tracks": rows}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Tracker`; exact to the bit."""
        self._given = int(state["given"])
        self._tracks = {
            int(key): _Track(
                np.array(b),
                np.array(v),
                np.array(r),
                np.array(s),
                float(e),
                float(t),
                None if look is None else np.array(look),
            )
            for key, (b, v, r, s, e, t, look) in state["tracks"].items()
        }


def _match(affinity: Float, heads: Int, keys: list[int], ids: Int) -> None:
    """Write into `ids`, at `heads`, the keys that fit best in all; affinity (heads, keys), 0 or less for never."""
    # What may not match costs as much as no match, so it is never preferred to one that may.
    for row, column in enumerate(assign(-np.maximum(affinity, 0.0))):
        if column >= 0 and affinity[row, column] > 0:
            ids[heads[row]] = keys[column]


def _distance_and_ratio(boxes: Float, tracked: Float) -> tuple[Float, Float]:
    """Of every pair (n, m): distance of the middles and ratio of the sides, in sides of the tracked one."""
    side = np.sqrt(np.maximum(box_math.area(tracked), 1e-9))[None]
    ratio = np.sqrt(np.maximum(box_math.area(boxes), 1e-9))[:, None] / side
    centre, expected = (boxes[:, :2] + boxes[:, 2:]) / 2, (tracked[:, :2] + tracked[:, 2:]) / 2
    return np.asarray(np.linalg.norm(centre[:, None] - expected[None], axis=-1) / side), np.asarray(ratio)


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
            frame_rate=max(1.0, rate),
            minimum_consecutive_frames=1,
            track_activation_threshold=_BEGINS,
            high_conf_det_threshold=_SURE,
        )
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
