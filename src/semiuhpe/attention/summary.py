"""From sightings and zones to figures: who attended to what for how long, minute by minute, and how steadily.

Two readings of the same beliefs: *expected seconds* add up probabilities, so they are right on the average however
uncertain each moment is; *dwells* are stretches in which one zone was more probable than not, moments shorter than
`BRIDGE_S` between two of the same kind counted in. What adds up to neither is said: `unsure`, absences, gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semiuhpe.attention.beliefs import sights_of
from semiuhpe.attention.sightings import Sightings
from semiuhpe.attention.zones import UNSURE, Scene
from semiuhpe.distributions.circular import CircularSummary, error_weights, summarize
from semiuhpe.geometry.rotation import azimuth_elevation_tilt

Float = NDArray[np.float64]

BRIDGE_S = 0.3
"""A moment of something else, up to so long, does not end a dwell: error bars and blinks of the tracker do that."""
LEAST_DWELL_S = 0.5
"""Shorter stretches are no dwells."""
MINUTE_S = 60.0
_CHUNK = 2000


@dataclass(frozen=True)
class Dwell:
    """One head's attention stayed with one zone.

    Attributes:
        track_id: whose.
        zone: name of the zone.
        start_s: when it began, seconds.
        end_s: when it ended, seconds.
    """

    track_id: int
    zone: str
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long, seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Share:
    """What is known of one person in a stretch of time.

    Attributes:
        track_id: whose.
        start_s: begin of the stretch, seconds.
        end_s: its end, seconds.
        seen_s: seen, seconds.
        absent_s: not seen, though they were before and after, seconds.
        gap_s: the recording has nothing, seconds.
        expected_s: zone → seconds, `ELSEWHERE` included, which add up to seen_s where zones do not overlap.
        azimuth: statistics, radians, weighted by time and error bars.
        elevation: statistics, radians, weighted by time and error bars.
        expected_error_deg: mean error bar, weighted by time, degrees; NaN where they were not seen.
    """

    track_id: int
    start_s: float
    end_s: float
    seen_s: float
    absent_s: float
    gap_s: float
    expected_s: dict[str, float]
    azimuth: CircularSummary
    elevation: CircularSummary
    expected_error_deg: float


@dataclass(frozen=True)
class Stretch:
    """A stretch of one label.

    Attributes:
        label: a zone, `ELSEWHERE` or `UNSURE`.
        start_s: begin, seconds.
        end_s: end, seconds.
    """

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Attention:
    """All figures of a recording.

    Attributes:
        names: of the zones, and last `ELSEWHERE`.
        persons: one `Share` each, over the whole recording.
        minutes: one `Share` for each minute that each person was there in.
        dwells: of all persons.
        stretches: track_id → the person's time as stretches of one label, in order.
        sightings: what the figures are made of.
    """

    names: tuple[str, ...]
    persons: tuple[Share, ...]
    minutes: tuple[Share, ...]
    dwells: tuple[Dwell, ...]
    stretches: dict[int, tuple[Stretch, ...]]
    sightings: Sightings

    def dwells_of(self, track_id: int, zone: str) -> list[Dwell]:
        """The dwells of one person with one zone.

        Args:
            track_id: the person.
            zone: name of the zone.

        Returns:
            The dwells, in order of time.
        """
        return [dwell for dwell in self.dwells if dwell.track_id == track_id and dwell.zone == zone]


def attention_of(sightings: Sightings, scene: Scene, *, minute_s: float = MINUTE_S) -> Attention:
    """Work out the figures of a recording.

    Args:
        sightings: who was seen when, facing where.
        scene: what they may look at.
        minute_s: length of what is called a minute, seconds.

    Returns:
        All figures.
    """
    probability = zone_probabilities(sightings, scene)
    persons: list[Share] = []
    minutes: list[Share] = []
    dwells: list[Dwell] = []
    stretches: dict[int, tuple[Stretch, ...]] = {}
    for track_id in sightings.persons:
        own = np.flatnonzero(sightings.track_id == track_id)
        first, last = sightings.time_s[own[0]], sightings.time_s[own[-1]] + sightings.seconds[own[-1]]
        persons.append(_share(sightings, probability, scene.names, own, track_id, first, last))
        for start, end in _minutes(first, last, minute_s):
            there = own[(sightings.time_s[own] >= start) & (sightings.time_s[own] < end)]
            bounds = max(start, first), min(end, last)
            minutes.append(_share(sightings, probability, scene.names, there, track_id, *bounds))
        stretches[track_id] = tuple(
            stretches_of(sightings.time_s[own], sightings.seconds[own], probability[own], scene.names)
        )
        dwells += [
            Dwell(track_id, s.label, s.start_s, s.end_s)
            for s in stretches[track_id]
            if s.label in scene.names[:-1] and s.end_s - s.start_s >= LEAST_DWELL_S
        ]
    return Attention(scene.names, tuple(persons), tuple(minutes), tuple(dwells), stretches, sightings)


def zone_probabilities(sightings: Sightings, scene: Scene) -> Float:
    """How probable it is that heads look at each zone.

    It is computed a part at a time: the lines of sight of a long video would not fit into memory.

    Args:
        sightings: n sightings.
        scene: the zones, and the camera.

    Returns:
        (n, zones + 1) in [0, 1], the last for no zone.
    """
    parts = [np.zeros((0, len(scene.names)))]
    for start in range(0, len(sightings), _CHUNK):
        part = slice(start, start + _CHUNK)
        sights = sights_of(
            sightings.rotation[part], sightings.box[part], sightings.expected_error_deg[part], scene.camera
        )
        parts.append(scene.probabilities(sights))
    return np.concatenate(parts)


def _minutes(first: float, last: float, minute_s: float) -> Iterator[tuple[float, float]]:
    for number in range(int(first // minute_s), int(np.ceil(last / minute_s))):
        yield number * minute_s, (number + 1) * minute_s


def _share(
    sightings: Sightings,
    probability: Float,
    names: Sequence[str],
    rows: NDArray[np.int64],
    track_id: int,
    start: float,
    end: float,
) -> Share:
    # A sighting belongs to the stretch in which it begins; what hangs over is cut off.
    seconds = np.minimum(sightings.seconds[rows], end - sightings.time_s[rows])
    error = np.radians(sightings.expected_error_deg[rows])
    angles = azimuth_elevation_tilt(sightings.rotation[rows]).reshape(-1, 3)
    weight = error_weights(seconds, error)
    seen = float(seconds.sum())
    gap = sum(max(0.0, min(end, g.end_s) - max(start, g.start_s)) for g in sightings.gaps)
    # An error of a rotation is one about three axes; one angle has its share of it.
    sigma = error / np.sqrt(3.0)
    return Share(
        track_id,
        float(start),
        float(end),
        seen,
        max(0.0, float(end - start) - seen - gap),
        gap,
        dict(zip(names, (seconds @ probability[rows]).tolist(), strict=True)),
        summarize(angles[:, 0], weight, sigma),
        summarize(angles[:, 1], weight, sigma),
        float(np.degrees(np.average(error, weights=seconds))) if seen > 0 else float("nan"),
    )


def stretches_of(time_s: Float, seconds: Float, probability: Float, names: Sequence[str]) -> list[Stretch]:
    """One head's time as stretches of one label, in order; absences lie between them.

    Args:
        time_s: (n,) of each sighting, growing, seconds.
        seconds: (n,) how long it stands for.
        probability: (n, zones + 1) of `zone_probabilities`.
        names: of the zones, and last `ELSEWHERE`.

    Returns:
        The stretches; interruptions of up to `BRIDGE_S` between two of one label count as that label.
    """
    best = probability.argmax(axis=1)
    labels = [names[b] if probability[i, b] > 0.5 else UNSURE for i, b in enumerate(best)]
    runs: list[Stretch] = []
    for label, start, end in zip(labels, time_s.tolist(), (time_s + seconds).tolist(), strict=True):
        if runs and runs[-1].label == label and start - runs[-1].end_s < 1e-6:
            runs[-1] = Stretch(label, runs[-1].start_s, end)
        else:
            runs.append(Stretch(label, start, end))
    return _bridged(runs)


def _bridged(runs: Sequence[Stretch]) -> list[Stretch]:
    """Interruptions up to `BRIDGE_S` between two stretches of one label, taken for that label; one pass from the left."""
    result: list[Stretch] = []
    for run in runs:
        result.append(run)
        while len(result) >= 3:
            before, between, after = result[-3:]
            joined = (
                before.label == after.label
                and between.end_s - between.start_s <= BRIDGE_S
                and between.start_s - before.end_s < 1e-6
                and after.start_s - between.end_s < 1e-6
            )
            if not joined:
                break
            result[-3:] = [Stretch(before.label, before.start_s, after.end_s)]
    return result
