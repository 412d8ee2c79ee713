"""`FrameReader`: a source is read by a thread of its own, so that nothing that stalls there can stall here.

Files are lossless: their thread waits while the queue is full. Live sources are not: the newest frames win, and what
was dropped is told. A live source that stalls, fails or ends is opened again, with growing pauses; the outage is told
with the next frame. One from which nothing comes for `give_up_s` ends with a VideoError, so no read blocks for ever.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from semiuhpe.errors import SemiUHPEError, VideoError
from semiuhpe.geometry.crop import Image
from semiuhpe.video.decode import one_line
from semiuhpe.video.frames import Gap, Opened, SourceFrame


@dataclass(frozen=True)
class ReadPolicy:
    """How a source is read.

    queue_size: frames that wait at most. deadline_s: a live source that brings nothing for so long is opened again.
    give_up_s: seconds without any frame after which it is an error. first_pause_s, longest_pause_s: before the source is
    opened again; the pause doubles with each failure and is short again once a frame has come.
    """

    queue_size: int = 4
    deadline_s: float = 10.0
    give_up_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0


@dataclass
class _Item:
    """A frame, and what was lost just before it."""

    time_s: float
    image: Image
    dropped: int
    damaged: int


Stop = Callable[[], bool]
"""Whether the one who reads wants no more frames; asked often while nothing comes."""

_LOOK_S = 0.1


class _Channel:
    """One connection: a bounded queue and the end of it, between the thread that reads and the one that asks."""

    def __init__(self, size: int) -> None:
        self._size, self._items = size, deque[_Item]()
        self._changed = threading.Condition()
        self._closed = self._ended = False
        self.opened: Opened | None = None
        self.error: Exception | None = None
        self.trailing_damage = 0

    def announce(self, opened: Opened) -> None:
        with self._changed:
            self.opened = opened
            self._changed.notify_all()

    def put(self, time_s: float, image: Image, damaged: int, *, lossless: bool) -> bool:
        """False once nobody wants frames any more."""
        with self._changed:
            if lossless:
                self._changed.wait_for(lambda: len(self._items) < self._size or self._closed)
            if self._closed:
                return False
            self._items.append(_Item(time_s, image, 0, damaged))
            while len(self._items) > self._size:
                oldest = self._items.popleft()
                self._items[0].dropped += 1 + oldest.dropped
                self._items[0].damaged += oldest.damaged
            self._changed.notify_all()
            return True

    def end(self, error: Exception | None, damaged: int) -> None:
        with self._changed:
            self.error, self.trailing_damage, self._ended = error, damaged, True
            self._changed.notify_all()

    def wait_opened(self, seconds: float, stop: Stop) -> bool:
        """Whether the source has been opened, or has failed, in time and before `stop`."""
        with self._changed:
            return self._wait(lambda: self.opened is not None or self._ended, seconds, stop)

    def _wait(self, done: Callable[[], bool], seconds: float, stop: Stop) -> bool:
        end = time.monotonic() + seconds
        while not done() and not stop() and (left := end - time.monotonic()) > 0:
            self._changed.wait(min(left, _LOOK_S))
        return done()

    def get(self, seconds: float, stop: Stop) -> _Item | None:
        """The next frame; None at the end (`ended` is then true), when the time is up, or at `stop`."""
        with self._changed:
            self._wait(lambda: bool(self._items) or self._ended, seconds, stop)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    @property
    def ended(self) -> bool:
        with self._changed:
            return self._ended and not self._items

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


def _read(open_source: Callable[[], Opened], channel: _Channel) -> None:
    """The reading thread: whatever happens in it ends in the channel."""
    error: Exception | None = None
    damaged = 0
    opened: Opened | None = None
    try:
        opened = open_source()
        channel.announce(opened)
        for time_s, image in opened:
            if image is None:
                damaged += 1
            elif channel.put(time_s, image, damaged, lossless=not opened.live):
                damaged = 0
            else:
                break
    except Exception as caught:  # handed over to the thread that asks
        error = caught
    finally:
        channel.end(error, damaged)
        if opened is not None:
            opened.close()


class FrameReader:
    """Frames of a source. A context manager; iterate it once.

    open_source: opens the source anew at each call. name: for messages. first_index: number of the first frame. stop:
    where it says so, no more frame is waited for and the iteration ends.

    live, fps, frame_count: as of the source. Raises what opening it raises, or VideoError if that takes too long.
    """

    def __init__(
        self,
        open_source: Callable[[], Opened],
        name: str,
        policy: ReadPolicy | None = None,
        *,
        first_index: int = 0,
        stop: Stop = lambda: False,
    ) -> None:
        self._open_source, self.name, self._policy = open_source, name, policy or ReadPolicy()
        self._index, self._stop = first_index, stop
        self._connect()
        if not self._channel.wait_opened(self._policy.give_up_s, stop):
            self.close()
            if stop():
                raise KeyboardInterrupt
            raise VideoError(f"{name}: did not open within {self._policy.give_up_s:g} s; check that it is reachable")
        opened = self._channel.opened
        if opened is None:
            raise self._failure(self._channel.error)
        self.live, self.fps, self.frame_count = opened.live, opened.fps, opened.frame_count

    def _connect(self) -> None:
        self._channel = _Channel(self._policy.queue_size)
        self._thread = threading.Thread(
            target=_read, args=(self._open_source, self._channel), name=f"reader of {self.name}", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tell the thread to end, and wait a moment for it; one that hangs is left behind, it is a daemon."""
        self._channel.close()
        self._thread.join(1.0)

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._live_frames() if self.live else self._file_frames()

    def _file_frames(self) -> Iterator[SourceFrame]:
        last = 0.0
        while True:
            item = self._channel.get(self._policy.give_up_s, self._stop)
            if self._stop():
                return
            if item is None:
                break
            gaps = (Gap("damaged", item.time_s - last, item.damaged),) if item.damaged else ()
            last = item.time_s
            yield SourceFrame(self._index, item.time_s, item.image, gaps, self.name)
            self._index += 1
        if not self._channel.ended:
            raise VideoError(f"{self.name}: nothing could be read for {self._policy.give_up_s:g} s; copy the file here")
        if self._channel.error is not None:
            raise self._failure(self._channel.error)
        if self._index == 0:
            raise VideoError(f"{self.name}: holds no frame that can be decoded; export it again")

    def _live_frames(self) -> Iterator[SourceFrame]:
        policy, pause = self._policy, self._policy.first_pause_s
        start = seen = time.monotonic()
        first, last, offset = True, -1.0, None
        outage: tuple[str, str] | None = None
        while True:
            item = self._channel.get(policy.deadline_s, self._stop)
            if self._stop():
                return
            now = time.monotonic()
            if item is None:
                ended, error = self._channel.ended, self._channel.error
                outage = ("disconnected", "" if error is None else one_line(error)) if ended else ("stalled", "")
                self._channel.close()
                if now - seen + pause > policy.give_up_s:
                    raise VideoError(
                        f"{self.name}: no frame for {now - seen:.0f} s ({outage[1] or outage[0]}); check the source"
                    ) from error
                self._pause(pause)
                pause, offset = min(2 * pause, policy.longest_pause_s), None
                self._connect()
                continue
            if first:
                start, first = now, False
            if offset is None:  # a new connection counts time anew; between connections the clock does
                offset = now - start - item.time_s
            time_s = max(item.time_s + offset, last + 1e-3)
            gaps = [] if outage is None else [Gap(outage[0], now - seen, 0, outage[1])]
            if item.dropped:
                gaps.append(Gap("dropped", max(time_s - last, 0.0), item.dropped))
            if item.damaged:
                gaps.append(Gap("damaged", max(time_s - last, 0.0), item.damaged))
            self._index += item.dropped
            yield SourceFrame(self._index, time_s, item.image, tuple(gaps), self.name)
            self._index += 1
            last, outage, pause = time_s, None, policy.first_pause_s
            seen = time.monotonic()  # what the consumer did with the frame is no silence of the source

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))

    def _failure(self, error: Exception | None) -> Exception:
        if error is None or isinstance(error, SemiUHPEError):
            return error or VideoError(f"{self.name}: ended before it began; check the source")
        return VideoError(f"{self.name}: cannot be read ({one_line(error)}); check the source")
