"""Filling a store: the same pictures for any number of processes, splits by person, and life after kill -9."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.labels import label_of

from semiuhpe.cli.synthesize import main
from semiuhpe.errors import AssetsError, RenderingError, StoreError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore
from semiuhpe.synthesis.generate import Inputs, SynthesisSettings, head_id, split_of, synthesize
from semiuhpe.synthesis.renderer import Renderer
from semiuhpe.synthesis.report import shares

SETTINGS = SynthesisSettings(count=10, identities=4, size=96, seed=5)


def pictures(path: Path) -> list[tuple[str, bytes, str]]:
    """Everything in a store, in its order."""
    store = HeadStore(path)
    return [(record.id, store.encoded(i), record.to_json()) for i, record in enumerate(store.records)]


@pytest.fixture(scope="module")
def reference(renderer: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "store"
    list(synthesize(path, SETTINGS))
    return path


def test_the_store_holds_the_asked_for_heads(reference: Path) -> None:
    store = HeadStore(reference)
    assert len(store) == SETTINGS.count
    assert len({record.subject for record in store}) == SETTINGS.identities
    for index, record in enumerate(store.records):
        assert store.image(index).shape == (96, 96, 3)
        angles = np.degrees(azimuth_elevation_tilt(label_of(record)))
        assert abs(angles[0] - record.extras["azimuth_deg"]) < 0.01
        assert record.split == split_of(int(record.subject.split("-")[1]), SETTINGS)
        x1, y1, x2, y2 = record.box
        assert abs((x2 - x1 + y2 - y1) / 2 - 96 / 2.6) < 1e-6


def test_two_processes_make_the_same_pictures_in_the_same_order(reference: Path, tmp_path: Path) -> None:
    list(synthesize(tmp_path / "store", SETTINGS, workers=2))
    assert pictures(tmp_path / "store") == pictures(reference)


def test_a_killed_job_continues_to_the_same_store(reference: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    arguments = [str(store), "--count", "10", "--identities", "4", "--size", "96", "--seed", "5"]
    code = "import sys; from semiuhpe.cli.synthesize import main; sys.exit(main(sys.argv[1:]))"
    job = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    assert job.stderr is not None
    # The bar shows how many heads are stored: kill once there are some, while others are in work.
    shown = ""
    while job.poll() is None and "3/10" not in shown:
        shown += job.stderr.read(1)
    os.killpg(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    result = subprocess.run([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True, check=True)
    assert "| 0/10" not in result.stderr  # it did not begin anew
    assert pictures(store) == pictures(reference)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_job_ends_without_a_traceback_and_continues(
    reference: Path, tmp_path: Path, workers: str
) -> None:
    store = tmp_path / "store"
    job = [
        sys.executable,
        "-m",
        "semiuhpe",
        "synthesize",
        str(store),
        "--identities",
        "4",
        "--size",
        "96",
        "--seed",
        "5",
    ]
    job += ["--workers", workers, "--count", "10"]
    running = subprocess.Popen(job, start_new_session=True, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    shown = ""
    while running.poll() is None and "3/10" not in shown:
        shown += running.stderr.read(1)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to the parent and to its workers
    rest = running.stderr.read()
    assert running.wait() == 130
    assert "Traceback" not in shown + rest
    assert "interrupted" in rest
    subprocess.run(job, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    assert pictures(store) == pictures(reference)


def test_other_settings_do_not_mix_into_a_store(reference: Path) -> None:
    with pytest.raises(StoreError, match="other settings"):
        list(synthesize(reference, SynthesisSettings(count=10, identities=4, size=96, seed=6)))


def test_backgrounds_are_part_of_what_a_store_was_begun_with(
    reference: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "wall.png"), rng.integers(0, 255, (80, 80, 3), np.uint8))
    with pytest.raises(StoreError, match="other settings"):
        list(synthesize(reference, SETTINGS, Inputs(backgrounds=str(tmp_path / "photos"))))


def test_the_command_says_what_it_made(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(reference), "--count", "10", "--identities", "4", "--size", "96", "--seed", "5"])
    assert "|elevation| > 60°" in capsys.readouterr().out
    measured = shares(HeadStore(reference).records)
    rotations = [label_of(record) for record in HeadStore(reference)]
    behind = np.mean([abs(np.degrees(azimuth_elevation_tilt(r)[0])) > 90 for r in rotations])
    assert measured["seen from behind (|azimuth| > 90°)"] == pytest.approx(behind)


def test_splits_are_by_person_and_about_as_asked() -> None:
    settings = SynthesisSettings(val=0.1, test=0.2)
    splits = [split_of(number, settings) for number in range(3000)]
    assert abs(splits.count("val") / 3000 - 0.1) < 0.02
    assert abs(splits.count("test") / 3000 - 0.2) < 0.02
    assert splits == [split_of(number, settings) for number in range(3000)]


@pytest.mark.parametrize(
    "bad",
    [
        {"count": 0},
        {"identities": 0},
        {"size": 16},
        {"front_bias": 2.0},
        {"uniform_share": -0.1},
        {"val": 0.6, "test": 0.6},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(AssetsError):
        SynthesisSettings(**bad)


def test_a_folder_without_assets_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match=r"base\.obj"):
        main([str(tmp_path / "store"), "--assets", str(tmp_path), "--count", "2", "--identities", "1"])


def test_a_folder_without_photos_is_refused(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match="photos"):
        main([str(tmp_path / "store"), "--backgrounds", str(tmp_path), "--count", "2", "--identities", "1"])


def test_a_rendering_process_that_dies_ends_the_job_with_a_word(renderer: Renderer, tmp_path: Path) -> None:
    settings = replace(SETTINGS, count=24, identities=24)
    heads = synthesize(tmp_path / "store", settings, workers=2)
    assert next(heads) == 0
    next(heads)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(RenderingError, match="run the same command again"):
        list(heads)
    list(synthesize(tmp_path / "store", settings, workers=2))
    assert sorted(record.id for record in HeadStore(tmp_path / "store")) == [head_id(k, 0) for k in range(24)]
