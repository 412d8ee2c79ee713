"""JSON that the package writes is JSON: `NaN` and `Infinity`, which Python's own writer makes, are read by no browser."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import semiuhpe
from semiuhpe.files.atomic import json_text

_NAN = float("nan")
_NO_FILE = {"training/detector/recipe.py"}  # a message


def strictly(text: str) -> object:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_undefined_is_null_wherever_it_stands() -> None:
    value = {"a": _NAN, "b": [1.5, float("inf"), (-float("inf"), "NaN")], "c": {"d": np.float64("nan")}, "e": 3}
    assert strictly(json_text(value)) == {"a": None, "b": [1.5, None, [None, "NaN"]], "c": {"d": None}, "e": 3}
    assert strictly(json_text(value, indent=1, sort_keys=True)) == strictly(json_text(value))


def test_what_is_finite_is_written_as_ever() -> None:
    value = {"b": [1, 2.5e-300, True, None], "a": "ü"}
    assert json_text(value, indent=2, ensure_ascii=False) == json.dumps(value, indent=2, ensure_ascii=False)


def test_what_is_no_json_at_all_is_still_an_error() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises((ValueError, RecursionError)):
        json_text(circle)
    with pytest.raises(TypeError):
        json_text({1, 2})


def test_nothing_writes_json_another_way() -> None:
    root = Path(semiuhpe.__file__).parent
    others = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) not in ("json.dumps", "json.dump"):
                continue
            if not any(k.arg == "allow_nan" for k in call.keywords) and name not in _NO_FILE:
                others.append(f"{name}:{call.lineno}")
    assert others == []
