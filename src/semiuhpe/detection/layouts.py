"""What the outputs of other people's detectors mean: one named layout each, from arrays to boxes and scores.

| layout    | outputs                                                        | pixels it wants                          |
|-----------|----------------------------------------------------------------|------------------------------------------|
| `yolov5`  | (1, n, 5 + classes): cx, cy, w, h, objectness, classes         | RGB, 0..1, centred on grey               |
| `yolov8`  | (1, 4 + classes, n): cx, cy, w, h, classes                     | RGB, 0..1, centred on grey               |
| `yolov10` | (1, n, 6): x1, y1, x2, y2, score, class; suppressed already    | RGB, 0..1, centred on grey               |
| `bpjdet`  | (1, n, 9): as `yolov5` with body, head, and the head's offset  | RGB, 0..1, centred on grey               |
| `scrfd`   | score, distances (and points) at strides 8, 16, 32             | RGB, (p − 127.5)/128, top left on black  |
| `yunet`   | `cls_8`, `obj_8`, `bbox_8`, … at strides 8, 16, 32             | BGR, 0..255, top left on black           |

Boxes that come out are those of the network's canvas, undecided by suppression. `scrfd` and `yunet` find faces: their
boxes are grown to the head that such a face belongs to (`FACE_TO_HEAD`), and heads seen from behind are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import WeightsError
from semiuhpe.geometry import boxes as box_math

Float = NDArray[np.float64]
Outputs = Mapping[str, Float]
Found = tuple[Float, Float]

GREY, BLACK = (114, 114, 114), (0, 0, 0)
FACE_TO_HEAD = (0.12, 0.32, 0.12, 0.05)
"""How far a head reaches beyond its face's box left, above, right and below, in widths and heights of that box."""

_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Canvas:
    """What the network saw: height, width in its pixels; file: for messages; head_class: the column of heads."""

    height: int
    width: int
    file: str
    head_class: int | None


@dataclass(frozen=True)
class Layout:
    """How to feed a detector and read its answer.

    decode: outputs by name, canvas → boxes (n, 4) x1, y1, x2, y2 and scores (n,) of heads. scale, offset: a pixel p of
    0..255 goes in as (p − offset)·scale. bgr: channels blue first. centred: the photo lies in the middle of the canvas,
    else top left. pad: RGB around it. step: sides of a free canvas are multiples of it. side: of a free canvas, the
    longest. grow: from the found box to the head's, see `FACE_TO_HEAD`. classed: whether there are classes to choose of.
    """

    decode: Callable[[Outputs, Canvas], Found]
    scale: float = 1 / 255
    offset: float = 0.0
    bgr: bool = False
    centred: bool = True
    pad: tuple[int, int, int] = GREY
    step: int = 32
    side: int = 640
    grow: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    classed: bool = True


def decode_yolov5(outputs: Outputs, canvas: Canvas) -> Found:
    """Rows of centre, size, objectness and classes; the score is objectness times the head's class."""
    rows = _rows(outputs, canvas, "yolov5", least=6, across=False)
    column = 5 + _head_class(canvas, rows.shape[1] - 5)
    return _corners(rows), rows[:, 4] * rows[:, column]


def decode_yolov8(outputs: Outputs, canvas: Canvas) -> Found:
    """Columns of centre, size and classes; the score is the head's class."""
    rows = _rows(outputs, canvas, "yolov8", least=5, across=True)
    column = 4 + _head_class(canvas, rows.shape[1] - 4)
    return _corners(rows), rows[:, column]


def decode_yolov10(outputs: Outputs, canvas: Canvas) -> Found:
    """Rows of corners, score and class, empty ones with score 0."""
    rows = _first(outputs, canvas, "yolov10")
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise _misfit(canvas, "yolov10", "(1, n, 6)", outputs)
    wanted = rows[:, 5].round() == (0 if canvas.head_class is None else canvas.head_class)
    return rows[wanted, :4], rows[wanted, 4]


def decode_bpjdet(outputs: Outputs, canvas: Canvas) -> Found:
    """Rows of centre, size, objectness, body, head and where the head of a body is.

    Rows that are more of a body than of a head are left out. The offsets join heads to bodies, which poses do not need,
    so a head whose body is hidden is found like any other.
    """
    rows = _rows(outputs, canvas, "bpjdet", least=9, across=False)
    if rows.shape[1] != 9:
        raise _misfit(canvas, "bpjdet", "(1, n, 9)", outputs)
    heads = rows[rows[:, 6] > rows[:, 5]]
    return _corners(heads), heads[:, 4] * heads[:, 6]


def decode_scrfd(outputs: Outputs, canvas: Canvas) -> Found:
    """Scores and distances to the four sides in strides, two anchors a cell (or one), three strides.

    Arrays are told apart by their last axis (1 score, 4 distances, 10 points) and by how many rows a stride has, for
    exporters number their outputs.
    """
    arrays = [_flat(array) for array in outputs.values()]
    boxes, scores = [], []
    for stride in _STRIDES:
        cells = -(-canvas.height // stride) * -(-canvas.width // stride)
        ours = {a.shape[1]: a for a in arrays if a.ndim == 2 and a.shape[0] in (cells, 2 * cells)}
        if 1 not in ours or 4 not in ours or len(ours[1]) != len(ours[4]):
            expected = f"({2 * cells}, 1) and ({2 * cells}, 4) at stride {stride}"
            raise _misfit(canvas, "scrfd", expected, outputs)
        anchors = len(ours[4]) // cells
        centre = np.repeat(_grid(canvas, stride) * stride, anchors, axis=0)
        distance = ours[4] * stride
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1))
        scores.append(ours[1][:, 0])
    return np.concatenate(boxes), np.concatenate(scores)


def decode_yunet(outputs: Outputs, canvas: Canvas) -> Found:
    """Class, objectness and box of one anchor a cell, three strides; the score is the geometric mean of the two."""
    boxes, scores = [], []
    for stride in _STRIDES:
        grid = _grid(canvas, stride)
        names = [f"{part}_{stride}" for part in ("cls", "obj", "bbox")]
        if not all(name in outputs for name in names):
            raise _misfit(canvas, "yunet", ", ".join(names), outputs)
        cls, obj, box = (_flat(outputs[name]) for name in names)
        if cls.shape != (len(grid), 1) or obj.shape != (len(grid), 1) or box.shape != (len(grid), 4):
            raise _misfit(canvas, "yunet", f"bbox_{stride} (1, {len(grid)}, 4)", outputs)
        centre = (grid + box[:, :2]) * stride
        half = np.exp(np.minimum(box[:, 2:], 20.0)) * stride / 2
        boxes.append(np.concatenate([centre - half, centre + half], axis=1))
        scores.append(np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1)))
    return np.concatenate(boxes), np.concatenate(scores)


LAYOUTS: dict[str, Layout] = {
    "yolov5": Layout(decode_yolov5),
    "yolov8": Layout(decode_yolov8),
    "yolov10": Layout(decode_yolov10),
    "bpjdet": Layout(decode_bpjdet, step=64, side=1536, classed=False),
    "scrfd": Layout(
        decode_scrfd, scale=1 / 128, offset=127.5, centred=False, pad=BLACK, grow=FACE_TO_HEAD, classed=False
    ),
    "yunet": Layout(decode_yunet, scale=1.0, bgr=True, centred=False, pad=BLACK, grow=FACE_TO_HEAD, classed=False),
}
"""By the names that users give. YOLOv9 and YOLO11 have the layout of YOLOv8, YOLOv7 that of YOLOv5."""


def grown(boxes: Float, grow: Sequence[float]) -> Float:
    """Boxes (n, 4) that reach further left, up, right and down by shares of their own width and height. → (n, 4)"""
    size = np.concatenate([boxes[:, 2:] - boxes[:, :2]] * 2, axis=1)
    return np.asarray(boxes + size * np.array(grow) * [-1.0, -1.0, 1.0, 1.0])


def suppressed(boxes: Float, scores: Float, score_threshold: float, overlap_threshold: float) -> Found:
    """Finite boxes with area that score enough and that no better one overlaps, best first."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores) & (scores >= score_threshold)
    boxes, scores = boxes[good], scores[good]
    solid = box_math.area(boxes) > 0
    boxes, scores = boxes[solid], scores[solid]
    kept = box_math.non_maximum_suppression(boxes, scores, overlap_threshold)
    return boxes[kept], scores[kept]


def _first(outputs: Outputs, canvas: Canvas, layout: str) -> Float:
    """The detections: the only array of three axes, or the first; networks may hand out their inner maps too."""
    array = next((a for a in outputs.values() if a.ndim == 3), None)
    if array is None or array.shape[0] != 1:
        raise _misfit(canvas, layout, "an array (1, n, channels)", outputs)
    return np.asarray(array[0])


def _rows(outputs: Outputs, canvas: Canvas, layout: str, *, least: int, across: bool) -> Float:
    """Detections as rows, (n, channels ≥ least). across: the file has them as columns.

    A network has many more cells than channels, which is how a transposed layout is noticed.
    """
    array = _first(outputs, canvas, layout)
    rows = array.T if across else array
    if rows.shape[1] < least or rows.shape[1] >= rows.shape[0]:
        text = f"(1, {least} or more channels, n)" if across else f"(1, n, {least} or more channels)"
        raise _misfit(canvas, layout, text, outputs)
    return rows


def _corners(rows: Float) -> Float:
    return np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)


def _head_class(canvas: Canvas, classes: int) -> int:
    if canvas.head_class is None and classes == 1:
        return 0
    if canvas.head_class is None:
        raise WeightsError(
            f"{canvas.file}: finds {classes} classes and does not say which are heads; give its number with "
            "--detector-class"
        )
    if not 0 <= canvas.head_class < classes:
        raise WeightsError(f"{canvas.file}: has classes 0 to {classes - 1}, not {canvas.head_class}")
    return canvas.head_class


def _grid(canvas: Canvas, stride: int) -> Float:
    """Column and row of every cell, row by row. → (cells, 2)"""
    rows, columns = -(-canvas.height // stride), -(-canvas.width // stride)
    y, x = np.mgrid[:rows, :columns]
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float64)


def _flat(array: Float) -> Float:
    return array[0] if array.ndim == 3 and array.shape[0] == 1 else array


def _misfit(canvas: Canvas, layout: str, expected: str, outputs: Outputs) -> WeightsError:
    shapes = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(outputs.items())[:4])
    more = f" and {len(outputs) - 4} more" if len(outputs) > 4 else ""
    hint = _looks_like(outputs)
    advice = f"; it looks like {hint}" if hint and hint != layout else ""
    return WeightsError(
        f"{canvas.file}: its outputs do not fit the layout {layout}: expected {expected}, got {shapes}{more}{advice}; "
        f"choose with --detector-layout {'|'.join(LAYOUTS)}"
    )


def _looks_like(outputs: Outputs) -> str | None:
    if "cls_8" in outputs:
        return "yunet"
    if len(outputs) in (6, 9):
        return "scrfd"
    array = next((a for a in outputs.values() if a.ndim == 3 and a.shape[0] == 1), None)
    if array is None:
        return None
    _, first, second = array.shape
    if first < second:
        return "yolov8"
    return {6: "yolov10 or yolov5", 9: "bpjdet or yolov5"}.get(second, "yolov5")
