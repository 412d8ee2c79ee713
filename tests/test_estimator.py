from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.errors import InputError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.crop import crop_head
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation


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


def test_a_detector_may_answer_boxes_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    path, image = write_pose_weights(tmp_path), picture(rng)
    boxes = np.array([[0.0, 0, 20, 20], [30, 30, 60, 60]])  # two of them: not to be taken for boxes and scores
    for answer in (boxes, boxes.tolist(), (boxes, None)):
        heads = HeadPoseEstimator(path, detector=lambda _, a=answer: a)(image)
        np.testing.assert_array_equal(heads.box, boxes)
        assert heads.detection_score.tolist() == [1, 1]
    for answer, match in [((boxes, [0.5]), "expected 2"), (boxes[:, :3], "boxes"), ((boxes, [np.nan, 1]), "finite")]:
        with pytest.raises(InputError, match=match):
            HeadPoseEstimator(path, detector=lambda _, a=answer: a)(image)


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
        "kind": "isotonic", "entropy": [-20.0, 0.0], "expected_error_deg": [0.0, 20.0], "error_90_deg": [0.0, 40.0]
    }  # fmt: skip
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
