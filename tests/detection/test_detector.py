from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.detection.canvas import STEP, draw, letterbox, padded
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.tiling import OVERLAP, View, plan_views
from semiuhpe.errors import InputError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import warp
from semiuhpe.images.load import load_image

Image = np.ndarray
DEMO = Path(__file__).parents[2] / "docs" / "demo" / "grace_hopper.jpg"


class PaintedHeads:
    """Stands in for the network: every pure red rectangle of a view is a head; its score grows with its size."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, names: list[str], feeds: dict[str, Image]) -> list[Image]:
        (pixels,) = feeds["pixels"]
        self.shapes.append(pixels.shape)
        red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        boxes = [[x, y, x + w, y + h] for x, y, w, h, count in stats[1:] if count >= 9]
        array = np.array(boxes, np.float32).reshape(-1, 4)
        return [array, np.minimum(0.5 + box_math.area(array) / 1e6, 0.99).astype(np.float32)]


@pytest.fixture(scope="module")
def detector() -> HeadDetector:
    return HeadDetector(threads=1)


@pytest.fixture
def painted() -> HeadDetector:
    detector = HeadDetector(threads=1, max_side=640)
    detector._session, detector._pixels_at_once = PaintedHeads(), 0
    return detector


def paint(height: int, width: int, boxes: list[list[int]]) -> Image:
    image = np.full((height, width, 3), 90, np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = (255, 0, 0)
    return image


@pytest.mark.parametrize("scale", [0.31, 1.0, 1.7])
def test_letterbox_keeps_places_and_pads_to_steps(scale: float) -> None:
    image = paint(90, 130, [[40, 20, 80, 60]])
    canvas, matrix = letterbox(image, scale)
    assert canvas.shape == (padded(90 * scale), padded(130 * scale), 3)
    assert canvas.shape[0] % STEP == canvas.shape[1] % STEP == 0
    red = np.argwhere((canvas[..., 0] > 172) & (canvas[..., 1] < 46))
    found = np.array([*red.min(axis=0)[::-1], *(red.max(axis=0)[::-1] + 1)])
    inverse = cv2.invertAffineTransform(matrix)
    np.testing.assert_allclose(box_math.transform(found[None], inverse)[0], [40, 20, 80, 60], atol=0.75 / scale)


def test_letterbox_at_scale_one_copies_pixels(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(letterbox(image, 1.0)[0], image)
    np.testing.assert_array_equal(draw(image, np.array([[1.0, 0, -5], [0, 1, -3]]), 20, 40), image[3:23, 5:45])


@pytest.mark.parametrize(("height", "width"), [(3000, 4000), (900, 5000), (2500, 700), (20000, 30000)])
def test_tiles_cover_the_photo_and_every_small_head_is_whole_in_one(
    height: int, width: int, rng: np.random.Generator
) -> None:
    tiles = [view for view in plan_views(height, width, 960, 16) if any(view.cuts)]
    assert 0 < len(tiles) <= 16
    side = OVERLAP * 960 / tiles[0].scale * 0.98 - 2 * 3.0 / tiles[0].scale
    corner = rng.uniform([0, 0], [width - side, height - side], (300, 2))
    for x, y in corner:
        whole = [
            t.trusts(t.scale * (np.array([[x, y, x + side, y + side]]) - [t.x, t.y, t.x, t.y]))[0]
            for t in tiles
            if t.x <= x and t.y <= y and x + side <= t.x + t.width and y + side <= t.y + t.height
        ]
        assert any(whole)


def test_work_is_bounded_for_any_photo() -> None:
    for height, width in [(n, n) for n in (1, 50, 480, 1500, 2000, 100_000)] + [(1080, 1920), (400, 5000), (700, 2120)]:
        views = plan_views(height, width, 960, 16)
        assert len(views) <= 18
        assert max(v.width * v.height * v.scale**2 for v in views) <= 2.5 * 961**2
        assert all(max(v.width, v.height) * v.scale <= 961 for v in views if any(v.cuts))


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1280, 720), (1080, 1920), (960, 1280)])
def test_video_frames_are_seen_whole_at_their_own_scale(height: int, width: int) -> None:
    views = plan_views(height, width, 960, 16)
    assert [any(v.cuts) for v in views] == [False, False]
    assert views[0].scale == 1.0
    # Every size of head is trusted to one of the two.
    assert views[1].smallest / views[1].scale < views[0].largest / views[0].scale
    tiles = plan_views(height, width, 480, 16)  # a detector with a smaller budget has to look piece by piece
    assert any(any(v.cuts) for v in tiles)
    assert plan_views(height, width, 960, 0)[0].scale < 1.0  # and one that is told not to look closer does not


@pytest.mark.parametrize(
    ("matrix", "height", "width"),
    [
        ([[1.0, 0, 0], [0, 1, 0]], 96, 160),
        ([[1.0, 0, -7], [0, 1, -11]], 64, 64),
        ([[1.0, 0, -90], [0, 1, -60]], 64, 96),
        ([[1.0, 0, -500], [0, 1, 0]], 32, 32),
        ([[1.0, 0, 4], [0, 1, -3]], 64, 96),
        ([[0.7, 0, 0], [0, 0.7, 0]], 64, 96),
        ([[0.2, 0, 0], [0, 0.2, 0]], 32, 64),
        ([[1.5, 0, -8], [0, 1.5, 0]], 64, 224),
    ],
)
def test_drawing_is_the_corner_of_a_square_warp(
    matrix: list[list[float]], height: int, width: int, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    square = warp(image, np.array(matrix), max(height, width))
    np.testing.assert_array_equal(draw(image, np.array(matrix), height, width), square[:height, :width])


def test_heads_at_cuts_are_left_to_the_neighbour() -> None:
    view = View(100, 0, 200, 200, 1.0, cuts=(True, False, False, False))
    boxes = np.array([[1, 50, 30, 80], [40, 0, 70, 30], [170, 50, 200, 80]], float)
    assert view.trusts(boxes).tolist() == [False, True, True]


def test_large_photos_give_each_head_once_at_its_place(painted: HeadDetector) -> None:
    heads = [[10, 10, 40, 50], [500, 20, 530, 60], [615, 600, 660, 655], [1300, 700, 1340, 740], [900, 300, 1300, 690]]
    boxes, scores = painted(paint(1000, 1800, heads))
    assert len(boxes) == len(heads)
    for head in heads:
        overlap = box_math.iou(boxes, [head])[:, 0]
        assert (overlap > 0.85).sum() == 1, head
    assert np.all(np.diff(scores) <= 0)
    assert boxes.dtype == scores.dtype == np.float32


def test_a_head_that_fills_a_large_photo_is_one_box(painted: HeadDetector) -> None:
    boxes, _ = painted(paint(2000, 2000, [[100, 100, 1900, 1900]]))
    assert len(boxes) == 1
    np.testing.assert_allclose(boxes[0], [100, 100, 1900, 1900], atol=12)


def test_without_heads_the_shapes_are_those_of_nothing(painted: HeadDetector) -> None:
    boxes, scores = painted(paint(50, 70, []))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3)),
        np.zeros((0, 5, 3), np.uint8),
        "x",
    ],
)
def test_other_images_are_refused(painted: HeadDetector, image: Image) -> None:
    with pytest.raises(InputError, match="image: expected"):
        painted(image)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 700, 3), (700, 2, 3)])
def test_odd_shapes_are_fine(detector: HeadDetector, shape: tuple[int, int, int]) -> None:
    boxes, scores = detector(np.zeros(shape, np.uint8))
    assert boxes.shape == (len(scores), 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score_threshold": 1.5}, "the detection score to begin at is between 0 and 1, got 1.5"),
        ({"score_threshold": float("nan")}, "the detection score to begin at is between 0 and 1, got nan"),
        ({"overlap_threshold": 0.0}, "overlap_threshold is between 0 and 1, got 0"),
        ({"max_side": 8}, "max_side is at least 64 pixels, got 8"),
        ({"max_tiles": -1}, "max_tiles is at least 0, got -1"),
        ({"threads": 0}, "threads: at least 1 is needed, got 0"),
    ],
)
def test_a_setting_out_of_its_range_is_the_one_that_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        HeadDetector(**settings)
    assert str(error.value) == message


def test_weights_that_are_missing_damaged_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights"):
        HeadDetector(tmp_path / "none.onnx")
    source = HeadDetector(threads=1).weights
    copy = tmp_path / "copy.onnx"
    copy.with_suffix(".json").write_bytes(source.path.with_suffix(".json").read_bytes())
    copy.write_bytes(source.content[:-100])
    with pytest.raises(WeightsError, match="SHA-256"):
        HeadDetector(copy)


def test_finds_the_astronaut_large_and_small(detector: HeadDetector) -> None:
    astronaut = pytest.importorskip("skimage.data").astronaut()
    face = np.array([[165, 30, 290, 185]], float)
    boxes, scores = detector(astronaut)
    assert box_math.iou(boxes[:1], face)[0, 0] > 0.6
    assert scores[0] > 0.6
    portrait = np.ascontiguousarray(astronaut[15:200, 150:305])
    boxes, scores = detector(portrait)
    assert box_math.iou(boxes[:1], face - [150, 15, 150, 15])[0, 0] > 0.6
    small, _ = letterbox(astronaut, 0.15)
    canvas = np.full((480, 640, 3), 128, np.uint8)
    canvas[200 : 200 + 76, 300 : 300 + 76] = small[:76, :76]
    boxes, scores = detector(canvas)
    assert box_math.iou(boxes[:1], face * 0.15 + [300, 200, 300, 200])[0, 0] > 0.5


def test_repeats_exactly(detector: HeadDetector) -> None:
    image = pytest.importorskip("skimage.data").astronaut()[::2, ::2].copy()
    for first, second in zip(detector(image), detector(image), strict=True):
        np.testing.assert_array_equal(first, second)


def test_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np; from semiuhpe import HeadDetector;"
        "print(HeadDetector(threads=1)(np.zeros((64, 64, 3), np.uint8))[0].shape[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "4", done.stderr


class Counted:
    """A session that counts its passes and the pictures in each."""

    def __init__(self, session: Any) -> None:
        self.session, self.passes = session, []  # type: ignore[var-annotated]

    def run(self, names: list[str], feeds: dict[str, Image]) -> list[Image]:
        self.passes.append(feeds["pixels"].shape[:3])
        return list(self.session.run(names, feeds))


def photos() -> list[Image]:
    """The demo's heads in photos of three sizes, one of them tiled."""
    head = load_image(DEMO)
    small, turned = np.ascontiguousarray(head[::3, ::3]), np.ascontiguousarray(head[::3, ::3].transpose(1, 0, 2))
    large = np.full((1300, 2000, 3), 90, np.uint8)
    large[300 : 300 + head.shape[0], 900 : 900 + head.shape[1]] = head[:1000, :1100]
    return [small, large, small[::-1].copy(), turned, small[:, ::-1].copy(), large[:, ::-1].copy()]


@pytest.mark.parametrize("at_once", [0, 1, 400_000, 8_000_000])
def test_many_photos_are_found_as_one_by_one(at_once: int) -> None:
    detector, many = HeadDetector(threads=1, max_tiles=4), photos()
    expected = [detector(image) for image in many]
    assert sum(len(scores) for _, scores in expected) >= 5
    detector._pixels_at_once = max(at_once, 1)
    if at_once == 0:
        detector = older(detector)
    for (boxes, scores), (own_boxes, own_scores) in zip(detector.batch(many), expected, strict=True):
        np.testing.assert_allclose(boxes, own_boxes, atol=1e-3)
        np.testing.assert_allclose(scores, own_scores, atol=1e-5)
    assert detector.batch([]) == []


def older(detector: HeadDetector) -> HeadDetector:
    """The same, but its export takes one picture and answers about one."""
    session = detector._session

    class One:
        def run(self, names: list[str], feeds: dict[str, Image]) -> list[Image]:
            (boxes,), (scores,) = session.run(names, feeds)
            return [boxes, scores]

    detector._session, detector._pixels_at_once = One(), 0
    return detector


def test_views_of_like_size_go_together() -> None:
    detector, many = HeadDetector(threads=1, max_tiles=4), photos()
    counted = detector._session = Counted(detector._session)
    detector._pixels_at_once = 8_000_000
    detector.batch(many)
    assert len(counted.passes) == len({shape[1:] for shape in counted.passes})  # one for each size
    together = sum(shape[0] for shape in counted.passes)
    counted.passes.clear()
    detector._pixels_at_once = 1
    for image in many:
        detector(image)
    assert len(counted.passes) == together
    assert all(shape[0] == 1 for shape in counted.passes)


def test_a_pass_is_bounded() -> None:
    detector = HeadDetector(threads=1)
    counted = detector._session = Counted(detector._session)
    detector._pixels_at_once = 500_000
    detector.batch([np.zeros((300, 400, 3), np.uint8)] * 9)
    assert all(n == 1 or n * height * width <= 500_000 for n, height, width in counted.passes)


def test_the_estimator_of_many_photos_asks_once(tmp_path: Path) -> None:
    detector, many = HeadDetector(threads=1, max_tiles=4), photos()
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), detector=detector, threads=1)
    one_by_one = [estimator(image) for image in many]
    counted = detector._session = Counted(detector._session)
    detector._pixels_at_once = 8_000_000
    for found, expected in zip(estimator.estimate_batch(many), one_by_one, strict=True):
        np.testing.assert_allclose(found.box, expected.box, atol=1e-3)
        np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-3)
    assert len(counted.passes) == len({shape[1:] for shape in counted.passes})
