"""Fitting error bars on errors whose distribution is known, and measuring them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.tiny_onnx import write_pose_weights
from scipy.stats import chi2

from semiuhpe.cli.main import main
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation.calibration import (
    aurc,
    coverage,
    coverage_curve,
    fit_calibration,
    isotonic,
    isotropic_radius,
    radius_50_deg,
    reliability,
    risk_coverage,
)
from semiuhpe.geometry.rotation import geodesic_distance, random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.poses.error_bars import ErrorModel


def isotonic_oracle(values: np.ndarray) -> np.ndarray:
    """max over j ≤ i of min over k ≥ i of mean(values[j..k]), the textbook's formula."""
    n = len(values)
    return np.array([max(min(values[j : k + 1].mean() for k in range(i, n)) for j in range(i + 1)) for i in range(n)])


def test_isotonic_against_its_definition(rng: np.random.Generator) -> None:
    for _ in range(20):
        values = rng.normal(size=12)
        np.testing.assert_allclose(isotonic(values), isotonic_oracle(values))


def test_weights_count_as_repeats() -> None:
    assert isotonic([3.0, 1.0, 5.0], [1, 3, 1]).tolist() == [1.5, 1.5, 5.0]


def simulated(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entropies, errors drawn around a scale that grows with them, and that scale."""
    entropy = rng.uniform(-6, -1, count)
    scale = 3 * np.exp(0.5 * (entropy + 6))
    return entropy, np.abs(rng.normal(0, 1, (count, 3)) * scale[:, None]).max(axis=1), scale


def test_radii_cover_what_they_say_on_other_heads(rng: np.random.Generator) -> None:
    entropy, errors, _ = simulated(rng, 12_000)
    table = fit_calibration(entropy, errors)
    fresh_entropy, fresh_errors, _ = simulated(rng, 20_000)
    for share, name in ((0.5, "error_50_deg"), (0.9, "error_90_deg")):
        radius = np.interp(fresh_entropy, table["entropy"], table[name])
        assert coverage(fresh_errors, radius) == pytest.approx(share, abs=0.02)
        for low in (-6, -4, -2):  # and not only on average
            inside = (fresh_entropy >= low) & (fresh_entropy < low + 1)
            assert coverage(fresh_errors[inside], radius[inside]) == pytest.approx(share, abs=0.05)
    expected = np.interp(fresh_entropy, table["entropy"], table["expected_error_deg"])
    assert expected.mean() == pytest.approx(fresh_errors.mean(), rel=0.05)


def test_what_is_fitted_is_what_inference_reads(rng: np.random.Generator) -> None:
    """Written as JSON and read back, the table gives each belief the bars that were fitted at its entropy."""
    entropy, errors, _ = simulated(rng, 500)
    table = fit_calibration(entropy, errors)
    parameter = np.linspace(0.5, 40, 30)[:, None, None] * np.eye(3)
    bars = ErrorModel(json.loads(json.dumps({"calibration": table})))(parameter)
    assert np.ptp(bars.entropy) > 4
    for name in ("expected_error_deg", "error_90_deg"):
        expected = np.interp(bars.entropy, table["entropy"], table[name])
        assert np.ptp(expected) > 20
        np.testing.assert_allclose(getattr(bars, name), expected)


def test_a_belief_that_knows_nothing_has_the_error_of_a_guess(rng: np.random.Generator) -> None:
    table = fit_calibration(*simulated(rng, 500)[:2])
    angles = np.degrees(geodesic_distance(random_rotations(400_000, rng), np.eye(3)))
    found = (angles.mean(), np.quantile(angles, 0.5), np.quantile(angles, 0.9))
    at = np.array([table[name][-1] for name in ("expected_error_deg", "error_50_deg", "error_90_deg")])
    np.testing.assert_allclose(at, found, atol=0.3)
    assert ErrorModel({"calibration": table})(np.zeros((1, 3, 3))).expected_error_deg[0] == pytest.approx(at[0])


def test_too_few_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 50"):
        fit_calibration(np.zeros(10), np.zeros(10))


def test_sorting_by_the_truth_is_best_and_by_nothing_is_the_mean(rng: np.random.Generator) -> None:
    _, errors, scale = simulated(rng, 2000)
    assert aurc(errors, errors) < aurc(errors, scale) < errors.mean()
    assert aurc(errors, np.zeros(2000)) == pytest.approx(errors.mean())
    shares, risk = risk_coverage(errors, scale)
    assert (shares[-1], risk[-1]) == (1.0, pytest.approx(errors.mean()))


def test_the_command_writes_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = write_pose_weights(tmp_path)
    picture = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    with HeadStoreWriter(tmp_path / "store") as writer:
        for i, rotation in enumerate(random_rotations(220, np.random.default_rng(0))):
            writer.add(HeadRecord(f"h{i}", "x", "val", "", (16.0, 16.0, 48.0, 48.0), rotation), picture)
    assert main(["calibrate", str(weights), "--heads", str(tmp_path / "store")]) == 0
    assert "90 % radius" in capsys.readouterr().out
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["calibration"]["heads"] == 220
    assert card["calibration"]["fitted_on"] == [{"source": "store", "split": "val", "heads": 220, "sigma_scale": 1.0}]
    assert card["mirrored"] is False
    assert HeadPoseEstimator(weights).mirrored is False
    assert main(["calibrate", str(weights), "--heads", str(tmp_path / "store"), "--mirrored"]) == 0
    assert HeadPoseEstimator(weights).mirrored is True  # as they were calibrated
    assert HeadPoseEstimator(weights, mirrored=False).mirrored is False
    assert main(["calibrate", str(weights), "--heads", str(tmp_path / "store"), "--split", "test"]) == 1
    assert "at least 200" in capsys.readouterr().err


def test_isotropic_radius_against_scipy() -> None:
    shares = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(isotropic_radius(shares), np.sqrt(chi2(3).ppf(shares)), atol=1e-4)
    assert isotropic_radius(0.0) == 0


def test_coverage_curve_runs_through_both_stated_radii_and_is_straight_where_they_are_honest(
    rng: np.random.Generator,
) -> None:
    scale = rng.uniform(2, 9, 20_000)
    errors = np.linalg.norm(rng.normal(size=(20_000, 3)), axis=1) * scale
    half, wide = scale * np.sqrt(chi2(3).ppf(0.5)), scale * np.sqrt(chi2(3).ppf(0.9))
    shares = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(coverage_curve(errors, half, wide, shares), shares, atol=0.015)
    boastful = coverage_curve(errors, half / 3, wide, [0.5, 0.9])
    np.testing.assert_allclose(boastful, [coverage(errors, half / 3), coverage(errors, wide)], atol=1e-3)
    assert np.isfinite(coverage_curve(errors, np.zeros(20_000), wide, shares)).all()


def test_reliability_bins_against_sorting_by_hand() -> None:
    stated, true = reliability([3.0, 1.0, 2.0, 4.0], [30.0, 10.0, 20.0, 60.0], bins=2)
    assert (stated.tolist(), true.tolist()) == ([1.5, 3.5], [15.0, 45.0])
    assert len(reliability([], [])[0]) == 0


def test_the_50_percent_radius_is_the_cards_or_the_isotropic_one() -> None:
    table = {"calibration": {"entropy": [-5.0, -1.0], "error_50_deg": [2.0, 10.0]}}
    assert radius_50_deg(table, [-3.0, 0.0], [50.0, 50.0]).tolist() == [6.0, 10.0]
    plain = radius_50_deg({}, [-3.0], [10.0])
    assert plain[0] == pytest.approx(10 * np.sqrt(chi2(3).ppf(0.5) / 3), rel=1e-3)
