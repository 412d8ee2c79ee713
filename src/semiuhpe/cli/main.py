"""The command `semiuhpe`: the first word chooses a module, which is imported only then."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module

from semiuhpe.errors import MissingExtraError, SemiUHPEError

COMMANDS = {
    "predict": "poses of the heads in photos, videos, cameras and streams",
    "demo": "a local web page for photos, videos and the camera",
    "synthesize": "render labelled heads into a store",
    "prepare": "import a data set into a store",
    "label": "label the heads of a store with a committee of networks",
    "inspect": "what a store holds, with a contact sheet",
    "train": "train a pose network by a recipe",
    "train-detector": "train the head detector",
    "evaluate": "measure weights by a published protocol",
    "submit": "write a benchmark's submission, or score it",
    "import-weights": "turn a published checkpoint (.pth) into weights",
    "calibrate": "fit honest error bars on labelled heads",
    "export": "write a trained network as ONNX",
}

_EXTRAS = {
    "synthesize": "synth",
    "prepare": "store",
    "inspect": "store",
    "label": "store",
    "calibrate": "store",
    "evaluate": "store",
    "submit": "store",
}
"""What to install where a command misses a package: this extra, and `train` for all others but `predict` and `demo`."""


def _help() -> str:
    from semiuhpe import __version__

    lines = [f"  {name:<16}{text}" for name, text in COMMANDS.items()]
    head = f"semiuhpe {__version__}: how every head in a photo is turned"
    return "\n".join([head, "", "usage: semiuhpe COMMAND ...", "", *lines, "", "semiuhpe COMMAND --help tells more."])


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad input, 2 wrong usage, 130 interrupted, 143 terminated."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name need not be text, and must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at exit
        return code
    except SemiUHPEError as error:
        print(f"semiuhpe: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        print("semiuhpe: interrupted; what was done is kept", file=sys.stderr)
        return 128 + getattr(error, "signum", int(signal.SIGINT))
    except BrokenPipeError:
        # The reader of our output has gone; a second failure at exit would only add noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from semiuhpe import __version__

        print(__version__)
        return 0
    command = arguments[0]
    if command not in COMMANDS:
        print(f"semiuhpe: error: no command {command!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return int(import_module(f"semiuhpe.cli.{command.replace('-', '_')}").main(arguments[1:]))
    except ModuleNotFoundError as error:
        if command in ("predict", "demo") or (error.name or "semiuhpe").partition(".")[0] == "semiuhpe":
            raise
        raise MissingExtraError(f"semiuhpe {command}", _EXTRAS.get(command, "train")) from error
