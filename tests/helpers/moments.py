"""Something happens at a chosen line of the code that is tested: every moment of a function can be tried."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


class Moments:
    """Counts the lines that functions execute, and acts at one of them. A context manager."""

    def __init__(self, functions: list[Callable[..., Any]], at: int, act: Callable[[], Any]) -> None:
        self._codes: set[CodeType] = {function.__code__ for function in functions}
        self._at, self._act, self.count = at, act, 0

    def __enter__(self) -> Moments:
        self._before = sys.gettrace()
        sys.settrace(lambda frame, event, value: self._lines if frame.f_code in self._codes else None)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _lines(self, frame: FrameType, event: str, value: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self._at:
                self._act()
        return self._lines
