"""Docstrings of every public name are complete: Google-style sections that name exactly the parameters and fields there are."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.scripts import script

import semiuhpe

pytest.importorskip("torch")
pytest.importorskip("timm")
REFERENCE = script("docs/make_reference.py")


def public() -> Iterator[tuple[str, Any]]:
    """Every name of the API page, and the public methods and properties of its classes."""
    for places in REFERENCE.API.values():
        for place in places:
            module, _, name = place.partition(":")
            owner = importlib.import_module(module)
            for found in [name] if name else REFERENCE.public_names(owner):
                value = getattr(owner, found)
                yield f"{module}:{found}", value
                for method, member in REFERENCE.members(value) if inspect.isclass(value) else ():
                    yield f"{module}:{found}.{method}", member


PUBLIC = dict(public())


def faults(value: Any) -> list[str]:
    """What a docstring lacks, or says of something that is not there."""
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    text = str((inspect.getdoc(function) if inspect.isfunction(function) else value.__doc__) or "")
    written = not inspect.isclass(value) or not text.startswith(f"{value.__name__}(")  # as dataclasses do by themselves
    if not text or not written:
        return ["no docstring"]
    if isinstance(value, property):
        return []
    parts = list(REFERENCE.split_sections(inspect.cleandoc(text)))
    sections = {section: entries for _, section, entries in parts if section}
    wrong = [f"{section} twice" for section in sections if [part[1] for part in parts].count(section) > 1]
    wrong += [
        f"{section}: nothing of {name!r}" for section, told in sections.items() for name in told if not told[name]
    ]
    wanted: dict[str, list[str]] = {"Args": [], "Attributes": []}
    if dataclasses.is_dataclass(value):
        wanted["Attributes"] = [entry.name for entry in dataclasses.fields(value)]
    elif inspect.isclass(value):
        wanted["Args"] = parameters(vars(value).get("__init__", value.__init__))
    else:
        wanted["Args"] = parameters(function)
        told = {"Returns", "Yields"} & set(sections)
        if bool(told) != returns(function):
            wrong.append(
                f"has {', '.join(told) or 'no Returns'}, and returns {inspect.signature(function).return_annotation}"
            )
    for section, names in wanted.items():
        there = list(sections.get(section, {}))
        if sorted(there) != sorted(names):
            wrong.append(f"{section}: tells of {there}, and there are {names}")
    return wrong


def parameters(function: Any) -> list[str]:
    """The parameters that a caller gives; none of an `__init__` that no class of the package wrote."""
    if not inspect.isfunction(function) or not function.__module__.startswith(("semiuhpe", __name__)):
        return []
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def returns(function: Any) -> bool:
    """Whether there is something to say of what a function returns."""
    return inspect.signature(function).return_annotation not in (None, "None", inspect.Signature.empty)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name: str) -> None:
    assert not faults(PUBLIC[name])


def test_the_stable_names_are_public() -> None:
    homes = {f"{getattr(semiuhpe, name).__module__}:{name}" for name in semiuhpe.__all__ if name != "__version__"}
    assert homes <= set(PUBLIC)


def told_fully(first: int, *rest: int, second: str = "") -> int:
    """One line.

    Args:
        first: a number, of which is said: more
            on another line.
        rest: others.
        second: a word.

    Returns:
        A number.
    """
    return first


class Told:
    """One line.

    Args:
        size: pixels.
    """

    def __init__(self, size: int) -> None: ...


@dataclasses.dataclass
class Fields:
    """One line.

    Attributes:
        size: pixels.
    """

    size: int


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("second: a word", "third: a word", "Args: tells of"),
        ("        rest: others.\n", "", "Args: tells of"),
        ("first: a number, of which is said: more\n            on another line.", "first:", "nothing of 'first'"),
        ("    Returns:\n        A number.\n", "", "no Returns"),
        ("    Args:", "    Arguments:", "Args: tells of []"),
    ],
)
def test_a_broken_docstring_is_found(before: str, after: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = str(told_fully.__doc__)
    assert before in text and not faults(told_fully)
    monkeypatch.setattr(told_fully, "__doc__", text.replace(before, after))
    assert fault in str(faults(told_fully))


@pytest.mark.parametrize("kind", [Told, Fields])
def test_a_broken_docstring_of_a_class_is_found(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not faults(kind)
    monkeypatch.setattr(kind, "__doc__", str(kind.__doc__).replace("size: pixels", "side: pixels"))
    assert "['side'], and there are ['size']" in str(faults(kind))
    monkeypatch.setattr(kind, "__doc__", None)
    assert faults(kind) == ["no docstring"]
