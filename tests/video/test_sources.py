"""Every kind of source, and sources that stall, break and come back."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.moving_pictures import scene, turned, wandering, write_video
from helpers.time_limits import within
from PIL import Image

from semiuhpe.errors import InputError, VideoError
from semiuhpe.video.decode import VideoSource, apply_display_matrix
from semiuhpe.video.frames import frames_of
from semiuhpe.video.reader import FrameReader, ReadPolicy
from semiuhpe.video.sources import MovingSource, list_sources, moving_source

PICTURE = np.zeros((8, 8, 3), np.uint8)
FAST = ReadPolicy(queue_size=2, deadline_s=0.2, give_up_s=3.0, first_pause_s=0.01, longest_pause_s=0.05)


class Flaky:
    """A source by script: seconds to wait before each frame, or an error to raise."""

    fps: float | None = 25.0
    frame_count: int | None = None

    def __init__(self, script: Sequence[float | Exception], live: bool = True) -> None:
        self.script, self.live, self.closed = script, live, False

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        for number, step in enumerate(self.script):
            if isinstance(step, Exception):
                raise step
            time.sleep(step)
            yield number / 25, PICTURE + np.uint8(number)

    def close(self) -> None:
        self.closed = True


def connections(*scripts: Sequence[float | Exception] | Exception, live: bool = True) -> Callable[[], Flaky]:
    """An opener that hands out one script after the other, the last one again and again."""
    left = list(scripts)

    def open_source() -> Flaky:
        script = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(script, Exception):
            raise script
        return Flaky(script, live)

    return open_source


def test_the_union_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video = wandering(tmp_path / "a.mp4", 3)
    (tmp_path / "unnamed").write_bytes(video.read_bytes())
    Image.fromarray(PICTURE).save(tmp_path / "b.png")
    (tmp_path / "list.txt").write_text("b.png\na.mp4\n")
    assert moving_source(0) == moving_source("0") == MovingSource("camera 0", "camera")
    Image.fromarray(PICTURE).save(tmp_path / "7", format="PNG")
    assert moving_source("7") is None  # a file of that name is meant
    assert moving_source("rtsp://u:p@host:554/a?b=c") == MovingSource("rtsp://u:p@host:554/a?b=c", "url")
    assert moving_source("a.mp4") == MovingSource("a.mp4", "file")
    assert moving_source("unnamed") == MovingSource("unnamed", "file")
    assert moving_source("b.png") is None
    for sources, still, moving in [
        (["."], ["7", "b.png"], ["a.mp4", "unnamed"]),
        (["*.mp4"], [], ["a.mp4"]),
        (["list.txt"], ["b.png"], ["a.mp4"]),
        (["a.mp4", "b.png", "a.mp4"], ["b.png"], ["a.mp4"]),
    ]:
        photos, videos = list_sources(sources)
        assert [p.name for p in photos] == still
        assert [Path(v.name).name for v in videos] == moving


def test_names_that_no_file_can_have_stay_in_a_list(tmp_path: Path) -> None:
    long = "x" * 5000
    (tmp_path / "list.txt").write_text(f"{long}\n[{long}\na\0b.png\n")
    (tmp_path / "a.png").write_bytes(b"")
    photos, videos = list_sources([tmp_path / "list.txt"])
    assert [p.name for p in photos] == [long, f"[{long}", "a\0b.png"]
    assert videos == []


def test_a_file_that_points_to_other_files_is_no_video(tmp_path: Path) -> None:
    wandering(tmp_path / "a.mp4", 3)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    with av.open(str(tmp_path / "list.mp4")) as container:  # FFmpeg alone would follow it
        assert container.streams.video
    with pytest.raises(VideoError, match=r"list\.mp4: not a video that can be opened"):
        VideoSource(str(tmp_path / "list.mp4"))
    (tmp_path / "concat:a.mp4|a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    assert len(list(VideoSource(str(tmp_path / "concat:a.mp4|a.mp4")))) == 3


def test_a_code_that_nobody_knows_is_told(tmp_path: Path) -> None:
    path = wandering(tmp_path / "a.mp4", 3)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(VideoError, match=r"a\.mp4: its pictures are in a code"):
        VideoSource(str(path))


def test_frames_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wandering(tmp_path / "a.mp4", 3)
    monkeypatch.setattr("semiuhpe.video.decode.MAX_FRAME_PIXELS", 160 * 120 - 1)
    with pytest.raises(VideoError, match=r"a\.mp4: frames of 160 × 120"):
        VideoSource(str(path))


def test_passwords_stay_out_of_names() -> None:
    source = MovingSource("rtsp://user:secret@host:554/live/1?token=x", "url")
    assert source.stem == "host_554_live_1"
    assert source.public_name == "rtsp://host:554/live/1"


def test_true_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.1, 0.5, 0.52]
    path = write_video(tmp_path / "a.mp4", [scene([(50, 50)])] * 5, times, delay_s=2.0)
    with FrameReader(lambda: VideoSource(str(path)), "a") as reader:
        assert not reader.live
        assert reader.frame_count == 5
        frames = list(reader)
    np.testing.assert_allclose([f.time_s for f in frames], times, atol=1e-4)
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert not any(f.gaps for f in frames)
    later = list(VideoSource(str(path), skip=3))
    np.testing.assert_allclose([t for t, _ in later], times[3:], atol=1e-4)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_metadata(tmp_path: Path, degrees: int) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[24:, 32:] = (255, 0, 0), (0, 0, 255)
    path = turned(write_video(tmp_path / "a.mp4", [picture] * 2), degrees)
    (_, seen), _ = VideoSource(str(path))
    expected = np.rot90(picture, -degrees // 90)
    assert seen is not None and seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).mean() < 12


def test_display_matrices_against_pixel_by_pixel() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for a, b, c, d in [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0)]:
        moved = {(a * x + c * y, b * x + d * y): picture[y, x] for x in range(3) for y in range(2)}
        left, top = (min(at[i] for at in moved) for i in (0, 1))
        result = apply_display_matrix(picture, np.array([a, b, 0, c, d, 0, 0, 0, 1], np.int32) << 16)
        for (x, y), pixel in moved.items():
            np.testing.assert_array_equal(result[y - top, x - left], pixel)
    skewed = np.array([40000, 40000, 0, -40000, 40000, 0, 0, 0, 1 << 30], np.int32)
    assert apply_display_matrix(picture, skewed) is picture


def test_bad_videos_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video " * 99)
    for name in ("empty.mp4", "text.mp4", "absent.mp4", "."):
        with pytest.raises(VideoError, match=r"^[^\n]+$") as caught:
            FrameReader(partial(VideoSource, str(tmp_path / name)), name)
        assert name in str(caught.value) or str(tmp_path) in str(caught.value)


def test_damage_in_the_middle_is_a_gap_and_a_cut_file_ends_early(tmp_path: Path, rng: np.random.Generator) -> None:
    path = wandering(tmp_path / "a.mkv", 40)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = rng.integers(0, 256, 600, dtype=np.uint8).tobytes()
    (tmp_path / "b.mkv").write_bytes(bytes(content))
    (tmp_path / "c.mkv").write_bytes(bytes(content[:middle]))
    for name in ("b.mkv", "c.mkv"):
        with FrameReader(partial(VideoSource, str(tmp_path / name)), name) as reader:
            frames = list(reader)
        assert 5 < len(frames) <= 41
        assert all(b.time_s > a.time_s for a, b in pairwise(frames))


def test_files_are_lossless_and_the_queue_is_bounded() -> None:
    made: list[int] = []

    class Counting(Flaky):
        def __iter__(self) -> Iterator[tuple[float, Any]]:
            for item in super().__iter__():
                made.append(1)
                yield item

    with FrameReader(lambda: Counting([0.0] * 40, live=False), "x", FAST) as reader:
        frames = iter(reader)
        next(frames)
        time.sleep(0.1)
        assert len(made) <= 2 + FAST.queue_size
        indices = [f.index for f in frames]
    assert indices == list(range(1, 40))


def test_live_sources_drop_the_oldest_and_tell_how_many() -> None:
    with FrameReader(connections([0.002] * 60 + [5.0]), "x", FAST) as reader:
        frames = iter(reader)
        first = next(frames)
        time.sleep(0.4)
        second, third = next(frames), next(frames)
    # After the pause the two newest are left, whatever the scheduler did before.
    assert third.index == 59
    assert third.image[0, 0, 0] == 59
    assert second.image[0, 0, 0] == second.index == 58
    assert second.gaps[0].reason == "dropped"
    assert second.gaps[0].frames == second.index - first.index - 1
    assert third.gaps == ()


def test_a_source_that_breaks_is_opened_again_and_the_outage_told() -> None:
    opener = connections([0.0, 0.0, OSError("cable")], OSError("refused"), [0.0, 5.0])
    with FrameReader(opener, "x", FAST) as reader:
        frames = iter(reader)
        # The reader's thread may end the connection before its frames are asked for: they still come.
        got = [next(frames) for _ in range(3)]
    (gap,) = got[2].gaps
    assert gap.reason == "disconnected"
    assert gap.seconds >= 0.02
    assert gap.detail == "refused"
    assert got[0].time_s < got[1].time_s < got[2].time_s


def test_a_source_that_stalls_is_opened_again() -> None:
    with FrameReader(connections([0.0, 30.0], [0.0, 30.0]), "x", FAST) as reader:
        frames = iter(reader)
        next(frames)
        began = time.monotonic()
        (gap,) = next(frames).gaps
    assert gap.reason == "stalled"
    assert time.monotonic() - began >= 0.2


def test_a_source_that_is_gone_for_good_is_an_error_in_time() -> None:
    policy = ReadPolicy(deadline_s=0.05, give_up_s=0.4, first_pause_s=0.01, longest_pause_s=0.05)
    with FrameReader(connections([0.0], OSError("refused")), "cam", policy) as reader:
        frames = iter(reader)
        next(frames)
        began = time.monotonic()
        with pytest.raises(VideoError, match=r"cam: no frame for .*refused"):
            next(frames)
    assert time.monotonic() - began < within(3)


def test_opening_that_fails_or_hangs_is_an_error() -> None:
    with pytest.raises(VideoError, match="refused"):
        FrameReader(connections(OSError("refused")), "x", FAST)
    release = threading.Event()

    def hangs() -> Flaky:
        release.wait(20)
        return Flaky([])

    with pytest.raises(VideoError, match="did not open"):
        FrameReader(hangs, "x", ReadPolicy(give_up_s=0.1))
    release.set()


def test_closing_ends_the_thread_and_the_source() -> None:
    source = Flaky([0.0] * 1000, live=False)
    reader = FrameReader(lambda: source, "x", FAST)
    next(iter(reader))
    reader.close()
    assert not reader._thread.is_alive()
    assert source.closed


def test_a_real_stream_over_http_is_read_to_its_end(tmp_path: Path) -> None:
    import functools
    import http.server

    wandering(tmp_path / "a.mp4", 6)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = moving_source(f"http://127.0.0.1:{server.server_port}/a.mp4")
        assert source is not None
        with FrameReader(source.opener(), source.public_name) as reader:
            assert not reader.live
            assert len(list(reader)) == 6
        server.shutdown()


def test_frames_from_a_program() -> None:
    timed = list(frames_of([(0.5, PICTURE), (0.7, PICTURE)], 10))
    assert [(f.index, f.time_s) for f in timed] == [(0, 0.5), (1, 0.7)]
    assert [f.time_s for f in frames_of([PICTURE] * 3, 10)] == [0, 0.1, 0.2]
    with pytest.raises(InputError, match="does not come after"):
        list(frames_of([(0.5, PICTURE), (0.5, PICTURE)], 10))
