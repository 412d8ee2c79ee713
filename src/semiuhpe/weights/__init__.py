"""Weights files and their model cards.

A weights file is `NAME.onnx` with its card `NAME.json` beside it. The card is a JSON object; the keys that code
reads are `sha256` (of the .onnx file, required), `overreg` and `calibration`; everything else (data, licences,
recipe, metrics) is for people. Nothing is opened whose SHA-256 is not the card's.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semiuhpe.errors import WeightsError
from semiuhpe.files.atomic import json_value
from semiuhpe.weights import hub

EMBEDDED = {"default": "head_pose", "open": "head_pose_open", "head_detector": "head_detector"}
"""Names of the weights that a release may carry, and the stem of their files in this folder."""


def embedded_detector(name_or_path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """What `open_weights` calls a head detector: where one is asked for, "default" is the embedded one; a path stays."""
    return "head_detector" if name_or_path == "default" else name_or_path


@dataclass(frozen=True)
class WeightsFile:
    """Verified weights. path: the .onnx file. card: its model card. sha256: hex. content: the verified bytes.

    Open the model from `content`, not from `path`: these bytes are the ones that were hashed.
    """

    path: Path
    card: dict[str, Any]
    sha256: str
    content: bytes = field(repr=False)


def card_path(path: str | os.PathLike[str]) -> Path:
    """Where the model card of a weights file lies: beside it, with the suffix .json."""
    return Path(path).with_suffix(".json")


def open_weights(name_or_path: str | os.PathLike[str]) -> WeightsFile:
    """Find, check and read weights.

    name_or_path: a name of `EMBEDDED`, the path of an .onnx file with its .json card beside it, or
    `hf-hub:owner/name[@revision]`. Raises WeightsError where the file or its card is missing, or the SHA-256 differs from
    the card's; MissingExtraError for weights of the Hub without `semiuhpe[hub]`.
    """
    if isinstance(name_or_path, str) and name_or_path in EMBEDDED:
        path = Path(__file__).parent / f"{EMBEDDED[name_or_path]}.onnx"
        if not path.is_file():
            raise WeightsError(
                f"the weights {name_or_path!r} are not part of this installation; give the path of an .onnx file instead"
            )
    elif isinstance(name_or_path, str) and name_or_path.startswith(hub.PREFIX):
        path = hub.fetch(name_or_path)
    else:
        path = Path(name_or_path)
        _check_path(path)
    card = read_card(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != card["sha256"].lower():
        raise WeightsError(
            f"{path}: SHA-256 is {digest[:12]}…, its card says {card['sha256'][:12]}…; the file is damaged or was "
            "replaced: copy both again or export again"
        )
    return WeightsFile(path=path, card=card, sha256=digest, content=content)


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The model card of the weights file at `path`. Raises WeightsError where it is missing or malformed."""
    card_file = card_path(path)
    try:
        card = json_value(card_file.read_bytes())
    except FileNotFoundError:
        raise WeightsError(
            f"{path}: its model card {card_file.name} is missing beside it; export writes both"
        ) from None
    except OSError as error:
        raise WeightsError(f"{card_file}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise WeightsError(f"{card_file}: the model card is not JSON ({error})") from error
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise WeightsError(f"{card_file}: a model card is a JSON object with the key 'sha256' of the .onnx file")
    return card


def _check_path(path: Path) -> None:
    if path.is_file() and path.suffix == ".onnx":
        return
    if path.suffix in {".pth", ".pt", ".safetensors", ".ckpt"}:
        raise WeightsError(f"{path}: inference needs an .onnx file; make one with: semiuhpe export")
    if path.is_file():
        raise WeightsError(f"{path}: a weights file ends in .onnx and has its model card beside it")
    names = ", ".join(name for name in EMBEDDED)
    raise WeightsError(f"{path}: no such weights; give an .onnx file or one of the names {names}")
