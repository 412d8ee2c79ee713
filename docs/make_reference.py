"""The reference pages, which repeat what the code says of itself: docs/api_reference.md, docs/commands.md,
docs/recipe_keys.md, and the code in docs/recipes.md.

python docs/make_reference.py            # writes them
python docs/make_reference.py --check    # says which of them are out of date; exit code 1
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import importlib
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

DOCS = Path(__file__).parent

API = {
    "Estimating": [
        "semiuhpe.estimator:HeadPoseEstimator", "semiuhpe.poses.head_poses:HeadPoses", "semiuhpe.tracking.stream:Frame",
        "semiuhpe.prediction.run:predict", "semiuhpe.prediction.options:PredictOptions",
        "semiuhpe.detection.detector:HeadDetector", "semiuhpe.detection.foreign:ForeignDetector",
        "semiuhpe.images.load:load_image", "semiuhpe.images.load:list_images",
    ],
    "Where heads are, and what they look at": [
        "semiuhpe.poses.camera", "semiuhpe.poses.position", "semiuhpe.poses.looking",
    ],
    "Drawing": ["semiuhpe.drawing.poses", "semiuhpe.drawing.colour"],
    "Rotations and Euler angles": ["semiuhpe.geometry.rotation", "semiuhpe.geometry.euler"],
    "Error bars": ["semiuhpe.poses.uncertainty", "semiuhpe.poses.error_bars"],
    "Distributions": [
        "semiuhpe.distributions.base:RotationDistribution", "semiuhpe.distributions.matrix_fisher:MatrixFisher",
        "semiuhpe.distributions.rotation_laplace:RotationLaplace",
    ],
    "Heads at rest": ["semiuhpe.heads.record:HeadRecord", "semiuhpe.heads.store:HeadStore", "semiuhpe.heads.store:HeadStoreWriter"],
    "The semi-supervised step": ["semiuhpe.training.pose.step", "semiuhpe.training.pose.stage", "semiuhpe.training.pose.threshold"],
    "Labelling": ["semiuhpe.labelling.committee", "semiuhpe.labelling.teachers"],
    "Errors": ["semiuhpe.errors"],
}  # fmt: skip
"""Headings → modules, all of whose public names are listed, or single names in one."""


def api_page() -> str:
    """Every public name with its signature and docstring."""
    lines = ["# API reference", "", "Written by `python docs/make_reference.py` from the docstrings. What is imported from `semiuhpe` itself is stable ([stability](stability.md)).", ""]  # fmt: skip
    for heading, places in API.items():
        lines += [f"## {heading}", ""]
        for place in places:
            module, _, name = place.partition(":")
            owner = importlib.import_module(module)
            for found in [name] if name else list(public_names(owner)):
                lines += entry(f"{module}.{found}", getattr(owner, found))
    return "\n".join(lines)


def public_names(module: ModuleType) -> Iterator[str]:
    """The functions and classes that a module defines, in its order."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
            yield name


def entry(title: str, value: Any) -> list[str]:
    """One name: its signature, its docstring, and of a class its public methods."""
    name = title.rpartition(".")[2]
    lines = [f"### `{title}`", "", "```python", signature(name, value), "```", "", inspect.getdoc(value) or "", ""]
    if not inspect.isclass(value):
        return lines
    for method, member in vars(value).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if method.startswith("_") or not inspect.getdoc(member):
            continue
        if isinstance(member, property):
            lines += [f"**`{method}`**: {inspect.getdoc(member)}", ""]
        elif inspect.isfunction(function):
            lines += ["```python", signature(method, function), "```", "", inspect.getdoc(function) or "", ""]
    return lines


def signature(name: str, value: Callable[..., Any]) -> str:
    """`name(...)` as it would be written, one parameter a line where it is long."""
    if inspect.isclass(value) and issubclass(value, (Exception, enum.Enum)):
        return f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
    try:
        own = inspect.signature(value)
    except ValueError:
        return name
    parameters: list[str] = []
    for parameter in own.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        parameters.append(plain(str(parameter)))
    ends = "" if own.return_annotation in (inspect.Signature.empty, None, "None") else f" -> {own.return_annotation}"
    short = f"{name}({', '.join(parameters)}){ends}"
    return short if len(short) <= 110 else "\n".join([f"{name}(", *(f"    {p}," for p in parameters), f"){ends}"])


def plain(parameter: str) -> str:
    """A parameter whose annotation is not in quotes."""
    return re.sub(r"^(\*{0,2}\w+): '(.*?)'(?= = |$)", r"\1: \2", parameter)


def commands_page() -> str:
    """The help of every command."""
    from semiuhpe.cli.main import COMMANDS, main

    lines = ["# Commands", "", "Written by `python docs/make_reference.py`: what `--help` prints. `semiuhpe prepare NAME --help` and `semiuhpe train --help` tell more of each source and recipe key.", ""]  # fmt: skip
    for command, summary in COMMANDS.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([command, "--help"])
        lines += [f"## semiuhpe {command}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        if command in ("train", "train-detector"):
            lines += [
                "`semiuhpe train --config RECIPE.yml --KEY VALUE …`: every key of a recipe is a flag; see [recipe keys](recipe_keys.md).",
                "",
            ]
        else:
            lines += ["```text", *(line.rstrip() for line in said.getvalue().strip().splitlines()), "```", ""]
    return "\n".join(lines)


def recipes_page() -> str:
    """The keys of the recipes of both trainings, with their defaults and what their dataclasses say of them."""
    from semiuhpe.training.detector.recipe import DetectorRecipe
    from semiuhpe.training.pose.recipe import Recipe

    lines = ["# Recipe keys", "", "Written by `python docs/make_reference.py` from the dataclasses. A recipe is a YAML file; every key is also a flag, `--optimizer.lr 0.001`.", ""]  # fmt: skip
    for heading, root in (("semiuhpe train", Recipe), ("semiuhpe train-detector", DetectorRecipe)):
        lines += [f"## {heading}", ""]
        for kind in nested(root):
            lines += [
                f"### {kind.__name__}",
                "",
                inspect.getdoc(kind) or "",
                "",
                "| key | type | default |",
                "|---|---|---|",
            ]
            lines += [
                f"| `{field.name}` | {cell(str(field.type))} | {cell(default_of(field))} |"
                for field in dataclasses.fields(kind)
            ]
            lines.append("")
    return "\n".join(lines)


def nested(root: type) -> list[type]:
    """A dataclass and those of its fields, each once, in the order in which they are met."""
    found = [root]
    for kind in found:
        hints = vars(sys.modules[kind.__module__])
        for field in dataclasses.fields(kind):
            words = str(field.type).replace("[", " ").replace("]", " ").replace("|", " ").replace(",", " ").split()
            found += [
                k
                for k in map(hints.get, words)
                if dataclasses.is_dataclass(k) and isinstance(k, type) and k not in found
            ]
    return found


def default_of(field: dataclasses.Field[Any]) -> str:
    """A field's default as YAML readers would expect it; of a nested dataclass its name."""
    value = field.default if field.default is not dataclasses.MISSING else None
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if dataclasses.is_dataclass(value):
        return "its own"
    return "" if value is None else f"`{value!r}`"


def cell(text: str) -> str:
    """Text that breaks no table."""
    return text.replace("|", "\\|")


def recipes_with_code() -> str:
    """docs/recipes.md with the present code of its scripts, each below a comment that names the file."""

    def filled(match: re.Match[str]) -> str:
        code = (DOCS / match[1]).read_text(encoding="utf-8").rstrip()
        return f"<!-- {match[1]} -->\n```python\n{code}\n```"

    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    return re.sub(r"<!-- (recipes/\w+\.py) -->\n```python\n.*?```", filled, page, flags=re.DOTALL)


PAGES: dict[str, Callable[[], str]] = {
    "api_reference.md": api_page,
    "commands.md": commands_page,
    "recipe_keys.md": recipes_page,
    "recipes.md": recipes_with_code,
}


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    os.environ["COLUMNS"] = "110"
    stale = []
    for name, make in PAGES.items():
        content, path = make().rstrip() + "\n", DOCS / name
        if check:
            stale += [name] if not path.exists() or path.read_text(encoding="utf-8") != content else []
        else:
            path.write_text(content, encoding="utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python docs/make_reference.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
