"""Pseudo-labelling of a store: heads in, the same heads with labels out, in the same order with the same pictures.

Heads go through in groups of consecutive ones. A group is labelled by one thread and written in one transaction, in
order, so a kill at any moment leaves whole groups; the same command then goes on behind them, and the store is the same
for any number of threads.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from semiuhpe.errors import InputError, StoreError
from semiuhpe.geometry.crop import Image
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.labelling.committee import Rules, Verdict, verdicts
from semiuhpe.labelling.labels import DAMAGED, Given, labelled, provenance_of
from semiuhpe.labelling.teachers import SCALES, Teacher
from semiuhpe.sources.importing import Made, in_order

GROUP = 16
_AHEAD = 3


@dataclass(frozen=True)
class LabelSettings:
    """How a store is labelled.

    Attributes:
        scales: crop sizes over the one that suits each teacher.
        mirrored: mirror images too.
        given: what becomes of labels that the store has.
        val: share of subjects whose first label makes them `val`.
        rules: how the committee decides.

    Raises:
        InputError: values out of range.
    """

    scales: tuple[float, ...] = SCALES
    mirrored: bool = True
    given: Given = "keep"
    val: float = 0.1
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        rules = self.rules
        if not self.scales or not all(0.2 <= scale <= 5 for scale in self.scales):
            raise InputError(f"scales are crop sizes over the usual one, each from 0.2 to 5, got {self.scales}")
        if min(rules.spread_deg, rules.apart_deg, rules.max_sigma_deg) <= 0 or rules.min_teachers < 1:
            raise InputError("spread, apart and largest sigma are above 0°, and at least one teacher is needed")
        if not 0 <= rules.correlation <= 1 or not 0 <= self.val <= 1:
            raise InputError(f"correlation and val are from 0 to 1, got {rules.correlation} and {self.val}")


def label_store(
    store: str | os.PathLike[str],
    out: str | os.PathLike[str],
    teachers: Sequence[Teacher],
    settings: LabelSettings | None = None,
    *,
    workers: int | None = None,
) -> None:
    """Label the heads of a store into another, or continue to.

    Args:
        store: folder of the heads.
        out: folder of the store that is written.
        teachers: the committee.
        settings: None = as they are by default.
        workers: threads, default one per core and 8 at most.

    Raises:
        StoreError: `out` is no store of this labelling.
        InputError: settings that cannot be.
    """
    settings = settings or LabelSettings()
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    if Path(store).resolve() == Path(out).resolve():
        raise InputError(f"{out}: labels go into a new store; name another folder")
    if settings.rules.min_teachers > len(teachers):
        raise InputError(f"{settings.rules.min_teachers} teachers must agree, and there are {len(teachers)}")
    heads = HeadStore(store)
    job = _Job(heads, list(teachers), settings)
    threads = workers or min(8, os.cpu_count() or 1)
    with (
        HeadStoreWriter(out, job.meta) as writer,
        tqdm(total=len(heads), unit="head", desc=str(out), disable=None, dynamic_ncols=True) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):
        done = len(writer)
        if done > len(heads) or not all(heads.record(i).id in writer for i in range(done)):
            raise StoreError(f"{out}: holds other heads than {store}; delete it or choose another folder")
        bar.update(done)
        try:
            for made in in_order(pool, job, _groups(done, len(heads)), _AHEAD * threads):
                writer.add_many(made)
                bar.update(len(made))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _groups(first: int, count: int) -> list[range]:
    """The heads from `first` on, cut where a run from the beginning would cut."""
    return [
        range(max(first, start), min(start + GROUP, count)) for start in range(first // GROUP * GROUP, count, GROUP)
    ]


class _Job:
    """Labels a group of heads when called; may be called by several threads."""

    def __init__(self, heads: HeadStore, teachers: list[Teacher], settings: LabelSettings) -> None:
        self._heads, self._teachers, self._settings = heads, teachers, settings
        self.meta: dict[str, Any] = {
            "importer": "label",
            "of": {"store": heads.path.resolve().name, "meta": heads.meta},
            "teachers": {
                t.name: {**t.description, "margin": t.margin, **dataclasses.asdict(t.limits)} for t in teachers
            },
            "settings": dataclasses.asdict(settings),
        }

    def __call__(self, numbers: range) -> list[Made]:
        pictures = {number: self._picture(number) for number in numbers}
        found = self._verdicts({number: image for number, image in pictures.items() if image is not None})
        damaged = (Verdict(None, DAMAGED, ()), {"reason": DAMAGED, "teachers": {}})
        made = []
        for number in numbers:
            verdict, provenance = found.get(number, damaged)
            record = labelled(
                self._heads.record(number), verdict, provenance, given=self._settings.given, val=self._settings.val
            )
            made.append((record, self._heads.encoded(number)))
        return made

    def _picture(self, number: int) -> Image | None:
        try:
            return self._heads.image(number)
        except StoreError:
            return None

    def _verdicts(self, pictures: dict[int, Image]) -> dict[int, tuple[Verdict, dict[str, Any]]]:
        if not pictures:
            return {}
        pairs = [(image, self._heads.record(number).box) for number, image in pictures.items()]
        scales, mirrored = self._settings.scales, self._settings.mirrored
        opinions = [teacher.opinion(pairs, scales, mirrored) for teacher in self._teachers]
        limits = [teacher.limits for teacher in self._teachers]
        return {
            number: (verdict, provenance_of(self._teachers, opinions, verdict, head))
            for head, (number, verdict) in enumerate(
                zip(pictures, verdicts(opinions, limits, self._settings.rules), strict=True)
            )
        }
