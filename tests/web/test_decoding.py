"""Uploads are decoded by processes that end where one takes too long, too much, or crashes."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from helpers.hostile import icon, scans, zero_png
from PIL import Image

from semiuhpe.errors import ImageError
from semiuhpe.images.load import load_image
from semiuhpe.web import decode_worker, decoding
from semiuhpe.web.decode_worker import ANSWER, JOB, PICTURE, REFUSED, serve
from semiuhpe.web.decoding import Decoders, TooSlowError

SLOW = zero_png(8000, 8000, kind=6)
"""64 megapixels: some 0.7 s of processor time."""


def photo(side: int = 40) -> bytes:
    buffer = io.BytesIO()
    picture = np.random.default_rng(0).integers(0, 256, (side, side + 7, 3), dtype=np.uint8)
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_are_what_load_image_reads() -> None:
    with Decoders(20, count=1) as decode:
        for side in (1, 40, 700):
            np.testing.assert_array_equal(decode(photo(side), 10**6), load_image(photo(side)))
        for bad in (b"", b"nothing", photo()[:70], scans(101, 64, 64), icon(zero_png(999, 9))):
            with pytest.raises(ImageError) as expected:
                load_image(bad)
            with pytest.raises(ImageError) as caught:
                decode(bad, 10**6)
            assert str(caught.value) == str(expected.value)
        with pytest.raises(ImageError, match="more than the limit of 1,000;"):
            decode(photo(), 1000)
        assert len({decoder._process.pid for decoder in decode._all if decoder._process}) == 1  # one for all of them


@pytest.mark.skipif(sys.platform == "win32", reason="the clock of a process")
def test_the_processor_time_of_a_picture_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_WALL", 1e4)  # of a clock: the machine may be busy
    with Decoders(0.2, count=1) as decode:
        for _ in range(2):
            with pytest.raises(TooSlowError, match=r"more than 0\.2 s to decode; reduce it"):
                decode(SLOW, 10**8)
        assert decode(photo(2), 10**6).shape == (2, 9, 3)  # a new process serves the next


def test_one_that_waits_rather_than_works_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = "import sys, time; sys.stdout.write('!'); sys.stdout.flush(); time.sleep(600)"
    for seconds, program in ((0.1, idle), (60.0, "import time; time.sleep(600)")):
        monkeypatch.setattr(decoding, "_PROGRAM", program)
        monkeypatch.setattr(decoding, "_START_SECONDS", 60.0 if program == idle else 0.5)
        with Decoders(seconds, count=1) as decode, pytest.raises(TooSlowError):
            decode(photo(), 10**6)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        decoding,
        "_PROGRAM",
        decoding._PROGRAM.replace(
            "main()",
            """
import semiuhpe.web.decode_worker as worker
def greedy(body, max_pixels): return bytearray(4 << 30)
worker.load_image = greedy
main()
""",
        ),
    )
    with Decoders(20, count=1) as decode, pytest.raises(ImageError, match="takes too much memory"):
        decode(photo(), 10**6)


def test_a_decoder_that_crashes_takes_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        decoding,
        "_PROGRAM",
        decoding._PROGRAM.replace(
            "main()",
            """
import os
import semiuhpe.web.decode_worker as worker
read = worker.load_image
worker.load_image = lambda body, max_pixels: os.abort() if body == b"crash" else read(body, max_pixels=max_pixels)
main()
""",
        ),
    )
    with Decoders(20, count=1) as decode:
        for _ in range(2):
            with pytest.raises(ImageError, match="its decoder crashed"):
                decode(b"crash", 10**6)
            assert decode(photo(), 10**6).shape == (40, 47, 3)


def test_a_hostile_file_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process is stuck, the other serves, however long the first one is allowed to take."""
    with Decoders(60, count=2) as decode:
        stuck = decode._free.get()  # as by a file whose time is not up yet
        for _ in range(3):
            assert decode(photo(), 10**6).shape == (40, 47, 3)
        decode._free.put(stuck)


def test_nothing_is_left_when_the_server_ends() -> None:
    with Decoders(20) as decode:
        decode(photo(), 10**6)
        (process,) = [decoder._process for decoder in decode._all if decoder._process]
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises(ImageError, match="the server is ending"):
        decode(photo(), 10**6)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_the_process_ends_with_its_server() -> None:
    with Decoders(20, count=1) as decode:
        decode(photo(), 10**6)
        process = decode._all[0]._process
        assert process is not None and process.stdin is not None
        os.kill(process.pid, signal.SIGINT)  # Ctrl-C reaches it, and is the server's affair
        assert decode(photo(), 10**6).shape == (40, 47, 3)
        process.stdin.close()
        assert process.wait(60) == 0


def test_the_current_folder_is_not_imported_from(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "numpy.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    with Decoders(20, count=1) as decode:
        assert decode(photo(), 10**6).shape == (40, 47, 3)


def test_jobs_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("_limit_memory", "_limit_time"):  # they are for the whole process
        monkeypatch.setattr(decode_worker, limit, lambda _: None)
    jobs = b"".join(JOB.pack(9.0, 10**6, len(body)) + body for body in (photo(), b"x"))
    answers = io.BytesIO()
    serve(io.BytesIO(jobs), answers)
    answers.seek(0)
    assert ANSWER.unpack(answers.read(ANSWER.size)) == (PICTURE, 47, 40)
    np.testing.assert_array_equal(np.frombuffer(answers.read(40 * 47 * 3), np.uint8), load_image(photo()).ravel())
    kind, length, _ = ANSWER.unpack(answers.read(ANSWER.size))
    assert kind == REFUSED and b"not a picture" in answers.read(length)


def test_many_at_once() -> None:
    with Decoders(20, count=2) as decode:
        shapes: list[tuple[int, ...]] = []
        threads = [threading.Thread(target=lambda: shapes.append(decode(photo(), 10**6).shape)) for _ in range(8)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert shapes == [(40, 47, 3)] * 8, time.monotonic() - begin
