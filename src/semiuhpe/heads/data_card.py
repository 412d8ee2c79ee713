"""The data card of an export: what the heads are, where they come from, how they are turned, how to read them.

Its YAML head is what the Hugging Face Hub reads; it is written as one JSON value per line, which is YAML too.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import numpy as np

from semiuhpe.files.atomic import json_text
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore

CARD = "README.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_BANDS_DEG = (0, 30, 60, 90, 120, 150, 180)
_FEATURES = [
    {"name": "image", "dtype": "image"},
    *({"name": name, "dtype": "string"} for name in ("id", "source", "split", "subject")),
    *({"name": name, "sequence": "float64"} for name in ("box", "rotation")),
    {"name": "extras", "dtype": "string"},
]
_READ = {
    "webdataset": """import json, webdataset

for sample in webdataset.WebDataset("data/train-{00000..00003}.tar", shardshuffle=False).decode("pil"):
    picture, record = sample.get("jpg", sample.get("png")), sample["json"]""",
    "huggingface": """import datasets

heads = datasets.load_dataset("PATH OF THIS FOLDER", split="train")
heads[0]["image"], heads[0]["box"], heads[0]["rotation"]""",
}


def data_card(store: HeadStore, kind: str, name: str, licence: str) -> str:
    """The page as Markdown. kind: "webdataset" or "huggingface". licence: in words or by its name on the Hub, may be empty."""
    splits = Counter(record.split for record in store)
    labelled = Counter(record.split for record in store if record.rotation is not None)
    subjects = {record.subject for record in store if record.subject}
    rows = [(split, str(count), str(labelled[split])) for split, count in sorted(splits.items())]
    sources = sorted(Counter(record.source for record in store).items())
    parts = [
        _head(store, kind, sorted(splits), licence),
        f"# {name}",
        f"{len(store)} heads, {sum(labelled.values())} of them with a rotation, of {len(subjects)} known subjects"
        f"{_unknown(store)}. Made by `semiuhpe export-heads`; `semiuhpe prepare {kind} FOLDER STORE` makes a head store of it.",
        _table(("split", "heads", "with a rotation"), rows),
        _table(("source", "heads"), [(source, str(count)) for source, count in sources]),
        "## How the heads are turned",
        _poses(store),
        "## What a head is",
        "- `image`: a square context crop, wider than the head; `box`: x1, y1, x2, y2 of the whole head in its pixels, hair included.\n"
        "- `rotation`: nine numbers by rows, camera←head (camera x right, y down, z into the scene; identity faces the camera), "
        "or null where there is no label.\n"
        "- `subject`: who it is, where that is known, so that splits can keep people apart; `source`: the data set it comes "
        "from; `extras`: what else that data set says, as JSON.",
        f"```python\n{_READ[kind]}\n```",
        "## Where they come from",
        "What the store says of its making:",
        f"```json\n{json_text(store.meta, indent=1, sort_keys=True, ensure_ascii=False)}\n```",
        "## Terms and limits",
        (f"Licence: {licence}. " if licence else "**No licence was stated**: the terms of the sources above hold. ")
        + "Pictures of people are personal data: whoever passes them on answers for their consent and for the terms of each "
        "source. Not for recognising people. Heads of the split `test` are never trained on.",
    ]
    return "\n\n".join(parts) + "\n"


def _head(store: HeadStore, kind: str, splits: list[str], licence: str) -> str:
    size = next((word for most, word in _SIZES if len(store) < most), "n>1M")
    entries: dict[str, object] = {
        "license": "other" if not licence or " " in licence else licence,
        "tags": ["head-pose-estimation", "semiuhpe", kind],
        "size_categories": [size],
    }
    if kind == "huggingface":
        files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
        entries |= {
            "configs": [{"config_name": "default", "data_files": files}],
            "dataset_info": {"features": _FEATURES},
        }
    return "\n".join(["---", *(f"{key}: {json_text(value)}" for key, value in entries.items()), "---"])


def _unknown(store: HeadStore) -> str:
    count = sum(not record.subject for record in store)
    return f" ({count} heads of unknown ones)" if count else ""


def _poses(store: HeadStore) -> str:
    known = np.array([record.rotation for record in store if record.rotation is not None]).reshape(-1, 3, 3)
    if not len(known):
        return "No head has a rotation."
    azimuth = np.abs(np.degrees(azimuth_elevation_tilt(known)[:, 0]))
    counts, _ = np.histogram(azimuth, bins=_BANDS_DEG)
    bands = [f"{low}°–{high}°" for low, high in itertools.pairwise(_BANDS_DEG)]
    rows = [(band, str(count), f"{100 * count / len(known):.1f} %") for band, count in zip(bands, counts, strict=True)]
    return "Azimuth to either side; 180° is seen from behind.\n\n" + _table(("azimuth", "heads", "share"), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
