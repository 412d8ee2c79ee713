"""`ForeignDetector`: somebody else's ONNX detector in the place of the embedded one. Needs onnxruntime, not torch."""

from __future__ import annotations

import ast
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.arrays import image_size
from semiuhpe.detection.layouts import LAYOUTS, Canvas, Layout, grown, suppressed
from semiuhpe.detection.settings import check_settings
from semiuhpe.errors import InputError, WeightsError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import warp_to
from semiuhpe.weights import WeightsFile
from semiuhpe.weights.session import InferenceSession, open_session, read_network

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class ForeignDetector:
    """Finds heads with another project's exported detector.

    Args:
        weights: path of an .onnx file; it needs no model card.
        layout: what its outputs are, a name of `detection.layouts.LAYOUTS`.
        head_class: the number of the class of heads; None = the one that the file's own list of names calls "head", or
            the only one.
        score_threshold: boxes below it are left out, in [0, 1].
        overlap_threshold: of two boxes with a larger IoU, the better one stays.
        side: pixels of the longer side at which a photo is seen, where the file leaves it open; None = the layout's.
        device: as of `HeadDetector`.
        threads: as of `HeadDetector`.

    Raises:
        WeightsError: the file is missing, damaged or does not fit the layout (some of that only when the first photo is
            seen).
        InputError: wrong settings.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str],
        layout: str,
        *,
        head_class: int | None = None,
        score_threshold: float = 0.5,
        overlap_threshold: float = 0.5,
        side: int | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise InputError(f"unknown detector layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
        check_settings(
            score_threshold=score_threshold,
            overlap_threshold=overlap_threshold,
            side=side,
            threads=threads,
            side_name="side",
        )
        if head_class is not None and (head_class < 0 or not LAYOUTS[layout].classed):
            raise InputError(f"the layout {layout} has no class number {head_class}; leave head_class out")
        self.name, self.layout = layout, LAYOUTS[layout]
        self.score_threshold, self.overlap_threshold = score_threshold, overlap_threshold
        self.weights = _read(Path(weights))
        self._session = open_session(self.weights.content, self.weights.path, device, threads)
        self._arguments = {
            "weights": weights,
            "layout": layout,
            "head_class": head_class,
            "side": side,
            "device": device,
            "threads": threads,
        }
        self._input, self._type, self._size = _input(self._session, self.weights.path, layout)
        self.head_class = _head_class(self._session) if head_class is None else head_class
        self._side = side or self.layout.side

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self._arguments,
            "score_threshold": self.score_threshold,
            "overlap_threshold": self.overlap_threshold,
        }

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        ForeignDetector.__init__(self, **arguments)  # a pickled detector is opened anew

    def __call__(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the heads of a photo.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Boxes (n, 4) float32 x1, y1, x2, y2 in its pixels, best first; and scores (n,) float32, as the network gives
            them.

        Raises:
            InputError: anything but such an image.
            WeightsError: outputs that do not fit the layout.
        """
        height, width = image_size(image)
        rows, columns, matrix = letterbox(height, width, self._size, self._side, self.layout)
        canvas = Canvas(rows, columns, str(self.weights.path), self.head_class)
        picture = warp_to(image, matrix, rows, columns, pad=self.layout.pad)
        boxes, scores = self.layout.decode(self._run(feed(picture, self.layout).astype(self._type)), canvas)
        boxes, scores = suppressed(boxes, scores, self.score_threshold, self.overlap_threshold)
        scale, offset = matrix[0, 0], matrix[:, 2]
        boxes = grown((boxes - np.tile(offset, 2)) / scale, self.layout.grow)
        boxes = box_math.clip(boxes, height, width)
        solid = box_math.area(boxes) > 0
        return boxes[solid].astype(np.float32), scores[solid].astype(np.float32)

    def _run(self, pixels: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        names = [entry.name for entry in self._session.get_outputs()]
        try:
            answers = self._session.run(names, {self._input: pixels})
        except Exception as error:  # onnxruntime's own exceptions share no base but this
            reason = " ".join(str(error).split())[:160]
            raise WeightsError(
                f"{self.weights.path}: does not run on pixels {pixels.shape} ({reason}); export it with a fixed size"
            ) from error
        return {name: np.asarray(array, dtype=np.float64) for name, array in zip(names, answers, strict=True)}


def letterbox(
    height: int, width: int, size: tuple[int | None, int | None], side: int, layout: Layout
) -> tuple[int, int, NDArray[np.float64]]:
    """Rows and columns of the canvas, and the matrix (2, 3) canvas←photo.

    size: the rows and columns that the network insists on. Where it leaves them open the longer side becomes `side`, and
    the canvas is as large as multiples of the layout's step allow it to fit.
    """
    rows, columns = size
    scale = min((rows or side) / height, (columns or side) / width)
    rows = rows or _multiple(height * scale, layout.step)
    columns = columns or _multiple(width * scale, layout.step)
    left = (columns - width * scale) / 2 if layout.centred else 0.0
    top = (rows - height * scale) / 2 if layout.centred else 0.0
    return rows, columns, np.array([[scale, 0.0, left], [0.0, scale, top]])


def feed(picture: NDArray[np.uint8], layout: Layout) -> NDArray[np.float32]:
    """A canvas (H, W, 3) uint8 RGB as the network's numbers, (1, 3, H, W) float32."""
    channels = picture[..., ::-1] if layout.bgr else picture
    values = (channels.astype(np.float32) - np.float32(layout.offset)) * np.float32(layout.scale)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def _multiple(length: float, step: int) -> int:
    return max(step, int(np.ceil(round(length, 6) / step)) * step)


def _read(path: Path) -> WeightsFile:
    content = read_network(path, remedy="give a detector that was exported to ONNX")
    return WeightsFile(path=path, card={}, sha256=hashlib.sha256(content).hexdigest(), content=content)


def _input(session: InferenceSession, path: Path, layout: str) -> tuple[str, type, tuple[int | None, int | None]]:
    """Name, number type and fixed size (None where free) of the one picture that a detector takes."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if inputs else []
    fits = len(inputs) == 1 and len(shape) == 4 and inputs[0].type in _TYPES
    if not fits or (isinstance(shape[1], int) and shape[1] != 3) or (isinstance(shape[0], int) and shape[0] != 1):
        kinds = ", ".join(f"{entry.name} {entry.shape} {entry.type}" for entry in inputs) or "none"
        raise WeightsError(
            f"{path}: the layout {layout} takes one input (1, 3, H, W) float, this file has {kinds}; export it so"
        )
    rows, columns = (value if isinstance(value, int) and value > 0 else None for value in shape[2:])
    return inputs[0].name, _TYPES[inputs[0].type], (rows, columns)


def _head_class(session: InferenceSession) -> int | None:
    """The class that the file's own list of names ("{0: 'person', 1: 'head'}") calls a head; None if none is."""
    try:
        names = ast.literal_eval(session.get_modelmeta().custom_metadata_map.get("names", ""))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    entries = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    found = [number for number, name in entries if str(name).lower() in {"head", "heads"}]
    return found[0] if len(found) == 1 and isinstance(found[0], int) else None
