"""How much of the error on renders is the camera's? The same held-out heads as they were photographed, and clean.

    python benchmarks/degradation.py --store data/stores/synth --assets MAKEHUMAN_FOLDER [--weights default] [--persons 80]

The test identities of a store are rendered once more, without background, things in front, blur, noise and compression; how
many pixels the camera gave each head follows from the same random numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from semiuhpe import HeadPoseEstimator
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.heads.store import HeadStore
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.synthesis.generate import find_assets
from semiuhpe.synthesis.picture import Image, apparent_size, over
from semiuhpe.synthesis.renderer import Uploaded, View
from semiuhpe.synthesis.scene import Pose
from semiuhpe.synthesis.settings import SynthesisSettings, pictures_of, split_of
from semiuhpe.synthesis.studio import Studio

EDGES = (0, 24, 36, 54, 80, 1000)
GREY = 150


class CleanStudio(Studio):
    """Renders the same heads clean, and notes the pixels that each one would have spanned on the sensor."""

    head_pixels = 0.0

    def _take(
        self, uploaded: Sequence[Uploaded], view: View, pose: Pose, box: tuple[float, ...], rng: np.random.Generator
    ) -> tuple[Image, str]:
        size = self.settings.size
        share = (box[2] - box[0] + box[3] - box[1]) / (2 * size)
        self.head_pixels = share * apparent_size(share, size, rng)
        drawn = self.renderer.draw(uploaded, view)
        plain = over(np.full((*drawn.shape[:2], 3), GREY, np.uint8), drawn)
        return np.asarray(cv2.resize(plain, (size, size), interpolation=cv2.INTER_AREA), np.uint8), ""


def main() -> None:
    """Print a table: pixels of the head, mean and median error as photographed, and clean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--assets", required=True)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--persons", type=int, default=80)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    store = HeadStore(args.store)
    places = {record.id: number for number, record in enumerate(store)}
    settings = SynthesisSettings(**store.meta["settings"])
    studio = CleanStudio(find_assets(args.assets), settings)
    estimator = HeadPoseEstimator(args.weights, threads=args.threads)
    persons = [p for p in range(settings.identities) if split_of(p, settings) == "test"][: args.persons]
    pixels, clean, photographed, chosen = [], [], [], []
    for person in persons:
        for record, data in studio.shoot(person, range(pictures_of(person, settings))):
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            clean.append(estimator.estimate(picture, [record.box]))
            photographed.append(estimator.estimate(store.image(places[record.id]), [record.box]))
            chosen.append(places[record.id])
            pixels.append(studio.head_pixels)
    truth = store.rotations[chosen]
    errors = [geodesic_errors_deg(HeadPoses.concatenate(heads).rotation, truth) for heads in (photographed, clean)]
    print("| pixels of the head | heads | as photographed: mean (median), degrees | clean: mean (median), degrees |")
    print("|---|---|---|---|")
    sizes = np.array(pixels)
    for low, high in [*pairwise(EDGES), (0, EDGES[-1])]:
        inside = (sizes >= low) & (sizes < high)
        cells = [f"{e[inside].mean():.1f} ({np.median(e[inside]):.1f})" for e in errors]
        name = "all" if (low, high) == (0, EDGES[-1]) else f"{low}-{high}" if high < EDGES[-1] else f"{low} and more"
        print(f"| {name} | {inside.sum()} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
