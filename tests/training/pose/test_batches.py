from __future__ import annotations

from collections import Counter

import pytest

from semiuhpe.training.pose.batches import StepSampler


def sampler(first: int = 0, last: int = 40) -> StepSampler:
    return StepSampler(
        [10, 7, 31], [0.5, 0.2, 0.3], 8, seed=3, first=first, last=last, picture_size=lambda step: 64 + step
    )


def test_batches_keep_size_and_proportion() -> None:
    batches = list(sampler())
    assert all(len(b) == 8 for b in batches)
    counts = Counter(key.source for batch in batches for key in batch)
    assert counts[0] == pytest.approx(160, abs=1)
    assert counts[1] == pytest.approx(64, abs=1)
    assert counts[2] == pytest.approx(96, abs=1)


def test_every_sample_knows_the_size_of_its_step() -> None:
    assert [{key.size for key in batch} for batch in sampler(first=5, last=8)] == [{69}, {70}, {71}]


def test_every_head_comes_once_a_pass() -> None:
    keys = [key for batch in sampler() for key in batch if key.source == 1]
    assert sorted(k.position for k in keys if k.epoch == 0) == list(range(7))
    assert sorted(k.position for k in keys if k.epoch == 1) == list(range(7))
    assert [k.position for k in keys[:7]] != [k.position for k in keys[7:14]]


def test_starting_late_gives_the_same_batches() -> None:
    assert list(sampler(first=17)) == list(sampler())[17:]
