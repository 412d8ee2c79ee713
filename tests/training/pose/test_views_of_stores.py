"""Views of stored heads are decoded no larger than they need to be, and look the same."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from helpers.axes_heads import draw_axes, recipe_for

from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.training.pose.batches import SampleKey
from semiuhpe.training.pose.data import LabelledViews, draw_stored, training_sources
from semiuhpe.training.pose.recipe import LabelledData
from semiuhpe.views.warp import View, ViewRange, draw, draw_view, keyed_generator

BOX = (150.5, 160.0, 361.0, 352.0)


def large_heads(path: Path, count: int = 6) -> HeadStore:
    """Heads of 200 pixels as JPEG files of 511 × 512."""
    with HeadStoreWriter(path) as writer:
        for number, rotation in enumerate(random_rotations(count, np.random.default_rng(0))):
            picture = cv2.GaussianBlur(draw_axes(rotation, 512), (0, 0), 1.5)[1:]
            encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            writer.add(HeadRecord(f"h{number}", "axes", "train", "", BOX, rotation), encoded)
    return HeadStore(path)


def test_views_of_large_heads_are_those_of_the_whole_picture(tmp_path: Path) -> None:
    store = large_heads(tmp_path / "store")
    ranges = ViewRange(scale=(0.7, 4.5), shift=0.2, rotation=0.6, flip=0.5)
    smaller = 0
    for seed in range(60):
        views = [draw_view(ranges, keyed_generator(seed, n)) for n in range(1 + seed % 2)]
        index = seed % len(store)
        got = draw_stored(store, index, views, 112)
        for image, view in zip(got, views, strict=True):
            expected = draw(store.image(index), BOX, view, 112)
            apart = np.abs(image.astype(int) - expected)
            smaller += bool(apart.any())
            assert apart.mean() < 1
            assert np.percentile(apart, 99) <= 8
    assert smaller > 15, "none was decoded smaller"


def test_a_sample_does_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    large_heads(tmp_path / "store")
    recipe = recipe_for(tmp_path)
    recipe = replace(recipe, view=ViewRange(scale=(0.7, 3.0), shift=0.1, rotation=0.3, flip=0.5), photo_ends=0.5)
    sources = training_sources(recipe.labelled)
    keys = [SampleKey(0, position, epoch, 64) for epoch in range(2) for position in range(6)]
    forwards = LabelledViews(sources, recipe)
    first = [forwards[key] for key in keys]
    backwards = LabelledViews(sources, recipe)
    for key, (image, rotation, _) in reversed(list(zip(keys, first, strict=True))):
        again, label, _ = backwards[key]
        assert torch.equal(image, again)
        assert torch.equal(rotation, label)


def test_the_label_does_not_change_with_the_size_of_decoding(tmp_path: Path) -> None:
    """The same place of the head is in the middle of the view, whatever it was decoded at."""
    store = large_heads(tmp_path / "store", 1)
    grey = [draw_stored(store, 0, [View(scale=scale)], 64)[0].mean(axis=-1) for scale in (2.99, 3.01)]  # halved, whole
    shift, _ = cv2.phaseCorrelate(grey[0].astype(np.float64), grey[1].astype(np.float64))
    assert np.linalg.norm(shift) < 0.1


def test_a_source_may_be_turned_more_than_the_others(tmp_path: Path) -> None:
    large_heads(tmp_path / "store")
    upright = ViewRange(rotation=0.1)
    turned = LabelledData(str(tmp_path / "store"), any_rotation=1.0)
    recipe = recipe_for(tmp_path, view=upright, labelled=[LabelledData(turned.store), turned])
    views = LabelledViews(training_sources(recipe.labelled), recipe)
    store = HeadStore(turned.store)
    angles: list[list[float]] = [[], []]
    for source, epoch in itertools.product(range(2), range(20)):
        _, rotation, _ = views[SampleKey(source, 0, epoch, 32)]
        turn = rotation.numpy() @ store.rotations[int(views.sources[0].indices[0])].T
        angles[source].append(float(np.arccos(np.clip(turn[0, 0], -1, 1))))
    assert max(angles[0]) < 0.11
    assert max(angles[1]) > 2
