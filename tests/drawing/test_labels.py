"""Numbers, labels and the legend: what they say, and that they can be read and joined with a table."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.drawing.colour import error_colours
from semiuhpe.drawing.labels import label_forms, paint_labels
from semiuhpe.drawing.legend import Legend, paint_legend
from semiuhpe.drawing.lettering import SMALLEST_PX, letter_size
from semiuhpe.drawing.placement import whole_pixels
from semiuhpe.drawing.poses import STYLES
from semiuhpe.drawing.style import GREY
from semiuhpe.poses.head_poses import HeadPoses

GROUND = 90


def heads(boxes: list[list[float]], errors: list[float], tracks: list[int] | None = None) -> HeadPoses:
    n = len(boxes)
    return HeadPoses(
        rotation=np.repeat(np.eye(3)[None], n, axis=0),
        box=boxes,
        detection_score=np.ones(n),
        expected_error_deg=errors,
        error_90_deg=errors,
        entropy=np.zeros(n),
        track_id=tracks or np.zeros(0, int),
    )


def test_forms_from_the_fullest_to_the_shortest() -> None:
    forms = label_forms(["3", ""], [[10.4, -0.2, 5.0], [1.0, 2.0, 3.0]], [6.2, 55], [True, False])
    assert forms[0] == ["3  az +10° el +0° tilt +5° ±6°", "3  ±6°\naz +10°\nel +0°\ntilt +5°", "3  ±6°", "3"]
    assert forms[1][-1] == "±55°"  # without a name
    assert label_forms(["1", "2", ""], None, [5, 50, 5], [True, False, True]) == [["1"], ["2  ±50°", "2"], []]


@pytest.mark.parametrize("picture", [(40, 60), (320, 480), (2160, 3840)])
@pytest.mark.parametrize("radius", [0.0, 3, 100, 5000])
def test_letters_can_be_read(picture: tuple[int, int], radius: float) -> None:
    assert SMALLEST_PX <= letter_size(picture, radius) <= max(SMALLEST_PX, max(picture) / 30)


def test_several_heads_have_numbers_and_one_has_none() -> None:
    canvas = np.full((200, 300, 3), GROUND, np.uint8)
    two = heads([[20, 20, 80, 80], [180, 20, 240, 80]], [5, 5])
    numbered, plain = two.draw(canvas, legend=False), two.draw(canvas, numbers=False, legend=False)
    assert (numbered != plain).any() and (numbered[:80] == plain[:80]).all()  # below the heads
    np.testing.assert_array_equal(two[:1].draw(canvas), two[:1].draw(canvas, numbers=False))
    tracked = heads([[20, 20, 80, 80], [180, 20, 240, 80]], [5, 5], [8, -1])
    assert tracked._names() == ["8", ""] and two._names() == ["1", "2"]


def test_labels_of_a_crowd_neither_overlap_nor_leave_the_picture(rng: np.random.Generator) -> None:
    corners = rng.uniform([0, 0], [460, 300], (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(8, 30, (60, 1))], axis=1)
    canvas = np.full((320, 480, 3), GROUND, np.uint8)
    texts = label_forms([str(i) for i in range(1, 61)], None, np.full(60, 50.0), np.arange(60) % 2 == 0)
    places = paint_labels(canvas, texts, boxes, [GREY] * 60, [(0, 280, 200, 320)])
    found = [place.rectangle for place in places if place is not None]
    assert len(found) == 60
    for i, (left, top, right, bottom) in enumerate(found):
        assert left >= 0 and top >= 0 and right <= 480 and bottom <= 320
        for other in [*found[:i], (0, 280, 200, 320)]:
            assert left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom


def test_the_legend_is_in_a_corner_without_heads() -> None:
    canvas = np.full((320, 480, 3), GROUND, np.uint8)
    legend = Legend(25.0, True, True)
    boxes = whole_pixels([[0, 200, 100, 320]])
    left, top, right, bottom = paint_legend(canvas, legend, boxes) or (0, 0, 0, 0)
    assert (right, bottom) == (480, 320) and left >= 100 and top > 200
    covered = canvas[top:bottom, left:right]
    assert (covered == error_colours(np.linspace(0, 25, 44), 25.0)[1]).all(axis=-1).any()
    assert (covered == GREY).all(axis=-1).any()
    everywhere = whole_pixels([[0, 0, 480, 320]])
    assert paint_legend(canvas, legend, everywhere) is None
    assert paint_legend(canvas, Legend(25.0, True, True, always=True), everywhere) is not None
    assert paint_legend(np.zeros((20, 20, 3), np.uint8), legend, boxes[:0]) is None


def test_the_legend_is_there_where_there_is_something_to_explain() -> None:
    canvas = np.full((320, 480, 3), GROUND, np.uint8)
    sure, unsure = heads([[200, 20, 260, 80]], [5]), heads([[200, 20, 260, 80]], [50])
    changed = [(h.draw(canvas, style)[280:] != GROUND).any() for h in (sure, unsure) for style in ("axes", "box")]
    assert changed == [False, True, True, True]
    assert not (sure[:0].draw(canvas, "mesh") != GROUND).any()
    strict = sure.draw(canvas, "axes", unreadable_deg=3)
    assert (strict[280:] != GROUND).any() and (strict == GREY).all(axis=-1).any()


def test_the_edge_of_a_label_has_a_colour_only_where_the_style_explains_it() -> None:
    canvas = np.full((320, 480, 3), GROUND, np.uint8)
    known = heads([[200, 20, 260, 80]], [12])
    for style in STYLES:
        drawn = known.draw(canvas, style, labels=True, legend=False)
        below = drawn[84:]  # where the label is, and no part of the head
        certain, own = error_colours([0.0, 12.0])
        assert not (below == certain).all(axis=-1).any()
        assert (below == own).all(axis=-1).any() == (style in ("box", "cone", "mesh"))


def test_an_arrow_points_where_the_face_does() -> None:
    from semiuhpe.drawing.poses import draw_poses
    from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt

    canvas = np.full((200, 200, 3), GROUND, np.uint8)
    box, colour = [[60, 60, 140, 140]], tuple(error_colours([0.0])[0].tolist())
    columns = []
    for azimuth in (1.2, -1.2):
        inner = draw_poses(canvas, from_azimuth_elevation_tilt(azimuth, 0.0, 0.0)[None], box, style="box")[
            70:130, 66:134
        ]
        columns.append(np.nonzero((inner == colour).all(axis=-1))[1].mean() - 33.5)
    assert columns[0] < -5 and columns[1] > 5
