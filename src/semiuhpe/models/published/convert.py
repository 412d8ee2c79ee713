"""Writes a published checkpoint as a folder like a run's: `best.safetensors` is what `export` and `train` take.

`best.safetensors` holds the student, which the paper deploys, `teacher.safetensors` its running average. An ImageNet
classifier becomes `backbone.safetensors`, from which a training can start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semiuhpe.models.checkpoint import save_checkpoint, with_prefix
from semiuhpe.models.published.read import (
    STUDENT,
    TEACHER,
    ReferenceConvention,
    import_backbone,
    import_network,
    read_pickled,
    read_reference,
)

IMAGE_SIZE = 224
OVERREG = 1.025
"""ω of the published trainings."""
_LICENCES = {
    "dad": "of whoever published the checkpoint; trained on DAD-3DHeads, which is CC BY-NC-SA 4.0 (not commercial)",
    "300w-lp": "of whoever published the checkpoint; trained on 300W-LP, which is for research",
}
_FILES = {"student": (STUDENT, "best.safetensors"), "teacher": (TEACHER, "teacher.safetensors")}


@dataclass(frozen=True)
class Imported:
    """What was written. files: "student" and, where there was one, "teacher" → path. title: of the network."""

    files: dict[str, Path]
    title: str
    ignored: tuple[str, ...]


def import_checkpoint(
    path: Path, folder: Path, convention: ReferenceConvention, *, licence: str | None = None
) -> Imported:
    """Write the student and the teacher of a published checkpoint into `folder`.

    convention: of the matrices that it was trained on. licence: None = what its data demand. Both networks are
    recognised before anything is written. Raises WeightsError (see `reference_weights`).
    """
    content = read_reference(path)
    present = {name: key for name, (key, _) in _FILES.items() if content.get(key) is not None}
    networks = {name: import_network(content[key], convention, f"{path}: {key}") for name, key in present.items()}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    files = {}
    for name, imported in networks.items():
        state: dict[str, Any] = {
            "step": _step(content.get("clock")),
            "validation_deg": {},
            "recipe": {
                "model": {
                    "backbone": imported.naming.backbone,
                    "head": "reference",
                    "dropout": 0.2,
                    "image_size": IMAGE_SIZE,
                },
                "loss": {"overreg": OVERREG},
            },
            "card": {
                "imported_from": {
                    "file": path.name,
                    "sha256": digest,
                    "network": imported.naming.title,
                    "weights": name,
                    "trained_in_frame": convention,
                },
                "licence": licence or _LICENCES[convention],
            },
        }
        files[name] = folder / _FILES[name][1]
        save_checkpoint(files[name], with_prefix("averaged", imported.network.state_dict()), state)
    student = networks["student"]
    return Imported(files, student.naming.title, student.ignored)


def is_classifier(content: Mapping[str, Any]) -> bool:
    """Whether what `read_pickled` gave is a network by itself and no published checkpoint of a pose network."""
    return STUDENT not in content and bool(_classifier_state(content))


def import_classifier(path: Path, folder: Path, *, licence: str | None = None) -> Imported:
    """Write the backbone of an ImageNet classifier (`.pth`) as `folder/backbone.safetensors`.

    licence: None = of whoever published the file. Raises WeightsError where it is not one of the known networks.
    """
    tensors, naming = import_backbone(_classifier_state(read_pickled(path)), str(path))
    card = {
        "imported_from": {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "network": naming.title,
            "weights": "backbone",
        },
        "licence": licence or "of whoever published the classifier",
    }
    target = folder / "backbone.safetensors"
    save_checkpoint(target, with_prefix("backbone", tensors), {"backbone": naming.backbone, "card": card})
    return Imported({"backbone": target}, naming.title, ())


def _classifier_state(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state dict, which some files wrap; empty where there is none."""
    for wrapped in (content.get("state_dict"), content.get("model"), content):
        if isinstance(wrapped, Mapping) and wrapped and all(isinstance(v, torch.Tensor) for v in wrapped.values()):
            return wrapped
    return {}


def _step(clock: Any) -> int:
    """Steps trained, where the checkpoint says so: a number, or a dictionary with one under "step"."""
    value = clock.get("step", clock.get("iteration", 0)) if isinstance(clock, dict) else clock
    return int(value) if isinstance(value, int | float) else 0
