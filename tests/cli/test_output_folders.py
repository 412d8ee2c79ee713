"""Whose results lie in an output folder, and who may touch them."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.moments import Moments
from helpers.moving_pictures import scene, wandering
from helpers.tiny_onnx import write_weight_options
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.files.locks import FolderLock
from semiuhpe.prediction.photo_folder import PredictionFolder
from semiuhpe.prediction.video_folder import VideoFolder
from semiuhpe.video.sources import MovingSource

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and bytes in names")


@pytest.fixture
def weights(tmp_path: Path) -> list[str]:
    return [*write_weight_options(tmp_path, [[40.0, 60, 160, 200]], [0.9]), "--threads", "1"]


def photo(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    with path.open("wb") as file:
        Image.fromarray(pixels).save(file, format="JPEG")
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def images(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "predictions.json").read_text())["images"]


def test_results_of_other_settings_are_left_alone(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = photo(tmp_path / "in" / "a.jpg"), tmp_path / "out"
    first = ["predict", str(source), "-o", str(out), *weights]
    assert main(first) == 0
    before = content_of(out)
    capsys.readouterr()
    for style, folder in (("cube", "out-2"), ("cone", "out-3"), ("cube", "out-2")):
        assert main([*first, "--style", style]) == 0
        printed = capsys.readouterr()
        assert f"{out}/ holds results of other settings (style); writing to {tmp_path / folder}/" in printed.err
        assert f"results in {tmp_path / folder}/" in printed.out
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out", "out-2", "out-3"]
    assert content_of(out) == before
    assert len({(tmp_path / name / "a.jpg").read_bytes() for name in ("out", "out-2", "out-3")}) == 3


def test_the_same_settings_go_on_and_only_what_has_changed_is_done_again(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, out = photo(tmp_path / "in" / "a.jpg"), photo(tmp_path / "in" / "b.jpg", 1), tmp_path / "out"
    assert main(["predict", str(a), str(b), "-o", str(out), "--csv", *weights]) == 0
    times = {name: (out / f"{name}.jpg").stat().st_mtime_ns for name in "ab"}
    photo(a, 2)
    photo(tmp_path / "in" / "c.jpg", 3)
    assert main(["predict", str(a.parent), "-o", str(out), *weights]) == 0
    assert "holds results of the same settings; going on" in capsys.readouterr().err
    assert [entry["drawing"] for entry in images(out)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert (out / "b.jpg").stat().st_mtime_ns == times["b"]
    assert (out / "a.jpg").stat().st_mtime_ns > times["a"]
    # A table that lies there tells the same as the others, asked for or not.
    assert sum(line.startswith(str(a.parent)) for line in (out / "predictions.csv").read_text().splitlines()) == 3
    (out / "b.jpg").unlink()
    assert main(["predict", str(a.parent), "-o", str(out), *weights]) == 0
    assert (out / "b.jpg").stat().st_mtime_ns > times["b"]


def test_overwrite_takes_old_drawings_and_tables_away_and_nothing_else(tmp_path: Path, weights: list[str]) -> None:
    old, new, out = photo(tmp_path / "in" / "old.jpg"), photo(tmp_path / "in" / "new.jpg", 1), tmp_path / "out"
    photo(out / "own.jpg")
    (out / "notes.txt").write_text("mine")
    assert main(["predict", str(old), "-o", str(out), "--csv", *weights]) == 0
    assert main(["predict", str(new), "-o", str(out), "--overwrite", *weights]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["new.jpg", "notes.txt", "own.jpg", "predictions.json"]
    assert [Path(entry["file"]).name for entry in images(out)] == ["new.jpg"]


def test_results_that_name_files_elsewhere_are_not_believed(tmp_path: Path, weights: list[str]) -> None:
    source, out = photo(tmp_path / "in" / "a.jpg"), tmp_path / "out"
    assert main(["predict", str(source), "-o", str(out), *weights]) == 0
    text = (out / "predictions.json").read_text()
    (out / "predictions.json").write_text(text.replace('"drawing": "a.jpg"', '"drawing": "../in/a.jpg"'))
    for options in (["--overwrite"], []):
        assert main(["predict", str(source), "-o", str(out), *options, *weights]) == 0
        assert source.exists()


def test_a_file_that_no_run_wrote_is_never_replaced(tmp_path: Path, weights: list[str]) -> None:
    source, out = photo(tmp_path / "in" / "a.jpg"), tmp_path / "out"
    own = photo(out / "A.jpg", 5).read_bytes()
    assert main(["predict", str(source), "-o", str(out), *weights]) == 0
    assert (out / "A.jpg").read_bytes() == own
    assert images(out)[0]["drawing"] == "a_2.jpg"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "predictions.csv").write_text("mine")
    assert main(["predict", str(source), "-o", str(tmp_path / "other"), "--csv", *weights]) == 0
    assert (tmp_path / "other" / "predictions.csv").read_text() == "mine"
    assert (tmp_path / "other-2" / "predictions.csv").exists()


@posix
def test_planted_links_lead_nowhere(tmp_path: Path, weights: list[str]) -> None:
    source, out, video = photo(tmp_path / "in" / "a.jpg"), tmp_path / "out", wandering(tmp_path / "clip.mp4", 3)
    (tmp_path / "precious").write_text("mine")
    (out / "clip" / "segments").mkdir(parents=True)
    for name in (".a.jpg.tmp", "a.jpg", ".semiuhpe.lock", "clip/.annotated.mp4.tmp", "clip/segments/000000_0.mp4"):
        (out / name).symlink_to(tmp_path / "precious")
    command = ["predict", str(source), str(video), "-o", str(out), *weights]
    assert main(command) == 1  # the lock must be a file of ours
    (out / ".semiuhpe.lock").unlink()
    assert main(command) == 0
    assert (tmp_path / "precious").read_text() == "mine"
    assert images(out)[0]["drawing"] == "a_2.jpg"
    assert (out / "clip_2" / "annotated.mp4").exists()


def test_two_runs_at_once_are_kept_apart(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = photo(tmp_path / "in" / "a.jpg"), tmp_path / "out"
    command = ["predict", str(source), "-o", str(out), *weights]
    with FolderLock(out):
        assert main(command) == 0
        assert f"{out}/ is in use by process {os.getpid()} on" in capsys.readouterr().err
        assert len(images(tmp_path / "out-2")) == 1
        for option in ("--resume", "--overwrite"):
            assert (
                main(["predict", str(source), "-o", str(tmp_path / "out"), *weights[:-2], option, "--score", "0.7"])
                == 1
            )
            message = capsys.readouterr().err
            assert "in use by" in message
            assert message.count("\n") == 1
        assert [p.name for p in out.iterdir()] == [".semiuhpe.lock"]
    assert main(command) == 0
    assert len(images(out)) == 1


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("semiuhpe.files.locks._lock", unknown)
    assert main(["predict", str(photo(tmp_path / "a.jpg")), "-o", str(tmp_path / "out"), *weights]) == 0
    assert "no locks here; see that no two runs write to it" in capsys.readouterr().err


@posix
@pytest.mark.parametrize("name", [b"n" * 251, "山".encode() * 83 + b"xy", b"caf\xe9", b"\xff" * 251])
def test_long_names_and_names_that_are_no_text(
    tmp_path: Path, weights: list[str], name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    try:
        photo(source / os.fsdecode(name + b".jpg"))
        os.rename(wandering(tmp_path / "clip.mp4", 3), source / os.fsdecode(name + b".mp4"))
    except OSError:
        pytest.skip("this file system does not take such names")
    photo(source / "a.jpg", 1)
    command = ["predict", str(source), "-o", str(out), "--csv", *weights]
    for _ in range(2):  # the second time it knows again what is done
        assert main(command) == 0
        entries = {os.fsencode(Path(entry["file"]).name): entry for entry in images(out)}
        assert set(entries) == {b"a.jpg", name + b".jpg"}
        assert (out / entries[name + b".jpg"]["drawing"]).is_file()
        (video,) = (path for path in out.iterdir() if path.is_dir())
        assert (video / "annotated.mp4").stat().st_size > 1000
        assert max(len(p.name.encode()) for p in out.rglob("*")) <= 200  # and each is text
    assert (out / "predictions.json").read_bytes().isascii()
    assert "3 heads in 3 frames" in capsys.readouterr().out


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and nothing is written after it."""


def test_a_kill_before_a_drawing_has_its_name(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        photo(tmp_path / "in" / f"{number}.jpg", number)
    command = ["predict", str(tmp_path / "in"), *weights, "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    original, names = os.replace, []

    def killed(source: Any, target: Any) -> None:
        names.append(Path(target).name)
        if names.count("2.jpg") == 1 and names[-1] == "2.jpg":
            raise Killed
        original(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        main([*command, str(tmp_path / "out")])
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["drawing"] == "2.jpg"
    assert not (tmp_path / "out" / "2.jpg").exists()
    assert main([*command, str(tmp_path / "out")]) == 0
    assert names.count("2.jpg") == 2
    assert content_of(tmp_path / "out") == content_of(tmp_path / "whole")


def test_ctrl_c_between_photos(tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        photo(tmp_path / "in" / f"{number}.jpg", number)
    command = ["predict", str(tmp_path / "in"), *weights, "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    original = PredictionFolder.add

    def interrupted(self: PredictionFolder, *entry: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        original(self, *entry)

    monkeypatch.setattr(PredictionFolder, "add", interrupted)
    codes = [main([*command, str(tmp_path / "out")]) for _ in range(4)]
    # All five are one batch, whose results are kept; the third signal does not wait for that: two photos more each time.
    assert codes == [130, 130, 130, 0]
    assert content_of(tmp_path / "out") == content_of(tmp_path / "whole")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("tables", [["jsonl", "csv"], ["csv"]])
def test_a_kill_anywhere_in_the_end_of_a_video(tmp_path: Path, weights: list[str], tables: list[str]) -> None:
    source = wandering(tmp_path / "clip.mp4", 5)
    command = ["predict", str(source), *weights, "--format", *tables, "-o"]
    functions: list[Callable[..., Any]] = [VideoFolder.finish, VideoFolder.write_tables, VideoFolder._clear]

    def kill() -> None:
        raise Killed

    with Moments(functions, 0, kill) as moments:
        assert main([*command, str(tmp_path / "whole")]) == 0
    assert moments.count > 15
    for at in range(1, moments.count + 1):
        out = tmp_path / f"out{at}"
        with pytest.raises(Killed), Moments(functions, at, kill):
            main([*command, str(out)])
        assert main([*command, str(out)]) == 0
        assert content_of(out) == content_of(tmp_path / "whole")


class Camera:
    """A live source of a few pictures, after which somebody presses Ctrl-C."""

    live, fps, frame_count = True, 25.0, None

    def __init__(self, signum: int) -> None:
        self._signum = signum

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for number in range(4):
            yield number / 25, scene([(60, 60)])
            time.sleep(0.05)
        os.kill(os.getpid(), self._signum)
        time.sleep(60)

    def close(self) -> None:
        pass


@posix
def test_a_camera_ends_with_ctrl_c_and_is_never_gone_on_with(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for number, signum in enumerate((signal.SIGINT, signal.SIGTERM)):
        monkeypatch.setattr(MovingSource, "opener", lambda self, *skip, signum=signum: lambda: Camera(signum))
        monkeypatch.chdir(tmp_path)
        assert main(["predict", "0", "1", "-o", str(out), *weights, "--style", "none"]) == (143 if number else 0)
        folder = tmp_path / ("out-2" if number else "out") / "camera_0"
        summary = json.loads((folder / "video.json").read_text())
        assert summary["frames"] >= 1
        assert summary["detector_every"] is None  # it keeps up, so `detector_frames` says what came of that
        assert 1 <= summary["detector_frames"] <= summary["frames"]
        # Ctrl-C was for one camera, SIGTERM is for the process.
        assert (folder.parent / "camera_1").exists() != bool(number)
    assert "holds what a live source gave earlier; writing to" in capsys.readouterr().err
    assert main(["predict", "0", "-o", str(out), *weights, "--resume"]) == 1
    assert "cannot be resumed" in capsys.readouterr().err


def test_tables_that_are_asked_for_later(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = wandering(tmp_path / "clip.mp4", 4)
    command = ["predict", str(source), *weights, "-o"]
    assert main([*command, str(tmp_path / "whole"), "--format", "jsonl", "csv"]) == 0
    assert main([*command, str(tmp_path / "out")]) == 0
    assert main([*command, str(tmp_path / "out"), "--csv"]) == 0
    assert (tmp_path / "out/clip/heads.csv").read_bytes() == (tmp_path / "whole/clip/heads.csv").read_bytes()
    assert main([*command, str(tmp_path / "bare"), "--format", "csv"]) == 0
    (tmp_path / "bare/clip/heads.csv").unlink()
    capsys.readouterr()
    assert main([*command, str(tmp_path / "bare"), "--format", "csv", "--resume"]) == 1
    assert "keeps no frames.jsonl" in capsys.readouterr().err
