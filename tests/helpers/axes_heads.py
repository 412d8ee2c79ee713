"""Heads whose pose can be read off the picture, in stores, and recipes that train on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.training.pose.recipe import (
    EmaRecipe,
    LabelledData,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    SemiSupervisedRecipe,
    UnlabelledData,
)


def draw_axes(rotation: np.ndarray, size: int = 128) -> np.ndarray:
    """A picture from which the pose can be read: three thick coloured axes."""
    image = np.full((size, size, 3), 128, np.uint8)
    for column, colour in ((0, (255, 0, 0)), (1, (0, 255, 0)), (2, (0, 0, 255))):
        tip = size / 2 + size / 5 * rotation[:2, column]
        cv2.line(image, (size // 2, size // 2), tuple(np.rint(tip).astype(int)), colour, 7)
        cv2.circle(image, tuple(np.rint(tip).astype(int)), 4 + int(4 * rotation[2, column]), colour, -1)
    return image


def make_store(
    path: Path,
    count: int = 40,
    labelled: bool = True,
    splits: tuple[str, ...] = ("val", "train", "train", "train", "train"),
    swapped: tuple[int, int] = (0, 0),
) -> Path:
    """splits: of the heads in turn. swapped: so many times the labels of the val and test heads move on by one head."""
    rotations = random_rotations(count, np.random.default_rng(0))
    labels = rotations.copy()
    for name, turns in zip(("val", "test"), swapped, strict=True):
        places = [i for i in range(count) if splits[i % len(splits)] == name]
        labels[places] = np.roll(rotations[places], turns, axis=0)
    with HeadStoreWriter(path) as writer:
        for i, rotation in enumerate(rotations):
            encoded = cv2.imencode(".png", draw_axes(rotation)[..., ::-1])[1].tobytes()
            split = splits[i % len(splits)] if labelled else "unlabelled"
            label = labels[i] if labelled else None
            writer.add(HeadRecord(f"h{i}", "axes", split, f"p{i}", (39.4, 39.4, 88.6, 88.6), label), encoded)
    return path


def recipe_for(tmp_path: Path, **changes: object) -> Recipe:
    store = tmp_path / "store"
    if not store.exists():
        make_store(store)
    settings: dict[str, object] = {
        "run": str(tmp_path / "run"),
        "seed": 5,
        "steps": 14,
        "batch_size": 8,
        "labelled": [LabelledData(str(store))],
        "model": ModelRecipe("mobilenetv4_conv_small", pretrained=False, image_size=48),
        "optimizer": OptimizerRecipe(warmup_steps=3),
        "ema": EmaRecipe(teacher_decay=0.9),
        "validate_every": 6,
        "checkpoint_every": 4,
        "log_every": 1,
        "workers": 0,
        "threads": 1,
        "warm_size": 32,
        "warm_steps": 5,
        "device": "cpu",
    }
    return Recipe(**{**settings, **changes})  # type: ignore[arg-type]


def semi_for(tmp_path: Path, **changes: object) -> SemiSupervisedRecipe:
    pool = tmp_path / "pool"
    if not pool.exists():
        make_store(pool, labelled=False)
    settings: dict[str, object] = {
        "unlabelled": [UnlabelledData(str(pool))],
        "stage1_steps": 5,
        "stage_steps": 3,
        "ulb_batch_ratio": 1.5,
    }
    return SemiSupervisedRecipe(**{**settings, **changes})  # type: ignore[arg-type]
