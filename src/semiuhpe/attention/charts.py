"""Charts of attention as SVG text: a strip of time, a bar per minute, a rose of directions. No plotting package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from semiuhpe.attention.sightings import RecordingGap
from semiuhpe.attention.summary import Share, Stretch
from semiuhpe.attention.zones import ELSEWHERE, UNSURE
from semiuhpe.distributions.circular import CircularSummary

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8F7A00", "#7A4FA3")
"""Okabe and Ito's colours, which colour-blind readers tell apart; two more for many zones."""
_PLAIN = {ELSEWHERE: "#B8BEC6", UNSURE: "#E6E8EB"}
_WIDTH, _LEFT = 760.0, 8.0


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each zone, `ELSEWHERE` and `UNSURE`."""
    zones = [name for name in names if name not in _PLAIN]
    return {**{name: PALETTE[i % len(PALETTE)] for i, name in enumerate(zones)}, **_PLAIN}


def clock(seconds: float) -> str:
    """Minutes and seconds, 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def strip(
    stretches: Sequence[Stretch], gaps: Sequence[RecordingGap], start_s: float, end_s: float, colours: Mapping[str, str]
) -> str:
    """One person's time from left to right: what is blank, they were not seen in; hatched, the recording has nothing."""
    length = max(end_s - start_s, 1e-9)
    height, bar = 46, 24

    def x(time_s: float) -> float:
        return _LEFT + (time_s - start_s) / length * (_WIDTH - 2 * _LEFT)

    def block(first: float, last: float, fill: str, title: str) -> str:
        wide = max(x(last) - x(first), 0.4)
        return f'<rect x="{x(first):.2f}" y="2" width="{wide:.2f}" height="{bar}" fill="{fill}"><title>{escape(title)}</title></rect>'

    parts = [f'<rect x="{_LEFT}" y="2" width="{_WIDTH - 2 * _LEFT}" height="{bar}" fill="none" stroke="#8A929C"/>']
    parts += [
        block(s.start_s, s.end_s, colours[s.label], f"{s.label}, {clock(s.start_s)} to {clock(s.end_s)}")
        for s in stretches
    ]
    parts += [block(g.start_s, g.end_s, "url(#hatch)", f"gap: {g.reason}, {g.end_s - g.start_s:.1f} s") for g in gaps]
    parts += [
        f'<text x="{x(tick):.1f}" y="{height - 4}" text-anchor="{_anchor(x(tick))}">{clock(tick)}</text>'
        for tick in _ticks(start_s, end_s)
    ]
    return _svg(_WIDTH, height, parts, "time, from left to right")


def bars(minutes: Sequence[Share], names: Sequence[str], colours: Mapping[str, str], minute_s: float) -> str:
    """A bar a minute, as high as the minute was seen, cut up by the expected seconds of each zone."""
    height, base, count = 150.0, 122.0, max(len(minutes), 1)
    step = min((_WIDTH - 2 * _LEFT - 40) / count, 60.0)
    parts = [
        f'<line x1="40" x2="{_WIDTH - _LEFT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#D5D9DE"/>'
        f'<text x="34" y="{y + 4:.1f}" text-anchor="end">{share * minute_s:.0f} s</text>'
        for share, y in ((share, base - share * 110) for share in (0.0, 0.5, 1.0))
    ]
    every = max(1, int(np.ceil(46 / step)))
    for number, minute in enumerate(minutes):
        x, y = 44 + number * step, base
        # Zones that overlap add up to more than was seen: a bar shows shares.
        total = sum(minute.expected_s.values())
        scale = minute.seen_s / total if total > 0 else 0.0
        for name in names:
            part = minute.expected_s[name] * scale / minute_s * 110
            y -= part
            title = (
                f"{name}: {minute.expected_s[name]:.1f} s of {minute.seen_s:.1f} s seen from {clock(minute.start_s)}"
            )
            if part > 0.05:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.2f}" width="{step * 0.82:.1f}" height="{part:.2f}" fill="{colours[name]}">'
                    f"<title>{escape(title)}</title></rect>"
                )
        if number % every == 0:
            parts.append(f'<text x="{x:.1f}" y="{height - 10:.0f}">{clock(minute.start_s)}</text>')
    return _svg(_WIDTH, height, parts, "expected seconds of each zone, a bar a minute")


def rose(sectors: Sequence[float], azimuth: CircularSummary) -> str:
    """Shares of time by azimuth, as seen from above: the camera below, so that 0 (facing it) points down.

    sectors: weights of equal sectors, the first centred on 0, growing azimuth turning to the picture's left.
    """
    side, radius = 190.0, 62.0
    middle, count = side / 2, len(sectors)
    largest = max(max(sectors, default=0.0), 1e-12)

    def at(angle: float, distance: float) -> str:
        return f"{middle - distance * np.sin(angle):.2f} {middle + distance * np.cos(angle):.2f}"

    parts = [f'<circle cx="{middle}" cy="{middle}" r="{radius}" fill="none" stroke="#D5D9DE"/>']
    for number, weight in enumerate(sectors):
        reach = radius * np.sqrt(weight / largest)  # areas, not lengths, are seen as amounts
        low, high = ((number + side_of) * 2 * np.pi / count for side_of in (-0.5, 0.5))
        if reach > 0.2:
            parts.append(
                f'<path d="M {middle} {middle} L {at(low, reach)} A {reach:.2f} {reach:.2f} 0 0 1 {at(high, reach)} Z" fill="#5B6770"/>'
            )
    if np.isfinite(azimuth.mean):
        parts.append(
            f'<path d="M {middle} {middle} L {at(azimuth.mean, radius + 6)}" stroke="#D55E00" stroke-width="2.5" fill="none"/>'
        )
    labels = ((0.0, "0°"), (np.pi / 2, "90°"), (np.pi, "180°"), (-np.pi / 2, "−90°"))
    for angle, text in labels:
        place = at(angle, radius + 15).split()
        parts.append(f'<text x="{place[0]}" y="{float(place[1]) + 4:.1f}" text-anchor="middle">{text}</text>')
    return _svg(side, side, parts, "azimuth seen from above, the camera below")


def _svg(width: float, height: float, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(label)}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" fill="#59636E">'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" fill="#fff"/><rect width="2" height="6" fill="#59636E"/></pattern></defs>'
        f"{''.join(parts)}</svg>"
    )


def _ticks(start_s: float, end_s: float) -> list[float]:
    length = max(end_s - start_s, 1e-9)
    step = next((s for s in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600) if length / s <= 10), 7200)
    return [float(t) for t in np.arange(np.ceil(start_s / step) * step, end_s + 1e-9, step)]


def _anchor(x: float) -> str:
    return "start" if x < 20 else "end" if x > _WIDTH - 20 else "middle"
