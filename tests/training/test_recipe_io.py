"""Recipes that stand for more than they say are refused before anything is written out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("jsonargparse", reason="the extra 'train' is not installed")

from semiuhpe.cli.train import read_recipe as read_pose_recipe
from semiuhpe.errors import RecipeError
from semiuhpe.training.detector.recipe import read_recipe
from semiuhpe.training.recipe_io import MAX_BYTES, MAX_VALUES, read_yaml

SETTINGS = Path(__file__).parents[2] / "settings"
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
CIRCLE = "a: &a\n  b: [*a, *a]\n"
DEEP = "[" * 20_000 + "]" * 20_000
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))


@pytest.mark.parametrize("text", [LAUGHS, CIRCLE, DEEP, MERGED], ids=["laughs", "circle", "deep", "merged"])
def test_a_bomb_is_refused_at_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yml"
    path.write_text(text)
    begin = time.process_time()
    for read in (
        lambda: read_yaml(path),
        lambda: read_recipe(str(path), {}),
        lambda: read_pose_recipe(["--config", str(path)]),
        lambda: read_pose_recipe([f"--config={path}", "--steps", "3"]),
    ):
        with pytest.raises(RecipeError, match=r"bomb\.yml: (more than 10,000 values|is nested too deeply)"):
            read()
    assert time.process_time() - begin < 20


def expanded(value: object) -> int:
    """How many values there are, the slow way."""
    if isinstance(value, dict):
        return 1 + sum(expanded(part) for pair in value.items() for part in pair)
    return 1 + sum(map(expanded, value)) if isinstance(value, list) else 1


@pytest.mark.parametrize("over", [0, 1])
def test_values_are_counted_where_they_stand(over: int, tmp_path: Path) -> None:
    items = (MAX_VALUES - 4 - 98) // 98  # a: 98 times the same list
    extra = MAX_VALUES - (4 + 98 * (items + 1)) + over
    text = f"a: &a [{', '.join('x' * items)}]\nb: [{', '.join(['*a'] * 97 + ['y'] * extra)}]\n"
    assert expanded(yaml.safe_load(text)) == MAX_VALUES + over
    (tmp_path / "a.yml").write_text(text)
    if over:
        with pytest.raises(RecipeError, match="more than 10,000 values"):
            read_yaml(tmp_path / "a.yml")
    else:
        assert read_yaml(tmp_path / "a.yml") == text


def test_aliases_that_save_typing_may_stay(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("portraits: &p [a, b]\nheadless: *p\nsteps: 9\n")
    recipe = read_recipe(str(tmp_path / "a.yml"), {})
    assert (recipe.portraits, recipe.headless, recipe.steps) == (["a", "b"], ["a", "b"], 9)


@pytest.mark.parametrize("path", sorted(SETTINGS.glob("*.yml")), ids=lambda path: path.stem)
def test_the_published_ones_pass(path: Path) -> None:
    assert read_yaml(path) == path.read_text(encoding="utf-8")


def test_other_faults_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    for content in (b"a: [1", b"\xff\xfe\x00a", b"x" * (MAX_BYTES + 1), b"!!python/object:os.system {}: ["):
        path.write_bytes(content)
        with pytest.raises(RecipeError, match=r"a\.yml: ") as caught:
            read_recipe(str(path), {})
        assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_yaml(tmp_path / "none.yml")
