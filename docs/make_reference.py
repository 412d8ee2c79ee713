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
import itertools
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
        "semiuhpe.prediction.run:predict", "semiuhpe.prediction.run:PredictResult",
        "semiuhpe.prediction.options:PredictOptions",
        "semiuhpe.detection.detector:HeadDetector", "semiuhpe.detection.foreign:ForeignDetector",
        "semiuhpe.images.load:load_image", "semiuhpe.images.load:list_images", "semiuhpe.prediction.rerun_log:RerunLog",
    ],
    "Where heads are, and what they look at": [
        "semiuhpe.poses.camera", "semiuhpe.poses.position", "semiuhpe.poses.looking",
    ],
    "Attention over time": [
        "semiuhpe.attention.sightings", "semiuhpe.attention.zones", "semiuhpe.attention.zones_file",
        "semiuhpe.attention.summary", "semiuhpe.attention.report:write_report",
    ],
    "Drawing": ["semiuhpe.drawing.poses", "semiuhpe.drawing.colour"],
    "Rotations and Euler angles": ["semiuhpe.geometry.rotation", "semiuhpe.geometry.euler"],
    "Error bars": ["semiuhpe.poses.uncertainty", "semiuhpe.poses.error_bars"],
    "Distributions": [
        "semiuhpe.distributions.base:RotationDistribution", "semiuhpe.distributions.matrix_fisher:MatrixFisher",
        "semiuhpe.distributions.rotation_laplace:RotationLaplace",
    ],
    "Heads at rest": ["semiuhpe.heads.record:HeadRecord", "semiuhpe.heads.store:HeadStore", "semiuhpe.heads.store:HeadStoreWriter"],
    "Augmentation": ["semiuhpe.views.warp", "semiuhpe.views.photometric", "semiuhpe.views.occlusion"],
    "Evaluation": [
        "semiuhpe.evaluation.metrics", "semiuhpe.evaluation.models:open_model",
        "semiuhpe.evaluation.benchmarks:Protocol", "semiuhpe.evaluation.benchmarks:protocol",
        "semiuhpe.evaluation.run", "semiuhpe.evaluation.measure", "semiuhpe.evaluation.submit",
        "semiuhpe.evaluation.weights_calibration",
    ],
    "The semi-supervised step": ["semiuhpe.training.pose.step", "semiuhpe.training.pose.stage", "semiuhpe.training.pose.threshold"],
    "Training the pose network": [
        "semiuhpe.training.pose.recipe_file:read_recipe", "semiuhpe.training.pose.recipe",
        "semiuhpe.training.pose.trainer:Trainer", "semiuhpe.models.pose_net:PoseNet",
        "semiuhpe.training.ema:AveragedNetwork", "semiuhpe.training.pose.teachers:Teachers",
        "semiuhpe.training.pose.teachers:TeacherAnswer", "semiuhpe.training.pose.batches",
        "semiuhpe.training.pose.data:HeadSubset", "semiuhpe.training.pose.data:LabelledViews",
        "semiuhpe.training.pose.data:labelled_heads", "semiuhpe.training.pose.data:training_sources",
        "semiuhpe.training.pose.data:canonical_crops", "semiuhpe.training.pose.data:rotations_of",
        "semiuhpe.training.pose.unlabelled:UnlabelledViews", "semiuhpe.training.pose.unlabelled:unlabelled_sources",
        "semiuhpe.training.pose.unlabelled:as_batch",
    ],
    "Labelling": ["semiuhpe.labelling.committee", "semiuhpe.labelling.teachers", "semiuhpe.labelling.run"],
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
    lines = [f"### `{title}`", "", "```python", signature(name, value), "```", "", *markdown(value)]
    if not inspect.isclass(value):
        return lines
    for method, member in members(value):
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if isinstance(member, property):
            lines += [f"**`{method}`**: {inspect.getdoc(member)}", ""]
        elif inspect.isfunction(function):
            lines += ["```python", signature(method, function), "```", "", *markdown(function)]
    return lines


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, and its `__call__`; those too of bases that have no entry of their own."""
    listed = {name for names in API.values() for name in names}
    bases = [base for base in kind.__mro__[1:] if base.__module__.startswith("semiuhpe.")]
    unlisted = [base for base in bases if not {base.__module__, f"{base.__module__}:{base.__name__}"} & listed]
    for owner in (kind, *unlisted):
        for name, member in vars(owner).items():
            kinds = property, classmethod, staticmethod
            if (isinstance(member, kinds) or inspect.isfunction(member)) and (name[0] != "_" or name == "__call__"):
                yield name, member


def markdown(value: Any) -> list[str]:
    """A docstring as Markdown: each of its sections is a bold line and what it says, of parameters a list."""
    lines: list[str] = []
    text = inspect.getdoc(value) or ""
    for about, section, content in split_sections(text):
        lines += [*about, ""] if about else []
        if section in ("Returns", "Yields"):
            lines += [f"**{section}**: {content['']}", ""]
        elif section:
            lines += [f"**{section}**:", "", *(f"- `{name}`: {told}" for name, told in content.items()), ""]
    return lines


SECTIONS = ("Args", "Returns", "Yields", "Raises", "Attributes")
"""The headings of a docstring's sections, those of Google's style."""


def split_sections(text: str) -> Iterator[tuple[list[str], str, dict[str, str]]]:
    """The parts of a docstring: its free text, with no section; then each section with its entries, name → what is said.

    Of `Returns` and `Yields` the one entry has no name.
    """
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.endswith(":") and line[:-1] in SECTIONS]
    free = lines[: heads[0]] if heads else lines
    yield "\n".join(free).rstrip().splitlines(), "", {}
    for start, end in itertools.pairwise([*heads, len(lines)]):
        section = lines[start][:-1]
        own = "\n".join(line.removeprefix("    ") for line in lines[start + 1 : end]).strip("\n")
        if section in ("Returns", "Yields"):
            yield [], section, {"": " ".join(own.split())}
            continue
        found = (entry.partition(":") for entry in re.split(r"\n(?! )", own))
        yield [], section, {name: " ".join(told.split()) for name, _, told in found}


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
    """A parameter whose annotation is not in quotes, and whose default is a function's or a class's name."""
    parameter = re.sub(r"<function (\S+) at 0x\w+>|<class '[\w.]*\b(\w+)'>", r"\1\2", parameter)
    parameter = re.sub(r"^(self|cls): .*", r"\1", parameter)
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
    from semiuhpe.cli.recipe_options import key_texts
    from semiuhpe.training.detector.recipe import DetectorRecipe
    from semiuhpe.training.pose.recipe import Recipe

    lines = ["# Recipe keys", "", "Written by `python docs/make_reference.py` from the dataclasses. A recipe is a YAML file; every key is also a flag, `--optimizer.lr 0.001`.", ""]  # fmt: skip
    for heading, root in (("semiuhpe train", Recipe), ("semiuhpe train-detector", DetectorRecipe)):
        lines += [f"## {heading}", ""]
        for kind in nested(root):
            about, _, _ = next(split_sections(inspect.getdoc(kind) or ""))
            texts = key_texts(kind)
            flowing = "\nAttributes:\n" not in (kind.__doc__ or "")
            lines += [f"### {kind.__name__}", "", *([texts[""]] if flowing else about), ""]
            lines += ["| key | type | default | what it is |", "|---|---|---|---|"]
            lines += [
                f"| `{field.name}` | {cell(str(field.type))} | {cell(default_of(field))} | {cell(texts.get(field.name, ''))} |"
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
