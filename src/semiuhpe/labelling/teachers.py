"""The teachers that a committee may have, by name: our own weights, other projects' networks, the face mesh."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import InputError, WeightsError
from semiuhpe.evaluation.models import ExportedModel
from semiuhpe.evaluation.peers import PRESETS, PeerModel, preset
from semiuhpe.evaluation.predictions import mirrored_crops
from semiuhpe.geometry.crop import MARGIN, Image, crop_head
from semiuhpe.labelling.committee import Limits
from semiuhpe.labelling.face_mesh import FaceMesh
from semiuhpe.labelling.opinion import Opinion, ViewAnswer, combine_views, isotropic

WEIGHTS, MESH = "weights", "face-mesh"

LIMITS: dict[str, Limits] = {
    WEIGHTS: Limits(),
    MESH: Limits(azimuth_deg=45.0),
    "opentrack": Limits(azimuth_deg=90.0, own_deg=10.0),
    "whenet": Limits(assumed_deg=10.0),
    "fsa-net": Limits(azimuth_deg=75.0, assumed_deg=8.0, witness=False),
    "6drepnet": Limits(azimuth_deg=75.0, assumed_deg=8.0, witness=False),
    "6drepnet-6d": Limits(azimuth_deg=75.0, assumed_deg=8.0, witness=False),
}
"""How far each is trusted. Above 10° of stated error opentrack's network says nothing of a head; beyond 45° of azimuth the
mesh shrinks the turn. Networks that know faces alone and state no error answer "front" to the back of a head."""

SCALES = (0.9, 1.0, 1.1)
"""Crop sizes over the one that suits a teacher, at which it looks at each head unless told otherwise."""

_MESH_MARGIN = 1.6  # its own detector wants what is around the face
_RMS_OF_MEAN = 1.085  # RMS over mean angle of a small isotropic error, √(3π/8)


@dataclass(frozen=True, eq=False)
class Teacher:
    """One member of a committee.

    Attributes:
        name: unique in its committee.
        size: pixels a side of its crops.
        margin: crop side over head-box side that suits it.
        answer: crops (n, size, size, 3) uint8 RGB → `ViewAnswer`; may be called by several threads.
        limits: how far it is trusted.
        description: JSON-ready.
    """

    name: str
    size: int
    margin: float
    answer: Callable[[Image], ViewAnswer]
    limits: Limits
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The beginning of its files' SHA-256, short enough to be kept with each label."""
        return ",".join(digest[:12] for digest in str(self.description.get("sha256", "")).split(","))

    def opinion(self, heads: Sequence[tuple[Image, ArrayLike]], scales: Sequence[float], mirrored: bool) -> Opinion:
        """Ask the teacher about heads, in several views.

        Args:
            heads: n ≥ 1 pairs of a picture (H, W, 3) uint8 RGB and a box x1, y1, x2, y2 in its pixels.
            scales: crop sizes over its own, one view each.
            mirrored: the mirror image of each view too.

        Returns:
            Its opinion of the n heads.
        """
        views = []
        for scale in scales:
            crops = np.stack([crop_head(image, box, self.size, self.margin * scale) for image, box in heads])
            views.append(self.answer(crops))
            if mirrored:
                views.append(self.answer(mirrored_crops(crops)).mirrored())
        return combine_views(views, self.limits.assumed_deg)


def open_teachers(named: Sequence[tuple[str, str]]) -> list[Teacher]:
    """Open the teachers of a committee, in the order given; a second of one name is called NAME-2.

    Args:
        named: pairs of name and file. Names are `weights` (file: default, open or an exported .onnx), those of
            `evaluation.peers.PRESETS` (file: an .onnx, or several with commas between them, whose rotations are
            averaged) and `face-mesh` (no file).

    Returns:
        The teachers.

    Raises:
        InputError: no teacher, an unknown name or a file too many or missing.
        WeightsError: files that do not fit.
        MissingExtraError: a teacher needs a package that is missing.
    """
    if not named:
        raise InputError(f"a committee needs a teacher; give --teacher NAME=FILE with a name of {_names()}")
    counts: dict[str, int] = {}
    committee = []
    for kind, file in named:
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}-{counts[kind]}"
        committee.append(_open(kind, file, name))
    return committee


def _open(kind: str, file: str, name: str) -> Teacher:
    if kind == MESH:
        if file:
            raise InputError(f"{MESH} takes no file, its model comes with mediapipe; got {file!r}")
        mesh = FaceMesh()
        return Teacher(name, mesh.size, _MESH_MARGIN, mesh, LIMITS[MESH], mesh.description)
    if kind == WEIGHTS:
        return _own(name, file or "default")
    if kind not in PRESETS:
        raise InputError(f"no teacher is known as {kind!r}; give one of {_names()}")
    if not file:
        raise InputError(f"the teacher {kind} needs its file: --teacher {kind}=FILE.onnx")
    return _peer(kind, name, [Path(part) for part in file.split(",")])


def _names() -> str:
    return ", ".join((WEIGHTS, *PRESETS, MESH))


def _own(name: str, file: str) -> Teacher:
    model = ExportedModel(file, device="cpu", mirrored=False, threads=1)

    def answer(crops: Image) -> ViewAnswer:
        said = model(crops)
        assert said.stated is not None  # exported weights always state their error
        return ViewAnswer(said.rotation, said.found, isotropic(_RMS_OF_MEAN * said.stated.expected_error_deg))

    described = {"file": Path(file).name, "sha256": model.estimator.weights.sha256}
    return Teacher(name, model.size, MARGIN, answer, LIMITS[WEIGHTS], described)


def _peer(kind: str, name: str, files: Sequence[Path]) -> Teacher:
    model = PeerModel(files, preset(kind), threads=1)

    def answer(crops: Image) -> ViewAnswer:
        rotation, covariance = model.poses(crops)
        return ViewAnswer(rotation, np.ones(len(crops), bool), covariance)

    described = {"file": ",".join(file.name for file in files), "sha256": ",".join(map(_sha256, files))}
    return Teacher(name, model.size, model.spec.margin, answer, LIMITS[kind], described)


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error}); check the file") from error
