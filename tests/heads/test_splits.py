from __future__ import annotations

import random

import numpy as np
import pytest

from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import share_of, split_by_subject, ss_ratio_split, with_labels


def test_a_subject_always_falls_into_the_same_split() -> None:
    """Known answers: another machine, another order or another Python must not move people."""
    assert [split_by_subject(f"person-{i}", val=0.2, test=0.2) for i in range(8)] == [
        split_by_subject(f"person-{i}", val=0.2, test=0.2) for i in range(8)
    ]
    assert share_of("person-1") == 0.41415493361171557


def test_shares_come_out_as_asked() -> None:
    splits = [split_by_subject(f"p{i}", val=0.1, test=0.2) for i in range(4000)]
    assert splits.count("val") == pytest.approx(400, abs=60)
    assert splits.count("test") == pytest.approx(800, abs=80)
    assert set(splits) == {"train", "val", "test"}


def test_another_seed_draws_other_people() -> None:
    first = [split_by_subject(f"p{i}", val=0.5) for i in range(200)]
    second = [split_by_subject(f"p{i}", val=0.5, seed="again") for i in range(200)]
    assert 60 < sum(a == b for a, b in zip(first, second, strict=True)) < 140


def test_all_of_them() -> None:
    assert {split_by_subject(f"p{i}", val=0.0) for i in range(50)} == {"train"}
    assert {split_by_subject(f"p{i}", val=1.0) for i in range(50)} == {"val"}
    assert {split_by_subject(f"p{i}", val=0.0, test=1.0) for i in range(50)} == {"test"}


@pytest.mark.parametrize("shares", [(-0.1, 0.0), (0.0, -0.1), (0.6, 0.6)])
def test_impossible_shares(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="add up to at most 1"):
        split_by_subject("p", val=shares[0], test=shares[1])


def published_split(names: list[str], ratio: float) -> list[str]:
    """The rule in the words of the method: sorted names, indices shuffled with seed 666, the first int(n·ratio)."""
    names = sorted(names)
    indices = list(range(len(names)))
    random.seed(666)
    random.shuffle(indices)
    return [names[i] for i in indices[: int(len(names) * ratio)]]


@pytest.mark.parametrize("ratio", [0.0, 0.02, 0.05, 0.1, 0.2, 0.29, 1.0])
def test_the_published_split(ratio: float) -> None:
    names = [f"LFPW_{i}" for i in range(100)]
    chosen = ss_ratio_split(names[::-1], ratio)
    assert chosen == set(published_split(names, ratio))
    assert len(chosen) == int(100 * ratio)


def test_known_answer() -> None:
    """Another Python must not draw other labels."""
    assert ss_ratio_split([f"{i:02d}" for i in range(20)], 0.2) == {"04", "07", "16", "19"}


def test_the_caller_keeps_its_random_numbers() -> None:
    random.seed(1)
    before = random.getstate()
    ss_ratio_split(["a", "b"], 0.5)
    assert random.getstate() == before


def face(folder: str, name: str, *, flip: bool = False, split: str = "train", labelled: bool = True) -> HeadRecord:
    extras = {"folder": folder, "name": name, "mirrored": flip}
    return HeadRecord(
        f"{folder}{'_Flip' * flip}/{name}", "300W-LP", split, "", (0, 0, 1, 1), np.eye(3) if labelled else None, extras
    )


def test_each_sub_folder_is_split_by_itself_and_mirrored_copies_go_along() -> None:
    names = {"AFW": [f"AFW_{i}" for i in range(10)], "HELEN": [f"HELEN_{i}" for i in range(40)]}
    records = [face(f, n, flip=flip) for flip in (False, True) for f, found in names.items() for n in found]
    used = with_labels(records, 0.1)
    chosen = {r.id for r, u in zip(records, used, strict=True) if u}
    for folder, found in names.items():
        expected = published_split(found, 0.1)
        assert {c for c in chosen if c.startswith(f"{folder}/")} == {f"{folder}/{n}" for n in expected}
        assert {c for c in chosen if c.startswith(f"{folder}_Flip/")} == {f"{folder}_Flip/{n}" for n in expected}
    assert with_labels(records, 1.0).all()
    assert not with_labels(records, 0.0).any()


def test_a_validation_split_does_not_change_who_has_labels() -> None:
    names = [f"n{i}" for i in range(30)]
    plain = with_labels([face("A", n) for n in names], 0.4)
    held = with_labels([face("A", n, split="val" if i % 3 == 0 else "train") for i, n in enumerate(names)], 0.4)
    np.testing.assert_array_equal(plain, held)
    others = [face("A", f"a{i}", split="test") for i in range(9)] + [face("A", "b", labelled=False)]
    np.testing.assert_array_equal(with_labels([*others, *(face("A", n) for n in names)], 0.4), [*[False] * 10, *plain])


def test_heads_without_a_name_are_split_by_id() -> None:
    records = [HeadRecord(f"h{i}", "DAD", "train", "", (0, 0, 1, 1), np.eye(3)) for i in range(10)]
    chosen = {r.id for r, used in zip(records, with_labels(records, 0.3), strict=True) if used}
    assert chosen == set(published_split([f"h{i}" for i in range(10)], 0.3))
    with pytest.raises(ValueError, match="ss_ratio"):
        with_labels(records, 1.5)
