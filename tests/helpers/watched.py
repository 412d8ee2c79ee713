"""A command in a process of its own, in a home that holds nothing: which files it leaves there, which connections it makes.

Three witnesses: Python's audit events, what /proc says is open while it runs, and, where it is installed, strace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import semiuhpe

_PRELUDE = """
import atexit, json, os, sys, threading

EVENTS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind", "urllib.Request"}
seen, over = set(), threading.Event()

def heard(event, arguments):
    if event in EVENTS and not (event in ("socket.connect", "socket.bind") and isinstance(arguments[1], (str, bytes))):
        seen.add(f"{event} {arguments[1:]!r}")

def look():
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:"):
            seen.add("a socket is open")

def watch():
    while not over.wait(0.002):
        look()

def tell():
    over.set()
    if os.path.isdir("/proc/self/fd"):
        look()
    with open(os.environ["WATCHED"], "w") as file:
        json.dump(sorted(seen), file)

sys.addaudithook(heard)
if os.path.isdir("/proc/self/fd"):
    threading.Thread(target=watch, daemon=True).start()
atexit.register(tell)
"""
_COMMAND = "from semiuhpe.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"


@dataclass(frozen=True)
class Watched:
    """What was seen. code: how it ended; output: both streams; files: left in the home; connections: one line each."""

    code: int
    output: str
    files: list[str]
    connections: list[str]

    @property
    def network(self) -> list[str]:
        """Those that are not to a process of this machine by a file's name, as processes of one program talk."""
        return [line for line in self.connections if "AF_INET" in line or re.match(r"socket\.|urllib", line)]


def watched(folder: Path, *arguments: str, code: str = _COMMAND, **environment: str) -> Watched:
    """Run `semiuhpe` with arguments, or other code, in the working folder `folder`."""
    home, notes = folder / "home", folder / "notes"
    for path in (home / "tmp", notes):
        path.mkdir(parents=True)
    variables = {
        name: value for name, value in os.environ.items() if not re.match(r"XDG_|ORT_|HF_|TORCH_|PYTHON", name)
    }
    variables |= {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "WATCHED": str(notes / "seen.json"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    tracer = shutil.which("strace")
    trace = notes / "trace"
    prefix = [tracer, "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", str(trace)] if tracer else []
    command = [*prefix, sys.executable, "-c", _PRELUDE + code, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250
    )
    connections = json.loads((notes / "seen.json").read_text())
    if trace.exists():
        connections += [line for line in trace.read_text().splitlines() if "socket(" in line or "connect(" in line]
    files = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path != home / "tmp")
    shutil.rmtree(notes)
    shutil.rmtree(home)
    return Watched(done.returncode, done.stdout, files, connections)
