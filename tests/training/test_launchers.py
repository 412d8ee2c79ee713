"""`semiuhpe train` under torchrun and under srun: the launchers' own processes, as the run of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.axes_heads import make_store, recipe_for
from helpers.rank_processes import free_port
from helpers.time_limits import within

from semiuhpe.errors import RecipeError
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.training.launch import _launched, start
from semiuhpe.training.pose import recipe as recipes
from semiuhpe.training.pose.recipe import EmaRecipe, LabelledData, ModelRecipe, OptimizerRecipe, Recipe
from semiuhpe.training.pose.trainer import Trainer

STEPS = 2


def recipe_of(folder: Path, run: str) -> Recipe:
    """A network whose step does not depend on how many processes share it."""
    return recipe_for(
        folder,
        run=str(folder / run),
        steps=STEPS,
        batch_size=6,
        labelled=[LabelledData(str(folder / "store"))],
        warm_steps=0,
        validate_every=STEPS,
        model=ModelRecipe(
            "mobilenetv4_conv_small", pretrained=False, head="linear", dropout=0.0, frozen_norms=True, image_size=32
        ),
        optimizer=OptimizerRecipe(lr=1e-3, warmup_steps=1),
        ema=EmaRecipe(0.9, 0.9),
        device="cpu",
        log_every=1,
        workers=0,
        threads=1,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the run of one process."""
    folder = tmp_path_factory.mktemp("launched")
    make_store(folder / "store", count=12)
    Trainer(recipe_of(folder, "alone"), progress=False).train()
    return folder


def command(folder: Path, run: str) -> list[str]:
    """What a user types after the launcher."""
    config = folder / f"{run}.yml"
    config.write_text(json.dumps(recipes.to_dict(recipe_of(folder, run))))
    return ["-m", "semiuhpe", "train", "--config", str(config), "--quiet"]


def environment(**more: object) -> dict[str, str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "TORCHELASTIC_", "MASTER_"))}
    mine["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return {**mine, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **{k: str(v) for k, v in more.items()}}


def assert_same_run(folder: Path, run: str) -> None:
    """The same numbers, written once, and the same weights."""
    lines = [[json.loads(line) for line in (folder / r / "metrics.jsonl").open()] for r in ("alone", run)]
    first, second = ([{k: v for k, v in line.items() if k != "images_per_s"} for line in one] for one in lines)
    assert [line["step"] for line in first] == [line["step"] for line in second]
    for line, same in zip(first, second, strict=True):
        assert line.keys() == same.keys()
        for key, value in line.items():
            assert same[key] == pytest.approx(value, rel=2e-3, abs=2e-3), f"{key} of step {line['step']}"
    weights, others = (load_checkpoint(folder / r / "last.safetensors")[0] for r in ("alone", run))
    for key, value in weights.items():
        if not key.startswith("optimizer"):
            assert value.float().numpy() == pytest.approx(others[key].float().numpy(), rel=1e-2, abs=1e-3), key


def test_torchrun(alone: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    done = subprocess.run(
        [*torchrun, *command(alone, "torchrun")], env=environment(), capture_output=True, text=True, timeout=within(125)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(", mean: ") == 1, "one process alone prints"
    assert_same_run(alone, "torchrun")


def slurm(rank: int, port: int, count: int = 2) -> dict[str, object]:
    """What srun says to one of its processes, all on one machine."""
    return {
        "SLURM_JOB_ID": 4711, "SLURM_JOB_NAME": "pose", "SLURM_NTASKS": count, "SLURM_NTASKS_PER_NODE": count,
        "SLURM_NNODES": 1, "SLURM_NODELIST": "localhost", "SLURM_STEP_NUM_TASKS": count, "SLURM_STEP_NUM_NODES": 1,
        "SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": 0,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip


def test_srun(alone: Path) -> None:
    port, typed = free_port(), [sys.executable, *command(alone, "srun")]
    processes = [
        subprocess.Popen(
            typed, env=environment(**slurm(rank, port)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        told = [process.communicate(timeout=within(125)) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], told[0][1][-3000:] + told[1][1][-3000:]
    assert [", mean: " in out for out, _ in told] == [True, False], "one process alone prints"
    assert_same_run(alone, "srun")


def set_slurm(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    for name, value in {**slurm(0, 1, 8), **changes}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, str(value))


def test_srun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(devices=1, nodes=1)
    set_slurm(monkeypatch, SLURM_STEP_NUM_NODES=2)
    assert _launched(recipe) == (4, 2)
    set_slurm(monkeypatch, SLURM_JOB_NAME="bash")
    assert _launched(recipe) == (1, 1)
    set_slurm(monkeypatch, SLURM_STEP_NUM_TASKS=None)  # a batch script, without srun
    assert _launched(recipe) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_NTASKS_PER_NODE": None}, "srun started 8 processes on 1 machines; say --ntasks-per-node"),
        ({"SLURM_STEP_NUM_NODES": 3}, "srun started 8 processes on 3 machines"),
        ({"SLURM_NTASKS_PER_NODE": 3}, "SLURM and the recipe do not agree: .*ntasks-per-node=3"),
    ],
)
def test_a_launch_that_cannot_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    set_slurm(monkeypatch, **changes)
    with pytest.raises(RecipeError, match=message):
        start(recipe_for(tmp_path, batch_size=32, device="cpu"))
