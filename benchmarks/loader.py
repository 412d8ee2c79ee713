"""Views that a loader makes each second on one core, by what they are made of.

    python benchmarks/loader.py [--store FOLDER] [--config settings/Synth_WildHeads.yml] [--size 112] [--profile]

The datasets are those of a training (`semiuhpe.training`), with the recipe's views and photometric settings; only its stores
are replaced: by `--store`, or by heads that this makes up (pictures of 144 pixels as JPEG). Processor time, one thread, so that
whatever else the machine does hardly counts. Rates are measured by themselves; the stages come from a second pass, in which
reading the clock adds to each.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from torch.utils.data import Dataset, default_collate

from semiuhpe.geometry.crop import MARGIN, Image
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.training.pose import data, unlabelled
from semiuhpe.training.pose.batches import SampleKey
from semiuhpe.training.pose.data import HeadSubset, LabelledViews, one_thread_per_worker
from semiuhpe.training.pose.recipe import LabelledData, SemiSupervisedRecipe
from semiuhpe.training.pose.recipe_file import read_recipe
from semiuhpe.training.pose.unlabelled import UnlabelledViews
from semiuhpe.views import occlusion, photometric

BATCH = 32
RECIPE = Path(__file__).resolve().parents[1] / "settings" / "Synth_WildHeads.yml"
STAGES: dict[str, list[tuple[Any, str]]] = {
    "decode": [(HeadStore, "smaller_image")],
    "draw numbers": [(data, "keyed_generator"), (data, "draw_view"), (unlabelled, "keyed_generator"), (unlabelled, "draw_view")],
    "warp": [(data, "decode_factor"), (data, "draw")],
    "photometric": [(photometric, "apply")],
    "cut-occlusion": [(occlusion, "cut_out"), (occlusion, "end_photo")],
    "label": [(data, "turn_label"), (unlabelled, "turn_label"), (unlabelled, "image_rotation")],
}  # fmt: skip


def draw_head(rng: np.random.Generator, side: int = 144) -> Image:
    """A head-like picture: a skin-coloured ellipse with darker hair before a patchy background, and film grain."""
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    skin = tuple(int(v) for v in np.array([224, 172, 140]) * rng.uniform(0.4, 1.1))
    hair = tuple(int(v) for v in rng.integers(10, 120, 3))
    middle, axes = (side // 2, side // 2), (int(side * 0.17), int(side * 0.22))
    turn = float(rng.uniform(-30, 30))
    cv2.ellipse(image, middle, axes, turn, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(image, (middle[0], int(middle[1] * 0.9)), axes, turn, 180, 360, hair, -1, cv2.LINE_AA)
    grain = rng.normal(0, 4, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8) + grain, 0, 255).astype(np.uint8)


def make_store(folder: Path, count: int = 256, side: int = 144) -> Path:
    """A store of made-up heads in the middle of context crops of twice the crop's side."""
    rng = np.random.default_rng(0)
    half = side / 4 / MARGIN
    box = (side / 2 - half, side / 2 - half, side / 2 + half, side / 2 + half)
    with HeadStoreWriter(folder) as writer:
        for number, rotation in enumerate(random_rotations(count, rng)):
            picture = cv2.cvtColor(draw_head(rng, side), cv2.COLOR_RGB2BGR)
            encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            writer.add(HeadRecord(f"h{number}", "made up", "train", f"p{number}", box, rotation), encoded)
    return folder


def keys_of(count: int, views: int, size: int) -> list[list[SampleKey]]:
    """Batches of keys that pass over `count` heads."""
    keys = [SampleKey(0, place % count, place // count, size) for place in range(views)]
    return [keys[start : start + BATCH] for start in range(0, views, BATCH)]


def load(views: Dataset[Any], batches: list[list[SampleKey]], collate: Callable[[list[Any]], Any]) -> None:
    """What a worker of the training's loader does."""
    for batch in batches:
        collate([views[key] for key in batch])


class Stages:
    """Processor seconds of each stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys([*STAGES, "collate"], 0.0)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, and its time added to a stage."""

        def run(*arguments: Any, **named: Any) -> Any:
            begin = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[name] += time.process_time() - begin

        return run

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While inside, the functions of the stages are timed."""
        with ExitStack() as stack:
            for name, places in STAGES.items():
                for owner, attribute in places:
                    timed = self.timed(name, getattr(owner, attribute))
                    stack.enter_context(mock.patch.object(owner, attribute, timed))
            yield


def measure(views: LabelledViews | UnlabelledViews, batches: list[list[SampleKey]]) -> tuple[float, dict[str, float]]:
    """→ processor microseconds a sample, and those of each stage."""
    count = sum(len(batch) for batch in batches)
    for key in itertools.chain.from_iterable(batches):  # what is on disk comes into memory
        views.sources[0].store.encoded(int(views.sources[0].indices[key.position]))
    load(views, batches[:4], default_collate)
    begin = time.process_time()
    load(views, batches, default_collate)
    total = time.process_time() - begin
    stages = Stages()
    with stages.watching():
        load(views, batches, stages.timed("collate", default_collate))
    return 1e6 * total / count, {name: 1e6 * seconds / count for name, seconds in stages.seconds.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, help="folder of a head store; without: made-up heads")
    parser.add_argument("--config", type=Path, default=RECIPE)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--views", type=int, default=3200)
    parser.add_argument("--profile", action="store_true", help="print where the time goes, function by function")
    args = parser.parse_args()
    one_thread_per_worker(0)
    recipe = replace(read_recipe(args.config), run="")
    settings = recipe.semi or SemiSupervisedRecipe()
    with tempfile.TemporaryDirectory() as folder:
        store = HeadStore(args.store or make_store(Path(folder, "store")))
        labelled = HeadSubset(store, np.array([n for n, r in enumerate(store) if r.rotation is not None], np.int64))
        every = HeadSubset(store, np.arange(len(store)))
        print(
            f"{args.store or 'made-up heads'}: {len(store)} heads; {args.config.name}, {args.size} pixels, one thread"
        )
        kinds: list[tuple[str, LabelledViews | UnlabelledViews, int, int]] = [
            ("weak and strong", UnlabelledViews([every], settings, recipe.seed), len(every), 2)
        ]
        if len(labelled):
            source = replace(recipe, labelled=[LabelledData(str(store.path))])
            kinds.insert(0, ("labelled", LabelledViews([labelled], source), len(labelled), 1))
        print(f"| views | views/s | µs a sample | {' | '.join([*STAGES, 'collate'])} |")
        print("|---" * (4 + len(STAGES)) + "|")
        for name, views, count, each in kinds:
            batches = keys_of(count, args.views, args.size)
            total, stages = measure(views, batches)
            parts = " | ".join(f"{value:.0f}" for value in stages.values())
            print(f"| {name} | {each * 1e6 / total:.0f} | {total:.0f} | {parts} |", flush=True)
            if args.profile:
                profiler = cProfile.Profile()
                profiler.runcall(load, views, batches, default_collate)
                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
