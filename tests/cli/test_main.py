from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from helpers.time_limits import within

import semiuhpe
from semiuhpe.cli.main import COMMANDS, main
from semiuhpe.errors import StoreError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}


def command(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    module = ModuleType("semiuhpe.cli.train")
    module.main = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "semiuhpe.cli.train", module)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert main([]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == semiuhpe.__version__


def test_unknown_commands_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predcit"]) == 2
    assert "predict" in capsys.readouterr().err


def test_exit_codes_of_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(argv: list[str]) -> int:
        raise {
            "store": StoreError("two\nlines"),
            "keys": KeyboardInterrupt(),
            "gone": ModuleNotFoundError(name="torch"),
        }[argv[0]]

    command(monkeypatch, failing)
    assert main(["train", "store"]) == 1
    assert capsys.readouterr().err == "semiuhpe: error: two lines\n"
    assert main(["train", "keys"]) == 130
    capsys.readouterr()
    assert main(["train", "gone"]) == 1
    assert "pip install 'semiuhpe[train]'" in capsys.readouterr().err
    command(monkeypatch, lambda argv: len(argv))
    assert main(["train", "a", "b"]) == 2


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "import sys; from semiuhpe.cli.main import main; sys.exit(main(['--help']))"
    script = f'{sys.executable} -c "{code}" | true'
    done = subprocess.run(
        ["sh", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=within(60), check=False
    )
    assert "Traceback" not in done.stderr


def test_help_needs_no_heavy_import() -> None:
    """What makes the command start at once: none of these is imported to print the help of `predict`."""
    code = (
        "import sys; from semiuhpe.cli.main import main\n"
        "try: main(['predict', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'PIL', 'av', 'torch', 'tqdm'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=within(60)
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    assert time.monotonic() - start < within(5)  # 0.1 s on an idle machine


def test_the_package_is_lazy_and_complete() -> None:
    code = "import semiuhpe, sys; assert not {'numpy', 'onnxruntime'} & set(sys.modules); print(semiuhpe.HeadPoses.empty())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=within(60)
    )
    assert done.stdout.strip() == "HeadPoses(no heads)", done.stderr
    assert set(semiuhpe.__all__) <= set(dir(semiuhpe))
    with pytest.raises(AttributeError, match="nothing"):
        semiuhpe.nothing  # noqa: B018
