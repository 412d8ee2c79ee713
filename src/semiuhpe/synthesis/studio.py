"""From a person's number to finished pictures: build, pose, light, surround, photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from semiuhpe.errors import AssetsError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.record import HeadRecord
from semiuhpe.synthesis.background_photos import PhotoBackgrounds
from semiuhpe.synthesis.backgrounds import procedural
from semiuhpe.synthesis.crowd import Crowd
from semiuhpe.synthesis.identity import Identity, random_expression, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import Outfit, random_outfit
from semiuhpe.synthesis.person import Person, build_person
from semiuhpe.synthesis.picture import Image, Surroundings, apparent_size, over, photograph
from semiuhpe.synthesis.renderer import Renderer, Uploaded, View
from semiuhpe.synthesis.scene import Pose, pixel_box, random_pose, random_view
from semiuhpe.synthesis.settings import SynthesisSettings, head_id, split_of

SOURCE = "synthesis"
_VARIANT_SIZE = 5  # pictures that share one outfit and expression
_BACKGROUNDS = 384
_PHOTO_SHARE = 0.65
_SHARPEST = 1.5  # a picture is composed at so many times the side that its sensor samples


class Studio:
    """Renders persons one after another. photos: backgrounds beside the invented ones; None = those alone."""

    def __init__(self, assets: HeadAssets, settings: SynthesisSettings, photos: PhotoBackgrounds | None = None) -> None:
        self.assets, self.settings, self.photos = assets, settings, photos
        self.renderer = Renderer(round(settings.size * _SHARPEST), assets.texture)
        self.crowd = Crowd(assets, self.renderer, settings.seed)
        self._backgrounds: dict[int, Image] = {}

    def background(self, rng: np.random.Generator, side: int) -> Image:
        """A random view of one of a bank of backgrounds, mirrored and tinted at random. (side, side, 3)"""
        wide = self.settings.size * 3 // 2
        number = int(rng.integers(_BACKGROUNDS))
        if number not in self._backgrounds:
            self._backgrounds[number] = self._new_background(
                np.random.default_rng([self.settings.seed, number, 5]), wide
            )
        part = int(rng.integers(wide // 3, wide + 1))
        x, y = (int(v) for v in rng.integers(0, wide - part + 1, 2))
        view = self._backgrounds[number][y : y + part, x : x + part]
        image = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        if rng.random() < 0.5:
            image = np.asarray(cv2.flip(image, 1), np.uint8)
        gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.05, 3))
        return np.asarray(cv2.multiply(image, np.array([*gain, 1.0])), np.uint8)

    def _new_background(self, rng: np.random.Generator, size: int) -> Image:
        if self.photos is not None and rng.random() < _PHOTO_SHARE:
            for _ in range(8):  # a crowd may leave no room free of heads
                crop = self.photos.crop(rng, size)
                if crop is not None:
                    return crop
        return procedural(rng, size)

    def shoot(self, number: int, wanted: Sequence[int]) -> Iterator[tuple[HeadRecord, bytes]]:
        """The wanted pictures of a person, as records with encoded context crops."""
        settings = self.settings
        identity = random_identity(number, np.random.default_rng([settings.seed, number, 0]), self.assets)
        neutral = self.assets.morph(identity.targets)
        for variant in sorted({picture // _VARIANT_SIZE for picture in wanted}):
            rng = np.random.default_rng([settings.seed, number, 1, variant])
            outfit = random_outfit(rng, identity, self.assets)
            person = build_person(identity, random_expression(rng, identity), outfit, self.assets, rng, neutral)
            uploaded = [self.renderer.upload(part) for part in person.parts]
            for picture in wanted:
                if picture // _VARIANT_SIZE == variant:
                    yield self._one(identity, outfit, person, uploaded, picture)
            for item in uploaded:
                item.release()

    def _one(
        self, identity: Identity, outfit: Outfit, person: Person, uploaded: Sequence[Uploaded], picture: int
    ) -> tuple[HeadRecord, bytes]:
        settings, number = self.settings, identity.number
        rng = np.random.default_rng([settings.seed, number, 4, picture])
        pose = random_pose(rng, settings.front_bias, settings.uniform_share)
        view = random_view(person, pose, rng)
        box = pixel_box(person, view, settings.size)
        image, before = self._take(uploaded, view, pose, box, rng)
        ok, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, settings.quality])
        if not ok:
            raise AssetsError("a rendered picture could not be encoded as JPEG")
        record = HeadRecord(
            head_id(number, picture),
            SOURCE,
            split_of(number, settings),
            identity.subject,
            box,
            pose.rotation,
            _extras(identity, outfit, pose, view) | {"in_front": before},
        )
        return record, data.tobytes()

    def _take(
        self, uploaded: Sequence[Uploaded], view: View, pose: Pose, box: tuple[float, ...], rng: np.random.Generator
    ) -> tuple[Image, str]:
        """Render, surround and photograph. box: in pixels of the stored picture. → picture, what stands in front."""
        size = self.settings.size
        if self.settings.clean:
            drawn = self.renderer.draw(uploaded, view)
            clean = over(np.full((*drawn.shape[:2], 3), 150, np.uint8), drawn)
            return np.asarray(cv2.resize(clean, (size, size), interpolation=cv2.INTER_AREA), np.uint8), ""
        small = apparent_size((box[2] - box[0] + box[3] - box[1]) / (2 * size), size, rng)
        # What the sensor will not resolve need not be drawn.
        side = min(self.renderer.size, max(64, round(_SHARPEST * small)))
        drawn = self.renderer.draw(uploaded, view, side)
        around = Surroundings(
            self.crowd.anyone,
            lambda draw: self.crowd.alike(pose.rotation, draw),
            upright=abs(pose.tilt_deg) < 45,
            rng=rng,
        )
        back = around.behind(self.background(rng, side))
        scaled = (box[0] * side / size, box[1] * side / size, box[2] * side / size, box[3] * side / size)
        image, before = around.before(over(back, drawn), scaled)
        return photograph(image, small, size, rng), before


def _extras(identity: Identity, outfit: Outfit, pose: Pose, view: View) -> dict[str, Any]:
    angles = np.degrees(azimuth_elevation_tilt(pose.rotation))
    hair = identity.hair
    return {
        "azimuth_deg": round(float(angles[0]), 2),
        "elevation_deg": round(float(angles[1]), 2),
        "tilt_deg": round(float(angles[2]), 2),
        "pose": "uniform" if pose.uniform else "prior",
        "male": identity.male,
        "age": round(identity.age, 3),
        "hair": hair.kind + (f"+{hair.tail}" if hair.tail else ""),
        "beard": identity.beard_kind,
        "hat": outfit.hat,
        "glasses": outfit.glasses,
        "mask": "/".join(filter(None, outfit.mask)),
        "hand": outfit.hand,
        "scarf": outfit.scarf,
        "headphones": outfit.headphones,
        "light": view.light_kind,
        "distance_dm": round(view.distance, 2),
    }
