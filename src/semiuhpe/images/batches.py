"""Many pictures through networks together: batches of bounded memory, in order, where one bad picture costs no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from semiuhpe.errors import SemiUHPEError
from semiuhpe.geometry.crop import Image

_LOG = logging.getLogger(__name__)
Name = TypeVar("Name")
Item = TypeVar("Item")
Answer = TypeVar("Answer")

BATCH = 16
"""Pictures that go through the networks together, at most."""
BATCH_PIXELS = 16_000_000
"""Pixels of a batch, at most; a larger picture goes alone. They take three bytes each."""


def batches(
    pictures: Iterable[tuple[Name, Image | Exception]], count: int = BATCH, pixels: int = BATCH_PIXELS
) -> Iterator[list[tuple[Name, Image | Exception]]]:
    """Pictures with their names, or what became of them, in lists of at most `count`, and of `pixels` in all.

    The memory held is that of one batch and the picture after it.
    """
    batch: list[tuple[Name, Image | Exception]] = []
    held = 0
    for name, picture in pictures:
        size = 0 if isinstance(picture, Exception) else picture.shape[0] * picture.shape[1]
        if batch and (len(batch) == count or held + size > pixels):
            yield batch
            batch, held = [], 0
        batch.append((name, picture))
        held += size
    if batch:
        yield batch


def outcome(work: Callable[[Item], Answer], item: Item) -> Answer | Exception:
    """What `work` answers, or what it raised: whatever one item does must not cost the others theirs.

    An exception in place of an item stays what it is.
    """
    if isinstance(item, Exception):
        return item
    try:
        return work(item)
    except SemiUHPEError as error:
        return error
    except Exception as error:
        _LOG.warning("a picture failed with an unforeseen %s; --debug tells where", type(error).__name__)
        _LOG.debug("that was", exc_info=True)
        return error


def together(work: Callable[[Sequence[Item]], Sequence[Answer]], items: Sequence[Item]) -> list[Answer | Exception]:
    """`work` on all items at once; where that raises, on each by itself, so that only those fail that must."""
    if not items:
        return []
    try:
        return list(work(items))
    except Exception:
        _LOG.debug("a batch failed; its pictures are done one by one", exc_info=True)
    return [outcome(lambda one: work([one])[0], item) for item in items]


def each_together(
    work: Callable[[Sequence[tuple[Name, Image]]], Sequence[Answer]], batch: Sequence[tuple[Name, Image | Exception]]
) -> Iterator[tuple[Name, Image | Exception, Answer | Exception]]:
    """A batch of `batches` with the answers about it, in order: the error itself where there is no picture.

    work: from names and pictures to as many answers.
    """
    readable = [(name, picture) for name, picture in batch if not isinstance(picture, Exception)]
    answers = iter(together(work, readable))
    for name, picture in batch:
        yield name, picture, picture if isinstance(picture, Exception) else next(answers)
