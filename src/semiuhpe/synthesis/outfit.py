"""What a person wears and holds, which changes between pictures: clothes, hats, masks, spectacles, hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.synthesis import face_masks, hands
from semiuhpe.synthesis.identity import Identity
from semiuhpe.synthesis.makehuman import HeadAssets

HATS: dict[str, float] = {"beanie": 1.0, "cap": 2.2, "helmet": 2.2, "dome": 0.6, "hood": 1.2, "headscarf": 1.0}
"""Headwear that is made on the skull, and how often each is worn among hats. helmet: of a building site; dome: without a
brim."""


@dataclass(frozen=True)
class Outfit:
    """clothes, hat: asset or kind, "" = none; mask: (kind, wear) of face_masks, ("", "") = none; hand: kind of hands, "" =
    none; scarf: around the neck; shirt: shift of the painted neckline, dm; arm: radians that the arms hang down.
    """

    clothes: str
    hat: str
    glasses: bool
    shirt: float
    colour: tuple[float, float, float]
    colour_b: tuple[float, float, float]
    hat_colour: tuple[float, float, float]
    pattern: tuple[float, float]
    recolour: float
    arm: float
    mask: tuple[str, str] = ("", "")
    hand: str = ""
    scarf: bool = False
    headphones: bool = False


def cloth_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A colour of cloth, linear RGB."""
    kind = rng.random()
    if kind < 0.3:
        value = rng.uniform(0.01, 0.9) ** 1.5 * np.ones(3)
    elif kind < 0.55:
        value = np.array([0.02, 0.035, 0.09]) * np.exp(rng.normal(0.5, 0.7)) * np.exp(rng.normal(0, 0.2, 3))
    else:
        value = rng.uniform(0.01, 0.8, 3) ** 1.6
    return float(min(value[0], 0.95)), float(min(value[1], 0.95)), float(min(value[2], 0.95))


def random_outfit(rng: np.random.Generator, identity: Identity, assets: HeadAssets) -> Outfit:
    """Draw an outfit that goes with the person."""
    suits = sorted(n for n in assets.clothes if n.startswith("male" if identity.male else "female")) or [""]
    hat = ""
    if rng.random() < 0.16:
        kinds = HATS | dict.fromkeys(sorted(assets.hats), 0.6)
        odds = np.array(list(kinds.values()))
        hat = str(rng.choice(list(kinds), p=odds / odds.sum()))
        if identity.male and hat == "headscarf":
            hat = "hood"
    mask = ("", "")
    if rng.random() < 0.09:
        mask = (
            str(rng.choice(face_masks.KINDS, p=[0.6, 0.2, 0.2])),
            str(rng.choice(["right", "nose", "chin"], p=[0.8, 0.1, 0.1])),
        )
    hand = str(rng.choice(list(hands.KINDS), p=list(hands.KINDS.values()))) if rng.random() < 0.13 else ""
    return Outfit(
        clothes=str(rng.choice(suits)) if rng.random() < 0.5 else "",
        hat=hat,
        glasses=bool(rng.random() < 0.24),
        shirt=float(
            rng.choice([rng.normal(0, 0.15), rng.uniform(0.2, 0.55), rng.uniform(-0.8, -0.2)], p=[0.6, 0.28, 0.12])
        ),
        colour=cloth_colour(rng),
        colour_b=cloth_colour(rng),
        hat_colour=cloth_colour(rng),
        pattern=(float(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])), float(np.exp(rng.uniform(0.0, 2.0)))),
        recolour=float(rng.choice([0.0, rng.uniform(0.3, 1.0), 1.0, 2.0], p=[0.25, 0.3, 0.3, 0.15])),
        arm=float(rng.uniform(-0.1, 0.75)),
        mask=mask,
        hand=hand,
        scarf=bool(rng.random() < 0.05),
        headphones=bool(rng.random() < 0.02) and not hat,
    )
