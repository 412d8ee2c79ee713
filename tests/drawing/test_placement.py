"""Labels never overlap, stay in the picture, and lie on another's head only where nothing is free; a search of every pixel is the oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semiuhpe.drawing.placement import Place, nearest_free, place_labels, whole_pixels

WIDTH, HEIGHT = 44, 36
SIZES = st.tuples(st.integers(1, 18), st.integers(1, 10))


@st.composite
def rectangles(draw: st.DrawFn, most: int = 8) -> np.ndarray:
    """Boxes in, across and outside of a small picture."""
    corners = st.tuples(st.integers(-10, WIDTH), st.integers(-10, HEIGHT), st.integers(1, 16), st.integers(1, 16))
    found = draw(st.lists(corners, min_size=1, max_size=most))
    return np.array([(x, y, x + w, y + h) for x, y, w, h in found], np.int64)


def overlap(a: tuple[int, ...] | np.ndarray, b: tuple[int, ...] | np.ndarray) -> bool:
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


def costs(size: tuple[int, int], own: np.ndarray, at: tuple[int, int]) -> tuple[int, int]:
    """Cost and distance from the box, in words: four times the gap, and how far from the place below the middle."""
    gap = wanted = 0
    for axis in range(2):
        low, high, begin = own[axis], own[axis + 2], at[axis]
        gap += max(0, low - (begin + size[axis]), begin - high)
        best = (low + high - size[axis]) // 2 if axis == 0 else high
        wanted += abs(begin - min(max(best, 0), (WIDTH, HEIGHT)[axis] - size[axis]))
    return 4 * gap + wanted, gap


def every_free(size: tuple[int, int], obstacles: np.ndarray) -> list[tuple[int, int]]:
    """Every place in the picture, pixel by pixel, that overlaps no obstacle."""
    return [
        (x, y)
        for x in range(WIDTH - size[0] + 1)
        for y in range(HEIGHT - size[1] + 1)
        if not any(overlap((x, y, x + size[0], y + size[1]), o) for o in obstacles)
    ]


@settings(max_examples=60, deadline=None)
@given(SIZES, rectangles(), st.one_of(st.none(), st.integers(0, 20)))
def test_the_nearest_free_place_is_the_one_that_a_search_of_every_pixel_finds(
    size: tuple[int, int], boxes: np.ndarray, reach: int | None
) -> None:
    own, obstacles = boxes[0], boxes[:]
    found = nearest_free(size, own, obstacles, (WIDTH, HEIGHT), reach=reach)
    possible = [costs(size, own, at) for at in every_free(size, obstacles)]
    possible = [cost for cost in possible if reach is None or cost[1] <= reach]
    if found is None:
        assert not possible
    else:
        assert found in every_free(size, obstacles)
        assert costs(size, own, found)[0] == min(cost for cost, _ in possible)


@settings(max_examples=60, deadline=None)
@given(rectangles(12), st.data())
def test_labels_never_overlap_and_lie_on_another_head_only_where_nothing_is_free(
    boxes: np.ndarray, data: st.DataObject
) -> None:
    forms = [data.draw(st.lists(SIZES, max_size=2)) for _ in boxes]
    forms = [sorted(sizes, key=lambda size: -size[0] * size[1]) for sizes in forms]
    places = place_labels(forms, boxes, (WIDTH, HEIGHT))
    order = np.argsort(-(boxes[:, 2:] - boxes[:, :2]).sum(axis=1), kind="stable")
    earlier: list[tuple[int, int, int, int]] = []
    for number in order:
        place, others = places[number], np.delete(boxes, number, axis=0)
        if place is None:
            if forms[number]:  # not even the shortest form had a place beside the labels before it
                assert not every_free(forms[number][-1], np.array(earlier).reshape(-1, 4))
            continue
        left, top, right, bottom = place.rectangle
        assert (right - left, bottom - top) == forms[number][place.form]
        assert left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT
        assert not any(overlap(place.rectangle, label) for label in earlier)
        if any(overlap(place.rectangle, other) for other in others):
            for size in forms[number][-1:]:
                assert not every_free(size, np.concatenate([boxes, np.array(earlier).reshape(-1, 4)]))
            assert not every_free(forms[number][-1], np.concatenate([others, np.array(earlier, int).reshape(-1, 4)]))
        earlier.append(place.rectangle)


def test_a_lone_label_stands_in_the_middle_below_its_head() -> None:
    boxes = whole_pixels([[50.2, 20.5, 69.9, 39.1]])
    assert place_labels([[(30, 12)]], boxes, (200, 100)) == [Place((45, 40, 75, 52), 0)]


def test_at_the_lower_edge_it_stays_beside_its_head() -> None:
    boxes = whole_pixels([[50, 70, 80, 100]])
    (place,) = place_labels([[(20, 12)]], boxes, (200, 100))
    assert place is not None
    left, top, right, bottom = place.rectangle
    assert not overlap(place.rectangle, boxes[0])
    assert costs((20, 12), boxes[0], (left, top))[1] == 0
    assert (right - left, bottom - top) == (20, 12)


def test_a_shorter_form_is_taken_where_the_full_one_would_be_far_away() -> None:
    walls = [[0, 0, 90, 200], [110, 0, 200, 200]]  # two large heads leave a lane 20 px wide
    boxes = whole_pixels([*walls, [92, 90, 108, 110]])
    places = place_labels([[], [], [(60, 12), (18, 12)]], boxes, (200, 400))
    assert places[:2] == [None, None]
    assert places[2] == Place((91, 110, 109, 122), 1)


def test_nothing_fits_into_a_picture_smaller_than_the_label() -> None:
    assert place_labels([[(30, 12)]], whole_pixels([[0, 0, 5, 5]]), (8, 8)) == [None]
    assert place_labels([], whole_pixels(np.zeros((0, 4))), (8, 8)) == []


def test_absurd_boxes_are_no_obstacle_to_anything_else() -> None:
    boxes = whole_pixels([[1e12, 0.0, 2e12, 10.0], [-1e9, -1e9, -1e8, -1e8], [10.0, 10.0, 20.0, 20.0]])
    places = place_labels([[(9, 9)]] * 3, boxes, (100, 100))
    assert all(place is not None for place in places)
