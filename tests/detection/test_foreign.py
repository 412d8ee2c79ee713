from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_onnx import write_foreign_detector, write_pose_weights
from onnx import TensorProto
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.detection.layouts import FACE_TO_HEAD, LAYOUTS
from semiuhpe.errors import InputError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator

PHOTO = np.full((100, 200, 3), 90, np.uint8)
HEAD = np.array([40.0, 20.0, 80.0, 70.0])
"""A box of the photo. On a canvas of 320 × 320 the photo is seen at 1.6, from (0, 80) where it is centred."""
CENTRED = HEAD * 1.6 + [0, 80, 0, 80]
CORNERED = HEAD * 1.6


def centre_size(box: np.ndarray) -> list[float]:
    return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]


def rows(*first: list[float], count: int = 40) -> np.ndarray:
    """Detections as rows, the rest empty."""
    table = np.zeros((count, len(first[0])))
    table[: len(first)] = first
    return table


def yolov5(classes: list[float]) -> dict[str, np.ndarray]:
    return {"output0": rows([*centre_size(CENTRED), 0.9, *classes])[None]}


def detector(path: Path, outputs: dict[str, np.ndarray], layout: str, **options: Any) -> ForeignDetector:
    graph = {k: options.pop(k) for k in ("shape", "names") if k in options}
    write_foreign_detector(path / "d.onnx", outputs, **{"shape": (1, 3, 320, 320), **graph})
    return ForeignDetector(path / "d.onnx", layout, **options)


def found(one: ForeignDetector) -> tuple[np.ndarray, np.ndarray]:
    boxes, scores = one(PHOTO)
    assert boxes.dtype == scores.dtype == np.float32
    return boxes, scores


def test_yolov5(tmp_path: Path) -> None:
    boxes, scores = found(detector(tmp_path, yolov5([0.8]), "yolov5"))
    np.testing.assert_allclose(boxes, [HEAD], atol=1e-4)
    np.testing.assert_allclose(scores, [0.72], atol=1e-6)


def test_yolov8_is_the_other_way_round(tmp_path: Path) -> None:
    answer = {"output0": rows([*centre_size(CENTRED), 0.1, 0.7]).T[None]}
    boxes, scores = found(detector(tmp_path, answer, "yolov8", head_class=1))
    np.testing.assert_allclose(boxes, [HEAD], atol=1e-4)
    np.testing.assert_allclose(scores, [0.7], atol=1e-6)
    assert len(found(detector(tmp_path, answer, "yolov8", head_class=0))[0]) == 0


def test_yolov10(tmp_path: Path) -> None:
    answer = {"output0": rows([*CENTRED, 0.8, 0], [*CENTRED + 60, 0.9, 3])[None]}
    boxes, scores = found(detector(tmp_path, answer, "yolov10"))
    np.testing.assert_allclose(boxes, [HEAD], atol=1e-4)
    np.testing.assert_allclose(scores, [0.8], atol=1e-6)


def test_bpjdet_keeps_heads_with_and_without_a_body(tmp_path: Path) -> None:
    alone = CENTRED + [150, 0, 150, 0]
    body = CENTRED + [-20, -10, 40, 90]
    answer = {
        "output": rows(
            [*centre_size(CENTRED), 0.9, 0.05, 0.9, 3.0, -4.0],
            [*centre_size(body), 0.9, 0.95, 0.01, 1.0, -9.0],
            [*centre_size(alone), 0.9, 0.0, 0.8, 0.0, 0.0],
        )[None]
    }
    boxes, scores = found(detector(tmp_path, answer, "bpjdet"))
    expected = [HEAD, HEAD + [93.75, 0, 93.75, 0]]
    np.testing.assert_allclose(boxes, expected, atol=1e-4)
    np.testing.assert_allclose(scores, [0.81, 0.72], atol=1e-6)


def head_of(face: np.ndarray) -> np.ndarray:
    width, height = face[2] - face[0], face[3] - face[1]
    left, above, right, below = FACE_TO_HEAD
    grown = face + [-left * width, -above * height, right * width, below * height]
    return np.clip(grown, 0, [200, 100, 200, 100])


@pytest.mark.parametrize("anchors", [1, 2])
@pytest.mark.parametrize("batched", [True, False])
def test_scrfd(tmp_path: Path, anchors: int, batched: bool) -> None:
    stride, column, row = 16, 5, 4  # the cell whose anchors lie at (80, 64)
    outputs: dict[str, np.ndarray] = {}
    for number, step in enumerate((8, 16, 32)):
        cells = (320 // step) ** 2 * anchors
        outputs[f"{440 + number}"] = np.zeros((cells, 1))
        outputs[f"{450 + number}"] = np.zeros((cells, 4))
        outputs[f"{460 + number}"] = np.zeros((cells, 10))
    index = (row * (320 // stride) + column) * anchors + anchors - 1
    outputs["441"][index] = 0.9
    outputs["451"][index] = np.array([80 - CORNERED[0], 64 - CORNERED[1], CORNERED[2] - 80, CORNERED[3] - 64]) / stride
    if batched:
        outputs = {name: array[None] for name, array in outputs.items()}
    boxes, scores = found(detector(tmp_path, outputs, "scrfd"))
    np.testing.assert_allclose(boxes, [head_of(HEAD)], atol=1e-4)
    np.testing.assert_allclose(scores, [0.9], atol=1e-6)


def test_yunet(tmp_path: Path) -> None:
    outputs: dict[str, np.ndarray] = {}
    for step in (8, 16, 32):
        cells = (320 // step) ** 2
        outputs |= {f"{part}_{step}": np.zeros((1, cells, n)) for part, n in (("cls", 1), ("obj", 1), ("bbox", 4))}
    x, y, w, h = centre_size(CORNERED)
    column, row = int(x // 32), int(y // 32)
    index = row * 10 + column
    outputs["cls_32"][0, index], outputs["obj_32"][0, index] = 0.9, 0.4
    outputs["bbox_32"][0, index] = [x / 32 - column, y / 32 - row, np.log(w / 32), np.log(h / 32)]
    boxes, scores = found(detector(tmp_path, outputs, "yunet"))
    np.testing.assert_allclose(boxes, [head_of(HEAD)], atol=1e-3)
    np.testing.assert_allclose(scores, [0.6], atol=1e-6)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_the_photo_arrives_as_the_layout_wants_it(layout: str, tmp_path: Path) -> None:
    seen: list[np.ndarray] = []
    one = detector(tmp_path, yolov5([1.0]), layout, shape=(1, 3, "h", "w"), side=128)

    class Session:
        def get_outputs(self) -> list[Any]:
            return []

        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.append(feeds["images"])
            return []

    one._session = Session()
    photo = np.zeros((64, 128, 3), np.uint8)
    photo[:] = (250, 120, 10)
    photo[:8, :8] = (10, 250, 250)
    with pytest.raises(WeightsError, match="do not fit"):
        one(photo)
    (pixels,) = seen
    assert pixels.dtype == np.float32
    assert pixels.shape[:2] == (1, 3)
    assert pixels.shape[2] % 32 == pixels.shape[3] % 32 == 0
    expected = {"scrfd": lambda p: (p - 127.5) / 128, "yunet": lambda p: p[::-1] * 1.0}.get(layout, lambda p: p / 255)
    np.testing.assert_allclose(pixels[0, :, 30, 64], expected(np.array([250, 120, 10])), atol=1e-5)
    np.testing.assert_allclose(pixels[0, :, 3, 3], expected(np.array([10, 250, 250])), atol=1e-5)


def test_a_free_canvas_is_as_small_as_fits_and_boxes_come_back(tmp_path: Path) -> None:
    # 200 × 100 at 3.2 is 640 × 320: no margin, so the centre of the photo stays the centre.
    answer = {"output0": rows([*centre_size(HEAD * 3.2), 0.9, 1.0])[None]}
    one = detector(tmp_path, answer, "yolov5", shape=(1, 3, "h", "w"))
    np.testing.assert_allclose(found(one)[0], [HEAD], atol=1e-4)
    # 90 rows become 288, of 320 for bpjdet's step of 64: 16 above and below.
    assert LAYOUTS["bpjdet"].step == 64
    answer = {"output": rows([*centre_size(HEAD * 3.2 + [0, 16, 0, 16]), 0.9, 0.0, 1.0, 0, 0])[None]}
    one = detector(tmp_path, answer, "bpjdet", shape=(1, 3, "h", "w"), side=640)
    np.testing.assert_allclose(one(PHOTO[:90])[0], [HEAD], atol=1e-4)


def test_overlapping_and_broken_boxes_are_left_out(tmp_path: Path) -> None:
    box = centre_size(CENTRED)
    answer = rows(
        [*box, 0.7, 1.0],
        [box[0] + 2, *box[1:], 0.9, 1.0],
        [np.nan, *box[1:], 1.0, 1.0],
        [*box[:2], 0.0, 5.0, 1.0, 1.0],
        [-500.0, -500.0, 10.0, 10.0, 1.0, 1.0],
        [*box, 0.2, 1.0],
    )
    boxes, scores = found(detector(tmp_path, {"o": answer[None]}, "yolov5"))
    np.testing.assert_allclose(scores, [0.9], atol=1e-6)
    np.testing.assert_allclose(boxes, [HEAD + [1.25, 0, 1.25, 0]], atol=1e-4)
    none, _ = found(detector(tmp_path, {"o": answer[None] * 0}, "yolov5"))
    assert none.shape == (0, 4)


def test_the_class_of_heads_comes_from_the_file_or_is_asked_for(tmp_path: Path) -> None:
    answer = yolov5([0.1, 0.8])
    named = detector(tmp_path, answer, "yolov5", names="{0: 'person', 1: 'Head'}")
    np.testing.assert_allclose(found(named)[1], [0.72], atol=1e-6)
    for names in (None, "{0: 'person', 1: 'face'}", "__import__('os')", "{0: 'head', 1: 'head'}"):
        with pytest.raises(WeightsError, match="--detector-class"):
            found(detector(tmp_path, answer, "yolov5", names=names))
    with pytest.raises(WeightsError, match="classes 0 to 1, not 7"):
        found(detector(tmp_path, answer, "yolov5", head_class=7))


@pytest.mark.parametrize(
    ("layout", "outputs", "match"),
    [
        ("yolov5", {"output0": np.zeros((1, 6, 8400))}, r"expected \(1, n, 6 or more.*looks like yolov8"),
        ("yolov8", {"output0": np.zeros((1, 8400, 7))}, "looks like yolov5"),
        ("yolov10", {"output0": np.zeros((1, 300, 7))}, r"expected \(1, n, 6\)"),
        ("bpjdet", {"output0": np.zeros((1, 500, 7))}, r"9 or more channels.*got output0 \(1, 500, 7\)"),
        ("bpjdet", {"output0": np.zeros((1, 500, 90))}, r"expected \(1, n, 9\)"),
        ("scrfd", {"a": np.zeros((500, 1)), "b": np.zeros((500, 4))}, r"expected \(3200, 1\) and \(3200, 4\)"),
        ("yunet", {"cls_8": np.zeros((1, 1600, 1))}, "expected cls_8, obj_8, bbox_8"),
        ("yunet", {f"{p}_8": np.zeros((1, 99, 4)) for p in ("cls", "obj", "bbox")}, r"bbox_8 \(1, 1600, 4\)"),
        ("yolov5", {"output0": np.zeros((8400, 6))}, r"expected an array \(1, n, channels\)"),
    ],
)
def test_outputs_that_do_not_fit(tmp_path: Path, layout: str, outputs: dict[str, np.ndarray], match: str) -> None:
    with pytest.raises(WeightsError, match=match) as error:
        found(detector(tmp_path, outputs, layout))
    assert "\n" not in str(error.value)
    assert "d.onnx" in str(error.value)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "d.onnx"
    for shape, kind in (((1, 320, 320, 3), TensorProto.FLOAT), ((1, 3, 320, 320), TensorProto.UINT8)):
        write_foreign_detector(path, yolov5([1.0]), shape=shape, kind=kind)
        with pytest.raises(WeightsError, match=r"takes one input \(1, 3, H, W\)"):
            ForeignDetector(path, "yolov5")
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not an ONNX file"):
        ForeignDetector(path, "yolov5")
    with pytest.raises(WeightsError, match="cannot be read"):
        ForeignDetector(tmp_path / "none.onnx", "yolov5")
    write_foreign_detector(path, yolov5([1.0]))
    with pytest.raises(InputError, match="choose one of yolov5"):
        ForeignDetector(path, "yolov4")
    with pytest.raises(InputError, match="between 0 and 1"):
        ForeignDetector(path, "yolov5", score_threshold=2)
    with pytest.raises(InputError, match="no class number"):
        ForeignDetector(path, "scrfd", head_class=1)
    with pytest.raises(InputError, match="uint8 RGB"):
        ForeignDetector(path, "yolov5")(np.zeros((4, 4)))  # type: ignore[arg-type]


def test_it_takes_the_detectors_place(tmp_path: Path) -> None:
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), detector=detector(tmp_path, yolov5([1.0]), "yolov5"))
    heads = estimator(PHOTO)
    np.testing.assert_allclose(heads.box, [HEAD], atol=1e-4)
    np.testing.assert_allclose(heads.detection_score, [0.9], atol=1e-6)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    weights = write_pose_weights(tmp_path)
    write_foreign_detector(tmp_path / "d.onnx", yolov5([0.3, 1.0]), shape=(1, 3, 320, 320))
    command = ["predict", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    given = ["--detector", str(tmp_path / "d.onnx"), "--detector-layout", "yolov5"]
    assert main([*command, *given, "--detector-class", "1", "--score", "0.6"]) == 0
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    np.testing.assert_allclose(entry["heads"][0]["box"], HEAD, atol=1e-2)
    capsys.readouterr()
    assert main([*command, "--detector-layout", "yolov5"]) == 1
    assert "--detector FILE.onnx" in capsys.readouterr().err
    assert main([*command, "--detector-class", "1"]) == 1
    assert "--detector-layout" in capsys.readouterr().err
