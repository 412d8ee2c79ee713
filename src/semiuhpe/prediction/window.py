"""A live window for annotated frames: OpenCV's where this OpenCV has windows, else that of Tk, which Python brings along."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import cv2
import numpy as np

from semiuhpe.errors import SemiUHPEError
from semiuhpe.geometry.crop import Image

TITLE = "semiuhpe (q or Esc closes)"
_QUIT_KEYS = {27, ord("q")}


class WindowError(SemiUHPEError):
    """No window can be opened here."""


class Window(Protocol):
    """A window on the screen."""

    def show(self, image: Image) -> bool:
        """Show (H, W, 3) uint8 RGB. False once its user has closed it; nothing is shown any more then."""

    def close(self) -> None:
        """Close it; a second time does nothing."""


@contextlib.contextmanager
def open_window(wanted: bool) -> Iterator[Window | None]:
    """A window until the block ends; None where none is wanted. Raises WindowError where there can be none."""
    if not wanted:
        yield None
        return
    window = _first_that_opens()
    try:
        yield window
    finally:
        window.close()


def _first_that_opens() -> Window:
    reasons = []
    for kind in (CvWindow, TkWindow):
        try:
            return kind()
        except Exception as error:  # cv2.error, ImportError, tkinter.TclError: each says that this one cannot be had
            reasons.append(" ".join(str(error).split())[:80] or type(error).__name__)
    raise WindowError(
        f"--show: no window can be opened here ({'; '.join(reasons)}); on a screen, install Tk (python3-tk) or put "
        "opencv-python in the place of opencv-python-headless; else leave --show out"
    )


class CvWindow:
    """A window of OpenCV's. Raises cv2.error where this OpenCV has none, as the headless one."""

    def __init__(self) -> None:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._open = True

    def show(self, image: Image) -> bool:
        """As of `Window`."""
        if self._open:
            cv2.imshow(TITLE, np.ascontiguousarray(image[..., ::-1]))
            pressed = cv2.waitKey(1) & 0xFF
            if pressed in _QUIT_KEYS or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                self.close()
        return self._open

    def close(self) -> None:
        """As of `Window`."""
        if self._open:
            self._open = False
            with contextlib.suppress(cv2.error):  # its user has closed it already
                cv2.destroyWindow(TITLE)


class TkWindow:
    """A window of Tk. Raises ImportError or tkinter.TclError where there is no Tk or no screen."""

    def __init__(self) -> None:
        import tkinter

        from PIL import ImageTk

        self._photo_of: Any = ImageTk.PhotoImage
        self._root = tkinter.Tk()
        self._root.title(TITLE)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._open = True
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda event: self.close())
        self._root.protocol("WM_DELETE_WINDOW", self.close)

    def show(self, image: Image) -> bool:
        """As of `Window`."""
        from PIL import Image as Pillow

        if self._open:
            picture = Pillow.fromarray(image)
            picture.thumbnail((self._root.winfo_screenwidth(), self._root.winfo_screenheight()))
            self._shown = self._photo_of(picture, master=self._root)  # Tk keeps no reference of its own
            self._label.configure(image=self._shown)
            self._root.update()  # may call close
        return self._open

    def close(self) -> None:
        """As of `Window`."""
        if self._open:
            self._open = False
            self._root.destroy()
