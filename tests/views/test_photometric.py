from __future__ import annotations

import cv2
import numpy as np
import pytest

from semiuhpe.views.photometric import STRONG, Photometric, _blur, _grain, apply
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


def colour_of_floats(image: np.ndarray, effects: Photometric, rng: np.random.Generator) -> np.ndarray:
    """One effect after the other, in floating point, never rounded in between but where the light is measured."""
    brightness, contrast, saturation, gamma = 2 * rng.random(4) - 1
    tint = 1 + effects.tint * (2 * rng.random(3) - 1)
    keep = 0.0 if rng.random() < effects.grey else 1 + effects.saturation * saturation
    out = image.astype(np.float64)
    luma = (out @ [0.299, 0.587, 0.114])[..., None]
    out = np.clip(keep * out + (1 - keep) * luma, 0, 255) / 255
    middle = out.mean()
    out = (out ** ((1 + effects.gamma) ** gamma) - middle) * (1 + effects.contrast * contrast) + middle
    return np.clip(out * (1 + effects.brightness * brightness) * tint * 255, 0, 255)


def test_colour_is_that_of_single_effects_in_floating_point() -> None:
    effects = Photometric(brightness=0.25, contrast=0.3, saturation=0.4, tint=0.1, grey=0.1)
    apart = []
    for seed in range(100):
        image = keyed_generator(7, seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        rng, again = keyed_generator(seed), keyed_generator(seed)
        # `apply` asks for three effects of optics first.
        rng.random(3)
        got, expected = apply(image, effects, again), colour_of_floats(image, effects, rng)
        apart.append(got - expected)
    # Rounding to a grey level happens twice, and light stretches the first.
    assert np.abs(apart).max() <= 2
    assert np.abs(apart).mean() < 0.4
    assert abs(np.mean(apart)) < 0.05


def test_gamma_is_a_power() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=-1)
    for seed in range(20):
        rng = keyed_generator(seed)
        rng.random(3)
        exponent = 1.5 ** (2 * rng.random(4)[3] - 1)
        got = apply(ramp, Photometric(gamma=0.5), keyed_generator(seed))
        assert np.abs(got - 255 * (ramp / 255.0) ** exponent).max() <= 0.5 + 1e-6


def test_noise_is_normal_and_independent() -> None:
    """Against `scipy.stats`: the numbers themselves, and what is left of them in grey levels."""
    stats = pytest.importorskip("scipy.stats")
    numbers = np.concatenate([_grain((50, 50, 3), keyed_generator(seed)).ravel() for seed in range(40)])
    assert stats.kstest(numbers, "norm").statistic < 1.63 / np.sqrt(len(numbers))  # 1 % significance
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert stats.kurtosis(numbers) == pytest.approx(0, abs=0.05)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers[:-4], numbers[4:])[0, 1]) < 0.01
    flat = np.full((64, 64, 3), 128, np.uint8)
    for seed in range(5):
        rng = keyed_generator(seed)
        rng.random(3 + 4 + 3 + 1 + 1)
        sigma = 2.0 + 14.0 * rng.random() ** 2
        got = apply(flat, Photometric(noise=1.0), keyed_generator(seed)).astype(float) - 128
        assert got.std() == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.03)
        assert abs(got.mean()) < 4 * sigma / 110


@pytest.mark.parametrize("sigma", [0.4, 0.9, 1.7, 2.4, 4.8])
def test_blur_is_the_sum_over_neighbours(sigma: float) -> None:
    image = keyed_generator(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    reach = (round(6 * sigma + 1) | 1) // 2
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    expected = np.pad(image.astype(np.float64), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    for axis in (0, 1):
        expected = np.apply_along_axis(np.convolve, axis, expected, taps, mode="valid")
    assert np.abs(_blur(image, sigma) - expected).max() <= 1
    assert np.abs(_blur(image, sigma).astype(int) - cv2.GaussianBlur(image, (0, 0), sigma)).max() <= 1
