"""From frames to figures: seconds add up, absences and gaps are told, dwells are found, directions are weighted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.attention_frames import head_line, write_frames

from semiuhpe.attention.charts import clock, rose, strip
from semiuhpe.attention.report import page, to_dict
from semiuhpe.attention.sightings import read_sightings, sightings_of
from semiuhpe.attention.summary import Stretch, attention_of, stretches_of
from semiuhpe.attention.zones import DirectionZone, Scene
from semiuhpe.distributions.circular import summarize
from semiuhpe.errors import InputError

SCENE = Scene((DirectionZone("front", (-30, 30)), DirectionZone("left", (60, 120))))


def test_seconds_add_up_and_what_was_not_seen_is_told(tmp_path: Path) -> None:
    frames = [[head_line(1, 0)] if not 30 <= i < 50 else [] for i in range(100)]
    seen = read_sightings(write_frames(tmp_path / "f.jsonl", frames, gaps={70: 4.0}))
    assert (seen.start_s, seen.end_s) == pytest.approx((0, 14.0))
    attention = attention_of(seen, SCENE)
    (person,) = attention.persons
    assert person.seen_s == pytest.approx(8.0, abs=0.01)  # each frame a tenth, of which 80 have the head
    assert person.absent_s == pytest.approx(2.0, abs=0.11)
    assert person.gap_s == pytest.approx(4.1, abs=0.11)
    assert person.seen_s + person.absent_s + person.gap_s == pytest.approx(person.end_s - person.start_s)
    assert sum(person.expected_s.values()) == pytest.approx(person.seen_s)
    assert [(round(d.start_s, 1), round(d.end_s, 1)) for d in attention.dwells] == [(0, 3), (5, 7), (11, 14)]
    assert seen.gaps[0].reason == "disconnected"


def test_minutes_are_parts_of_the_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    frames = [[head_line(k, float(rng.normal(0, 50))) for k in (1, 2) if rng.random() < 0.8] for _ in range(300)]
    attention = attention_of(read_sightings(write_frames(tmp_path / "f.jsonl", frames)), SCENE, minute_s=7.0)
    for person in attention.persons:
        minutes = [m for m in attention.minutes if m.track_id == person.track_id]
        assert len(minutes) == 5
        for value in ("seen_s", "gap_s"):
            assert sum(getattr(m, value) for m in minutes) == pytest.approx(getattr(person, value), abs=1.0)
        for name in attention.names:
            assert sum(m.expected_s[name] for m in minutes) == pytest.approx(person.expected_s[name], abs=1.0)


def test_directions_are_weighted_by_their_error_bars(tmp_path: Path) -> None:
    # Half of the time sure, half of it a guess that looks elsewhere.
    frames = [[head_line(1, 20, error_deg=3) if i % 2 else head_line(1, 160, 10, error_deg=60)] for i in range(40)]
    (person,) = attention_of(read_sightings(write_frames(tmp_path / "f.jsonl", frames)), SCENE).persons
    weight = np.array([0.1 / np.radians(60) ** 2, 0.1 / np.radians(3) ** 2])
    expected = summarize(np.radians([160, 20]), weight, np.radians([60, 3]) / np.sqrt(3))
    assert person.azimuth.mean == pytest.approx(expected.mean, abs=1e-3)
    assert np.degrees(person.azimuth.mean) == pytest.approx(20, abs=0.2)
    assert person.azimuth.spread_without_errors < person.azimuth.spread
    assert person.expected_error_deg == pytest.approx(31.5, abs=0.1)


def test_expected_seconds_are_honest_where_a_moment_is_not(tmp_path: Path) -> None:
    """On the edge of a zone, each moment is a coin's toss: half of the time, and no dwell is certain."""
    frames = [[head_line(1, 30, error_deg=15)] for _ in range(50)]
    (person,) = attention_of(read_sightings(write_frames(tmp_path / "f.jsonl", frames)), SCENE).persons
    assert person.expected_s["front"] == pytest.approx(2.5, abs=0.3)


def run(labels: str, names: tuple[str, ...] = ("A", "B", "elsewhere")) -> list[tuple[str, float, float]]:
    """Stretches of a tenth of a second a letter; '?' unsure, ' ' not seen, '-' elsewhere."""
    rows = [(i / 10, label) for i, label in enumerate(labels) if label != " "]
    table = {"A": [0.9, 0, 0.1], "B": [0, 0.9, 0.1], "-": [0.1, 0.1, 0.8], "?": [0.4, 0.3, 0.3]}
    found = stretches_of(
        np.array([t for t, _ in rows]), np.full(len(rows), 0.1), np.array([table[label] for _, label in rows]), names
    )
    return [(s.label, round(s.start_s, 6), round(s.end_s, 6)) for s in found]


def test_stretches_bridge_moments_and_not_absences() -> None:
    assert run("AAAAA") == [("A", 0, 0.5)]
    assert run("AAA--AAA") == [("A", 0, 0.8)]
    assert run("AAA-----AAA") == [("A", 0, 0.3), ("elsewhere", 0.3, 0.8), ("A", 0.8, 1.1)]
    assert run("AAA  AAA") == [("A", 0, 0.3), ("A", 0.5, 0.8)]
    assert run("AAAB?AAA") == [("A", 0, 0.3), ("B", 0.3, 0.4), ("unsure", 0.4, 0.5), ("A", 0.5, 0.8)]
    assert run("AAA?AA-AABBBB") == [("A", 0, 0.9), ("B", 0.9, 1.3)]
    assert run("AAA") == [("A", 0, 0.3)]


def test_a_run_that_was_killed_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "f.jsonl", [[head_line(1, 0)]] * 5)
    whole = path.read_text()
    path.write_text(whole + '{"frame": 5, "ti')
    assert len(read_sightings(path)) == 5
    with pytest.raises(InputError, match=r"f\.jsonl: line 2 is no frame"):
        sightings_of([whole.splitlines()[0], "{}", *whole.splitlines()[1:]], "f.jsonl")
    with pytest.raises(InputError, match="does not come after"):
        sightings_of([*whole.splitlines(), *whole.splitlines()], "f.jsonl")
    with pytest.raises(InputError, match="line 1"):
        sightings_of(["no json"], "f.jsonl")


def test_nobody_is_a_report_too() -> None:
    empty = attention_of(sightings_of([json.dumps({"time_s": 0.0, "heads": []})]), SCENE)
    assert to_dict(empty)["persons"] == []
    assert "0 persons" in page(empty, "empty.mp4", 60.0)


def test_names_are_text_in_the_page(tmp_path: Path) -> None:
    scene = Scene((DirectionZone("<script>alert(1)</script>", (-30, 30)),))
    seen = read_sightings(write_frames(tmp_path / "f.jsonl", [[head_line(1, 0)]] * 20))
    text = page(attention_of(seen, scene), "<b>.mp4", 60.0)
    assert "<script" not in text and "<b>" not in text and "&lt;script&gt;" in text


def test_charts_show_time_and_direction() -> None:
    assert clock(65.4) == "1:05"
    drawn = strip([Stretch("A", 0, 5), Stretch("A", 7, 10)], [], 0, 10, {"A": "#123456"})
    assert drawn.count("#123456") == 2 and "A, 0:07 to 0:10" in drawn
    # Turned to the picture's left, the needle points left; a rose of nothing is still one.
    left = rose([0.0] * 9 + [1.0] + [0.0] * 26, summarize([np.pi / 2], [1.0]))
    needle = left.split('stroke="#D55E00"')[0].rsplit("L ", 1)[1].split()
    assert float(needle[0]) < 95 - 60
    assert "#D55E00" not in rose([0.0] * 36, summarize([], []))
