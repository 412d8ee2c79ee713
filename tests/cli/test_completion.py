"""Shells complete commands, options and choices with the script that is printed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.time_limits import within

from semiuhpe.cli.completion import SHELLS, completion_script
from semiuhpe.cli.main import COMMANDS, main
from semiuhpe.cli.predict import build_parser

ASKED = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_semiuhpe
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "semiuhpe.bash"
    path.write_text(completion_script("bash", COMMANDS))
    return path


def completed(script: Path, *words: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", ASKED, "bash", str(script), "semiuhpe", *words],
        capture_output=True,
        text=True,
        timeout=within(60),
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(script: Path) -> None:
    assert completed(script, "pre") == ["predict", "prepare"]
    assert set(completed(script, "")) == {*COMMANDS, "--help", "--version", "--print-completion"}
    assert completed(script, "--print-completion", "") == list(SHELLS)
    assert completed(script, "predict", "a.jpg", "--save") == ["--save-crops"]
    assert completed(script, "predict", "a.jpg", "--style", "c") == ["cube", "cone"]
    assert completed(script, "predict", "a.jpg", "ph") == [], "files are the shell's affair"
    every = {option for option in build_parser().options() if option.startswith("--")}
    assert set(completed(script, "predict", "--")) == every
    assert "--optimizer.lr" in completed(script, "train", "--opt")


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_the_shell_takes_its_script(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(completion_script(shell, ["predict", "train"]))
    lines = {
        "bash": f"source '{path}' && complete -p semiuhpe",
        "zsh": f"autoload -U compinit && compinit -u -d '{tmp_path}/dump' && source '{path}' && echo $_comps[semiuhpe]",
        "tcsh": f"source '{path}'; complete semiuhpe",
    }
    words = [shell, *(["-f"] if shell != "bash" else []), "-c", lines[shell]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=within(60), check=False)
    assert done.returncode == 0 and not done.stderr and done.stdout.strip(), done


def test_wrong_shells_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["fish"], [], ["bash", "zsh"]):
        assert main(["--print-completion", *words]) == 2
        assert capsys.readouterr().err == "semiuhpe: error: --print-completion takes one of bash, zsh, tcsh\n"
    assert main(["--print-completion=tcsh"]) == 0
    out = capsys.readouterr().out
    assert "'n/--style/(axes box cube cone mesh none)/'" in out and "p/1/(predict" in out
