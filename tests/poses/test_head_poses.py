from __future__ import annotations

import copy
import csv
import dataclasses
import io
import json
import pickle
import sys
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, geodesic_distance, random_rotations
from semiuhpe.poses.head_poses import HeadPoses


def heads(count: int = 4, seed: int = 0) -> HeadPoses:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 50, (count, 2))
    box = np.concatenate([corner, corner + 20], axis=1)
    return HeadPoses(
        rotation=random_rotations(count, rng),
        box=box,
        detection_score=rng.random(count),
        expected_error_deg=rng.uniform(2, 60, count),
        error_90_deg=rng.uniform(5, 90, count),
        entropy=-rng.random(count),
    )


def test_angles_of_hand_made_poses() -> None:
    wanted = np.array([[0, 0, 0], [45, 10, -5], [180, 0, 0], [-135, -30, 20]], float)
    rotation = from_azimuth_elevation_tilt(*np.radians(wanted).T)
    poses = HeadPoses(
        rotation=rotation,
        box=np.tile([0, 0, 9, 9], (4, 1)),
        detection_score=np.ones(4),
        expected_error_deg=np.ones(4),
        error_90_deg=np.ones(4),
        entropy=np.zeros(4),
    )
    np.testing.assert_allclose(np.stack([poses.azimuth_deg, poses.elevation_deg, poses.tilt_deg], 1), wanted, atol=1e-9)
    np.testing.assert_allclose(poses.facing[0], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(poses.euler("300w-lp")[0], 0, atol=1e-9)


def test_dict_json_and_csv_round_trip() -> None:
    poses = heads()
    back = HeadPoses.from_dict(json.loads(poses.to_json()))
    assert np.degrees(geodesic_distance(back.rotation, poses.rotation)).max() < 1e-3
    np.testing.assert_allclose(back.box, poses.box, atol=0.01)
    rows = list(csv.DictReader(io.StringIO(poses.to_csv())))
    assert len(rows) == 4
    assert float(rows[2]["azimuth_deg"]) == pytest.approx(poses.azimuth_deg[2], abs=0.01)
    assert "300w-lp_yaw_deg" in rows[0]


def test_indexing_and_concatenation() -> None:
    poses = heads()
    assert len(poses[1]) == 1
    assert len(poses[-1]) == 1
    assert len(poses[1:3]) == 2
    assert len(poses[[]]) == 0
    np.testing.assert_array_equal(poses[poses.box[:, 0] > 1e9].box, np.zeros((0, 4)))
    joined = HeadPoses.concatenate([poses[:1], HeadPoses.empty(), poses[1:]])
    np.testing.assert_array_equal(joined.rotation, poses.rotation)
    assert [len(one) for one in poses] == [1] * 4
    with pytest.raises(IndexError):
        poses[4]


def test_empty_is_a_container_like_any_other() -> None:
    empty = HeadPoses.empty()
    assert empty.azimuth_deg.shape == (0,)
    assert empty.euler().shape == (0, 3)
    assert empty.quaternion.shape == (0, 4)
    assert empty.to_dict() == []
    assert repr(empty) == "HeadPoses(no heads)"
    image = np.zeros((9, 9, 3), np.uint8)
    np.testing.assert_array_equal(empty.draw(image), image)


def test_repr_tells_the_poses_and_long_ones_stay_short() -> None:
    assert "azimuth" in repr(heads())
    assert len(repr(heads(500)).splitlines()) < 30


def test_lengths_must_match() -> None:
    with pytest.raises(InputError, match="box"):
        HeadPoses(
            rotation=np.eye(3)[None],
            box=np.zeros((2, 4)),
            detection_score=np.ones(1),
            expected_error_deg=np.ones(1),
            error_90_deg=np.ones(1),
            entropy=np.ones(1),
        )
    with pytest.raises(InputError, match=r"\(n, 3, 3\)"):
        HeadPoses(
            rotation=np.eye(3),
            box=np.zeros((1, 4)),
            detection_score=np.ones(1),
            expected_error_deg=np.ones(1),
            error_90_deg=np.ones(1),
            entropy=np.ones(1),
        )


def test_numbers_must_be_finite() -> None:
    for name in ("detection_score", "expected_error_deg"):
        with pytest.raises(InputError, match=name):
            dataclasses.replace(heads(1), **{name: np.array([np.nan])})


def test_labels_and_styles_are_drawn() -> None:
    image, poses = np.zeros((120, 160, 3), np.uint8), heads(2)
    plain, labelled = poses.draw(image), poses.draw(image, labels=True)
    assert (plain != labelled).any()
    assert (poses.draw(image, "cube") != poses.draw(image, "cube", labels=True)).any()
    assert not image.any()
    with pytest.raises(InputError, match="style"):
        poses.draw(image, "portrait")  # type: ignore[call-overload]


def test_supervision_is_used_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    module = types.ModuleType("supervision")
    module.Detections = lambda **parts: made.update(parts)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", module)
    heads(3).to_supervision()
    assert np.shape(made["xyxy"]) == (3, 4)
    assert np.shape(made["data"]["rotation"]) == (3, 3, 3)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"semiuhpe\[tracking\]"):
        heads(3).to_supervision()


def test_malformed_dicts_are_told() -> None:
    wrongs: list[Any] = [[{}], [{"rotation": "x"}], [5]]
    for wrong in wrongs:
        with pytest.raises(InputError):
            HeadPoses.from_dict(wrong)


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        heads().rotation[0, 0, 0] = 1


def test_a_value_is_equal_to_its_like_and_to_nothing_else() -> None:
    assert heads() == heads()
    assert heads() != heads(seed=1)
    assert heads(3) != heads(4)
    assert heads() != "heads"
    assert dataclasses.replace(heads(), track_id=np.array([1, 2, 3, 4])) != heads()
    with pytest.raises(TypeError):
        HeadPoses(np.eye(3)[None], np.zeros((1, 4)))  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        heads().box = np.zeros((4, 4))  # type: ignore[misc]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_heads_are_the_same_and_stay_read_only(protocol: int) -> None:
    poses = dataclasses.replace(heads(), track_id=np.array([4, 5, -1, 6]))
    for value in (poses, HeadPoses.empty()):
        back = pickle.loads(pickle.dumps(value, protocol))
        assert back == value
        assert not any(array.flags.writeable for array in back.arrays().values())
    assert copy.deepcopy(poses) == poses


def test_heads_cross_to_another_process_and_back() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(HeadPoses.__getitem__, heads(), slice(None, None, -1)).result(timeout=120) == heads()[::-1]
