"""The report of a recording: one HTML page that needs nothing else, two tables, and everything as JSON."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.attention import charts
from semiuhpe.attention.summary import Attention, Share
from semiuhpe.attention.zones import ELSEWHERE, UNSURE
from semiuhpe.distributions.circular import CircularSummary, error_weights, histogram
from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_text, json_value, write_atomically
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.poses.exchange import write_csv

PAGE, RESULT, MINUTES, DWELLS = "report.html", "attention.json", "minutes.csv", "dwells.csv"
FORMAT_VERSION = 1
_SECTORS = 36

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:800px;margin:2rem auto;padding:0 1rem;color:#1F2328}"
    "svg{display:block;max-width:100%;height:auto}table{border-collapse:collapse;margin:.6rem 0;font-size:13px}"
    "td,th{border-bottom:1px solid #D5D9DE;padding:.2rem .7rem .2rem 0;text-align:right}td:first-child,th:first-child{text-align:left}"
    ".key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .9em}.side{display:flex;flex-wrap:wrap;gap:1.5rem;align-items:center}"
    "h2{margin-top:2.2rem;border-top:1px solid #D5D9DE;padding-top:1rem}.note{color:#59636E;font-size:13px}"
)


def write_report(folder: Path, attention: Attention, source: str, minute_s: float) -> list[Path]:
    """Write the page, the tables and the JSON; each is replaced as a whole.

    Args:
        folder: where to.
        attention: the figures.
        source: what the report is of; a report of another source that lies there already is left alone.
        minute_s: length of what is called a minute, seconds.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be written, or holds another source's report.
    """
    earlier = _source_of(folder / RESULT)
    if earlier not in (None, source):
        raise InputError(f"{folder}: holds the report of {earlier}; choose another --output")
    contents = {
        PAGE: page(attention, Path(source).name, minute_s),
        RESULT: json_text({"format_version": FORMAT_VERSION, "source": source, **to_dict(attention)}, indent=1) + "\n",
        MINUTES: _csv(minute_rows(attention), _minute_columns(attention)),
        DWELLS: _csv(dwell_rows(attention), ["track_id", "zone", "start_s", "end_s", "seconds"]),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another --output") from error
    return [folder / name for name in contents]


def _source_of(path: Path) -> str | None:
    if not os.path.lexists(path):
        return None
    try:
        return str(json_value(path.read_text(encoding="utf-8"))["source"])
    except (OSError, KeyError, TypeError, ValueError):
        return "something that cannot be read"


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    buffer = io.StringIO()
    write_csv(buffer, rows, columns)
    return buffer.getvalue()


def _direction(name: str, summary: CircularSummary) -> dict[str, float]:
    spread = min(summary.spread, np.pi), min(summary.spread_without_errors, np.pi)
    return {
        f"{name}_mean_deg": _rounded(np.degrees(summary.mean)),
        f"{name}_spread_deg": _rounded(np.degrees(spread[0])),
        f"{name}_spread_without_errors_deg": _rounded(np.degrees(spread[1])),
    }


def _rounded(value: float, digits: int = 2) -> float:
    return round(float(value), digits) + 0.0


def share_row(share: Share) -> dict[str, Any]:
    """A `Share` as a flat row: seconds, and degrees."""
    return {
        "track_id": share.track_id,
        "start_s": _rounded(share.start_s),
        "end_s": _rounded(share.end_s),
        "seen_s": _rounded(share.seen_s),
        "absent_s": _rounded(share.absent_s),
        "gap_s": _rounded(share.gap_s),
        **{f"{name}_s": _rounded(seconds) for name, seconds in share.expected_s.items()},
        **_direction("azimuth", share.azimuth),
        **_direction("elevation", share.elevation),
        "expected_error_deg": _rounded(share.expected_error_deg),
    }


def minute_rows(attention: Attention) -> list[dict[str, Any]]:
    """One row for each person and minute."""
    return [share_row(share) for share in attention.minutes]


def _minute_columns(attention: Attention) -> list[str]:
    of = [f"{a}_{k}_deg" for a in ("azimuth", "elevation") for k in ("mean", "spread", "spread_without_errors")]
    zones = [f"{name}_s" for name in attention.names]
    return ["track_id", "start_s", "end_s", "seen_s", "absent_s", "gap_s", *zones, *of, "expected_error_deg"]


def dwell_rows(attention: Attention) -> list[dict[str, Any]]:
    """One row for each dwell."""
    return [
        {
            "track_id": d.track_id,
            "zone": d.zone,
            "start_s": _rounded(d.start_s),
            "end_s": _rounded(d.end_s),
            "seconds": _rounded(d.seconds),
        }
        for d in attention.dwells
    ]


def dwell_summary(attention: Attention, track_id: int) -> list[dict[str, Any]]:
    """Of one person: zone, how many dwells, seconds in all, the median and the longest one's."""
    rows = []
    for name in attention.names[:-1]:
        seconds = [dwell.seconds for dwell in attention.dwells_of(track_id, name)]
        rows.append(
            {
                "zone": name,
                "dwells": len(seconds),
                "total_s": _rounded(sum(seconds)),
                "median_s": _rounded(np.median(seconds)) if seconds else None,
                "longest_s": _rounded(max(seconds, default=0.0)),
            }
        )
    return rows


def to_dict(attention: Attention) -> dict[str, Any]:
    """Everything, JSON-ready."""
    seen = attention.sightings
    return {
        "start_s": _rounded(seen.start_s),
        "end_s": _rounded(seen.end_s),
        "zones": list(attention.names[:-1]),
        "heads_without_identity": seen.untracked,
        "gaps": [{"start_s": _rounded(g.start_s), "end_s": _rounded(g.end_s), "reason": g.reason} for g in seen.gaps],
        "persons": [
            {**share_row(share), "dwells": dwell_summary(attention, share.track_id)} for share in attention.persons
        ],
        "minutes": minute_rows(attention),
        "dwells": dwell_rows(attention),
    }


def page(attention: Attention, source: str, minute_s: float) -> str:
    """The HTML page: charts and tables of every person, and what was not seen."""
    seen, colours = attention.sightings, charts.colours_of(attention.names)
    key = "".join(
        f'<span class="key" style="background:{colours[name]}"></span>{escape(name)}'
        for name in (*attention.names, UNSURE)
    )
    gaps = "; ".join(f"{charts.clock(g.start_s)}, {g.end_s - g.start_s:.1f} s ({escape(g.reason)})" for g in seen.gaps)
    notes = [
        f"{len(attention.persons)} persons in {charts.clock(seen.end_s - seen.start_s)} (minutes:seconds).",
        f"Gaps of the recording: {gaps}." if gaps else "The recording has no gaps.",
        f"{seen.untracked} heads without an identity are not counted." if seen.untracked else "",
        f"Seconds are expected ones: each moment counts for a zone as far as it is probable that the head looks at it. "
        f"Directions are of heads, not of eyes. “{UNSURE}”: nothing is more probable than not; “{ELSEWHERE}”: no zone.",
    ]
    persons = "".join(_person(attention, share, colours, minute_s) for share in attention.persons)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Attention in {escape(source)}</title><style>{_STYLE}</style><h1>Where attention went</h1>"
        f"<p>{escape(source)}</p><p class=note>{' '.join(filter(None, notes))}</p><p>{key}</p>{persons}</html>\n"
    )


def _person(attention: Attention, share: Share, colours: dict[str, str], minute_s: float) -> str:
    seen = attention.sightings
    own = seen.track_id == share.track_id
    error = np.radians(seen.expected_error_deg[own])
    azimuth = azimuth_elevation_tilt(seen.rotation[own])[:, 0]
    sectors = histogram(azimuth, error_weights(seen.seconds[own], error), _SECTORS)
    minutes = [minute for minute in attention.minutes if minute.track_id == share.track_id]
    row = share_row(share)
    facts = [
        f"seen {share.seen_s:.1f} s between {charts.clock(share.start_s)} and {charts.clock(share.end_s)}",
        f"absent {share.absent_s:.1f} s" if share.absent_s >= 0.05 else "",
        f"{share.gap_s:.1f} s lost to gaps" if share.gap_s >= 0.05 else "",
        f"azimuth {row['azimuth_mean_deg']:+.0f}° (spread {row['azimuth_spread_without_errors_deg']:.0f}°), "
        f"elevation {row['elevation_mean_deg']:+.0f}° (spread {row['elevation_spread_without_errors_deg']:.0f}°), "
        f"error bar {row['expected_error_deg']:.0f}°",
    ]
    table = "".join(
        f"<tr><td>{escape(d['zone'])}</td><td>{share.expected_s[d['zone']]:.1f}</td><td>{d['dwells']}</td><td>{d['total_s']:.1f}</td>"
        f"<td>{'–' if d['median_s'] is None else format(d['median_s'], '.1f')}</td><td>{d['longest_s']:.1f}</td></tr>"
        for d in dwell_summary(attention, share.track_id)
    )
    strip = charts.strip(attention.stretches[share.track_id], seen.gaps, seen.start_s, seen.end_s, colours)
    return (
        f"<section><h2>Person {share.track_id}</h2><p>{'; '.join(filter(None, facts))}.</p>{strip}"
        f"{charts.bars(minutes, attention.names, colours, minute_s)}"
        f"<div class=side>{charts.rose(sectors.tolist(), share.azimuth)}<table><tr><th>zone<th>expected s<th>dwells<th>dwell s"
        f"<th>median s<th>longest s</tr>{table}</table></div></section>"
    )
