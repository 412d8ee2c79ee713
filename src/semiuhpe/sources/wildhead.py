"""WildHead: 403,216 head crops out of COCOHead (hp), CrowdHuman (ch) and OpenImages V6 (oi), without poses.

Unpacked, it is three folders `head_images_wild_30_{hp,ch,oi}` of pictures `..._X,Y,W,H.jpg`, where X, Y, W, H is the head's
box in the photo that it was cut from. A crop is centred on that box and reaches 1.2 × as far; beyond the photo's border it is
black, so the centre holds there too. Hence the head's box in the crop: it has the crop's centre and the size (s·W, s·H) with
s = (crop width + crop height) / (1.2 · (W + H)), which holds for a square of side 1.2 · (W + H) / 2, for a rectangle of
1.2·W × 1.2·H, and for either of them resized.

The crops end before the 1.3 × of a network's crop: a thin frame of it is padding, and there is no context for larger
views. Importing cocohead, crowdhuman and openimages themselves gives the same heads with context.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import ApartFrom, BoxedHead, Candidate, ImportReport, Rejected, Workers, import_heads
from semiuhpe.sources.pictures import PICTURES, Box, need_folder
from semiuhpe.sources.source import ALL, Published, Source

STORED = 1.2
"""Side of a stored crop over the mean side of its head's box."""

SOURCE = "WildHead"
_PARTS = ("hp", "ch", "oi")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_NAME = re.compile(rf"_{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}$")
_SLACK = 2.0  # pixels by which rounding may push a box out of its crop


def import_wildhead(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """WildHead: ready crops of wild heads from COCO, CrowdHuman and OpenImages, unlabelled.

    extras: part ("hp", "ch", "oi"). A picture whose name holds no box, or whose shape does not go with it, is rejected.
    Raises SourceError if none of the three folders is there.
    """
    root = need_folder(Path(folder))
    folders = {part: root / f"head_images_wild_30_{part}" for part in _PARTS}
    found = {part: path for part, path in folders.items() if path.is_dir()}
    if not found:
        raise SourceError(f"{root}: no WildHead here; expected the folders head_images_wild_30_hp, _ch and _oi")
    heads = [head for part, path in found.items() for head in _heads(path, part)]
    return import_heads(store, heads, {"importer": "wildhead"}, workers=workers, apart_from=apart_from)


def box_in_crop(width: float, height: float, crop_width: float, crop_height: float) -> Box:
    """Box of a head of width × height pixels in its crop, x1, y1, x2, y2 in pixels of the crop.

    Raises Rejected if the head would not fit into it: then the crop was not cut as the module says.
    """
    if width <= 0 or height <= 0:
        raise Rejected("name", f"the name states a box of {width} × {height}")
    scale = (crop_width + crop_height) / (STORED * (width + height))
    half_width, half_height = scale * width / 2, scale * height / 2
    x, y = crop_width / 2, crop_height / 2
    fits = 2 * half_width <= crop_width + _SLACK and 2 * half_height <= crop_height + _SLACK
    # A long head in a square crop may stick out a little: the square's side is 1.2 × the mean of its sides.
    if not fits and abs(crop_width - crop_height) > _SLACK:
        raise Rejected("name", f"a head of {width} × {height} does not fill a crop of {crop_width} × {crop_height}")
    return x - half_width, y - half_height, x + half_width, y + half_height


@dataclass(frozen=True)
class _InCrop:
    width: float
    height: float

    def __call__(self, crop_width: int, crop_height: int) -> Box:
        return box_in_crop(self.width, self.height, crop_width, crop_height)


def _heads(folder: Path, part: str) -> Iterator[BoxedHead | Candidate]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if os.path.splitext(entry.name)[1].lower() in PICTURES)
    for name in names:
        path = folder / name
        match = _NAME.search(path.stem)
        identity = f"{part}/{path.stem}"
        if match is None:
            error = Rejected("name", f"{path}: the name does not end in _X,Y,W,H; unpack the data set again")
            yield Candidate.rejecting(identity, error)
            continue
        _, _, width, height = (float(v) for v in match.groups())
        yield BoxedHead(
            identity,
            path,
            _InCrop(width, height),
            SOURCE,
            subject=f"{part}/{path.stem[: match.start()]}",
            extras={"part": part},
        )


DATA_SET = Source(
    "wildhead",
    import_wildhead,
    licence="see its page",
    citation="Zhou et al., Semi-Supervised Unconstrained Head Pose Estimation in the Wild, 2024",
    published=(Published({"hp": 74_128, "ch": 163_291, "oi": 165_797, ALL: 403_216}),),
)
