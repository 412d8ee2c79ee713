"""One probability out of the detector's score and the pose network's stated error; how the estimator uses it."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from semiuhpe.detection.detector import SCORE_THRESHOLD, HeadDetector
from semiuhpe.detection.head_probability import HeadProbability, of_card
from semiuhpe.errors import WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.images.load import load_image
from semiuhpe.weights import open_weights

CURVE = HeadProbability(1.1, 1.2, 0.3, -1.1, -0.3, candidates=0.2, threshold=0.5)


def plain(score: float, size: float, error_deg: float) -> float:
    """In the words of the docstring."""
    s, e = np.log(size / 32), np.log(error_deg / 10)
    x = 1.1 + 1.2 * np.log(score / (1 - score)) + 0.3 * s - 1.1 * e - 0.3 * e * s
    return float(1 / (1 + np.exp(-x)))


def test_equals_the_formula(rng: np.random.Generator) -> None:
    scores, sizes, errors = rng.uniform(0.01, 0.99, 60), rng.uniform(8, 300, 60), rng.uniform(3, 100, 60)
    expected = [plain(*row) for row in zip(scores, sizes, errors, strict=True)]
    np.testing.assert_allclose(CURVE(scores, sizes, errors), expected, rtol=1e-9)
    assert np.isfinite(CURVE(np.array([0.0, 1.0]), np.array([0.0, 1e9]), np.array([0.0, 180.0]))).all()


def test_cards() -> None:
    assert of_card({}, "x") == {}
    assert of_card({"head_probability": {"ab": asdict(CURVE)}}, "x") == {"ab": CURVE}
    for change in ({"by_logit": -1}, {"candidates": 0}, {"threshold": 2}, {"by_error": None}, {"offset": float("nan")}):
        with pytest.raises(WeightsError, match="head_probability"):
            of_card({"head_probability": {"ab": {**asdict(CURVE), **change}}}, "x")
    with pytest.raises(WeightsError, match="by pose network"):
        of_card({"head_probability": [asdict(CURVE)]}, "x")


class Candidates:
    """A detector that takes two places for heads, and what its card says."""

    boxes = np.array([[10.0, 10, 60, 60], [70, 70, 110, 110]], np.float32)
    scores = np.array([0.45, 0.6], np.float32)

    def __init__(self, curve: HeadProbability | None, of: str = "default") -> None:
        self.curve, self.sha256 = curve, open_weights(of).sha256

    def head_probability(self, pose_weights: str) -> HeadProbability | None:
        return self.curve if pose_weights == self.sha256 else None

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.batch([image])[0]

    def batch(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(self.boxes[self.scores >= 0.5], self.scores[self.scores >= 0.5]) for _ in images]

    def candidates(self, images: list[np.ndarray], least: float) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(self.boxes[self.scores >= least], self.scores[self.scores >= least]) for _ in images]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)


def test_the_estimator_shows_what_both_take_for_heads(image: np.ndarray) -> None:
    everything = HeadPoseEstimator(detector=lambda _: (Candidates.boxes, Candidates.scores))(image)
    sizes = np.array([50.0, 40.0])
    probability = CURVE(everything.detection_score, sizes, everything.expected_error_deg)
    assert probability[0] != pytest.approx(probability[1])
    between = float(probability.mean())
    for threshold in (0.0, between, 1.0):
        estimator = HeadPoseEstimator(detector=Candidates(CURVE), score_threshold=threshold)
        heads = estimator(image)
        kept = np.flatnonzero(probability >= threshold)
        kept = kept[np.argsort(-probability[kept])]
        np.testing.assert_allclose(heads.detection_score, probability[kept], atol=1e-6)
        np.testing.assert_allclose(heads.box, Candidates.boxes[kept])
        np.testing.assert_allclose(heads.expected_error_deg, everything.expected_error_deg[kept], atol=1e-6)
        boxes, scores = estimator.detect(image)
        np.testing.assert_array_equal(boxes, heads.box)
        np.testing.assert_array_equal(scores, heads.detection_score)


def test_without_a_curve_and_with_given_boxes_scores_stay_the_detectors(image: np.ndarray) -> None:
    heads = HeadPoseEstimator(detector=Candidates(None))(image)
    np.testing.assert_allclose(heads.detection_score, [0.6])
    given = HeadPoseEstimator(detector=Candidates(CURVE)).estimate(image, Candidates.boxes, Candidates.scores)
    np.testing.assert_allclose(given.detection_score, Candidates.scores)


def test_a_curve_is_for_the_pose_network_that_it_was_fitted_with(image: np.ndarray) -> None:
    heads = HeadPoseEstimator("open", detector=Candidates(CURVE, of="default"))(image)
    np.testing.assert_allclose(heads.detection_score, [0.6])
    heads = HeadPoseEstimator("open", detector=Candidates(CURVE, of="open"), score_threshold=0.0)(image)
    assert len(heads) == 2


def test_the_embedded_detector_knows_both_embedded_pose_networks() -> None:
    for weights in ("default", "open"):
        assert HeadPoseEstimator(weights, threads=1).head_probability is not None
    assert HeadDetector(threads=1).head_probability("another") is None


def test_the_threshold_is_the_detectors_unless_given(image: np.ndarray) -> None:
    heads = HeadPoseEstimator(detector=Candidates(CURVE))(image)
    assert np.all(heads.detection_score >= CURVE.threshold)
    everything = HeadPoseEstimator(detector=Candidates(CURVE), score_threshold=0.0)(image)
    assert len(heads) == np.sum(everything.detection_score >= 0.5)


def test_a_detectors_own_threshold_goes_before_its_cards() -> None:
    shipped, low, pose = HeadDetector(), HeadDetector(score_threshold=0.3), open_weights("default").sha256
    curve = shipped.head_probability(pose)
    assert curve is not None
    assert (shipped.score_threshold, low.score_threshold) == (SCORE_THRESHOLD, 0.3)
    for detector in (low, pickle.loads(pickle.dumps(low))):
        assert detector.head_probability(pose) == replace(curve, threshold=0.3)
    assert pickle.loads(pickle.dumps(shipped)).head_probability(pose) == curve


def test_candidates_are_what_a_lower_threshold_finds(image: np.ndarray) -> None:
    photo = load_image(Path(__file__).parents[2] / "docs" / "demo" / "astronaut.jpg")
    shipped = HeadDetector(threads=1)
    least = 0.2
    for (boxes, scores), (expected, expected_scores) in zip(
        shipped.candidates([photo, image], least),
        HeadDetector(score_threshold=least, threads=1).batch([photo, image]),
        strict=True,
    ):
        np.testing.assert_array_equal(boxes, expected)
        np.testing.assert_array_equal(scores, expected_scores)
    assert len(shipped.candidates([photo], least)[0][0]) > len(shipped(photo)[0])


def test_a_bolt_of_a_helmet_is_no_head() -> None:
    """On the demo photo the detector alone takes one for a head at 0.51."""
    path = Path(__file__).parents[2] / "docs" / "demo" / "astronaut.jpg"
    assert len(HeadPoseEstimator(threads=1)(path)) == 1
