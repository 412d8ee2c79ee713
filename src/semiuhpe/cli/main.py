"""The command `semiuhpe`: the first word chooses a module, which is imported only then."""

from __future__ import annotations

import errno
import os
import signal
import sys
from importlib import import_module

from semiuhpe.cli.log import LOGGER, logging_to_terminal
from semiuhpe.cli.parser import near
from semiuhpe.cli.terminal import give_up_output, open_closed_streams, plain_output
from semiuhpe.errors import MissingExtraError, SemiUHPEError

COMMANDS = {
    "predict": "poses of the heads in photos, videos, cameras and streams",
    "attention": "where people's attention went in a video: zones, dwell times, charts",
    "demo": "a local web page for photos, videos and the camera",
    "serve": "a REST service for other programs",
    "synthesize": "render labelled heads into a store",
    "prepare": "import a data set into a store",
    "export-heads": "write a store's heads for webdataset or Hugging Face",
    "label": "label the heads of a store with a committee of networks",
    "inspect": "what a store holds, with a contact sheet",
    "train": "train a pose network by a recipe",
    "sweep": "train variants of a recipe over seeds, and compare them",
    "train-detector": "train the head detector",
    "evaluate": "measure weights by a published protocol",
    "submit": "write a benchmark's submission, or score it",
    "import-weights": "turn a published checkpoint (.pth) into weights",
    "calibrate": "fit honest error bars on labelled heads",
    "average": "the mean of the weights of two trainings",
    "export": "write a trained network as ONNX",
}

_EXTRAS = {
    "serve": "serve",
    "synthesize": "synth",
    "prepare": "store",
    "export-heads": "store",
    "inspect": "store",
    "label": "store",
    "calibrate": "store",
    "evaluate": "store",
    "submit": "store",
}
"""What to install where a command misses a package: this extra, and `train` for all others but `predict`, `attention` and `demo`."""


def _help() -> str:
    from semiuhpe import __version__

    lines = [f"  {name:<16}{text}" for name, text in COMMANDS.items()]
    head = f"semiuhpe {__version__}: how every head in a photo is turned"
    return "\n".join(
        [
            head,
            "",
            "usage: semiuhpe COMMAND ...",
            "",
            *lines,
            "",
            "semiuhpe COMMAND --help tells more; --debug, with any of them, where an error came from.",
            "semiuhpe --print-completion SHELL makes bash, zsh or tcsh complete commands and options.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad input, 2 wrong usage, 70 a fault of ours, 130 interrupted,
    143 terminated."""
    open_closed_streams()
    arguments, debug = _without_debug(sys.argv[1:] if argv is None else argv)
    with plain_output(), logging_to_terminal(debug):
        try:
            try:
                return _dispatch(arguments)
            finally:
                sys.stdout.flush()  # a reader that has gone, or a full disk, is noticed here, not at exit
        except KeyboardInterrupt as error:
            print("semiuhpe: interrupted; what was done is kept", file=sys.stderr)
            return 128 + getattr(error, "signum", int(signal.SIGINT))
        except BrokenPipeError:
            give_up_output()  # the reader of our output has gone
            return 1
        except Exception as error:
            LOGGER.debug("%s", type(error).__name__, exc_info=True)
            return _told(error)


def _print_completion(words: list[str]) -> int:
    from semiuhpe.cli.completion import SHELLS, completion_script

    if len(words) != 1 or words[0] not in SHELLS:
        print(f"semiuhpe: error: --print-completion takes one of {', '.join(SHELLS)}", file=sys.stderr)
        return 2
    print(completion_script(words[0], COMMANDS), end="")
    return 0


def _told(error: Exception) -> int:
    """One line about what went wrong; the exit code."""
    code, text = 1, str(error)
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        remedy = "make room on it" if error.errno == errno.ENOSPC else "check the path and its permissions"
        text = f"{where}{error.strerror or error}; {remedy}, and start again"
        give_up_output()
    elif not isinstance(error, SemiUHPEError):
        code = 70
        text = f"a fault of this program, {type(error).__name__}: {error}; please report it with what --debug adds"
    print(f"semiuhpe: error: {' '.join(text.split())}", file=sys.stderr)
    return code


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, which every command knows, and whether it was among them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from semiuhpe import __version__

        print(__version__)
        return 0
    command = arguments[0]
    if command.partition("=")[0] == "--print-completion":
        return _print_completion([*command.split("=")[1:], *arguments[1:]])
    if command not in COMMANDS:
        hint = (
            near(command, [*COMMANDS, "--help", "--version", "--print-completion"])
            or f"; there are {', '.join(COMMANDS)}"
        )
        print(f"semiuhpe: error: no command {command!r}{hint}", file=sys.stderr)
        return 2
    try:
        return int(import_module(f"semiuhpe.cli.{command.replace('-', '_')}").main(arguments[1:]))
    except ModuleNotFoundError as error:
        if command in ("predict", "attention", "demo") or (error.name or "semiuhpe").partition(".")[0] == "semiuhpe":
            raise
        raise MissingExtraError(f"semiuhpe {command}", _EXTRAS.get(command, "train")) from error
