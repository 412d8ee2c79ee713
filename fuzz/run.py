"""Fuzz one target, or all in turn: `python fuzz/run.py TARGET|all [--seconds N] [--corpus FOLDER]`. Needs `pip install --editable . --group fuzz`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Returns 0, or the exit code of the first target that found a fault; its input is left beside it as crash-*."""
    sys.path.insert(0, str(HERE))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="folder that inputs begin from and new ones are kept in")
    args = parser.parse_args()
    import atheris

    if args.target == "all":
        with atheris.instrument_imports(include=[]):
            from targets import TARGETS
        for name in TARGETS:
            command = [sys.executable, __file__, name, "--seconds", str(args.seconds)]
            code = subprocess.call(command + (["--corpus", str(args.corpus / name)] if args.corpus else []))
            if code:
                print(f"{name}: failed", file=sys.stderr)
                return code
        return 0
    with atheris.instrument_imports(include=["semiuhpe", "PIL", "targets"]):
        from corpus import hostile_files
        from targets import TARGETS, quiet
    if args.target not in TARGETS:
        parser.error(f"no target {args.target!r}; there are {', '.join(TARGETS)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.corpus or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in hostile_files().items():
            if len(content) < 100_000:
                (folder / name).write_bytes(content)
        options = [f"-max_total_time={args.seconds}", "-rss_limit_mb=4096", "-timeout=20", str(folder)]
        atheris.Setup([sys.argv[0], *options], quiet(TARGETS[args.target]))
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
