"""Measure MediaPipe's face mesh by the protocols and boxes that ours is measured by; needs pip install 'semiuhpe[mediapipe]'.

    python benchmarks/face_mesh.py --protocol aflw2000 --store data/stores/aflw2000_subset
    python benchmarks/face_mesh.py --protocol wild-directions --store data/stores/wild_directions --margin 1.8

Its points are laid on the mean face of the official labels by the 51 inner landmarks. Heads in which it sees no face are
counted as missed; figures are of the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semiuhpe.errors import SemiUHPEError
from semiuhpe.evaluation.benchmarks import PROTOCOLS, protocol
from semiuhpe.evaluation.predictions import Predictions
from semiuhpe.evaluation.run import evaluate
from semiuhpe.evaluation.tables import text_table
from semiuhpe.geometry.crop import Image
from semiuhpe.heads.store import HeadStore
from semiuhpe.labelling.face_mesh import FaceMesh


class MeshModel:
    """The face mesh as a pose model."""

    def __init__(self) -> None:
        self._mesh = FaceMesh()
        self.size, self.description = self._mesh.size, self._mesh.description

    def __call__(self, crops: Image) -> Predictions:
        """Poses of crops; what shows it no face is not found."""
        answer = self._mesh(crops)
        return Predictions(answer.rotation, answer.found, detected=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", required=True, choices=list(PROTOCOLS), help="what to measure")
    parser.add_argument("--store", type=Path, required=True, help="the head store of the set")
    parser.add_argument("--limit", type=int, default=0, help="heads at most, evenly spread (0 = all)")
    parser.add_argument("--margin", type=float, default=1.5, help="crop side over head side")
    args = parser.parse_args(arguments)
    try:
        found: Any = evaluate(
            protocol(args.protocol), MeshModel(), HeadStore(args.store), limit=args.limit, margin=args.margin
        )
    except SemiUHPEError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    print(f"faces found in {found.predictions.found.sum()} of {len(found.predictions)} heads")
    print(text_table(found.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
