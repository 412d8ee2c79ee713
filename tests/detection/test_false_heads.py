from __future__ import annotations

import numpy as np

from semiuhpe.detection.false_heads import APART, on_no_head


def plain(boxes: np.ndarray, heads: np.ndarray) -> list[bool]:
    """Box by box, in the words of the docstring."""
    answers = []
    for a in boxes:
        free = True
        for b in heads:
            w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            shared = max(w, 0) * max(h, 0)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            centers = [((c[0] + c[2]) / 2, (c[1] + c[3]) / 2, d) for c, d in ((a, b), (b, a))]
            inside = any(d[0] < x < d[2] and d[1] < y < d[3] for x, y, d in centers)
            free &= shared / union <= APART and not inside
        answers.append(free)
    return answers


def test_equals_the_plain_version(rng: np.random.Generator) -> None:
    corner = rng.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(2, 25, (80, 2))], axis=1)
    found = on_no_head(boxes[:70], boxes[70:])
    assert found.tolist() == plain(boxes[:70], boxes[70:])
    assert 5 < found.sum() < 65


def test_a_button_below_a_face_is_no_head_but_an_eye_in_it_is_a_head_boxed_badly() -> None:
    head = np.array([[100.0, 50, 200, 180]])
    button, eye, shoulders = [140.0, 260, 160, 280], [120.0, 90, 140, 105], [20.0, 60, 300, 400]
    assert on_no_head(np.array([button, eye, shoulders]), head).tolist() == [True, False, False]


def test_without_heads_everything_is_false_and_of_nothing_nothing() -> None:
    assert on_no_head(np.ones((2, 4)), np.zeros((0, 4))).tolist() == [True, True]
    assert on_no_head(np.zeros((0, 4)), np.ones((2, 4))).shape == (0,)
