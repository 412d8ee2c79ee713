"""The files around the package are what those who read them expect: workflows, citation, templates, lock, container."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from helpers.time_limits import within
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import semiuhpe

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    ".github/workflows/*.yml": "github-workflows",
    ".github/dependabot.yml": "dependabot",
    ".github/ISSUE_TEMPLATE/[!c]*.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "github-issue-config",
    "CITATION.cff": "citation-file-format",
}


def read_yaml(path: Path) -> Any:
    return pytest.importorskip("yaml").safe_load(path.read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        tomllib = pytest.importorskip("tomli")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def shell_lines(workflow: Path) -> list[str]:
    jobs = read_yaml(workflow)["jobs"].values()
    return [line for job in jobs for step in job.get("steps", []) for line in step.get("run", "").splitlines()]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", (ROOT / "Makefile").read_text(), flags=re.M))


@pytest.mark.parametrize(("pattern", "schema"), SCHEMAS.items())
def test_files_are_valid_by_their_published_schema(pattern: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema")
    found = sorted(ROOT.glob(pattern))
    assert found
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, found)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within(120), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schemas_refuse_what_is_wrong() -> None:
    """Or the test above could not fail."""
    jsonschema = pytest.importorskip("jsonschema")
    pytest.importorskip("check_jsonschema")
    schema = files("check_jsonschema.builtin_schemas").joinpath("vendor", "citation-file-format.json").read_bytes()
    citation = read_yaml(ROOT / "CITATION.cff")
    jsonschema.validate(citation, json.loads(schema))
    del citation["authors"]
    with pytest.raises(jsonschema.ValidationError, match="authors"):
        jsonschema.validate(citation, json.loads(schema))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_what_workflows_call_is_there(workflow: Path) -> None:
    lines = shell_lines(workflow)
    called = {name for line in lines for name in re.findall(r"\bmake ([a-z]+)", line)}
    assert called
    assert called <= make_targets()
    groups = {name for line in lines for name in re.findall(r"--group ([a-z]+)", line)}
    assert groups <= set(project()["dependency-groups"])
    named = {name for line in lines for name in re.findall(r"(?:^|\s)@?((?:\.ci|docs|src|tests)/[\w./-]+)", line)}
    assert all((ROOT / name).exists() for name in named), named
    reused = [job["uses"] for job in read_yaml(workflow)["jobs"].values() if "uses" in job]
    assert all((ROOT / name).exists() for name in reused)


def test_workflows_do_what_the_continuous_integration_does() -> None:
    assert ".ci/run" in shell_lines(ROOT / ".github/workflows/test.yml")
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert {"demo", "test", "lint", "docs", "wheel", "sbom", "lock", "clean"} == make_targets()


def test_workflows_run_every_python_that_is_claimed() -> None:
    matrix = read_yaml(ROOT / ".github/workflows/test.yml")["jobs"]["newest"]["strategy"]["matrix"]
    metadata = project()["project"]
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(metadata["classifiers"]))
    assert matrix["python"] == claimed
    assert SpecifierSet(metadata["requires-python"]).contains(claimed[0])
    assert not SpecifierSet(metadata["requires-python"]).contains(f"3.{int(claimed[0][2:]) - 1}")


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow runs these lines on Linux")
@pytest.mark.parametrize(
    ("tag", "heading", "passes"),
    [
        ("v{}", "## [{}] - 2026-01-31", True),
        ("v99.0.0", "## [{}] - 2026-01-31", False),
        ("v{}", "## [Unreleased]", False),
    ],
)
def test_a_release_is_refused_unless_tag_version_and_changelog_agree(
    tmp_path: Path, tag: str, heading: str, passes: bool
) -> None:
    """The lines of the workflow, run as it runs them."""
    steps = read_yaml(ROOT / ".github/workflows/release.yml")["jobs"]["describe"]["steps"]
    script = next(step["run"] for step in steps if "TAG" in step.get("env", {}))
    (tmp_path / "src" / "semiuhpe").mkdir(parents=True)
    (tmp_path / "src" / "semiuhpe" / "_version.py").write_bytes((ROOT / "src/semiuhpe/_version.py").read_bytes())
    changelog = "# Changelog\n\n" + heading.format(semiuhpe.__version__) + "\n\n- New.\n\n## [0.0.1]\n\n- Old.\n"
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    environment = {**os.environ, "TAG": tag.format(semiuhpe.__version__)}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, timeout=within(60), check=False)
    assert (done.returncode == 0) == passes
    if passes:
        assert (tmp_path / "release" / "notes.md").read_text().split() == ["-", "New."]


def test_the_version_has_one_place() -> None:
    assert "version" in project()["project"]["dynamic"]
    text = (ROOT / project()["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'__version__ = "{semiuhpe.__version__}"' in text
    assert "version" not in read_yaml(ROOT / "CITATION.cff")


def test_the_lock_satisfies_what_training_asks_for() -> None:
    lines = (ROOT / "constraints" / "training.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    extras = project()["project"]["optional-dependencies"]
    asked = [*project()["project"]["dependencies"], *(r for name in ("store", "train", "synth") for r in extras[name])]
    for requirement in map(Requirement, asked):
        if requirement.name == "semiuhpe":
            continue
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")]), requirement
    assert not [line for line in lines if "@" in line or line.startswith("-e")]


def test_the_containers_default_command_is_one() -> None:
    from semiuhpe.cli.demo import build_parser

    lines = (ROOT / "Dockerfile").read_text().splitlines()
    command = json.loads(next(line[4:] for line in lines if line.startswith("CMD ")))
    assert command[0] == "demo"
    options = build_parser().parse_args(command[1:])
    assert options.host == "0.0.0.0"
    assert f"EXPOSE {options.port}" in lines
    assert any(line.startswith("USER ") and line != "USER 0" for line in lines)
    copied = {
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
