from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.views.photometric import STRONG, Photometric, apply
from semiuhpe.views.warp import keyed_generator


def picture() -> np.ndarray:
    y, x = np.mgrid[0:112, 0:112]
    return np.stack([x * 2, y * 2, 255 - x - y // 2], axis=-1).clip(0, 255).astype(np.uint8)


def test_no_effects_change_nothing() -> None:
    np.testing.assert_array_equal(apply(picture(), Photometric(), keyed_generator(0)), picture())


def test_every_strength_keeps_shape_and_type_and_the_input() -> None:
    image = picture()
    for seed in range(60):
        out = apply(image, STRONG, keyed_generator(seed))
        assert out.shape == image.shape
        assert out.dtype == np.uint8
    np.testing.assert_array_equal(image, picture())


def test_a_key_makes_the_same_picture_again() -> None:
    first, again, other = (apply(picture(), STRONG, keyed_generator(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_grey_has_equal_channels() -> None:
    out = apply(picture(), Photometric(grey=1.0), keyed_generator(0))
    np.testing.assert_array_equal(out[..., 0], out[..., 1])
    np.testing.assert_array_equal(out[..., 0], out[..., 2])


@pytest.mark.parametrize(
    "effects",
    [Photometric(blur=1.0), Photometric(low_resolution=1.0), Photometric(motion_blur=1.0)],
    ids=["blur", "low resolution", "motion"],
)
def test_optics_lose_detail(effects: Photometric) -> None:
    checkers = (np.indices((112, 112)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=-1)
    spread = np.mean([apply(checkers, effects, keyed_generator(seed)).std() for seed in range(8)])
    assert spread < 0.8 * checkers.std()


def test_brightness_range_is_what_it_says() -> None:
    flat = np.full((16, 16, 3), 100, np.uint8)
    values = [apply(flat, Photometric(brightness=0.2), keyed_generator(s)).mean() for s in range(300)]
    assert 79 <= min(values) < 84
    assert 116 < max(values) <= 121
