"""Ctrl-C and SIGTERM as a flag that long work looks at where it can stop, instead of an exception anywhere."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

IMPATIENT = 3
"""From this signal on, none waits for the end of a step any more."""


class Interrupted(KeyboardInterrupt):
    """A run was told to stop, and did. signum: by which signal."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


class Interruption:
    """While it is entered, SIGINT and SIGTERM set a flag; the third of them raises `Interrupted` where it strikes.

    Only in the main thread, which alone can; elsewhere nothing changes. A signal that is ignored stays ignored.
    """

    def __init__(self) -> None:
        self._count, self._signum = 0, int(signal.SIGINT)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._count, self._signum = self._count + 1, signum
        if self._count >= IMPATIENT:
            raise Interrupted(signum)

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._count > 0

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.asked:
            raise Interrupted(self._signum)

    def take_back(self) -> None:
        """Forget Ctrl-C, which has been obeyed; SIGTERM means the whole process and stays."""
        if self._signum == signal.SIGINT:
            self._count = 0
