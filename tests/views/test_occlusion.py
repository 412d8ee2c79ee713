from __future__ import annotations

import numpy as np

from semiuhpe.geometry.crop import PAD_COLOUR
from semiuhpe.views.occlusion import DEEPEST_END, cut_mix, cut_out, draw_holes, end_photo


def test_holes_have_the_published_size_and_place(rng: np.random.Generator) -> None:
    holes = np.concatenate([draw_holes(224, rng) for _ in range(3000)])
    inside = holes[(holes > 0).all(axis=1) & (holes < 224).all(axis=1)]
    sides = inside[:, 2:] - inside[:, :2]
    assert sides.min() >= 19
    assert sides.max() <= 39
    centres = (inside[:, :2] + inside[:, 2:]) / 2
    np.testing.assert_allclose(centres.mean(axis=0), 112, atol=2.5)
    np.testing.assert_allclose(centres.std(axis=0), 37.3, rtol=0.08)


def test_cut_out_paints_the_mean_colour_and_keeps_the_rest(rng: np.random.Generator) -> None:
    image = np.full((112, 112, 3), 250, np.uint8)
    out = cut_out(image, rng)
    changed = (out != image).any(axis=-1)
    assert 0.02 < changed.mean() < 0.25
    assert (out[changed] == PAD_COLOUR).all()
    assert (image == 250).all()


def test_cut_mix_pastes_the_same_places_of_one_donor(rng: np.random.Generator) -> None:
    images = np.stack([np.full((64, 64, 3), 10 * i, np.uint8) for i in range(6)])
    out = cut_mix(images, rng)
    for index in range(6):
        values = set(np.unique(out[index]))
        assert 10 * index in values
        assert len(values) <= 2
    assert any(len(np.unique(out[i])) == 2 for i in range(6))


def test_a_photo_ends_on_straight_lines_and_the_rest_stays(rng: np.random.Generator) -> None:
    size, ended = 100, 0
    for _ in range(200):
        image = rng.integers(0, 100, (size, size, 3), dtype=np.uint8)  # no pixel has the padding's colour
        out = end_photo(image, rng)
        inside = (out == image).all(axis=-1)
        assert (out[~inside] == PAD_COLOUR).all()
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        assert inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        depths = (rows[0], size - 1 - rows[-1], columns[0], size - 1 - columns[-1])
        assert max(depths) <= DEEPEST_END * size + 1
        ended += max(depths) > 0
    assert ended > 120
