"""Filling a store: the same pictures for any number of processes, splits by person, and life after kill -9."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from semiuhpe.cli.synthesize import main
from semiuhpe.errors import AssetsError, RenderingError, StoreError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore
from semiuhpe.synthesis.generate import SynthesisSettings, split_of, synthesize

SETTINGS = SynthesisSettings(count=10, identities=4, size=96, seed=5)


def pictures(path):
    store = HeadStore(path)
    return {record.id: (store.encoded(i), record.to_json()) for i, record in enumerate(store.records)}


@pytest.fixture(scope="module")
def reference(renderer, tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "store"
    list(synthesize(path, SETTINGS))
    return path


def test_the_store_holds_the_asked_for_heads(reference):
    store = HeadStore(reference)
    assert len(store) == SETTINGS.count
    assert len({record.subject for record in store}) == SETTINGS.identities
    for index, record in enumerate(store.records):
        assert store.image(index).shape == (96, 96, 3)
        angles = np.degrees(azimuth_elevation_tilt(record.rotation))
        assert abs(angles[0] - record.extras["azimuth_deg"]) < 0.01
        assert record.split == split_of(int(record.subject.split("-")[1]), SETTINGS)
        x1, y1, x2, y2 = record.box
        assert abs((x2 - x1 + y2 - y1) / 2 - 96 / 2.6) < 1e-6


def test_two_processes_make_the_same_pictures(reference, tmp_path):
    list(synthesize(tmp_path / "store", SETTINGS, workers=2))
    assert pictures(tmp_path / "store") == pictures(reference)


def test_a_killed_job_continues_to_the_same_store(reference, tmp_path):
    store = tmp_path / "store"
    arguments = [str(store), "--count", "10", "--identities", "4", "--size", "96", "--seed", "5"]
    code = "import sys; from semiuhpe.cli.synthesize import main; sys.exit(main(sys.argv[1:]))"
    job = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    # The bar shows how many heads are stored: kill once there are some, while others are in work.
    shown = ""
    while job.poll() is None and "3/10" not in shown:
        shown += job.stderr.read(1)
    os.killpg(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    result = subprocess.run([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True, check=True)
    assert "| 0/10" not in result.stderr  # it did not begin anew
    assert pictures(store) == pictures(reference)


def test_other_settings_do_not_mix_into_a_store(reference):
    with pytest.raises(StoreError, match="other settings"):
        list(synthesize(reference, SynthesisSettings(count=10, identities=4, size=96, seed=6)))


def test_splits_are_by_person_and_about_as_asked():
    settings = SynthesisSettings(val=0.1, test=0.2)
    splits = [split_of(number, settings) for number in range(3000)]
    assert abs(splits.count("val") / 3000 - 0.1) < 0.02
    assert abs(splits.count("test") / 3000 - 0.2) < 0.02
    assert splits == [split_of(number, settings) for number in range(3000)]


@pytest.mark.parametrize(
    "bad", [{"count": 0}, {"identities": 0}, {"size": 16}, {"front_bias": 2.0}, {"val": 0.6, "test": 0.6}]
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(AssetsError):
        SynthesisSettings(**bad)


def test_a_folder_without_assets_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(AssetsError, match=r"base\.obj"):
        main([str(tmp_path / "store"), "--assets", str(tmp_path), "--count", "2", "--identities", "1"])


def test_a_folder_without_photos_is_refused(renderer, tmp_path):
    with pytest.raises(AssetsError, match="photos"):
        main([str(tmp_path / "store"), "--backgrounds", str(tmp_path), "--count", "2", "--identities", "1"])


def test_a_rendering_process_that_dies_ends_the_job_with_a_word(renderer, reference, tmp_path):
    heads = synthesize(tmp_path / "store", SETTINGS, workers=2)
    assert next(heads) == 0
    next(heads)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(RenderingError, match="run the same command again"):
        list(heads)
    list(synthesize(tmp_path / "store", SETTINGS, workers=2))
    assert pictures(tmp_path / "store") == pictures(reference)
