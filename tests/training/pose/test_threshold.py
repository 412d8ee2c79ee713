"""The entropy filter, and each way in which the reference gets it wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.training.pose import threshold
from semiuhpe.training.pose.threshold import (
    RunningQuantile,
    Threshold,
    azimuth_band,
    by_quantile,
    dynamic,
    kept_shares,
    quantile,
)


def beliefs(azimuth_deg: list[float], concentration: list[float]) -> MatrixFisher:
    rotation = from_azimuth_elevation_tilt(
        np.radians(azimuth_deg), np.zeros(len(azimuth_deg)), np.zeros(len(azimuth_deg))
    )
    return MatrixFisher(torch.tensor(rotation) * torch.tensor(concentration)[:, None, None])


@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.75, 0.95])
def test_the_quantile_keeps_the_asked_for_share(ratio: float) -> None:
    entropy = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert float((entropy < quantile(entropy, ratio)).double().mean()) == pytest.approx(ratio, abs=0.002)


def test_a_ratio_of_one_keeps_everything() -> None:
    """The reference reads one past the end of the sorted entropies."""
    assert quantile(torch.tensor([-3.0, -5.0]), 1.0) == math.inf
    belief = beliefs([0, 90, 180], [1.0, 5.0, 20.0])
    assert bool(dynamic(belief, 1.0).keep(belief).all())


def test_no_heads_no_failure() -> None:
    assert quantile(torch.zeros(0), 0.5) == math.inf


def test_bands_follow_the_facing_direction() -> None:
    belief = beliefs([0, 59, -59, 61, -119, 121, 180, -150], [10.0] * 8)
    assert azimuth_band(belief.mode).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_the_surer_beliefs_are_kept() -> None:
    belief = beliefs([0, 0, 0, 0], [2.0, 8.0, 16.0, 32.0])
    assert dynamic(belief, 0.5).keep(belief).tolist() == [False, False, True, True]
    assert threshold.fixed(-5.3).keep(belief).tolist() == [False, False, False, True]


def test_a_balanced_threshold_keeps_heads_from_behind() -> None:
    azimuth = [0.0] * 8 + [180.0] * 8
    concentration = [*np.linspace(20, 40, 8), *np.linspace(2, 9, 8)]
    belief = beliefs(azimuth, concentration)
    plain, balanced = dynamic(belief, 0.5), dynamic(belief, 0.5, balanced=True)
    assert kept_shares(belief, plain.keep(belief))["kept_rear"] == 0
    shares = kept_shares(belief, balanced.keep(belief))
    assert (shares["kept_front"], shares["kept_rear"]) == (0.5, 0.5)
    assert shares["pool_rear"] == 0.5


def test_the_limit_itself_is_not_kept() -> None:
    belief = beliefs([0], [10.0])
    limit = float(belief.entropy[0])
    assert not Threshold((limit, limit, limit)).keep(belief).any()


def test_a_band_without_heads_has_the_limit_of_all() -> None:
    """Infinity would let every head of it pass, and is no JSON."""
    belief = beliefs([0.0] * 8 + [90.0] * 8, [*np.linspace(20, 40, 8), *np.linspace(2, 9, 8)])
    front, side, rear = dynamic(belief, 0.5, balanced=True).by_band
    assert rear == dynamic(belief, 0.5).by_band[2]
    assert front < rear < side


@pytest.mark.parametrize("balanced", [False, True])
def test_a_running_quantile_is_that_of_the_latest_heads(balanced: bool) -> None:
    random = torch.Generator().manual_seed(0)
    running = RunningQuantile(0.7, 50, balanced=balanced)
    entropy, band = torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    for step in range(8):
        heads = -3 * torch.rand(17, generator=random) - 0.1 * step
        bands = torch.randint(0, 2 if step < 2 else 3, (17,), generator=random)
        entropy, band = torch.cat([entropy, heads]), torch.cat([band, bands])
        got = running.update(heads, bands)
        assert got == by_quantile(entropy[-50:], band[-50:], 0.7, balanced=balanced)
    assert len(running.entropy) == len(running.band) == 50
