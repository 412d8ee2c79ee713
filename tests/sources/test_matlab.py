"""MATLAB files that cannot be read are named with the remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from semiuhpe.errors import MissingExtraError
from semiuhpe.sources.importing import Rejected
from semiuhpe.sources.matlab import angles_of, numbers_of, read_mat


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
