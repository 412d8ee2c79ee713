"""Other people: a bank of cut-out persons who stand behind and before the head that counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.geometry.rotation import geodesic_distance
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.identity import random_expression, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import random_outfit
from semiuhpe.synthesis.person import build_person
from semiuhpe.synthesis.picture import SPRITE_ZOOM, Image
from semiuhpe.synthesis.renderer import Renderer
from semiuhpe.synthesis.scene import Pose, random_pose, random_view

_PEOPLE = 96
_CANDIDATES = 10


class Crowd:
    """Persons by number, drawn when they are first asked for; they belong to no split and depend on the seed alone."""

    def __init__(self, assets: HeadAssets, renderer: Renderer, seed: int) -> None:
        self.assets, self.renderer, self.seed = assets, renderer, seed
        self._poses: list[Pose] = [random_pose(np.random.default_rng([seed, number, 6])) for number in range(_PEOPLE)]
        self._rotations: Float = np.stack([pose.rotation for pose in self._poses])
        self._pictures: dict[int, Image] = {}

    def anyone(self, rng: np.random.Generator) -> Image:
        """A random person: premultiplied RGBA, square, the head in the middle, SPRITE_ZOOM times a picture's view."""
        return self._picture(int(rng.integers(_PEOPLE)))

    def alike(self, rotation: Float, rng: np.random.Generator) -> Image:
        """A person whose head is turned about as `rotation` (3, 3) is: who looks where a class or an audience looks."""
        drawn = rng.integers(0, _PEOPLE, _CANDIDATES)
        return self._picture(int(drawn[np.argmin(geodesic_distance(self._rotations[drawn], rotation))]))

    def _picture(self, number: int) -> Image:
        if number not in self._pictures:
            rng = np.random.default_rng([self.seed, number, 3])
            identity = random_identity(number, rng, self.assets)
            outfit = replace(random_outfit(rng, identity, self.assets), hand="")
            person = build_person(identity, random_expression(rng, identity), outfit, self.assets, rng)
            uploaded = [self.renderer.upload(part) for part in person.parts]
            view = random_view(person, self._poses[number], rng)
            x, y, half = view.window
            self._pictures[number] = self.renderer.draw(uploaded, replace(view, window=(x, y, SPRITE_ZOOM * half)))
            for item in uploaded:
                item.release()
        return self._pictures[number]
