"""A store labelled from end to end: what becomes of each head, kills, threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.labels import label_of
from helpers.tiny_onnx import write_opentrack_network, write_pose_weights

import semiuhpe
from semiuhpe.errors import InputError, StoreError, WeightsError
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation, rotation_x, rotation_y
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.labelling.committee import NOBODY, OWN_SIGMA, Limits, Rules
from semiuhpe.labelling.labels import DAMAGED
from semiuhpe.labelling.opinion import ViewAnswer
from semiuhpe.labelling.run import GROUP, LabelSettings, label_store
from semiuhpe.labelling.teachers import Teacher, open_teachers
from semiuhpe.poses.uncertainty import expected_error_deg

BOX = (40.0, 40.0, 88.0, 88.0)
SOURCE = str(Path(semiuhpe.__file__).parents[1])
TURN = 0.4  # of the tiny network: its quaternion's y is this times (left − right)


def picture(left: int, right: int) -> bytes:
    """Two halves, 128 × 128, the border between them in the middle of the head."""
    pixels = np.zeros((128, 128, 3), np.uint8)
    pixels[:, :64], pixels[:, 64:] = left, right
    return cv2.imencode(".png", pixels)[1].tobytes()


def pose_of(left: int, right: int) -> np.ndarray:
    return rotation_y(2 * np.arctan(TURN * (left - right) / 255))


def make_store(path: Path, count: int = 40, **fields: object) -> Path:
    """Bright heads of grey halves that differ, so that each has a turn of its own."""
    with HeadStoreWriter(path, {"made": "by a test"}) as writer:
        for i in range(count):
            record = {"split": "unlabelled", "subject": f"p{i // 2}", "rotation": None, "extras": {"n": i}, **fields}
            writer.add(HeadRecord(f"h{i}", "halves", box=BOX, **record), picture(*halves(i)))  # type: ignore[arg-type]
    return path


def halves(i: int) -> tuple[int, int]:
    return 140 + 5 * (i % 20), 240 - 3 * (i % 23)


def opentrack(folder: Path, **network: object) -> list[Teacher]:
    folder.mkdir(exist_ok=True)
    path = write_opentrack_network(folder / "o.onnx", turn=(TURN, 0.0), **network)  # type: ignore[arg-type]
    return open_teachers([("opentrack", str(path))])


def records(path: Path) -> list[str]:
    return [record.to_json() for record in HeadStore(path)]


def test_heads_get_labels_beliefs_and_splits(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s")
    label_store(store, tmp_path / "out", opentrack(tmp_path / "net"), workers=2)
    source, out = HeadStore(store), HeadStore(tmp_path / "out")
    assert [r.id for r in out] == [r.id for r in source]
    for i, record in enumerate(out):
        assert out.encoded(i) == source.encoded(i)
        assert record.rotation is not None
        # The crop's border of halves is sharp at its own size only: the mean over views is within half a degree.
        assert np.degrees(geodesic_distance(label_of(record), pose_of(*halves(i)))) < 0.5
        assert record.split == split_by_subject(f"p{i // 2}", val=0.1)
        assert record.extras["n"] == i
        belief = np.reshape(record.extras["belief"], (3, 3))
        np.testing.assert_allclose(project_to_rotation(belief), label_of(record), atol=1e-9)
        assert record.extras["label_sigma_deg"] == pytest.approx(float(expected_error_deg(belief, 1.0)))
        # Three axes of 2°, the floor of 1°, and the spread of the views.
        told = record.extras["labelling"]
        assert told["by"] == "committee"
        spread = told["teachers"]["opentrack"]["spread_deg"]
        assert record.extras["label_sigma_deg"] == pytest.approx(np.sqrt(13 + spread**2), rel=0.01)
        assert told["teachers"]["opentrack"]["sha256"] == out.meta["teachers"]["opentrack"]["sha256"][:12]
    assert {r.split for r in out} == {"train", "val"}
    assert out.meta["of"] == {"store": "s", "meta": {"made": "by a test"}}
    assert json.loads(json.dumps(out.meta))["settings"]["scales"] == [0.9, 1.0, 1.1]


def test_mirror_images_cancel_a_leaning_network(tmp_path: Path) -> None:
    """A network that adds 20° to the left of every head, and has half of its views mirrored."""
    store = make_store(tmp_path / "s", 3)

    def leaning(crops: np.ndarray) -> ViewAnswer:
        return ViewAnswer(np.tile(rotation_y(np.radians(20)), (len(crops), 1, 1)), np.ones(len(crops), bool))

    teachers = [Teacher("leaning", 32, 1.3, leaning, Limits(azimuth_deg=90))]
    label_store(store, tmp_path / "plain", teachers, LabelSettings(scales=(1.0,), mirrored=False))
    plain = HeadStore(tmp_path / "plain").record(0)
    assert np.degrees(geodesic_distance(label_of(plain), np.eye(3))) == pytest.approx(20)
    label_store(store, tmp_path / "both", teachers, LabelSettings(scales=(1.0,)))
    told = HeadStore(tmp_path / "both").record(0).extras["labelling"]
    assert told["by"] == "nobody" and told["teachers"]["leaning"]["distrust"] == "views apart"
    assert told["teachers"]["leaning"]["spread_deg"] == pytest.approx(20)


def test_dark_heads_stay_unlabelled_and_say_why(tmp_path: Path) -> None:
    with HeadStoreWriter(tmp_path / "s") as writer:
        writer.add(HeadRecord("bright", "x", "unlabelled", "", BOX), picture(200, 200))
        writer.add(HeadRecord("dark", "x", "unlabelled", "", BOX), picture(20, 20))
        writer.add(HeadRecord("broken", "x", "unlabelled", "", BOX), b"\xff\xd8 no picture")
        writer.add(HeadRecord("dark too", "x", "train", "", BOX, np.eye(3)), picture(20, 20))
    teachers = opentrack(tmp_path / "net", dark_deg=30.0)
    label_store(tmp_path / "s", tmp_path / "out", teachers, LabelSettings(given="replace"))
    bright, dark, broken, lost = HeadStore(tmp_path / "out")
    assert bright.rotation is not None and bright.split != "unlabelled"
    assert dark.rotation is None and dark.split == "unlabelled" and "belief" not in dark.extras
    assert dark.extras["labelling"]["reason"] == NOBODY
    assert dark.extras["labelling"]["teachers"]["opentrack"]["distrust"] == OWN_SIGMA
    assert broken.rotation is None and broken.extras["labelling"]["reason"] == DAMAGED
    assert HeadStore(tmp_path / "out").encoded(2) == b"\xff\xd8 no picture"
    assert lost.rotation is None and lost.split == "unlabelled"
    assert lost.extras["given_rotation"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("given", ["keep", "replace"])
def test_labels_that_a_store_has(tmp_path: Path, given: str) -> None:
    known = rotation_x(0.2)
    with HeadStoreWriter(tmp_path / "s") as writer:
        for split in ("train", "test"):
            extras = {"label_sigma_deg": 2.5}
            writer.add(HeadRecord(split, "x", split, "p", BOX, known, extras), picture(200, 200))
        writer.add(HeadRecord("open test", "x", "test", "p", BOX), picture(200, 200))
    settings = LabelSettings(given=given)  # type: ignore[arg-type]
    label_store(tmp_path / "s", tmp_path / "out", opentrack(tmp_path / "net"), settings)
    train, test, first = HeadStore(tmp_path / "out")
    np.testing.assert_array_equal(test.rotation, known)
    assert test.extras["labelling"]["by"] == "given" and test.extras["label_sigma_deg"] == 2.5
    assert "quaternion" in test.extras["labelling"]  # what the committee would have said
    assert first.split == "test" and first.rotation is not None
    assert train.split == "train"
    if given == "keep":
        np.testing.assert_array_equal(train.rotation, known)
        assert train.extras["label_sigma_deg"] == 2.5 and "belief" not in train.extras
    else:
        assert geodesic_distance(label_of(train), np.eye(3)) < 1e-6
        np.testing.assert_array_equal(np.reshape(train.extras["given_rotation"], (3, 3)), known)
        assert train.extras["label_sigma_deg"] != 2.5


def test_heads_of_one_photo_share_a_split(tmp_path: Path) -> None:
    with HeadStoreWriter(tmp_path / "s") as writer:
        for photo in range(12):
            for number in range(3):
                identity = f"{photo}.jpg#{number}" if number else f"{photo}.jpg"
                writer.add(HeadRecord(identity, "x", "unlabelled", "", BOX), picture(200, 200))
    label_store(tmp_path / "s", tmp_path / "out", opentrack(tmp_path / "net"), LabelSettings(val=0.5))
    splits: dict[str, set[str]] = {}
    for record in HeadStore(tmp_path / "out"):
        splits.setdefault(record.id.partition("#")[0], set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "val"}


def hurried(crops: np.ndarray) -> ViewAnswer:
    """Answers late and out of turn, always the same to the same crops."""
    time.sleep(float(np.random.default_rng().uniform(0, 0.004)))
    turn = (crops[:, :, :16].mean(axis=(1, 2, 3)) - crops[:, :, 16:].mean(axis=(1, 2, 3))) / 255
    return ViewAnswer(rotation_y(turn), np.ones(len(crops), bool))


def test_the_store_is_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s", 5 * GROUP + 3)
    teachers = [Teacher("hurried", 32, 1.3, hurried, Limits()), *opentrack(tmp_path / "net")]
    for workers in (1, 4):
        label_store(store, tmp_path / f"out{workers}", teachers, workers=workers)
    assert records(tmp_path / "out1") == records(tmp_path / "out4")


_LABEL = """
import os, sys
sys.path[:0] = sys.argv[3:]
from test_run_child import Limits, Teacher, hurried, label_store
def told(crops):
    os.write(1, b"answered\\n")  # in one piece, whoever else writes
    return hurried(crops)
label_store(sys.argv[1], sys.argv[2], [Teacher("hurried", 32, 1.3, told, Limits())], workers=2)
"""


@pytest.mark.parametrize("answers", [3, 20, 33])
def test_killed_at_any_moment_the_same_command_goes_on(tmp_path: Path, answers: int) -> None:
    store = make_store(tmp_path / "s", 6 * GROUP + 5)
    teachers = [Teacher("hurried", 32, 1.3, hurried, Limits())]
    label_store(store, tmp_path / "whole", teachers)
    (tmp_path / "test_run_child.py").write_bytes(Path(__file__).read_bytes())
    helpers = str(Path(__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-c", _LABEL, str(store), str(tmp_path / "out"), str(tmp_path), helpers],
        env={**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stderr is not None
    for _ in range(answers):
        assert child.stdout.readline() == "answered\n", child.stderr.read()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    left = HeadStore(tmp_path / "out")
    assert len(left) % GROUP == 0 and len(left) < 6 * GROUP + 5
    del left
    label_store(store, tmp_path / "out", teachers)
    assert records(tmp_path / "out") == records(tmp_path / "whole")
    label_store(store, tmp_path / "out", teachers)  # nothing left to do
    assert len(HeadStore(tmp_path / "out")) == 6 * GROUP + 5


def test_a_store_of_other_settings_or_heads_is_refused(tmp_path: Path) -> None:
    store, teachers = make_store(tmp_path / "s", 3), opentrack(tmp_path / "net")
    label_store(store, tmp_path / "out", teachers)
    with pytest.raises(StoreError, match="begun with other settings"):
        label_store(store, tmp_path / "out", teachers, LabelSettings(mirrored=False))
    (tmp_path / "other").mkdir()
    with HeadStoreWriter(tmp_path / "other" / "s", {"made": "by a test"}) as writer:
        writer.add(HeadRecord("another", "x", "unlabelled", "", BOX), picture(9, 9))
    with pytest.raises(StoreError, match="holds other heads than"):
        label_store(tmp_path / "other" / "s", tmp_path / "out", teachers)
    with pytest.raises(InputError, match="labels go into a new store"):
        label_store(store, store, teachers)
    two = LabelSettings(rules=Rules(min_teachers=2))
    with pytest.raises(InputError, match="2 teachers must agree, and there are 1"):
        label_store(store, tmp_path / "out2", teachers, two)


@pytest.mark.parametrize("wrong", [{"scales": ()}, {"scales": (0.0,)}, {"val": 2.0}])
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        LabelSettings(**wrong)  # type: ignore[arg-type]


def test_teachers_by_name(tmp_path: Path) -> None:
    own, peer = write_pose_weights(tmp_path), write_opentrack_network(tmp_path / "o.onnx")
    committee = open_teachers([("weights", str(own)), ("opentrack", str(peer)), ("weights", str(own))])
    assert [t.name for t in committee] == ["weights", "opentrack", "weights-2"]
    assert committee[1].margin == 1.0 and committee[1].limits.own_deg == 10
    assert all(len(t.fingerprint) == 12 for t in committee)
    answer = committee[0].answer(np.full((2, 32, 32, 3), 90, np.uint8))
    assert answer.covariance is not None and answer.covariance.shape == (2, 3, 3)
    with pytest.raises(InputError, match="no teacher is known as 'nobody'; give one of weights, fsa-net"):
        open_teachers([("nobody", "x")])
    with pytest.raises(InputError, match="needs its file"):
        open_teachers([("opentrack", "")])
    with pytest.raises(InputError, match="takes no file"):
        open_teachers([("face-mesh", "x.tflite")])
    with pytest.raises(InputError, match="a committee needs a teacher"):
        open_teachers([])
    with pytest.raises(WeightsError, match=r"missing\.onnx: .*give a peer's \.onnx file"):
        open_teachers([("whenet", str(tmp_path / "missing.onnx"))])
