"""How many heads the literature has in each set, to notice an incomplete download. A difference is told, never an error."""

from __future__ import annotations

PUBLISHED_COUNTS: dict[str, tuple[int, str]] = {
    "300w-lp": (122_450, "flipped copies included"),
    "aflw2000": (2_000, "1964 of them with all angles below 90°, 1969 up to 99°"),
    "biwi": (15_678, "frames of 24 sequences"),
    "aflw": (22_246, "faces outside AFLW2000"),
    "dad-3dheads": (37_840 + 4_312 + 2_746, "train 37840, val 4312, test 2746"),
    "cocohead": (74_128, "train and val 2017, sides of 30 px and more"),
    "crowdhuman": (164_870, "sides of 30 px and more"),
    "widerface": (62_100, "sides of 25 px and more"),
    "wildhead": (403_216, "COCO, CrowdHuman and OpenImages parts together"),
}
"""Name of a source → number of heads and what is counted."""


def compare_count(name: str, count: int) -> str:
    """One line that compares a number of imported heads with the published one; empty where none is known."""
    if name not in PUBLISHED_COUNTS:
        return ""
    expected, note = PUBLISHED_COUNTS[name]
    if count == expected:
        return f"  as published: {expected} heads ({note})"
    return f"  published: {expected} heads ({note}); {count - expected:+d} here"
