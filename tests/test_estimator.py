from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.tiny_onnx import write_detector_weights, write_foreign_detector, write_pose_weights

from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.errors import ImageError, InputError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.crop import crop_head
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.images.batches import BATCH
from semiuhpe.images.load import load_image


def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (90, 140, 3), dtype=np.uint8)


@pytest.fixture
def estimator(tmp_path: Path) -> HeadPoseEstimator:
    return HeadPoseEstimator(write_pose_weights(tmp_path), detector=lambda image: (np.zeros((0, 4)), np.zeros(0)))


def test_pose_is_the_projected_belief_of_the_one_crop(estimator: HeadPoseEstimator, rng: np.random.Generator) -> None:
    image, boxes = picture(rng), np.array([[10.0, 20, 50, 70], [-30, -10, 20, 30], [100, 50, 180, 120]])
    heads = estimator.estimate(image, boxes, [0.9, 0.8, 0.7])
    weight = np.random.default_rng(1).normal(0, 3, (3, 9)).astype(np.float32)
    for i, box in enumerate(boxes):
        colour = crop_head(image, box, 32).reshape(-1, 3).mean(axis=0) / 255
        expected = project_to_rotation((12 * np.eye(3).ravel() + colour @ weight).reshape(3, 3))
        assert geodesic_distance(heads.rotation[i], expected) < 1e-4
    np.testing.assert_array_equal(heads.box, boxes)
    np.testing.assert_allclose(heads.detection_score, [0.9, 0.8, 0.7])
    assert ((heads.expected_error_deg > 0) & (heads.expected_error_deg < 60)).all()


def test_batch_size_changes_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    path, image = write_pose_weights(tmp_path), picture(rng)
    boxes = np.array([[i, i, i + 30.0, i + 25.0] for i in range(7)])
    one, many = (HeadPoseEstimator(path, batch_size=n).estimate(image, boxes) for n in (1, 64))
    np.testing.assert_allclose(one.rotation, many.rotation, atol=1e-6)


def test_no_heads_and_detections_without_area(tmp_path: Path, rng: np.random.Generator) -> None:
    path, image = write_pose_weights(tmp_path), picture(rng)
    assert len(HeadPoseEstimator(path, detector=lambda _: (np.zeros((0, 4)), np.zeros(0)))(image)) == 0
    odd = HeadPoseEstimator(path, detector=lambda _: ([[0, 0, 10, 10], [5, 5, 5, 9]], [0.9, 0.8]))(image)
    assert odd.detection_score.tolist() == [0.9]


def answering(answer: Any, image: np.ndarray) -> Any:
    return answer


def test_a_detector_may_answer_boxes_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    path, image = write_pose_weights(tmp_path), picture(rng)
    boxes = np.array([[0.0, 0, 20, 20], [30, 30, 60, 60]])  # two of them: not to be taken for boxes and scores
    for answer in (boxes, boxes.tolist(), (boxes, None)):
        heads = HeadPoseEstimator(path, detector=partial(answering, answer))(image)
        np.testing.assert_array_equal(heads.box, boxes)
        assert heads.detection_score.tolist() == [1, 1]
    for answer, match in [((boxes, [0.5]), "expected 2"), (boxes[:, :3], "boxes"), ((boxes, [np.nan, 1]), "finite")]:
        with pytest.raises(InputError, match=match):
            HeadPoseEstimator(path, detector=partial(answering, answer))(image)


def test_heads_outside_of_the_picture_get_the_widest_error_bar(
    estimator: HeadPoseEstimator, rng: np.random.Generator
) -> None:
    boxes = [[-50, 0, -10, 40], [150, 10, 190, 50], [10, -90, 40, -50], [10, 100, 40, 140], [-39, 0, 1, 40]]
    error = estimator.estimate(picture(rng), boxes).expected_error_deg
    assert error[:4].tolist() == [180] * 4
    assert error[4] < 180


def test_views_of_arrays_are_taken(estimator: HeadPoseEstimator, rng: np.random.Generator) -> None:
    image, box = picture(rng), [[10, 10, 60, 60]]
    flipped = estimator.estimate(image[:, ::-1, ::-1], box).rotation
    np.testing.assert_allclose(flipped, estimator.estimate(image[:, ::-1, ::-1].copy(), box).rotation)


def test_crops_are_taken_from_an_iterator_batch_by_batch(tmp_path: Path, rng: np.random.Generator) -> None:
    estimator = HeadPoseEstimator(write_pose_weights(tmp_path), batch_size=2)
    crops = [picture(rng) for _ in range(5)]
    lazily = estimator.estimate_crops(crop for crop in crops)
    np.testing.assert_allclose(lazily.rotation, estimator.estimate_crops(crops).rotation)
    one = estimator.estimate(crops[3], estimator.estimate_crops([crops[3]]).box)
    np.testing.assert_allclose(one.rotation[0], lazily.rotation[3], atol=1e-6)


def test_crops_keep_their_aspect(estimator: HeadPoseEstimator, rng: np.random.Generator) -> None:
    heads = estimator.estimate_crops([picture(rng), picture(rng)[:60, :60]])
    assert len(heads) == 2
    np.testing.assert_allclose(heads.box[1], [30 - 30 / 1.3, 30 - 30 / 1.3, 30 + 30 / 1.3, 30 + 30 / 1.3])
    assert len(estimator.estimate_crops([])) == 0


def test_mirrored_is_equivariant(tmp_path: Path, rng: np.random.Generator) -> None:
    """With the mirror image taken too, the mirror of a picture has exactly the mirror of its pose."""
    both = HeadPoseEstimator(write_pose_weights(tmp_path, bias=rng.normal(0, 5, (3, 3))), mirrored=True)
    crop = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    one, other = both.estimate_crops([crop, np.ascontiguousarray(crop[:, ::-1])]).rotation
    flip = np.diag([-1.0, 1, 1])
    assert geodesic_distance(one, flip @ other @ flip) < 1e-3


def test_outputs_that_are_not_finite_get_the_widest_error_bar(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_pose_weights(tmp_path, bias=np.full((3, 3), np.nan))
    heads = HeadPoseEstimator(path).estimate(picture(rng), [[0, 0, 20, 20]])
    assert heads.expected_error_deg.tolist() == [180.0]
    assert np.isfinite(heads.rotation).all()


def test_calibration_of_the_card_is_applied(tmp_path: Path, rng: np.random.Generator) -> None:
    table = {
        "kind": "isotonic",
        "entropy": [-20.0, 0.0],
        "expected_error_deg": [0.0, 20.0],
        "error_90_deg": [0.0, 40.0],
    }
    heads = HeadPoseEstimator(write_pose_weights(tmp_path, calibration=table)).estimate(picture(rng), [[0, 0, 20, 20]])
    np.testing.assert_allclose(heads.expected_error_deg, 20 + heads.entropy)
    np.testing.assert_allclose(heads.error_90_deg, 40 + 2 * heads.entropy)


def test_malformed_boxes_say_which(estimator: HeadPoseEstimator, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match=r"boxes\[1\]"):
        estimator.estimate(picture(rng), [[0, 0, 5, 5], [9, 0, 3, 5]])
    with pytest.raises(InputError, match=r"\(n, 4\)"):
        estimator.estimate(picture(rng), [[0, 0, 5]])


def test_wrong_weights_are_told_in_one_line(tmp_path: Path) -> None:
    path = write_pose_weights(tmp_path)
    with pytest.raises(WeightsError, match="no such weights"):
        HeadPoseEstimator(tmp_path / "absent.onnx")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(WeightsError, match="SHA-256"):
        HeadPoseEstimator(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match="card"):
        HeadPoseEstimator(path)


TWO_HEADS: list[list[float]] = [[10.0, 10, 50, 60], [60, 20, 90, 70]]


@pytest.fixture
def detecting(tmp_path: Path) -> HeadPoseEstimator:
    """Finds two heads in every photo, one of score 0.9, one of 0.6."""
    (tmp_path / "weights").mkdir()
    pose = write_pose_weights(tmp_path / "weights")
    detector = write_detector_weights(tmp_path / "weights", TWO_HEADS, [0.9, 0.6])
    return HeadPoseEstimator(pose, detector=detector, threads=1)


def photos(folder: Path, rng: np.random.Generator, names: list[str]) -> list[Path]:
    folder.mkdir()
    for number, name in enumerate(names):
        size = (90 + 10 * (number % 2), 140, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    return [folder / name for name in names]


def test_lists_folders_and_patterns_are_one_answer_each(
    detecting: HeadPoseEstimator, tmp_path: Path, rng: np.random.Generator
) -> None:
    paths = photos(tmp_path / "in", rng, ["1.png", "2.png", "10.png"])
    alone = [detecting(path) for path in paths]
    assert [len(heads) for heads in alone] == [2, 2, 2]
    assert detecting(paths) == alone
    assert detecting(tuple(str(path) for path in reversed(paths))) == alone[::-1]
    assert detecting([np.asarray(Image.open(paths[0])), Image.open(paths[1])]) == alone[:2]
    assert detecting(tmp_path / "in") == detecting(str(tmp_path / "in" / "*.png")) == alone
    assert detecting([tmp_path / "in", paths[0]]) == [*alone, alone[0]]
    assert detecting([]) == []
    assert detecting.estimate_batch(paths) == alone
    (tmp_path / "in" / "a[1].png").write_bytes(paths[0].read_bytes())
    assert detecting(tmp_path / "in" / "a[1].png") == alone[0]  # a file's name, no pattern
    with pytest.raises(ImageError, match=r"nothing\.png"):
        detecting([paths[0], "nothing.png"])


def test_each_names_its_photo_and_a_bad_one_costs_no_other(
    detecting: HeadPoseEstimator, tmp_path: Path, rng: np.random.Generator
) -> None:
    paths = photos(tmp_path / "in", rng, ["1.png", "2.png"])
    (tmp_path / "in" / "1b.png").write_bytes(b"no picture")
    found = list(detecting.each([tmp_path / "in", tmp_path / "no_folder", paths[0], np.zeros((9, 9), np.uint8)]))
    assert [name for name, _ in found[:5]] == [
        paths[0],
        tmp_path / "in" / "1b.png",
        paths[1],
        tmp_path / "no_folder",
        paths[0],
    ]
    assert [isinstance(heads, ImageError) for _, heads in found] == [False, True, False, True, False, False]
    assert found[0][1] == detecting(paths[0])
    assert [name for name, _ in detecting.each(tmp_path / "in")] == [paths[0], tmp_path / "in" / "1b.png", paths[1]]
    assert next(iter(detecting.each(str(paths[1]))))[0] == paths[1]


def test_each_holds_one_batch(detecting: HeadPoseEstimator) -> None:
    asked = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(1)
            yield np.full((90, 140, 3), len(asked) % 256, np.uint8)

    for number, (_, heads) in enumerate(detecting.each(endless())):
        assert not isinstance(heads, Exception) and len(heads) == 2
        assert len(asked) <= number + BATCH + 1
        if number == 3 * BATCH:
            break


def test_batches_with_boxes_are_as_one_by_one(estimator: HeadPoseEstimator, rng: np.random.Generator) -> None:
    images = [picture(rng) for _ in range(3)]
    boxes: list[list[list[float]]] = [[[10, 20, 50, 70, 0.7], [-50, 0, -10, 40, 0.2]], [], [[0, 0, 9, 9]]]
    together = estimator.estimate_batch(images, boxes)
    assert together == [estimator.estimate(image, own) for image, own in zip(images, boxes, strict=True)]
    assert together[0].detection_score.tolist() == [0.7, 0.2]
    assert together[0].expected_error_deg[1] > 90  # nothing of it is inside
    assert estimator.estimate_batch([], []) == estimator.estimate_batch([]) == []
    with pytest.raises(InputError, match="3 images, got 2"):
        estimator.estimate_batch(images, boxes[:2])


def test_score_threshold_is_of_any_detector(tmp_path: Path, rng: np.random.Generator) -> None:
    pose, image = write_pose_weights(tmp_path), picture(rng)
    own = write_detector_weights(tmp_path, TWO_HEADS, [0.9, 0.3])
    for detector in (own, HeadDetector(own, score_threshold=0.1), lambda _: (TWO_HEADS, [0.9, 0.3])):
        count = {t: len(HeadPoseEstimator(pose, detector=detector, score_threshold=t)(image)) for t in (0.2, 0.5, 0.95)}
        assert count == {0.2: 2, 0.5: 1, 0.95: 0}
    with pytest.raises(InputError, match="score_threshold"):
        HeadPoseEstimator(pose, score_threshold=1.5)


def test_estimators_and_detectors_are_pickled_by_their_arguments(
    detecting: HeadPoseEstimator, tmp_path: Path, rng: np.random.Generator
) -> None:
    image = picture(rng)
    opened = HeadPoseEstimator(
        detecting.weights.path, detector=detecting.detector, mirrored=True, batch_size=3, score_threshold=0.8
    )
    for one in (detecting, opened):
        back = pickle.loads(pickle.dumps(one))
        assert back(image) == one(image)
        assert (back.mirrored, back.batch_size, back.threads) == (one.mirrored, one.batch_size, one.threads)
    detector = HeadDetector(detecting.detector.weights.path, max_side=640, threads=1)  # type: ignore[attr-defined]
    detector.score_threshold = 0.7
    again = pickle.loads(pickle.dumps(detector))
    assert (again.score_threshold, again.max_side) == (0.7, 640)
    np.testing.assert_array_equal(again(image)[0], detector(image)[0])
    cells = {"output0": np.zeros((1, 5, 3), np.float32)}
    foreign = ForeignDetector(write_foreign_detector(tmp_path / "yolo.onnx", cells), "yolov8", score_threshold=0.2)
    assert pickle.loads(pickle.dumps(foreign)).score_threshold == 0.2


def test_an_estimator_crosses_to_another_process(detecting: HeadPoseEstimator, rng: np.random.Generator) -> None:
    image = picture(rng)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(detecting, image).result(timeout=300) == detecting(image)
        frame = next(detecting.stream([image]))
        back = pool.submit(pickle.loads, pickle.dumps(frame)).result(timeout=300)
    assert back.heads == frame.heads
    np.testing.assert_array_equal(back.image, frame.image)


def test_the_embedded_networks_answer_alike_in_batches(rng: np.random.Generator) -> None:
    demo = [load_image(path) for path in sorted((Path(__file__).parents[1] / "docs" / "demo").glob("*.jpg"))]
    estimator = HeadPoseEstimator(detector=HeadDetector(max_side=320, threads=1), threads=1)
    images = [
        np.ascontiguousarray(image[:height, :width]) for image in demo for height, width in [(300, 300), (280, 300)]
    ]
    images += [image[:, ::-1] for image in images]
    alone = [estimator(image) for image in images]
    assert sum(len(heads) for heads in alone) >= 4
    assert [heads.to_dict() for heads in estimator(images)] == [heads.to_dict() for heads in alone]
