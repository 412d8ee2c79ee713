"""Round things that are no heads are laid beside the heads of a scene."""

from __future__ import annotations

import numpy as np

from semiuhpe.training.detector.distractors import _round_thing, with_distractors

PLAIN = np.full((256, 256, 3), 90, np.uint8)
HEADS = np.array([[20.0, 30.0, 120.0, 150.0], [150.0, 150.0, 180.0, 190.0]])


def test_heads_stay_seen() -> None:
    """Of no head more than a little is hidden, while what is beside them changes."""
    changed = np.zeros((256, 256))
    for seed in range(60):
        scene = with_distractors(PLAIN, HEADS, np.random.default_rng(seed))
        other = np.abs(scene.astype(int) - PLAIN).max(axis=2) > 12
        for x1, y1, x2, y2 in HEADS.astype(int):
            assert other[y1:y2, x1:x2].mean() < 0.45  # up to eight things, each 5 % at most and softened at its edge
        changed += other
    assert changed[200:, :].mean() > 2 * changed[30:150, 20:120].mean()
    assert (PLAIN == 90).all()


def test_each_is_a_function_of_its_generator() -> None:
    first, second = (with_distractors(PLAIN, HEADS, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, with_distractors(PLAIN, HEADS, np.random.default_rng(5)))


def test_each_kind_is_round() -> None:
    for kind in range(4):
        picture, cover = _round_thing(kind, np.random.default_rng(kind))
        assert picture.shape == (*cover.shape, 3) and picture.min() >= 0 and picture.max() <= 255
        assert cover[0, 0] == cover[-1, -1] == 0 and 0.35 < cover.mean() < 0.8
        assert (picture[cover == 0] == 0).all()
