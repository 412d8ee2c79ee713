"""What is asked for when a store is filled with renders, and how pictures are shared out over persons and splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.errors import AssetsError


@dataclass(frozen=True)
class SynthesisSettings:
    """What determines every picture, together with the assets and the background photos.

    size: side of the stored picture, pixels. uniform_share: of the poses that are uniform over SO(3); front_bias: of the
    others that are near the front. val, test: shares of the identities.
    """

    count: int = 20000
    identities: int = 4000
    size: int = 256
    seed: int = 0
    front_bias: float = 0.3
    uniform_share: float = 0.2
    val: float = 0.05
    test: float = 0.05
    quality: int = 90
    clean: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or self.identities < 1 or not 64 <= self.size <= 1024:
            raise AssetsError("synthesis needs count ≥ 1, identities ≥ 1 and 64 ≤ size ≤ 1024")
        if not 0 <= self.uniform_share <= 1:
            raise AssetsError(f"uniform_share is a share between 0 and 1, got {self.uniform_share}")
        if not 0 <= self.front_bias <= 1 or self.val < 0 or self.test < 0 or self.val + self.test > 1:
            raise AssetsError("synthesis needs 0 ≤ front_bias ≤ 1, val ≥ 0, test ≥ 0 and val + test ≤ 1")


def split_of(number: int, settings: SynthesisSettings) -> str:
    """Split of a person, by a draw of their own, so that no person is in two splits."""
    draw = np.random.default_rng([settings.seed, number, 2]).random()
    return "test" if draw < settings.test else "val" if draw < settings.test + settings.val else "train"


def head_id(person: int, picture: int) -> str:
    """The store's id of one picture of one person."""
    return f"synth-{person:06d}-{picture:03d}"


def pictures_of(person: int, settings: SynthesisSettings) -> int:
    """How many pictures a person gets: the count is spread evenly over the identities."""
    return settings.count // settings.identities + (person < settings.count % settings.identities)
