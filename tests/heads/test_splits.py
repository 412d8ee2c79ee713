from __future__ import annotations

import pytest

from semiuhpe.heads.splits import share_of, split_by_subject


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
