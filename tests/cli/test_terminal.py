"""What is printed: nothing that a terminal obeys, no traceback where output fails, and the log on request."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.tiny_onnx import write_weight_options
from PIL import Image

import semiuhpe
from semiuhpe.cli.log import LOGGER
from semiuhpe.cli.main import main
from semiuhpe.cli.terminal import PlainStream, printable
from semiuhpe.errors import StoreError

SOURCE = str(Path(semiuhpe.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE}
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.\u2066"


def no_control(text: str, *, allowed: str = "\n") -> bool:
    return all(c.isprintable() or c in allowed for c in text)


def test_every_control_character_is_a_number() -> None:
    for code in [*range(32), *range(127, 160), 0x200E, 0x2028, 0x202E, 0x2066, 0xD800, 0xDCFF]:
        character = chr(code)
        shown = printable(f"a{character}b")
        assert (shown == f"a{character}b") == (character in "\t\n")
        assert no_control(shown, allowed="\t\n")
        assert shown.encode()
    assert printable("\x1b[A\u202e") == "\\x1b[A\\u202e"
    assert printable("\r", carriage_return=True) == "\r"
    assert printable("grün 写真 🙂 ±5°") == "grün 写真 🙂 ±5°"


def test_a_stream_is_otherwise_the_stream() -> None:
    inner = io.StringIO()
    stream = PlainStream(inner, carriage_return=True)
    print(EVIL, "ok", file=stream)
    stream.writelines(["a\x1b", "\rb"])
    assert no_control(inner.getvalue(), allowed="\n\r")
    assert not stream.isatty()
    assert stream.getvalue() == inner.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photo(path: Path, rng: np.random.Generator) -> Path:
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_names_of_files(folder: Path, capfd: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    (folder / "in").mkdir()
    photo(folder / "in" / "a.png", rng)
    for number, name in enumerate((EVIL, "a\rb", "bad\udcff")):
        (folder / "in" / f"{name}{number}.jpg").write_bytes(b"no picture")
        (folder / f"{name}{number}.mp4").write_bytes(b"no video")
    options = write_weight_options(folder, [[2.0, 2, 30, 30]], [0.9])
    for sources in (["in"], [str(p) for p in folder.glob("*.mp4")], ["in", EVIL]):
        assert main(["predict", *sources, "-o", f"out{len(sources[0])}", *options]) == 1
        captured = capfd.readouterr()
        assert captured.err
        assert no_control(captured.out) and no_control(captured.err, allowed="\n\r")
    with pytest.raises(SystemExit):  # a name that looks like an option
        main(["predict", f"-{EVIL}"])
    assert no_control(capfd.readouterr().err)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "semiuhpe", *arguments]
    return subprocess.run(command, env=ENVIRONMENT, text=True, timeout=120, check=False, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_a_full_standard_output(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "semiuhpe: error: No space left on device; make room on it, and start again\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_standard_output_costs_no_results(folder: Path, rng: np.random.Generator) -> None:
    photo(folder / "a.png", rng)
    options = write_weight_options(folder, [[2.0, 2, 30, 30]], [0.9])
    with open("/dev/full", "w") as full:
        done = run("predict", "a.png", *options, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert (folder / "poses" / "predictions.json").is_file()
    with open("/dev/full", "w") as full:  # and with nowhere to say it
        assert run("predict", "b.png", *options, stdout=full, stderr=full).returncode in (1, 120)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(closing: str, folder: Path, rng: np.random.Generator) -> None:
    photo(folder / "a.png", rng)
    options = write_weight_options(folder, [[2.0, 2, 30, 30]], [0.9])
    words = [sys.executable, "-m", "semiuhpe", "predict", "a.png", *options]
    script = " ".join(f"'{word}'" for word in words) + f" {closing}"
    done = subprocess.run(
        ["sh", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for name in ("predictions.json", "a.jpg"):  # and nothing was printed into them
        content = (folder / "poses" / name).read_bytes()
        assert content.startswith((b"{", b"\xff\xd8")) and b"heads in" not in content


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
def test_a_pipe_that_closes() -> None:
    script = f"'{sys.executable}' -m semiuhpe predict --help | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""


def command(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, seen: list[list[str]] | None = None) -> None:
    module = ModuleType("semiuhpe.cli.train")

    def run(argv: list[str]) -> int:
        if seen is not None:
            seen.append(argv)
        logging.getLogger("semiuhpe.somewhere").debug("a detail")
        logging.getLogger("semiuhpe.somewhere").warning("of two\nlines\x1b[2J", exc_info=False)
        if error is not None:
            raise error
        return 0

    module.main = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "semiuhpe.cli.train", module)


def test_debug_tells_where_an_error_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, code in ((StoreError("no store"), 1), (OSError(28, "No space left"), 1), (TypeError("a bug"), 70)):
        command(monkeypatch, error)
        assert main(["train"]) == code
        plain = capsys.readouterr().err.splitlines()
        assert plain[0] == "semiuhpe: warning: of two lines\\x1b[2J"
        assert len(plain) == 2 and plain[1].startswith("semiuhpe: error: ")
        for arguments in (["--debug", "train"], ["train", "--debug"]):
            assert main(arguments) == code
            shown = capsys.readouterr().err
            assert "Traceback" in shown and "a detail" in shown and "test_terminal.py" in shown
            assert shown.splitlines()[-1] == plain[1]
    assert not LOGGER.handlers[1:]  # nothing stays behind


def test_a_fault_of_ours_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command(monkeypatch, AttributeError("'x' has no attribute"))
    assert main(["train"]) == 70
    assert "a fault of this program, AttributeError: 'x' has no attribute; please report it" in capsys.readouterr().err


def test_debug_is_an_option_of_every_command_but_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    command(monkeypatch, None, seen)
    assert main(["train", "a", "--debug", "b"]) == 0
    assert main(["train", "a", "--", "--debug"]) == 0
    assert seen == [["a", "b"], ["a", "--", "--debug"]]


def test_the_package_says_nothing_by_itself() -> None:
    code = "import semiuhpe, logging; logging.getLogger('semiuhpe.x').warning('unasked'); semiuhpe.HeadPoses"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
