"""Every script of the repository imports what is there and says how it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.time_limits import within

for needed in ("torch", "anny", "moderngl", "mpmath", "rerun", "scipy"):  # what some of them import
    pytest.importorskip(needed)

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path for folder in ("benchmarks", "docs", "examples") for path in (ROOT / folder).glob("*.py"))
WITHOUT_A_COMMAND = {"trapezoid.py"}

# One process for all, as most of its time goes into imports; each script still has its own folder on the path and its own name.
_HELP = """
import contextlib, io, json, pathlib, runpy, sys

answers = {}
for name in sys.argv[1:]:
    shown, sys.argv, sys.path[0] = io.StringIO(), [name, "--help"], str(pathlib.Path(name).parent)
    answer = "did not end"
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            runpy.run_path(name, run_name="__main__")
        except SystemExit as end:
            answer = end.code
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
    answers[name] = [answer, shown.getvalue()]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[object, str]]:
    """By script: its exit code, or what kept it from ending, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", _HELP, *map(str, SCRIPTS)],
        capture_output=True,
        text=True,
        timeout=within(300),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[object, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_prints_its_help(script: Path, answers: dict[str, tuple[object, str]]) -> None:
    code, shown = answers[str(script)]
    if script.name in WITHOUT_A_COMMAND:
        assert (code, shown) == ("did not end", "")
    else:
        assert code == 0, code
        assert shown.startswith("usage: ")
