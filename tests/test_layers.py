"""The arrows between the rooms run down, as CONTRIBUTING.md prints them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "semiuhpe"

LAYERS = (
    "_version", "errors", "arrays", "files", "geometry", "images", "distributions", "video", "weights", "drawing", "poses",
    "detection", "tracking", "estimator", "prediction", "attention", "heads", "sources", "views", "models", "evaluation", "labelling",
    "synthesis", "training", "web", "cli",
)  # fmt: skip
"""Lowest first: a room may import from those before it."""

DOORS = {"__init__", "__main__"}
"""The package's own front door opens into every room."""


def test_every_room_has_a_layer() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "py.typed")}
    assert there - DOORS == set(LAYERS)


def test_contributing_prints_the_same_layers() -> None:
    table = re.findall(r"(?m)^\| `([^|]+)` \|.*\|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    printed = [room.strip("` ") for cell in table for room in cell.split(",")]
    assert printed == list(LAYERS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_run_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room in DOORS:
        return
    above = set(LAYERS[LAYERS.index(room) + 1 :])
    upward = [f"{name} in line {line}" for line, name in imports_of(path) if room_of(name) in above]
    assert not upward, f"{room} is below {', '.join(upward)}"


def test_no_file_imports_in_a_circle() -> None:
    """Of the imports that run when a module is loaded: those in functions and for type checkers do not."""
    arrows = {
        module_of(path): {name for _, name in imports_of(path, loading=True)} for path in sorted(PACKAGE.rglob("*.py"))
    }
    arrows.pop("semiuhpe")  # loads nothing but the version by itself
    done: set[str] = set()

    def walk(module: str, walked: tuple[str, ...]) -> None:
        assert module not in walked, " → ".join([*walked[walked.index(module) :], module])
        if module not in done:
            for target in arrows.get(module, ()):
                walk(target, (*walked, module))
            done.add(module)

    for module in arrows:
        walk(module, ())


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_benchmarks_import_no_command_line(path: Path) -> None:
    assert not [name for _, name in imports_of(path) if room_of(name) == "cli"]


def test_imports_are_seen(tmp_path: Path) -> None:
    source = tmp_path / "some.py"
    source.write_text(
        "from typing import TYPE_CHECKING\nimport semiuhpe.cli.main\nfrom semiuhpe import web, __version__\n"
        "if TYPE_CHECKING:\n    from semiuhpe.training.ema import EMA\ndef f():\n    from semiuhpe.models import export\n"
    )
    seen = {room_of(name) for _, name in imports_of(source)}
    assert seen == {"cli", "web", "__version__", "training", "models"}
    assert {room_of(name) for _, name in imports_of(source, loading=True)} == {"cli", "web", "__version__"}


def imports_of(path: Path, *, loading: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything of the package that a file imports; loading: only what runs when it is loaded."""
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), loading=loading):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("semiuhpe."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "semiuhpe":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if node.module == "semiuhpe" or is_module(whole) else node.module


def statements(tree: ast.AST, *, loading: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        skipped = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if not (loading and skipped):
            yield node
            yield from statements(node, loading=loading)


def is_module(name: str) -> bool:
    place = ROOT.joinpath("src", *name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""
