"""Light as heads really get it: overcast, sun, ceiling lamps, a window and a lamp, several colours, from behind, flash.

A set-up is drawn by kind, then its powers, directions and colours. Directions live in the camera frame; "above" is
where the torso points, so that a head that is turned in the picture is lit as if the camera had been turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.renderer import Light

KINDS: dict[str, float] = {
    "soft": 0.30, "sun": 0.13, "ceiling": 0.18, "window": 0.12, "mixed": 0.12, "back": 0.08, "flash": 0.05, "screen": 0.02,
}  # fmt: skip
"""Kinds of light and how often each occurs."""

_CAMERA = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Lighting:
    """kind: of `KINDS`; lights: the first throws shadows; sky, ground: ambient light from above and below, linear RGB;
    shadow: how dark the first light's shadow is, 0 to 1.
    """

    kind: str
    lights: tuple[Light, ...]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    shadow: float


def tint(rng: np.random.Generator, strength: float) -> Float:
    """A random colour near white, warm or cold more than green or purple. (3,)"""
    t = rng.normal(0, strength)
    colour = np.array([1.0 + t, 1.0, 1.0 - t]) * np.exp(rng.normal(0, strength / 3, 3))
    return np.asarray(np.clip(colour, 0.3, 2.0))


def temperature(warmth: float) -> Float:
    """Colour of a lamp, as linear RGB of unit green: −1 blue sky, 0 white, 1 tungsten. (3,)"""
    return np.array([1.0 + 0.42 * warmth, 1.0, 1.0 - 0.5 * warmth if warmth > 0 else 1.0 - 0.35 * warmth])


def _unit(vector: Float) -> Float:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def _light(direction: Float, colour: Float) -> Light:
    x, y, z = (float(v) for v in _unit(direction))
    r, g, b = (float(v) for v in colour)
    return Light((x, y, z), (r, g, b))


def random_lighting(up: Float, rng: np.random.Generator) -> Lighting:
    """Draw a set-up. up (3,): where the torso points, camera frame, unit."""
    names = list(KINDS)
    kind = names[int(rng.choice(len(names), p=list(KINDS.values())))]
    side = _unit(np.cross(up, _CAMERA) + 1e-3 * rng.standard_normal(3)) * rng.choice([-1.0, 1.0])

    def near(direction: Float, spread: float) -> Float:
        return _unit(direction + spread * rng.standard_normal(3))

    exposure = float(np.exp(rng.normal(0.0, 0.3)))
    warmth = float(rng.normal(0.0, 0.3))
    ambient = float(rng.uniform(0.18, 0.75))
    key = float(rng.uniform(0.25, 1.5)) * (1.25 - ambient)
    shadow = float(rng.choice([0.0, rng.uniform(0.3, 0.95)], p=[0.35, 0.65]))
    fill, floor = tint(rng, 0.08), float(rng.uniform(0.35, 0.95))
    lights: list[tuple[Float, Float]] = []
    if kind == "soft":
        for number in range(int(rng.integers(1, 4))):
            power = key if number == 0 else key * rng.uniform(0.1, 0.6)
            direction = rng.standard_normal(3) + up * rng.uniform(0.2, 1.6) + 0.6 * _CAMERA
            lights.append((_unit(direction), power * tint(rng, 0.12 if rng.random() < 0.85 else 0.4)))
    elif kind == "sun":
        ambient, shadow = float(rng.uniform(0.2, 0.45)), float(rng.uniform(0.6, 1.0))
        lights.append((near(up * rng.uniform(0.6, 1.6), 0.8), rng.uniform(1.0, 1.9) * temperature(rng.uniform(0, 0.4))))
        fill = temperature(-rng.uniform(0.1, 0.5))
    elif kind == "ceiling":
        # Lamps above: forehead and nose bright, eyes and neck dark, whatever the camera does.
        ambient, floor = float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.25, 0.7))
        for number in range(int(rng.integers(1, 4))):
            power = rng.uniform(0.5, 1.1) * (1.0 if number == 0 else 0.6)
            lights.append((near(up, 0.45), power * temperature(warmth) * tint(rng, 0.05)))
    elif kind == "window":
        ambient = float(rng.uniform(0.1, 0.35))
        lights.append((near(side + 0.25 * up, 0.35), rng.uniform(0.7, 1.6) * temperature(-rng.uniform(0.0, 0.6))))
        lights.append((near(up - side, 0.4), rng.uniform(0.1, 0.5) * temperature(rng.uniform(0.2, 1.0))))
    elif kind == "mixed":
        ambient = float(rng.uniform(0.08, 0.35))
        for _ in range(3):
            strong = tint(rng, 0.2) * np.exp(rng.normal(0, rng.choice([0.15, 0.5]), 3))
            lights.append((near(0.6 * up + 0.4 * _CAMERA, 0.9), rng.uniform(0.2, 0.9) * strong))
    elif kind == "back":
        ambient, shadow = float(rng.uniform(0.06, 0.35)), float(rng.uniform(0.3, 0.9))
        lights.append((near(-_CAMERA + rng.uniform(0.1, 1.0) * up, 0.35), rng.uniform(1.0, 2.5) * temperature(warmth)))
        lights.append((near(_CAMERA + up, 0.5), rng.uniform(0.05, 0.3) * temperature(warmth)))
    elif kind == "flash":
        ambient, shadow = float(rng.uniform(0.05, 0.3)), float(rng.uniform(0.5, 1.0))
        lights.append((near(_CAMERA + 0.1 * up, 0.06), rng.uniform(0.8, 1.6) * temperature(rng.uniform(-0.15, 0.05))))
    else:
        ambient = float(rng.uniform(0.05, 0.25))
        lights.append((near(_CAMERA - 0.7 * up, 0.3), rng.uniform(0.4, 1.0) * temperature(-rng.uniform(0.3, 1.0))))
        lights.append((near(up, 0.4), rng.uniform(0.05, 0.3) * temperature(rng.uniform(0.0, 0.8))))
    sky = exposure * ambient * fill
    ground = sky * floor * tint(rng, 0.06)
    made = tuple(_light(direction, exposure * colour) for direction, colour in lights)
    return Lighting(kind, made, (sky[0], sky[1], sky[2]), (ground[0], ground[1], ground[2]), shadow)
