"""Heads of frames that pages send are followed, and what is remembered of strangers stays small."""

from __future__ import annotations

import numpy as np

from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.web.identities import Identities, Moment


def at(*lefts: float) -> HeadPoses:
    """Heads of 20 pixels side by side, one after the other in the list."""
    count = len(lefts)
    box = [[left, 0.0, left + 20, 20.0] for left in lefts]
    return HeadPoses(
        rotation=np.tile(np.eye(3), (count, 1, 1)),
        box=box,
        detection_score=np.ones(count),
        expected_error_deg=np.full(count, 5.0),
        error_90_deg=np.full(count, 9.0),
        entropy=np.ones(count),
    )


def test_whoever_moves_on_keeps_the_identity_whatever_the_order_of_the_list() -> None:
    identities = Identities()
    assert identities(Moment("a", 0.0), at(0, 100, 200)).track_id.tolist() == [1, 2, 3]
    assert identities(Moment("a", 0.1), at(204, 5, 103)).track_id.tolist() == [3, 1, 2]
    assert identities(Moment("a", 0.2), at(206, 400)).track_id.tolist() == [3, 4]


def test_streams_know_nothing_of_each_other_and_the_least_used_is_forgotten() -> None:
    identities = Identities(streams=2)
    for time_s, name in enumerate("abac"):
        identities(Moment(name, 0.1 * time_s), at(0))
    assert identities(Moment("a", 0.4), at(300, 0)).track_id.tolist() == [2, 1]
    assert identities(Moment("b", 0.4), at(300)).track_id.tolist() == [1]


def test_where_time_goes_back_nobody_is_taken_for_another() -> None:
    identities = Identities()
    identities(Moment("a", 5.0), at(0, 100))
    assert identities(Moment("a", 1.0), at(0, 100)).track_id.tolist() == [3, 4]
    assert identities(Moment("a", 1.1), at(100, 0)).track_id.tolist() == [4, 3]


def test_a_stream_of_ever_new_heads_is_not_remembered_for_ever() -> None:
    identities = Identities(heads=10)
    seen = [identities(Moment("a", i * 1e-6), at(1000.0 * i)).track_id[0] for i in range(30)]
    assert seen == list(range(1, 31))
    tracker, _ = identities._trackers["a"]
    assert len(tracker.state()["tracks"]) <= 12


def test_frames_without_heads_are_no_frames_without_identities() -> None:
    identities = Identities()
    assert identities(Moment("a", 0.0), HeadPoses.empty()).track_id.shape == (0,)
    assert identities(Moment("a", 0.1), at(0)).track_id.tolist() == [1]
