"""Near-duplicates by content: the same picture under another name, cropped a little otherwise, turned or re-encoded.

Three steps, each dearer and surer than the one before:

1. *Propose*: a perceptual hash of 63 bits, the signs of the core's lowest DCT coefficients against their median, as
   "pHash" does. The references are hashed in all eight symmetries of the square (mirrored; turned by 90, 180, 270°)
   and, each, a little larger, smaller and shifted. The median makes the hash blind to brightness and contrast.
2. *Align*: from the proposed alignment, enhanced correlation (Evangelidis and Psarakis, PAMI 2008) refines an affine map.
3. *Decide*: the normalized correlation of what is finer than about a tenth of a head, over the pixels that both
   pictures have. Without the band-pass two dark heads from behind correlate above 0.97 whoever they are.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.heads.appearance import CORE, SIDE, Appearances, Grey, Thumbnail

THRESHOLD = 0.85
"""Correlation from which two pictures are the same (see docs/data.md for how it was measured)."""

MAX_DISTANCE = 12
"""Bits by which the hashes of two pictures may differ to be looked at closer."""

SCREEN = 0.6
"""Correlation of the cores as proposed from which they are worth aligning."""

Alignment = tuple[float, float, float]
"""Scale, shift across and shift down of the core within the thumbnail; shifts are shares of the core."""


CENTERED: Alignment = (1.0, 0.0, 0.0)


class Variant(NamedTuple):
    """A way of looking at a reference: mirrored, then turned by so many quarters counter-clockwise, then aligned."""

    mirrored: bool
    turns: int
    alignment: Alignment


def _variants(turns: Sequence[int], scales: Sequence[float], shifts: Sequence[float]) -> tuple[Variant, ...]:
    choices = itertools.product((False, True), turns, np.exp(scales).tolist(), shifts, shifts)
    return tuple(Variant(mirrored, turn, (scale, across, down)) for mirrored, turn, scale, across, down in choices)


SAME_BOX = _variants(range(4), [0.0], [0.0])
"""For pictures that were cropped by one rule."""

ANY_BOX = (
    *_variants([0], [-0.24, -0.12, 0.0, 0.12, 0.24], [-0.18, -0.09, 0.0, 0.09, 0.18]),
    *_variants([1, 2, 3], [-0.12, 0.0, 0.12], [-0.06, 0.0, 0.06]),
)
"""For heads that were boxed by other rules: a face's box and a head's box of the same face part by a fifth of its side. Turned
copies are made by program from one picture, so their boxes are nearer."""

_TRIES = 3  # of the nearest variants of a reference and symmetry: the nearest hash is not always the nearest alignment
_FREQUENCIES = 8
_BLOCK = 1 << 15  # hashes that are compared at once: they stay in the cache
_FINE, _COARSE = 0.7, 2.5  # sigmas of the band-pass, pixels of the thumbnail
_MIN_SEEN = 200  # pixels that two pictures must have in common to be compared

Hashes = NDArray[np.uint64]
Float32 = NDArray[np.float32]
T = TypeVar("T", np.uint8, np.bool_)


@dataclass(frozen=True)
class Twin:
    """Two pictures that are the same. first, second: their numbers; correlation: in [−1, 1]; mirrored, turns: what
    the second needs to look like the first, a mirror and then quarters of a turn counter-clockwise."""

    first: int
    second: int
    correlation: float
    mirrored: bool = False
    turns: int = 0

    @property
    def how(self) -> str:
        """In words: "", "mirrored", "turned by 90°" or both."""
        words = ["mirrored"] * self.mirrored + [f"turned by {90 * self.turns}°"] * bool(self.turns)
        return " and ".join(words)


class DuplicateIndex:
    """Pictures prepared to be recognised again. Takes 3.3 kB a picture beside the thumbnails; safe to share by threads."""

    def __init__(self, references: Appearances, variants: Sequence[Variant] = ANY_BOX) -> None:
        self.references, self.variants = references, tuple(variants)
        hashes = [
            _hashes(symmetric(references.grey, variant.mirrored, variant.turns), variant.alignment)
            for variant in self.variants
        ]
        # (variant, picture), flat: the number of a hash tells both.
        self._hashes = np.concatenate(hashes)

    def twins(self, thumbnail: Thumbnail, threshold: float = THRESHOLD) -> list[Twin]:
        """The references that show the same picture, best first; `first` is 0, `second` the number of the reference."""
        own = _hashes(thumbnail[0][None], CENTERED)[0]
        found: dict[int, Twin] = {}
        for reference, variant in self._proposed(own):
            grey, seen = self.references.thumbnail(reference)
            other = symmetric(grey, *variant[:2]), symmetric(seen, *variant[:2])
            correlation = aligned_correlation(thumbnail, other, variant.alignment)
            known = found.get(reference)
            if correlation >= threshold and (known is None or correlation > known.correlation):
                found[reference] = Twin(0, reference, correlation, variant.mirrored, variant.turns)
        return sorted(found.values(), key=lambda twin: (-twin.correlation, twin.second))

    def _proposed(self, own: np.uint64) -> Iterator[tuple[int, Variant]]:
        """References and variants whose hash is near enough, at most `_TRIES` of each symmetry, the nearest first."""
        numbers, distances = _near(own, self._hashes, MAX_DISTANCE)
        tries: Counter[tuple[int, bool, int]] = Counter()
        for number in numbers[np.argsort(distances, kind="stable")].tolist():
            which, reference = divmod(number, len(self.references))
            variant = self.variants[which]
            key = (reference, variant.mirrored, variant.turns)
            tries[key] += 1
            if tries[key] <= _TRIES:
                yield reference, variant


def find_twins(
    pictures: Appearances,
    references: Appearances,
    *,
    threshold: float = THRESHOLD,
    variants: Sequence[Variant] = ANY_BOX,
) -> list[Twin]:
    """All pairs of the same picture, by the number in `pictures`: `first` is of those, `second` of the references.

    variants: of the references that are tried; `SAME_BOX` where both sets were cropped by one rule, which is faster by
    their number. The time goes with the product of all three: see docs/data.md.
    """
    if not len(pictures) or not len(references):
        return []
    if len(references) > len(pictures):  # the variants are made of the fewer ones
        swapped = find_twins(references, pictures, threshold=threshold, variants=variants)
        return sorted((_swapped(twin) for twin in swapped), key=lambda twin: (twin.first, -twin.correlation))
    index = DuplicateIndex(references, variants)
    return [
        Twin(number, twin.second, twin.correlation, twin.mirrored, twin.turns)
        for number in range(len(pictures))
        for twin in index.twins(pictures.thumbnail(number), threshold)
    ]


def twins_within(
    pictures: Appearances, *, threshold: float = THRESHOLD, variants: Sequence[Variant] = ANY_BOX
) -> list[Twin]:
    """All pairs of the same picture within one set, `first` < `second`; see `find_twins`."""
    pairs: dict[tuple[int, int], Twin] = {}
    for twin in find_twins(pictures, pictures, threshold=threshold, variants=variants):
        ordered = twin if twin.first < twin.second else _swapped(twin)
        known = pairs.get((ordered.first, ordered.second))
        if twin.first != twin.second and (known is None or ordered.correlation > known.correlation):
            pairs[ordered.first, ordered.second] = ordered
    return [pairs[key] for key in sorted(pairs)]


def grouped(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Connected components: the number of the first member of each one's group. → (count,) int64"""
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.array([root(number) for number in range(count)], np.int64)


def aligned_correlation(first: Thumbnail, second: Thumbnail, start: Alignment = CENTERED) -> float:
    """Normalized correlation of the details of two thumbnails, the second one aligned to the first. → [−1, 1]

    start: scale, shift across and down of the second's core that looks like the first's core, roughly. 0 where the
    cores do not look alike there, cannot be aligned, or too little is seen in both.
    """
    scale, across, down = start
    edge = (SIDE - CORE) // 2
    template = first[0][edge : edge + CORE, edge : edge + CORE]
    if _correlation(template, _resample(scale, down) @ second[0] @ _resample(scale, across).T) < SCREEN:
        return 0.0
    offset = (SIDE - 1) / 2 - scale * (CORE - 1) / 2
    begin = np.array([[scale, 0, offset + across * CORE], [0, scale, offset + down * CORE]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        found = cv2.findTransformECC(template, second[0], begin, cv2.MOTION_AFFINE, stop, np.array([]), 3)[1]
    except cv2.error:  # it does not converge: they do not look alike
        return 0.0
    matrix = np.asarray(found, np.float64)
    matrix[:, 2] -= matrix[:, :2] @ [edge, edge]  # from the core's coordinates to the thumbnail's
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second[0], matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpAffine(second[1].astype(np.uint8), matrix, (SIDE, SIDE), flags=flags) > 0
    both = first[1] & seen
    if both.sum() < _MIN_SEEN:
        return 0.0
    return _correlation(details(first[0])[both], details(np.asarray(moved, np.uint8))[both])


def details(grey: Grey) -> Float32:
    """What is finer than about a tenth of a head in a thumbnail (SIDE, SIDE). → (SIDE, SIDE) float32"""
    exact = grey.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(exact, (0, 0), _FINE) - cv2.GaussianBlur(exact, (0, 0), _COARSE), np.float32)


def symmetric(pictures: NDArray[T], mirrored: bool, turns: int) -> NDArray[T]:
    """Pictures (..., H, H) mirrored and then turned counter-clockwise by so many quarters."""
    flipped = pictures[..., ::-1] if mirrored else pictures
    return np.ascontiguousarray(np.rot90(flipped, turns, axes=(-2, -1)))


def hash_distance(first: Hashes, second: Hashes | np.uint64) -> NDArray[np.uint8]:
    """Bits by which hashes differ, by broadcasting."""
    different = np.bitwise_xor(first, second)
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(different), np.uint8)
    return _bits_of_bytes(different)  # numpy 1


def _bits_of_bytes(words: Hashes) -> NDArray[np.uint8]:
    table = np.array([bin(value).count("1") for value in range(256)], np.uint8)
    counts = table[np.ascontiguousarray(words).view(np.uint8)].reshape(*words.shape, 8)
    return np.asarray(counts.sum(axis=-1), np.uint8)


def _near(own: np.uint64, hashes: Hashes, most: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Numbers and distances of the hashes within `most` bits."""
    numbers, distances = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
    for begin in range(0, len(hashes), _BLOCK):
        distance = hash_distance(hashes[begin : begin + _BLOCK], own)
        close = np.flatnonzero(distance <= most)
        numbers.append(close + begin)
        distances.append(distance[close])
    return np.concatenate(numbers), np.concatenate(distances)


def _hashes(grey: Grey, alignment: Alignment) -> Hashes:
    """Perceptual hashes of the cores of thumbnails (n, SIDE, SIDE), taken at an alignment. → (n,) uint64"""
    scale, across, down = alignment
    rows, columns = (_cosines() @ _resample(scale, shift) for shift in (down, across))
    low = (rows @ grey.astype(np.float32) @ columns.T).reshape(len(grey), _FREQUENCIES**2)[:, 1:]  # all but the mean
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(np.pad(bits, ((0, 0), (0, 1))), axis=1).view(np.uint64)[:, 0]


@cache
def _cosines() -> Float32:
    """The lowest frequencies of the DCT-II of `CORE` samples, (_FREQUENCIES, CORE)."""
    frequency, position = np.arange(_FREQUENCIES)[:, None], np.arange(CORE)[None]
    return np.asarray(np.cos(np.pi * (position + 0.5) * frequency / CORE), np.float32)


@cache
def _resample(scale: float, shift: float) -> Float32:
    """Matrix (CORE, SIDE) that samples the core of one axis linearly, `scale` as wide and shifted by a share of it."""
    at = np.clip((SIDE - 1) / 2 + shift * CORE + scale * (np.arange(CORE) - (CORE - 1) / 2), 0, SIDE - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(SIDE))), np.float32)


def _correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    one, two = (np.asarray(v, np.float64).ravel() for v in (first, second))
    one, two = one - one.mean(), two - two.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / size if size > 1e-6 else 0.0


def _swapped(twin: Twin) -> Twin:
    # A mirror is its own inverse and turns the sense of rotation: mirror, turn by k undoes mirror, turn by k.
    return Twin(
        twin.second, twin.first, twin.correlation, twin.mirrored, twin.turns if twin.mirrored else -twin.turns % 4
    )
