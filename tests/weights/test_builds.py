"""Two builds of onnxruntime over each other are noticed, and what is told about it helps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import semiuhpe
from semiuhpe.errors import DeviceError
from semiuhpe.weights import builds
from semiuhpe.weights.builds import ClashingBuildsError, clash, damaged, installed_builds
from semiuhpe.weights.session import providers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What seems to be installed: distributions on a path of their own, which `importlib.metadata` reads."""
    wanted: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in wanted:
            raise metadata.PackageNotFoundError(name)
        return wanted[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    builds.warn_of_clash.cache_clear()
    yield wanted
    builds.warn_of_clash.cache_clear()


def test_this_installation_has_one_build_and_no_clash() -> None:
    assert len(installed_builds()) == 1
    assert clash() is None


@pytest.mark.parametrize(
    ("found", "kept", "gone"),
    [
        ({"onnxruntime": "1.30.0", "onnxruntime-gpu": "1.29.1"}, "onnxruntime-gpu==1.29.1", "onnxruntime"),
        ({"onnxruntime": "1.30.0", "onnxruntime-openvino": "1.24"}, "onnxruntime-openvino==1.24", "onnxruntime"),
    ],
)
def test_a_clash_names_both_and_the_commands(
    installed: dict[str, str], found: dict[str, str], kept: str, gone: str
) -> None:
    installed.update(found)
    text = clash()
    assert text is not None
    assert "\n" not in text
    assert all(name in text for name in found)
    assert f"pip uninstall --yes {gone} &&" in text
    assert text.endswith(f"pip install --force-reinstall --no-deps {kept}")


def test_cuda_that_a_clash_took_away(installed: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    installed.update({"onnxruntime": "1.30.0", "onnxruntime-gpu": "1.30.0"})
    with pytest.raises(ClashingBuildsError, match=r"device 'cuda:1' cannot be used: .*pip uninstall"):
        providers("cuda:1")
    with caplog.at_level("WARNING", "semiuhpe"):
        assert providers("auto") == providers("auto") == ["CPUExecutionProvider"]
    assert len(caplog.records) == 1, "told once"
    assert "pip uninstall" in caplog.text
    caplog.clear()
    assert providers("cpu") == ["CPUExecutionProvider"]
    assert not caplog.records, "the processor was asked for"


def test_without_a_clash_the_remedy_is_another(installed: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    installed.update({"onnxruntime": "1.30.0"})
    with pytest.raises(DeviceError, match="in place of onnxruntime") as told:
        providers("cuda")
    assert not isinstance(told.value, ClashingBuildsError)
    providers("auto")
    assert not caplog.records


def test_with_cuda_nothing_is_told(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    installed.update({"onnxruntime": "1.30.0", "onnxruntime-gpu": "1.30.0"})
    assert providers("auto")[0][0] == "CUDAExecutionProvider"
    assert not caplog.records


def test_half_a_library_is_one_line(tmp_path: Path) -> None:
    """What is left after one of two builds was uninstalled: a folder without its heart."""
    (tmp_path / "onnxruntime").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(semiuhpe.__file__).parents[1])]),
    }
    (tmp_path / "onnxruntime" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "semiuhpe", "predict", str(ROOT / "docs" / "demo"), "-o", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"semiuhpe: error: onnxruntime cannot be imported.*pip install --force-reinstall .*\n", done.stderr
    )


def test_what_is_damaged_by_a_clash_names_it(installed: dict[str, str]) -> None:
    assert "--no-deps onnxruntime" in str(damaged())
    installed.update({"onnxruntime": "1.30.0", "onnxruntime-gpu": "1.30.0"})
    assert isinstance(damaged(), ClashingBuildsError)


def test_the_container_builds_what_the_extra_says() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (requirement,) = project["optional-dependencies"]["gpu"]
    lines = (ROOT / "Dockerfile").read_text().split('VARIANT" = gpu', 1)[1]
    assert f'pip install "{requirement.partition(";")[0]}"' in lines
    assert lines.index("pip uninstall --yes onnxruntime ") < lines.index("pip install")
