"""Stores of flat pictures of which `tiny_onnx.write_pose_weights` says a pose that can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semiuhpe.geometry.rotation import project_to_rotation
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter

BOX = (40.0, 40.0, 88.0, 88.0)
SIDE = 128


def colours(count: int, seed: int = 0) -> np.ndarray:
    """(count, 3) integers from 0 to 255."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3))


def poses_of(colour: np.ndarray) -> np.ndarray:
    """What the tiny network says of flat pictures: A = 12·I + colour/255·W with its W. (n, 3) → (n, 3, 3)."""
    weight = np.random.default_rng(1).normal(0, 3, (3, 9)).astype(np.float32)
    return project_to_rotation((np.eye(3).ravel() * 12 + colour / 255 @ weight).reshape(-1, 3, 3))


def write_store(
    path: Path,
    colour: np.ndarray,
    rotations: Sequence[np.ndarray | None],
    extras: Sequence[dict[str, Any]] | None = None,
    split: str = "test",
) -> Path:
    """One flat picture a colour, with its label."""
    with HeadStoreWriter(path) as writer:
        for i, (value, rotation) in enumerate(zip(colour, rotations, strict=True)):
            picture = np.full((SIDE, SIDE, 3), value, np.uint8)
            encoded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
            known = {} if extras is None else extras[i]
            writer.add(HeadRecord(f"h{i}", "flat", split, f"p{i}", BOX, rotation, known), encoded)
    return path
