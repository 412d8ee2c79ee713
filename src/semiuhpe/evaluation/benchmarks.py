"""Published test protocols: which heads, which labels, which figures. A new one is one line of `PROTOCOLS`.

A protocol is data and a pure function (labels, predictions) → JSON-ready dict. It may measure several subsets of a set,
where publications differ in what they leave out; each is reported under its own name with what it kept and dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from semiuhpe.errors import ProtocolError, StoreError
from semiuhpe.evaluation import metrics
from semiuhpe.evaluation import summaries as measures
from semiuhpe.evaluation.labels import Kind, Labels, Mask
from semiuhpe.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Subset:
    """The part of a set that one publication counts. keeps: labels of n heads → (n,) bool."""

    name: str
    keeps: Callable[[Labels], Mask]


ALL = Subset("all", lambda labels: np.ones(len(labels), dtype=bool))


def angles_below(limit_deg: float) -> Callable[[Labels], Mask]:
    """Keeps heads whose published pitch, yaw and roll all are below the limit in size."""
    return lambda labels: np.asarray(np.all(np.abs(labels.angles_deg) < limit_deg, axis=1))


def angles_within(limit_deg: float) -> Callable[[Labels], Mask]:
    """Keeps heads whose published pitch, yaw and roll are within ± the limit, itself included."""
    return lambda labels: np.asarray(np.all(np.abs(labels.angles_deg) <= limit_deg, axis=1))


def yaw_below(limit_deg: float) -> Callable[[Labels], Mask]:
    """Keeps heads whose published yaw is below the limit in size."""
    return lambda labels: np.asarray(np.abs(labels.angles_deg[:, 1]) < limit_deg)


@dataclass(frozen=True)
class Protocol:
    """One way of measuring one set.

    Attributes:
        summary: one line.
        split: of the records that are measured, unless the caller names another.
        measure: labels and predictions of heads that all are labelled and found → figures.
        subsets: measured one by one.
        kind: the label that heads must have; None = the most that any has.
        official_split: of the set's authors, asked for instead of `split` where the store knows it.
    """

    summary: str
    split: str
    measure: Callable[[Labels, Predictions], dict[str, Any]]
    subsets: tuple[Subset, ...] = (ALL,)
    kind: Kind | None = None
    official_split: str = ""

    def __call__(self, labels: Labels, predictions: Predictions) -> dict[str, Any]:
        """Measure every subset. Heads without the label are dropped, missed ones counted.

        Args:
            labels: of n heads.
            predictions: of the same n heads.

        Returns:
            Name of the subset → its figures, JSON-ready.

        Raises:
            StoreError: no head has a label of the kind.
        """
        kind = self.kind_of(labels)
        usable = self.usable(labels)
        results: dict[str, Any] = {}
        for subset in self.subsets:
            kept = usable & subset.keeps(labels)
            both = kept & predictions.found
            counts = {
                "kept": int(kept.sum()),
                "dropped": int(len(labels) - kept.sum()),
                "subjects": len(np.unique(labels.subjects[both])),
            }
            figures = self.measure(labels[both], predictions[both])
            if predictions.detected:
                missed = int(np.sum(kept & ~predictions.found))
                errors = measures.head_errors_deg(labels[both], predictions[both], kind)
                counts |= {"found": int(both.sum()), "missed": missed}
                figures["accuracy_missed_are_wrong"] = metrics.accuracies(errors, missed=missed)
            results[subset.name] = {**counts, **figures}
        return results

    def kind_of(self, labels: Labels) -> Kind:
        """The kind of label that is measured.

        Args:
            labels: of the heads.

        Returns:
            "rotation", "direction" or "azimuth".
        """
        return labels.best_kind() if self.kind is None else self.kind

    def usable(self, labels: Labels) -> Mask:
        """Which heads have the label.

        Args:
            labels: of n heads.

        Returns:
            (n,) bool.

        Raises:
            StoreError: none has.
        """
        kind = self.kind_of(labels)
        usable = labels.known(kind)
        if not usable.any():
            raise StoreError(f"none of the {len(labels)} heads has a label of its {kind}; {_REMEDY[kind]}")
        return usable

    def widest(self, labels: Labels) -> Mask:
        """Which heads any subset keeps.

        Args:
            labels: of n heads.

        Returns:
            (n,) bool.

        Raises:
            StoreError: no head has a label of the kind.
        """
        kept = np.any([subset.keeps(labels) for subset in self.subsets], axis=0)
        return np.asarray(kept & self.usable(labels))


_REMEDY = {
    "rotation": "give a store of labelled heads, or a protocol of directions",
    "direction": "it needs the extras azimuth_deg and elevation_deg, or rotations",
    "azimuth": "it needs the extra azimuth_deg, or rotations",
}

_AFLW2000 = (
    Subset("all |angle| < 90 (published: 1964 of 2000)", angles_below(90)),
    Subset("all |angle| <= 99 (published: 1969 of 2000)", angles_within(99)),
)
_FULL_AND_NARROW = (Subset("full range", ALL.keeps), Subset("narrow range, |yaw| < 90", yaw_below(90)))

# The Euler error as each set's results are published: one triple of the prediction against the labelled angles. The
# sets of the full circle label yaw beyond ±90°, so their results take the triple with the smaller |pitch| + |roll|.
_by_300w_lp = partial(measures.rotation_measures, published_angles="300w-lp")
_by_full_yaw = partial(measures.rotation_measures, published_angles="whenet")
_by_biwi = partial(measures.frame_aligned_measures, published_angles="biwi")

PROTOCOLS = {
    "aflw2000": Protocol("AFLW2000-3D, both published filters", "test", _by_300w_lp, _AFLW2000, "rotation"),
    "biwi": Protocol("BIWI Kinect, as it is and frame-aligned", "test", _by_biwi, kind="rotation"),
    "dad-3dheads": Protocol(
        "DAD-3DHeads, the official val, its pose error",
        "val",
        measures.rotation_measures,
        kind="rotation",
        official_split="val",
    ),
    "panoptic": Protocol("CMU Panoptic, full and narrow range", "test", _by_full_yaw, _FULL_AND_NARROW, "rotation"),
    "agora": Protocol("AGORA, full and narrow range", "test", _by_full_yaw, _FULL_AND_NARROW, "rotation"),
    "pointing04": Protocol("Pointing'04, direction only", "test", measures.direction_measures, kind="direction"),
    "wild-directions": Protocol("wild heads, azimuth judged by eye", "test", measures.azimuth_measures, kind="azimuth"),
    "synthetic": Protocol("rendered heads, full range", "test", measures.rotation_measures, kind="rotation"),
    "any": Protocol("any labelled store, by what is labelled", "test", measures.best_measures),
}


def protocol(name: str) -> Protocol:
    """Find a protocol by its name.

    Args:
        name: a key of `PROTOCOLS`.

    Returns:
        The protocol.

    Raises:
        ProtocolError: an unknown name.
    """
    if name not in PROTOCOLS:
        raise ProtocolError(f"no protocol {name!r}; choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
