"""What the head detector's test photos share with those it is trained on: copies, and rooms seen from one place.

    python benchmarks/photo_splits.py data/SCUT_HEAD --excluded data/WildDirections/labels.csv

For the split by what the photos show, and for that of earlier releases, by number.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, get_args

from semiuhpe.heads.duplicates import find_twins
from semiuhpe.sources.apart import photo_appearances
from semiuhpe.sources.photo_splits import SAME_ROOM, detail_correlations
from semiuhpe.sources.scut_head import PhotoSet, read_scut_head
from semiuhpe.sources.split_by import SplitBy
from semiuhpe.training.detector.data import excluded_photos


def shared(photos: PhotoSet) -> dict[str, Any]:
    """Counts of each split, and what test and val photos have in common with train."""
    train = photo_appearances(photo.path for photo in photos.train)
    figures: dict[str, Any] = {"train photos": len(photos.train)}
    for name, part in (("test", photos.test), ("val", photos.val)):
        seen = photo_appearances(photo.path for photo in part)
        nearest = detail_correlations(seen, train).max(axis=1)
        figures[name] = {
            "photos": len(part),
            "heads": sum(len(photo.boxes) for photo in part),
            "photos with a copy in train": len({twin.first for twin in find_twins(seen, train)}),
            "photos of a room in train": int((nearest > SAME_ROOM).sum()),
            "largest correlation": round(float(nearest.max()), 3),
        }
    return figures


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="SCUT-HEAD folder")
    parser.add_argument("--excluded", default="", help="CSV whose `photo` column belongs to the test split as well")
    args = parser.parse_args()
    excluded = excluded_photos(args.excluded)
    splits: tuple[SplitBy, ...] = get_args(SplitBy)
    print(json.dumps({by: shared(read_scut_head(args.photos, excluded, by)) for by in splits}, indent=1))


if __name__ == "__main__":
    main()
