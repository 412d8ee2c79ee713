"""Batches of pictures: bounded, in order, and one that fails costs no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semiuhpe.errors import ImageError
from semiuhpe.images.batches import batches, each_together, outcome, together


def picture(pixels: int) -> np.ndarray:
    return np.zeros((1, pixels, 3), np.uint8)


@given(st.lists(st.one_of(st.none(), st.integers(1, 60)), max_size=30))
def test_order_stays_and_no_batch_is_larger_than_allowed(sizes: list[int | None]) -> None:
    pictures = [(n, ImageError("bad") if size is None else picture(size)) for n, size in enumerate(sizes)]
    found = list(batches(pictures, count=4, pixels=50))
    assert [name for batch in found for name, _ in batch] == list(range(len(sizes)))
    for batch in found:
        pixels = [p.shape[1] for _, p in batch if not isinstance(p, Exception)]
        assert 0 < len(batch) <= 4
        assert sum(pixels) <= 50 or len(pixels) == 1
    for batch, after in pairwise(found):  # and each is as large as it can be
        pixels = [p.shape[1] for _, p in [*batch, after[0]] if not isinstance(p, Exception)]
        assert len(batch) == 4 or sum(pixels) > 50


def test_pictures_are_asked_for_as_they_are_needed() -> None:
    asked = []

    def pictures() -> Iterator[tuple[int, np.ndarray]]:
        for number in range(100):
            asked.append(number)
            yield number, picture(1)

    assert len(next(batches(pictures(), count=3))) == 3
    assert asked == [0, 1, 2, 3]  # a batch, and the one that showed that it is full


def test_where_all_fail_together_each_has_its_own_answer() -> None:
    calls = []

    def work(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        if 3 in items:
            raise RuntimeError("three")
        return [10 * item for item in items]

    assert together(work, [1, 2]) == [10, 20]
    answers = together(work, [1, 3, 2])
    assert [answers[0], answers[2]] == [10, 20]
    assert isinstance(answers[1], RuntimeError)
    assert calls == [[1, 2], [1, 3, 2], [1], [3], [2]]
    assert together(work, []) == []
    assert len(calls) == 5


def test_what_could_not_be_read_is_its_own_answer() -> None:
    bad = ImageError("bad")
    answers = list(
        each_together(lambda some: [name for name, _ in some], [("a", picture(1)), ("b", bad), ("c", picture(2))])
    )
    assert [(name, answer) for name, _, answer in answers] == [("a", "a"), ("b", bad), ("c", "c")]
    assert answers[1][1] is bad
    assert outcome(lambda one: 1, bad) is bad
