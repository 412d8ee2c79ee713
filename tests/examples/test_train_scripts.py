"""The scripts for 1 GPU, 8 GPUs and SLURM, in miniature on the processor: what they call trains, in two processes where they say so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
from helpers.axes_heads import make_store, recipe_for
from helpers.rank_processes import free_port
from helpers.time_limits import within

from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.training.pose import recipe as recipes
from semiuhpe.training.pose.recipe import LabelledData, ModelRecipe

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

MINIATURE = ["--device", "cpu", "--precision", "32-true", "--workers", "0"]
"""What is said after the recipe has the last word."""

SRUN = """\
#!{python}
# Starts the two tasks that the script asks for, as srun does on one machine, and writes down what else it was told.
import os, re, subprocess, sys
told = [word for word in sys.argv[1:] if word.startswith("--kill")]
typed = sys.argv[1 + len(told):]
asked = dict(re.findall(r"^#SBATCH --(\\S+)=(\\S+)", open({script!r}).read(), re.M))
assert asked["ntasks-per-node"] == asked["gpus-per-node"] == "8", asked
open({seen!r}, "w").write(" ".join(told))
count = 2
common = {{"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": asked["job-name"], "SLURM_NTASKS": str(count),
          "SLURM_NTASKS_PER_NODE": str(count), "SLURM_NNODES": asked["nodes"], "SLURM_NODELIST": "localhost",
          "SLURM_STEP_NUM_TASKS": str(count), "SLURM_STEP_NUM_NODES": asked["nodes"], "SLURM_NODEID": "0",
          "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "{port}"}}
tasks = [subprocess.Popen(typed, env={{**os.environ, **common, "SLURM_PROCID": str(r), "SLURM_LOCALID": str(r)}})
         for r in range(count)]
sys.exit(max(task.wait() for task in tasks))
"""


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run_script(folder: Path, name: str, run: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script of `examples` on a recipe of two steps, with this Python's `semiuhpe` and `torchrun` on the path."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    executable(programs / "semiuhpe", f'#!/bin/sh\nexec "{sys.executable}" -m semiuhpe "$@"\n')
    executable(programs / "torchrun", f'#!/bin/sh\nexec "{sys.executable}" -m torch.distributed.run "$@"\n')
    recipe = recipe_for(
        folder,
        run="set by the script's caller",
        steps=2,
        batch_size=6,
        validate_every=2,
        warm_steps=0,
        labelled=[LabelledData(str(folder / "store"))],
        model=ModelRecipe(
            "mobilenetv4_conv_small", pretrained=False, head="linear", dropout=0.0, frozen_norms=True, image_size=32
        ),
    )
    config = folder / "recipe.yml"
    config.write_text(json.dumps({**recipes.to_dict(recipe), "workers": 3, "precision": "16-mixed"}))
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "TORCHELASTIC_", "MASTER_"))}
    mine |= {
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        **environment,
    }
    return subprocess.run(
        ["bash", str(EXAMPLES / name), str(config), "--run", str(folder / run), *MINIATURE],
        env=mine,
        capture_output=True,
        text=True,
        timeout=within(125),
        check=False,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the run of the script for one GPU."""
    folder = tmp_path_factory.mktemp("scripts")
    make_store(folder / "store", count=12)
    done = run_script(folder, "train_1_gpu.sh", "alone")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def steps(run: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["nll"]) for line in lines if "nll" in line]


def assert_shared(folder: Path, run: str, done: subprocess.CompletedProcess[str]) -> None:
    """One run of the same two steps, which one process alone printed and wrote."""
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(", mean: ") == 1
    for (step, value), (same, other) in zip(steps(folder / "alone"), steps(folder / run), strict=True):
        assert same == step
        assert other == pytest.approx(value, rel=2e-3, abs=2e-3)
    assert load_checkpoint(folder / run / "last.safetensors")[1]["step"] == 2


def test_one_gpu(alone: Path) -> None:
    assert [step for step, _ in steps(alone / "alone")] == [1, 2]
    said = json.loads((alone / "alone" / "recipe.json").read_text())
    assert (said["device"], said["precision"], said["workers"]) == ("cpu", "32-true", 0), "flags have the last word"


def test_eight_gpus(alone: Path) -> None:
    assert_shared(alone, "torchrun", run_script(alone, "train_8_gpus.sh", "torchrun", GPUS="2"))


def test_slurm(alone: Path) -> None:
    seen = alone / "srun.txt"
    script = str(EXAMPLES / "train_slurm.sh")
    (alone / "bin").mkdir(exist_ok=True)
    executable(
        alone / "bin" / "srun", SRUN.format(python=sys.executable, script=script, seen=str(seen), port=free_port())
    )
    assert_shared(alone, "slurm", run_script(alone, "train_slurm.sh", "slurm"))
    assert seen.read_text() == "--kill-on-bad-exit=1"


@pytest.mark.parametrize("name", ["train_1_gpu.sh", "train_8_gpus.sh", "train_slurm.sh"])
def test_a_script_without_a_recipe_says_so(name: str) -> None:
    done = subprocess.run(
        ["bash", str(EXAMPLES / name)], capture_output=True, text=True, check=False, timeout=within(20)
    )
    assert done.returncode != 0
    assert "name a recipe" in done.stderr
    assert os.access(EXAMPLES / name, os.X_OK)
