"""`benchmarks/bulk.py` counts every head once the clock runs, in every way that it compares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers.scripts import script
from helpers.time_limits import within

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def bulk() -> ModuleType:
    return script("benchmarks/bulk.py")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_the_serial_loop_and_a_worker_find_the_same_heads(bulk: ModuleType, tmp_path: Path) -> None:
    folder = bulk.demo_photos(tmp_path, 12)
    paths = sorted(folder.iterdir())
    assert len(paths) == 12
    serial, worker = bulk.serial(paths), bulk.bulk(folder, bulk.alone)
    assert serial.heads == worker.heads > 0  # those of the second unit
    for clock in (serial, worker):
        _, _, cores, by_clock, by_processor, _ = (cell.strip() for cell in clock.row("x", 1).split("|"))
        assert cores == "1"
        assert float(by_clock) > 0
        assert float(by_processor) > 0


SECONDS = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from helpers.scripts import script
from helpers.time_limits import within
bulk = script("benchmarks/bulk.py")
before = bulk.processor_seconds()
code = "import time\\nwhile time.process_time() < 0.5: pass\\nprint(flush=True); input()"
with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
    child.stdout.readline()
    assert bulk.processor_seconds() - before > 0.4
    child.stdin.write(b"\\n")
own, seen = sum(os.times()[:2]), bulk.processor_seconds()
assert abs(seen - own) <= 0.2, (seen, own)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_processor_seconds_are_of_all_processes_below() -> None:
    """In a process that has no other ones below it."""
    command = [sys.executable, "-c", SECONDS, str(Path(__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(command, check=True, env=environment, timeout=within(60))
