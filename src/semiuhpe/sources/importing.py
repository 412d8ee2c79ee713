"""What all importers share: the loop that writes a store in parallel and survives broken files and kills.

An importer lists what there is: `BoxedHead`s (a box in a photo, the usual case) or `Candidate`s (an id and a function
that makes the head). Threads make them, since decoding releases the GIL; consecutive boxed heads of one photo are made
together, so that it is decoded once. They are written in the order in which they were listed, however many threads
there are. What is already in the store is not made again, so an import continues after a kill and repeats for nothing.
A head that raises a SemiUHPEError rejects itself only; rejects are counted and listed in `import.json` beside the store.
"""

from __future__ import annotations

import itertools
import operator
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from tqdm import tqdm

from semiuhpe.errors import FilteredOut, ImageError, Rejected, SemiUHPEError, SourceError
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.geometry.crop import Float
from semiuhpe.heads.context import CONTEXT, LONGEST, QUALITY, context_crop, encode_jpeg
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.images.load import load_image
from semiuhpe.sources.apart import KeptApart
from semiuhpe.sources.pictures import Box, Picture, find_pictures, read_context

__all__ = [
    "CONTEXT", "LONGEST", "QUALITY", "ApartFrom", "BoxedHead", "Candidate", "FilteredOut", "ImportReport", "Made", "Rejected", "Workers",
    "context_crop", "encode_jpeg", "find_pictures", "import_heads", "in_order", "read_context",
]  # fmt: skip

_BATCH = 64
_AHEAD = 4  # photos under way for every thread: enough to keep all busy, few enough to hold in memory

Task = TypeVar("Task")
Result = TypeVar("Result")

Made = tuple[HeadRecord, bytes]

Workers = Annotated[int | None, "threads, default one a core and 8 at most"]
"""The option that importers hand on to `import_heads`; it does not change the store."""

ApartFrom = Annotated[
    Sequence[Path], "stores, or folders of head crops: heads that show the same picture as one of theirs are left out"
]
"""The option that importers hand on to `import_heads`."""


@dataclass(frozen=True)
class Candidate:
    """A head to be: its id in the store, and `make`, which reads and crops it or raises a SemiUHPEError.

    make may return several heads, none included, where only reading the photo tells how many there are; the first of
    them has the candidate's id, and all of them are written in one transaction.
    """

    id: str
    make: Callable[[], Made | list[Made]]

    @classmethod
    def rejecting(cls, identity: str, error: SemiUHPEError) -> Candidate:
        """What is known to be broken before its picture is read, so that it is listed like all that is broken."""

        def make() -> Made:
            raise error

        return cls(identity, make)


@dataclass(frozen=True)
class BoxedHead:
    """A head to be that a box in a picture file tells all about.

    box: x1, y1, x2, y2 in pixels of the upright picture, or a function of its width and height that returns them and
    may raise Rejected or FilteredOut. The other fields are those of `HeadRecord`. Put heads of one picture in a row.
    """

    id: str
    picture: Path
    box: Box | Callable[[int, int], Box]
    source: str
    split: str = "unlabelled"
    subject: str = ""
    rotation: Float | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    def make(self, picture: Picture) -> Made:
        """The head, from its picture. Raises ImageError, Rejected or StoreError."""
        encoded, inside = picture.context(self._box(picture))
        record = HeadRecord(
            id=self.id,
            source=self.source,
            split=self.split,
            subject=self.subject,
            box=inside,
            rotation=self.rotation,
            extras=self.extras,
        )
        return record, encoded

    def _box(self, picture: Picture) -> Box:
        if not callable(self.box):
            return self.box
        try:
            return self.box(*picture.size)
        except FilteredOut:
            raise
        except Rejected as error:
            raise Rejected(error.kind, f"{picture.path}: {error}") from error


@dataclass
class ImportReport:
    """What an import did. rejected: (id, kind, reason) of every head that was left out as broken; filtered: how many
    sound ones were left out because the import was told so, by reason; unlabelled: how many heads came without the label
    that the source has for them, because it is in doubt, by reason."""

    added: int = 0
    present: int = 0
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)
    unlabelled: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[str, int]:
        """How many heads were rejected, by kind."""
        return dict(sorted(Counter(kind for _, kind, _ in self.rejected).items()))

    def to_dict(self) -> dict[str, Any]:
        """For `import.json`."""
        rejected = [{"id": head, "kind": kind, "reason": reason} for head, kind, reason in self.rejected]
        return {
            "added": self.added,
            "present": self.present,
            "counts": self.counts,
            "filtered": dict(sorted(self.filtered.items())),
            "unlabelled": dict(sorted(self.unlabelled.items())),
            "rejected": rejected,
        }


Head = Candidate | BoxedHead
_Outcome = list[Made] | tuple[str, SemiUHPEError]


def import_heads(
    store: str | os.PathLike[str],
    candidates: Iterable[Head],
    meta: dict[str, Any] | None = None,
    *,
    workers: Workers = None,
    apart_from: ApartFrom = (),
    filtered: Mapping[str, int] | None = None,
    unlabelled: Mapping[str, int] | None = None,
) -> ImportReport:
    """Write candidates into a store (a new one, or one begun with the same meta) and `import.json` beside them.

    candidates: in the order in which they are to be stored; a sequence makes the progress bar know its end.
    workers: threads, default one per core and 8 at most; the store is the same for any number. apart_from: stores and
    folders whose pictures must not be among the heads; those that are get rejected as "twin" (see `heads.duplicates`). filtered: heads that the
    importer has left out already, and unlabelled: whose label it does not trust, by reason, for the report. Raises StoreError if `store` is no store folder or was
    begun with other settings, SourceError if workers is not positive.
    """
    if workers is not None and workers < 1:
        raise SourceError(f"workers must be at least 1, got {workers}")
    threads = workers or min(8, os.cpu_count() or 1)
    apart = KeptApart.from_paths(apart_from) if apart_from else None
    if apart is not None:
        meta = {**(meta or {}), "apart_from": apart.digest}
    report = ImportReport(filtered=Counter(filtered or {}), unlabelled=Counter(unlabelled or {}))
    total = operator.length_hint(candidates) or None
    with (
        HeadStoreWriter(store, meta) as writer,
        tqdm(total=total, unit="head", desc=str(store), disable=None, dynamic_ncols=True) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):
        batch: list[Made] = []
        groups = _groups(candidates, writer, report, bar.update)
        try:
            for outcomes in in_order(pool, partial(_make, apart=apart), groups, _AHEAD * threads):
                for outcome in outcomes:
                    if isinstance(outcome, list):
                        batch += outcome
                    else:
                        _note(report, *outcome)
                bar.update(len(outcomes))
                if len(batch) >= _BATCH:  # never between the heads of one candidate
                    report.added += writer.add_many(batch)
                    batch = []
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        report.added += writer.add_many(batch)
    listing = json_text(report.to_dict(), indent=1, ensure_ascii=False) + "\n"
    # A message may name a file whose name is no text: its bytes become escapes, which JSON knows as well.
    write_atomically(Path(store) / "import.json", listing.encode(errors="backslashreplace"))
    return report


def _groups(
    candidates: Iterable[Head], writer: HeadStoreWriter, report: ImportReport, skipped: Callable[[int], Any]
) -> Iterator[list[Head]]:
    """What is not in the store yet, heads of one picture together."""

    def missing() -> Iterator[Head]:
        for candidate in candidates:
            if candidate.id in writer:
                report.present += 1
                skipped(1)
            else:
                yield candidate

    def unit(candidate: Head) -> tuple[bool, Any]:
        return isinstance(candidate, BoxedHead), getattr(candidate, "picture", candidate.id)

    for _, group in itertools.groupby(missing(), unit):
        yield list(group)


def in_order(
    pool: ThreadPoolExecutor, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int
) -> Iterator[Result]:
    """What a function makes of tasks, in their order, at most `ahead` of them under way or waiting to be taken."""
    pending: deque[Future[Result]] = deque()
    for task in tasks:
        pending.append(pool.submit(function, task))
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _make(group: list[Head], apart: KeptApart | None) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    picture: Picture | None = None
    for head in group:
        try:
            if isinstance(head, BoxedHead):
                picture = picture or Picture(head.picture)
                made: Made | list[Made] = head.make(picture)
            else:
                made = head.make()
            heads = made if isinstance(made, list) else [made]
            outcomes.append(heads if apart is None else _checked(heads, apart, outcomes))
        except SemiUHPEError as error:
            outcomes.append((head.id, error))
    return outcomes


def _checked(heads: list[Made], apart: KeptApart, outcomes: list[_Outcome]) -> list[Made]:
    """Those heads of one candidate that are not to be kept out; the others become outcomes of their own."""
    kept: list[Made] = []
    for record, encoded in heads:
        try:
            apart.check(load_image(encoded), record.box)
            kept.append((record, encoded))
        except Rejected as error:
            outcomes.append((record.id, error))
    return kept


def _note(report: ImportReport, identity: str, error: SemiUHPEError) -> None:
    if isinstance(error, FilteredOut):
        report.filtered[error.kind] += 1
        return
    kind = error.kind if isinstance(error, Rejected) else "picture" if isinstance(error, ImageError) else "record"
    report.rejected.append((identity, kind, str(error)))


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise SourceError for a value that is none of the choices."""
    if value not in choices:
        raise SourceError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_share(name: str, value: float) -> None:
    """Raise SourceError for a number that is no share."""
    if not 0 <= value <= 1:
        raise SourceError(f"{name} is a share between 0 and 1, got {value}")
