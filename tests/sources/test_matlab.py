"""MATLAB files that cannot be read are named with the remedy."""

from __future__ import annotations

import io
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from helpers.hostile import bombs, forget_peak, peak
from scipy.io import loadmat, savemat

from semiuhpe.errors import MissingExtraError
from semiuhpe.sources.importing import Rejected
from semiuhpe.sources.matlab import angles_of, numbers_of, read_mat
from semiuhpe.sources.matlab_limits import inflated


def test_a_file_of_version_5(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"Pose_Para": np.array([[0.1, 0.2, 0.3, 5.0]]), "name": "x"}, do_compression=True)
    variables = read_mat(tmp_path / "a.mat")
    np.testing.assert_allclose(angles_of(variables, "a.mat"), [0.1, 0.2, 0.3])
    with pytest.raises(Rejected, match="no variable pt2d"):
        numbers_of(variables, "pt2d", "a.mat")
    with pytest.raises(Rejected, match="does not hold numbers"):
        numbers_of(variables, "name", "a.mat")


@pytest.mark.parametrize("content", [b"", b"abc", b"MATLAB 5.0 MAT-file" + bytes(300), bytes(range(256)) * 3])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(Rejected, match=r"a\.mat"):
        angles_of(read_mat(tmp_path / "a.mat"), tmp_path / "a.mat")


def test_truncated_file(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"Pose_Para": np.zeros((1, 700))}, do_compression=True)
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(content[:-10])
    with pytest.raises(Rejected, match=r"a\.mat"):
        angles_of(read_mat(tmp_path / "a.mat"), tmp_path / "a.mat")


@pytest.mark.parametrize("head", [b"MATLAB 7.3 MAT-file, Platform: GLNXA64", b"\x89HDF\r\n\x1a\n"])
def test_version_73_has_a_remedy(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(head + bytes(500))
    with pytest.raises(Rejected, match=r"a\.mat: a MATLAB 7\.3 file.*save it with -v7"):
        read_mat(tmp_path / "a.mat")


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"semiuhpe\[data\]"):
        read_mat(tmp_path / "a.mat")


def written(folder: Path, variables: dict[str, object], *, packed: bool = True) -> bytes:
    savemat(folder / "written.mat", variables, do_compression=packed)
    return (folder / "written.mat").read_bytes()


@pytest.mark.parametrize("packed", [True, False])
def test_what_is_checked_is_what_is_loaded(tmp_path: Path, packed: bool, rng: np.random.Generator) -> None:
    cells = np.empty((2, 3), dtype=object)
    for index in np.ndindex(cells.shape):
        cells[index] = rng.normal(size=(index[0], index[1] + 1))
    variables = {
        "numbers": rng.normal(size=(3, 4, 2)),
        "small": np.array([[1]], np.uint8),
        "text": "left.jpg",
        "empty": np.zeros((0, 5)),
        "complex": np.array([[1 + 2j]]),
        "cells": cells,
        "struct": {"a": 1.5, "b": {"c": "x", "d": cells}},
        "sparse": scipy.sparse.csc_array(np.diag([1.0, 2, 0, 4])),
    }
    content = written(tmp_path, variables, packed=packed)
    found, expected = (loadmat(io.BytesIO(c)) for c in (inflated(content), content))
    assert str(found) == str(expected)
    assert list(found) == list(expected)
    assert set(variables) < set(read_mat(tmp_path / "written.mat"))


def test_a_file_of_the_other_byte_order() -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")

    body = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2)) + element(1, b"x")
    content = (
        b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, body + element(9, struct.pack(">dd", 3, 4)))
    )
    assert loadmat(io.BytesIO(inflated(content)))["x"].tolist() == [[3, 4]]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", [name for name in bombs() if name.startswith("mat")])
def test_a_bomb_is_refused_for_little(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.mat"
    path.write_bytes(bombs()[name])
    forget_peak()
    before, begin = peak(), time.process_time()
    with pytest.raises(Rejected, match=r"bomb\.mat: not a MATLAB file \("):
        read_mat(path)
    assert peak() - before < 400 << 20
    assert time.process_time() - begin < 10


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.mat").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Rejected, match=r"a\.mat: larger than 128 MiB"):
        read_mat(tmp_path / "a.mat")
