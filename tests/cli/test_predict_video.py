"""`semiuhpe predict` on videos: what it writes, with sound and true times, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.noting import options_of
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.moving_pictures import scene, wandering, write_video
from helpers.time_limits import within
from helpers.tiny_onnx import write_weight_options

import semiuhpe
from semiuhpe.cli.main import main
from semiuhpe.prediction.video_folder import VideoFolder, folder_for

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def weights(tmp_path: Path) -> list[str]:
    """Options that name tiny weights: one head, always at the same place."""
    return [*write_weight_options(tmp_path, [[40.0, 60, 90, 120]], [0.9]), "--threads", "1"]


def frames_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "frames.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if "frame" in entry]


def video_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(container.streams.video[0])]


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sound_of(path: Path) -> np.ndarray:
    """The samples, with silence where the sound starts after 0."""
    with av.open(str(path)) as container:
        blocks = [
            (f.time or 0.0, f.sample_rate, f.to_ndarray()[0]) for f in container.decode(container.streams.audio[0])
        ]
    start = np.zeros(max(0, round(blocks[0][0] * blocks[0][1])))
    return np.concatenate([start, *(block for _, _, block in blocks)])


def test_a_video_becomes_video_with_sound_and_tables(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    times = [0.0, 0.04, 0.08, 0.2, 0.24, 0.5, 0.54, 0.9]
    images = [scene([(60 + i, 60)], width=161, height=121)[:120, :160] for i in range(8)]
    source = write_video(tmp_path / "clip.mp4", images, times, sound_s=1.0, delay_s=1.5)
    out = tmp_path / "out"
    options = ["--every", "2", "--smooth", "0.2", "--labels", "--format", "jsonl", "csv", "parquet"]
    assert main(["predict", str(source), "-o", str(out), *weights, *options]) == 0
    folder = out / "clip"
    assert sorted(p.name for p in folder.iterdir()) == [
        "annotated.mp4",
        "frames.jsonl",
        "heads.csv",
        "heads.parquet",
        "video.json",
    ]
    entries = frames_of(folder)
    assert [e["frame"] for e in entries] == list(range(8))
    assert [e["detected"] for e in entries] == [True, False] * 4
    np.testing.assert_allclose([e["time_s"] for e in entries], times, atol=1e-4)
    np.testing.assert_allclose(video_times(folder / "annotated.mp4"), times, atol=1e-4)
    # The sound is the source's, at the same place relative to the pictures.
    kept, original = sound_of(folder / "annotated.mp4"), sound_of(source)[round(1.5 * 48_000) :]
    part = slice(10_000, 40_000)
    shifts = range(-300, 301)
    errors = [np.abs(kept[part] - original[part.start + s : part.stop + s]).max() for s in shifts]
    assert min(errors) < 0.01
    assert abs(shifts[int(np.argmin(errors))]) <= 48  # within a millisecond
    with av.open(str(folder / "annotated.mp4")) as container:
        (audio,) = container.streams.audio
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", 48_000)
    with (folder / "heads.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = pyarrow.parquet.read_table(folder / "heads.parquet").to_pylist()
    assert len(rows) == len(table) == sum(len(e["heads"]) for e in entries)
    assert {row["track_id"] for row in rows} == {"1"}
    assert [row["frame"] for row in table] == [e["frame"] for e in entries for _ in e["heads"]]
    assert table[5]["azimuth_deg"] == pytest.approx(float(rows[5]["azimuth_deg"]))
    summary = json.loads((folder / "video.json").read_text())
    assert (summary["frames"], summary["settings"]["every"]) == (8, 2)
    assert "8 heads in 8 frames" in capsys.readouterr().out


def test_the_frame_rate_and_the_drawing_stay(tmp_path: Path, weights: list[str]) -> None:
    source = wandering(tmp_path / "clip.mp4", 12, fps=30)
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *weights]) == 0
    path = tmp_path / "out" / "clip" / "annotated.mp4"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate or 0) == pytest.approx(30, rel=0.02)
        assert not container.streams.audio
        drawn = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(stream)]
    with av.open(str(source)) as container:
        plain = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
    difference = np.abs(drawn[0] - plain[0]).max(axis=2)
    assert difference.max() > 100  # the axes
    assert np.median(difference) < 6  # and the colours of the rest as they were


@pytest.mark.parametrize("audio", ["pcm_s16le", "aac"])
def test_sound_that_mp4_does_not_hold_is_encoded(tmp_path: Path, weights: list[str], audio: str) -> None:
    source = write_video(tmp_path / "clip.mkv", [scene([(60, 60)])] * 10, sound_s=0.8, audio=audio)
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *weights]) == 0
    with av.open(str(tmp_path / "out" / "clip" / "annotated.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        seconds = sum(f.samples for f in container.decode(audio=0)) / 48_000
    assert 0.3 < seconds < 0.5  # as long as the pictures


def test_odd_sizes_and_no_drawing(tmp_path: Path, weights: list[str]) -> None:
    images = [np.full((57, 83, 3), 90, np.uint8)] * 3
    source = write_video(tmp_path / "odd.mkv", [np.pad(i, ((0, 1), (0, 1), (0, 0))) for i in images])
    assert (
        main(["predict", str(source), "-o", str(tmp_path / "a"), *weights, "--style", "none", "--format", "csv"]) == 0
    )
    assert sorted(p.name for p in (tmp_path / "a" / "odd").iterdir()) == ["heads.csv", "video.json"]
    from semiuhpe.video.writer import SegmentWriter, even_size, join

    assert even_size(images[0]) == (84, 58)
    writer = SegmentWriter(tmp_path / "s.mp4", 84, 58, 25.0)
    for number, image in enumerate([*images, np.zeros((99, 20, 3), np.uint8)]):
        writer.add(image, 7 + number / 25)
    writer.close()
    with (tmp_path / "joined.mp4").open("w+b") as file:
        join([(writer.path, writer.start or 0)], None, file)
    content = (tmp_path / "joined.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a page can play it before it has all of it
    assert len(video_times(tmp_path / "joined.mp4")) == 4


def test_photos_and_videos_together(tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    wandering(source / "clip.mp4", 3)
    (source / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 64)
    Image.fromarray(scene([(60, 60)])).save(source / "photo.png")
    for lines in (1, 2):  # the second time, what the first one wrote is no source, and it is told that it goes on
        assert main(["predict", str(source), "-r", "-o", str(source / "out"), *weights]) == 1
        printed = capsys.readouterr()
        assert "1 head in 1 picture, 0 failed" in printed.out
        assert "3 heads in 3 frames" in printed.out
        assert printed.err.count("\n") == lines
        assert "broken.mp4" in printed.err
    assert sorted(p.name for p in (source / "out").iterdir()) == ["clip", "photo.jpg", "predictions.json"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--every", "0"], "every k frames"),
        (["--smooth", "-1"], "smoothing"),
        (["--no-track", "--smooth", "1"], "identities"),
        (["--crops"], "--crops"),
        (["--seconds", "0"], "--seconds"),
        (["--tracker", "bytetrack"], r"semiuhpe[tracking]"),
        (["--format", "parquet"], r"semiuhpe[store]"),
    ],
)
def test_wrong_options_are_one_line_before_any_work(
    tmp_path: Path,
    weights: list[str],
    options: list[str],
    match: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("trackers", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    source = wandering(tmp_path / "clip.mp4", 2)
    pose = weights if "--crops" not in options else [*weights[:2], *weights[4:]]
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *options, *pose]) == 1
    message = capsys.readouterr().err
    assert match in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_byte_track_follows_the_heads_of_a_video(tmp_path: Path, weights: list[str]) -> None:
    pytest.importorskip("trackers")
    source = wandering(tmp_path / "clip.mp4", 6)
    options = ["--tracker", "bytetrack", "--every", "1", "--format", "jsonl"]
    assert main(["predict", str(source), "-o", str(tmp_path / "out"), *options, *weights]) == 0
    lines = (tmp_path / "out" / "clip" / "frames.jsonl").read_text().splitlines()
    ids = [[head.get("track_id") for head in json.loads(line)["heads"]] for line in lines]
    assert ids[0] == [None]
    assert ids[1:] == [[1]] * 5


def test_a_killed_run_is_readable_and_resumed_as_if_it_never_was(
    tmp_path: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wandering(tmp_path / "clip.mp4", 40, sound_s=1.5)
    code = (
        "import sys, time, semiuhpe.prediction.video_folder as v\n"
        "v.VideoFolder.__init__.__kwdefaults__['segment_frames'] = 7\n"
        "add = v.VideoFolder.add\n"
        "v.VideoFolder.add = lambda *a: (add(*a), time.sleep(0.05))\n"
        "from semiuhpe.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["predict", str(source), *weights, "--every", "3", "--smooth", "0.2", "--format", "jsonl", "csv"]
    out, whole = tmp_path / "out", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments, "-o", str(out)], env=ENVIRONMENT)
    folder, deadline = out / "clip", time.monotonic() + within(100)
    while process.poll() is None and time.monotonic() < deadline:
        if (folder / "frames.jsonl").exists() and (folder / "frames.jsonl").read_bytes().count(b"\n") >= 17:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "unfinished.json").exists(), "the run ended before it could be killed"
    done = (folder / "frames.jsonl").read_text().split("\n")[:-1]
    assert 17 <= len(done) < 40
    assert json.loads(done[-1])["heads"]
    status = json.loads((folder / "unfinished.json").read_text())
    assert status["frames"] in range(14, 40, 7)
    pieces = sorted((folder / "segments").glob("*.mp4"))
    assert sum(len(video_times(p)) for p in pieces[: status["segments"]]) == status["frames"]

    monkeypatch.setitem(options_of(VideoFolder), "segment_frames", 7)
    assert main([*arguments, "-o", str(out), "--resume", "--mirrored"]) == 1  # not mixed with other settings
    assert main([*arguments, "-o", str(out), "--resume"]) == 0
    assert main([*arguments, "-o", str(whole)]) == 0
    assert len(video_times(folder / "annotated.mp4")) == 40
    assert content_of(folder) == content_of(whole / "clip")
    before = (folder / "annotated.mp4").stat().st_mtime_ns
    assert main([*arguments, "-o", str(out), "--resume"]) == 0  # nothing is left to do
    assert (folder / "annotated.mp4").stat().st_mtime_ns == before


def test_results_of_another_video_are_left_alone(tmp_path: Path, weights: list[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        source = wandering(tmp_path / name / "clip.mp4", 2)
        assert main(["predict", str(source), "-o", str(tmp_path / "out"), *weights]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip", "clip_2"]
    (tmp_path / "out" / "own").mkdir()
    (tmp_path / "out" / "own" / "file").write_text("mine")
    assert folder_for(tmp_path / "out", "own", "x").name == "own_2"
    assert folder_for(tmp_path / "out", "clip", str(tmp_path / "b" / "clip.mp4")).name == "clip_2"


def test_gaps_are_lines_of_their_own(tmp_path: Path) -> None:
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.tracking.stream import Frame
    from semiuhpe.video.frames import Gap

    folder = VideoFolder(tmp_path / "a", {"source": "x"}, "fresh")
    gap = Gap("stalled", 2.5, 0, "cable")
    folder.add(Frame(3, 1.0, np.zeros((4, 4, 3), np.uint8), HeadPoses.empty(), True, (gap,)), [], None, 25.0)
    folder.checkpoint(None, ended=True)
    folder.finish({}, [], ["jsonl"], None)
    first, second = map(json.loads, (tmp_path / "a" / "frames.jsonl").read_text().splitlines())
    assert first == {"gap": {"reason": "stalled", "seconds": 2.5, "frames": 0, "detail": "cable"}, "before_frame": 3}
    assert second == {"frame": 3, "time_s": 1.0, "detected": True, "heads": []}


def test_a_camera_that_is_not_there_is_one_line(
    tmp_path: Path, weights: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "93", "-o", str(tmp_path / "out"), *weights]) == 1
    assert "camera 93: cannot be opened" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
