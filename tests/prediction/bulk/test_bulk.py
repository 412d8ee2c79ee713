"""Every input of a bulk run has one row of results, whatever dies on the way."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from helpers.time_limits import within
from helpers.tiny_onnx import write_detector_weights, write_pose_weights
from PIL import Image
from pyarrow import parquet

from semiuhpe.cli.main import main
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.prediction.bulk.plan import Unit, extend_plan, read_unit
from semiuhpe.prediction.bulk.run import run_bulk
from semiuhpe.prediction.bulk.storage import Place, place
from semiuhpe.prediction.bulk.worker import Settings, Worker

BROKEN = b"\xff\xd8\xff no picture at all"


def picture(number: int, size: tuple[int, int] = (160, 120)) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG")
    return file.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Tiny networks: two heads in every picture."""
    (tmp_path / "weights").mkdir()
    pose = write_pose_weights(tmp_path / "weights")
    detector = write_detector_weights(tmp_path / "weights", [[40.0, 60, 160, 200], [200, 80, 300, 190]], [0.9, 0.6])
    return Settings(str(pose), str(detector), device="cpu")


def folder_of(path: Path, count: int, broken: Sequence[int] = ()) -> Path:
    for number in range(count):
        name = path / ("sub" if number % 3 == 0 else "") / f"p {number}#.jpg"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(BROKEN if number in broken else picture(number))
    (path / "notes.txt").write_text("no picture")
    return path


def here(settings: Settings, output: Place, units: Sequence[Unit]) -> Iterator[dict[str, int]]:
    """The engine without an engine."""
    worker = Worker(settings, output)
    return (worker.do(unit) for unit in units)


def rows_of(output: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(output.glob("part-*.parquet")) for row in parquet.read_table(part).to_pylist()]


def test_a_folder_parquet_and_shards(tmp_path: Path, settings: Settings) -> None:
    folder = folder_of(tmp_path / "in", 5, broken=[2])
    column = [picture(10), BROKEN, None, picture(11)]
    parquet.write_table(pyarrow.table({"jpg": column}), folder / "a.parquet", row_group_size=3)
    nested = pyarrow.array([{"bytes": picture(12), "path": "x.jpg"}])
    parquet.write_table(pyarrow.table({"jpg": nested}), tmp_path / "hub.parquet")
    with tarfile.open(folder / "s.tar", "w") as shard:
        for name, content in (("0.jpg", picture(13)), ("0.json", b"{}"), ("1.jpg", BROKEN), ("0.jpg", picture(14))):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, io.BytesIO(content))
    (folder / "cut.tar").write_bytes((folder / "s.tar").read_bytes()[:3000])

    sources = [str(folder), str(tmp_path / "hub.parquet")]
    total = run_bulk(sources, place(str(tmp_path / "out")), settings, here, column="jpg", files=3)
    rows = rows_of(tmp_path / "out")
    counts = Counter(row["input"] for row in rows)
    assert set(counts.values()) == {1}
    names = {os.path.relpath(key, tmp_path) for key in counts}
    assert {f"in/{'sub/' if n % 3 == 0 else ''}p {n}#.jpg" for n in range(5)} <= names
    assert {"in/a.parquet#0/0", "in/a.parquet#0/1", "in/a.parquet#0/2", "in/a.parquet#1/0", "hub.parquet#0/0"} <= names
    assert {"in/s.tar#0.jpg", "in/s.tar#1.jpg", "in/s.tar#0.jpg(2)"} <= names
    failed = {os.path.relpath(row["input"], tmp_path) for row in rows if row["error"]}
    assert {"in/p 2#.jpg", "in/a.parquet#0/1", "in/a.parquet#0/2", "in/s.tar#1.jpg"} <= failed
    assert all(
        name.startswith("in/cut.tar#")
        for name in failed - {"in/p 2#.jpg", "in/a.parquet#0/1", "in/a.parquet#0/2", "in/s.tar#1.jpg"}
    )
    assert any(name.startswith("in/cut.tar#") for name in failed)
    assert total["inputs"] == len(rows)
    assert total["errors"] == len(failed)
    good = [row for row in rows if not row["error"]]
    assert {(row["width"], row["height"], len(row["heads"])) for row in good} == {(160, 120, 2)}
    # The same as the estimator says by itself.
    estimator = HeadPoseEstimator(settings.weights, detector=HeadDetector(settings.detector), device="cpu")
    (first,) = [row for row in good if row["input"].endswith("a.parquet#0/0")]
    assert first["heads"] == estimator(picture(10)).to_rows()


def test_a_run_that_is_cut_short_goes_on(tmp_path: Path, settings: Settings) -> None:
    folder, output = folder_of(tmp_path / "in", 10), place(str(tmp_path / "out"))

    def dies(settings: Settings, output: Place, units: Sequence[Unit]) -> Iterator[dict[str, int]]:
        yield from here(settings, output, units[:2])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bulk([str(folder)], output, settings, dies, files=3)
    times = {part: part.stat().st_mtime_ns for part in (tmp_path / "out").glob("part-*")}
    assert len(times) == 2
    (folder / "a new one.jpg").write_bytes(picture(99))  # sorts first: units of the first run must not shift
    total = run_bulk([str(folder)], output, settings, here, files=3)
    assert (total["units"], total["inputs"], total["earlier_units"]) == (3, 5, 2)
    assert all(part.stat().st_mtime_ns == time for part, time in times.items())
    counts = Counter(row["input"] for row in rows_of(tmp_path / "out"))
    assert len(counts) == 11
    assert set(counts.values()) == {1}
    assert run_bulk([str(folder)], output, settings, here, files=3)["units"] == 0


def test_what_a_worker_left_that_was_killed_while_it_wrote_is_gone_at_the_end(
    tmp_path: Path, settings: Settings
) -> None:
    folder, left = folder_of(tmp_path / "in", 2), ".semiuhpe-0123456789abcdef.tmp"

    def one_dies(settings: Settings, output: Place, units: Sequence[Unit]) -> Iterator[dict[str, int]]:
        for where in (output, output.at("attempts")):
            Path(where.path).mkdir(parents=True, exist_ok=True)
            Path(where.path, left).write_bytes(b"half")
        yield from here(settings, output, units)

    run_bulk([str(folder)], place(str(tmp_path / "out")), settings, one_dies)
    assert not list((tmp_path / "out").rglob(left))


class Killed(BaseException):
    """Stands for the death of a worker: nothing catches it."""


def test_an_input_that_kills_workers_becomes_an_error(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "in", 6)
    original, deaths = HeadPoseEstimator.estimate_batch, 0

    def deadly(self: HeadPoseEstimator, images: list[Any]) -> Any:
        nonlocal deaths
        if any(image.shape == (77, 66, 3) for image in images):
            deaths += 1
            raise Killed
        return original(self, images)

    monkeypatch.setattr(HeadPoseEstimator, "estimate_batch", deadly)
    (folder / "p 4#.jpg").write_bytes(picture(4, (66, 77)))
    output = place(str(tmp_path / "out"))
    for _ in range(3):
        with pytest.raises(Killed):
            run_bulk([str(folder)], output, settings, here)
    total = run_bulk([str(folder)], output, settings, here)
    assert deaths == 3  # once among others, twice by name
    assert (total["inputs"], total["errors"]) == (6, 1)
    (row,) = [row for row in rows_of(tmp_path / "out") if row["error"]]
    assert row["input"].endswith("p 4#.jpg")
    assert "ended the worker" in row["error"]
    assert not list((tmp_path / "out" / "attempts").iterdir())


def test_one_death_condemns_nobody(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, output = folder_of(tmp_path / "in", 4), place(str(tmp_path / "out"))
    calls = 0
    original = HeadPoseEstimator.estimate_batch

    def unlucky(self: HeadPoseEstimator, images: list[Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls in (1, 3):  # the machine goes: once in the fast attempt, once in the careful one
            raise Killed
        return original(self, images)

    monkeypatch.setattr(HeadPoseEstimator, "estimate_batch", unlucky)
    for _ in range(2):
        with pytest.raises(Killed):
            run_bulk([str(folder)], output, settings, here)
    assert run_bulk([str(folder)], output, settings, here)["errors"] == 0
    assert len(rows_of(tmp_path / "out")) == 4


def test_a_unit_done_twice_leaves_its_rows_once(tmp_path: Path, settings: Settings) -> None:
    folder, output = folder_of(tmp_path / "in", 4), place(str(tmp_path / "out"))
    run_bulk([str(folder)], output, settings, here)
    before = rows_of(tmp_path / "out")
    Worker(settings, output).do(extend_plan(output, [str(folder)], "image")[0])
    assert rows_of(tmp_path / "out") == before


def test_results_of_other_settings_are_not_mixed(tmp_path: Path, settings: Settings) -> None:
    folder, output = folder_of(tmp_path / "in", 2), place(str(tmp_path / "out"))
    run_bulk([str(folder)], output, settings, here)
    other = Settings(settings.weights, settings.detector, device="cpu", euler=("whenet",))
    with pytest.raises(InputError, match=r"other settings \(euler\)"):
        run_bulk([str(folder)], output, other, here)
    run_bulk([str(folder)], output, other, here, overwrite=True)
    assert "whenet_yaw_deg" in rows_of(tmp_path / "out")[0]["heads"][0]
    with pytest.raises(InputError, match="no results of a bulk run"):
        run_bulk([str(folder)], place(str(folder)), settings, here)


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "no such file"), ("empty", "holds no pictures"), ("t.parquet", "no column 'image'")],
)
def test_sources_that_hold_nothing(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    parquet.write_table(pyarrow.table({"other": [1]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message):
        extend_plan(place(str(tmp_path / "out")), [str(tmp_path / name)], "image")


def test_object_storage_by_fsspec(settings: Settings) -> None:
    """The memory of this process stands for a bucket: nothing can be renamed, paths have no root."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for number in range(3):
        memory.pipe(f"/bucket/in/sub/{number}.jpg", picture(number))
    output = place("memory://bucket/out")
    total = run_bulk(["memory://bucket/in"], output, settings, here, files=2)
    assert (total["units"], total["inputs"], total["errors"]) == (2, 3, 0)
    assert sorted(name for name in output.names() if name.startswith("part")) == [
        "part-00000000.parquet",
        "part-00000001.parquet",
    ]
    assert run_bulk(["memory://bucket/in/"], output, settings, here, files=2)["units"] == 0
    keys = [key for unit in extend_plan(output, [], "image") for key, _ in read_unit(unit)]
    assert keys == [f"memory://bucket/in/sub/{number}.jpg" for number in range(3)]


def test_the_command_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        import ray  # noqa: F401
    except ImportError:
        assert main(["predict", "--engine", "ray", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
        assert "semiuhpe[ray]" in capsys.readouterr().err
        assert issubclass(MissingExtraError, Exception)
    else:
        with pytest.raises(SystemExit):
            main(["predict", "--engine", "ray", "--help"])


def processes_below(parent: int) -> dict[int, str]:
    """The descendants of a process, and their command lines."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
    found, below = {}, [parent]
    while below:
        one = below.pop()
        below += [child for child, of in parents.items() if of == one]
        try:
            found[one] = Path(f"/proc/{one}/cmdline").read_text(errors="replace")
        except OSError:
            continue
    return found


def still_there(processes: dict[int, str], limit_s: float = 30) -> list[str]:
    """Command lines of those of the processes that have not ended after a while."""
    until = time.monotonic() + within(limit_s)
    while True:
        # One that has ended, and nobody asked about, has an empty command line.
        left: list[str] = []
        for number in processes:
            with contextlib.suppress(OSError):
                left += filter(None, [Path(f"/proc/{number}/cmdline").read_text(errors="replace")])
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.2)


def test_a_ray_cluster_that_loses_a_worker(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two actors; one is killed in the middle of the run."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    folder = folder_of(tmp_path / "in", 24, broken=[7])
    from semiuhpe.prediction.bulk.ray_engine import ray_engine

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the home folder
    try:
        # Small, so that a container's few megabytes of shared memory do; a test needs no network but the loopback.
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100_000_000,
            _node_ip_address="127.0.0.1",
        )
        killed: list[int] = []
        seen: dict[int, str] = {}

        def kill_once(done: dict[str, int], _: int) -> None:
            seen.update(
                (n, line) for n, line in processes_below(os.getpid()).items() if "ray" in line and n != os.getpid()
            )
            if not killed:
                # By the titles that Ray gives its actors.
                killed.append(next(n for n, line in processes_below(os.getpid()).items() if "MapWorker" in line))
                os.kill(killed[0], signal.SIGKILL)

        engine = ray_engine(actors=2, wave=8)
        run_bulk([str(folder)], place(str(tmp_path / "out")), settings, engine, files=2, progress=kill_once)
    finally:
        ray.shutdown()
    assert killed
    assert len(seen) > 3
    assert still_there(seen) == []
    rows = rows_of(tmp_path / "out")
    counts = Counter(row["input"] for row in rows)
    assert len(counts) == 24
    assert set(counts.values()) == {1}
    assert [os.path.basename(row["input"]) for row in rows if row["error"]] == ["p 7#.jpg"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["errors"] == 1
    assert not list((tmp_path / "out" / "attempts").iterdir())
