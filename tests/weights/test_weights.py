from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from semiuhpe.errors import WeightsError
from semiuhpe.weights import EMBEDDED, card_path, open_weights


def write(folder: Path, content: bytes = b"weights", card: object | None = None) -> Path:
    path = folder / "a.onnx"
    path.write_bytes(content)
    card = {"sha256": hashlib.sha256(content).hexdigest(), "overreg": 1.0} if card is None else card
    card_path(path).write_text(card if isinstance(card, str) else json.dumps(card))
    return path


def test_verified_bytes_and_card_come_back(tmp_path: Path) -> None:
    path = write(tmp_path)
    for given in (path, str(path)):
        weights = open_weights(given)
        assert weights.content == b"weights"
        assert weights.card["overreg"] == 1.0
        assert weights.sha256 == hashlib.sha256(b"weights").hexdigest()
        assert weights.path == path
    assert "weights" not in repr(weights.content) or len(repr(weights)) < 500


def test_a_hash_in_capitals_is_the_same_hash(tmp_path: Path) -> None:
    path = write(tmp_path, card={"sha256": hashlib.sha256(b"weights").hexdigest().upper()})
    assert open_weights(path).content == b"weights"


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"weightz")
    with pytest.raises(WeightsError, match="SHA-256"):
        open_weights(path)


@pytest.mark.parametrize("card", ["not json", "[]", "{}", '{"sha256": 5}', b"\xff\xfe".decode("latin-1")])
def test_malformed_cards_are_told(tmp_path: Path, card: str) -> None:
    path = write(tmp_path, card=card)
    with pytest.raises(WeightsError, match="card"):
        open_weights(path)


def test_what_is_missing_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path)
    card_path(path).unlink()
    with pytest.raises(WeightsError, match=r"a\.json is missing"):
        open_weights(path)
    with pytest.raises(WeightsError, match="no such weights"):
        open_weights(tmp_path / "b.onnx")
    with pytest.raises(WeightsError, match="no such weights"):
        open_weights("nonsense")
    (tmp_path / "c.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match="export"):
        open_weights(tmp_path / "c.pth")
    (tmp_path / "c.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"ends in \.onnx"):
        open_weights(tmp_path / "c.bin")


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_embedded_weights_are_what_their_cards_say_or_are_told_to_be_absent(name: str) -> None:
    try:
        weights = open_weights(name)
    except WeightsError as error:
        assert "not part of this installation" in str(error)  # noqa: PT017
    else:
        assert hashlib.sha256(weights.content).hexdigest() == weights.card["sha256"]
        assert len(weights.content) <= 10 * 2**20
