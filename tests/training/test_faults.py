"""What ends a training half-way is one line with the step and the remedy, and the run goes on as if nothing had been."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.axes_heads import recipe_for

from semiuhpe.errors import RecipeError, TrainingError
from semiuhpe.files.locks import FolderLock
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.faults import LossWatch, all_finite
from semiuhpe.training.pose.recipe import ModelRecipe
from semiuhpe.training.pose.recipe_checks import check_shares
from semiuhpe.training.pose.trainer import Trainer


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "last.safetensors")[0]


def steps_logged(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    """A folder with a store, and the last weights of an unbroken run on it."""
    folder = tmp_path_factory.mktemp("faults")
    Trainer(recipe_for(folder, run=str(folder / "whole")), progress=False).train()
    return folder, weights(folder / "whole")


@pytest.fixture
def goes_on(whole: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path) -> Iterator[Callable[..., Trainer]]:
    """Makes trainers of one run; in the end the run goes on, to the weights of the unbroken one."""
    run = tmp_path / "run"

    def trainer(**changes: Any) -> Trainer:
        return Trainer(recipe_for(whole[0], run=str(run), **changes), progress=False)

    yield trainer
    trainer().train()
    again = weights(run)
    assert [key for key in whole[1] if not torch.equal(whole[1][key], again[key])] == []
    assert [p.name for p in run.iterdir() if p.name.endswith(".tmp")] == []
    logged = steps_logged(run)
    assert logged == sorted(logged)


def says(error: pytest.ExceptionInfo[TrainingError], *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert re.search(word, text), (word, text)


def test_a_loss_that_is_no_number_ends_the_run_before_anything_of_it_is_kept(goes_on: Callable[..., Trainer]) -> None:
    with pytest.MonkeyPatch.context() as patches:
        trainer = goes_on()
        loss = trainer.losses.see
        patches.setattr(trainer.losses, "see", lambda value, step: loss(value * (1 if step < 7 else torch.nan), step))
        with pytest.raises(TrainingError) as error:
            trainer.train()
    says(
        error,
        "step 7: the loss is not finite",
        r"lower --optimizer.lr \(now 0.001\)",
        "optimizer.clip",
        r"--initial_weights \S+best.safetensors",
        "goes on from step 4",
    )
    run = trainer.folder.path
    assert load_checkpoint(run / "last.safetensors")[1]["step"] == 4
    assert max(steps_logged(run)) == 6


def test_weights_that_a_gradient_spoiled_are_not_kept(goes_on: Callable[..., Trainer]) -> None:
    trainer = goes_on()
    update = trainer.teacher.update

    def spoil(network: PoseNet) -> None:
        update(network)
        if trainer.step == 7:  # of the eighth step, after which a checkpoint is due
            with torch.no_grad():
                next(network.parameters())[0] = torch.inf

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(trainer.teacher, "update", spoil)
        with pytest.raises(TrainingError) as error:
            trainer.train()
    says(error, "step 8: the weights are not finite", "goes on from step 4")
    assert all(torch.isfinite(value).all() for value in weights(trainer.folder.path).values())


@pytest.mark.parametrize(
    ("written", "step"),
    [
        ("training.pose.run_folder.append_metrics", 1),
        ("models.checkpoint.write_atomically", 4),
        ("training.pose.trainer.draw_curves", 6),
    ],
)
def test_a_full_disk_is_said_with_the_step(written: str, step: int, goes_on: Callable[..., Trainer]) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    trainer = goes_on()
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(f"semiuhpe.{written}", full)
        with pytest.raises(TrainingError) as error:
            trainer.train()
    says(error, f"step {step} could not be kept", "No space left on device", "make room there", "same command")


_COMMAND = """
import sys; sys.path[:0] = sys.argv[2:]
import os, resource, signal
from pathlib import Path
from helpers.axes_heads import recipe_for
from semiuhpe.cli import train
from semiuhpe.cli.main import main
train.read_recipe = lambda argv: (recipe_for(Path(sys.argv[1]), run=sys.argv[1] + "/{run}"), True)
{fault}
sys.exit(main(["train"]))
"""
_TOO_LARGE = "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))"
_KILLED_IN_A_SAVE = """
import semiuhpe.files.atomic
kept = os.fsync
semiuhpe.files.atomic.os.fsync = lambda n: os.kill(os.getpid(), 9) if os.fstat(n).st_size > 1_000_000 else kept(n)
"""


def command(folder: Path, run: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    code = _COMMAND.format(run=run, fault=fault)
    return subprocess.run(
        [sys.executable, "-c", code, str(folder), str(Path(__file__).parents[1])], capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX")
def test_a_file_that_may_not_grow_is_one_line_and_the_run_goes_on(whole: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, expected = whole
    ended = command(folder, "limited", _TOO_LARGE)
    run = folder / "limited"
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert re.search(r"limited: step 4 could not be kept \(File too large\); make room there", ended.stderr)
    assert sorted(p.name for p in run.iterdir()) == ["metrics.jsonl", "recipe.json"]
    again = command(folder, "limited")
    assert again.returncode == 0, again.stderr
    assert [key for key in expected if not torch.equal(expected[key], weights(run)[key])] == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_save_that_was_killed_leaves_nothing_for_ever(whole: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, expected = whole
    assert command(folder, "killed", _KILLED_IN_A_SAVE).returncode == -signal.SIGKILL
    run = folder / "killed"
    (left,) = run.glob(".semiuhpe-*.tmp")
    assert left.stat().st_size > 1_000_000
    again = command(folder, "killed")
    assert again.returncode == 0, again.stderr
    assert not left.exists()
    assert not [p.name for p in run.iterdir() if p.name.startswith(".")]
    assert [key for key in expected if not torch.equal(expected[key], weights(run)[key])] == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_checkpoint_has_the_permissions_that_the_user_asks_for(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        save_checkpoint(tmp_path / "a.safetensors", {"x": torch.ones(3)}, {})
    finally:
        os.umask(before)
    assert [p.stat().st_mode & 0o777 for p in sorted(tmp_path.iterdir())] == [mode, mode]


def test_a_failed_save_leaves_the_checkpoint_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"x": torch.ones(3)}, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("semiuhpe.files.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"x": torch.zeros(3)}, {"step": 2})
    assert load_checkpoint(path)[1] == {"step": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_two_trainings_do_not_share_a_folder(goes_on: Callable[..., Trainer]) -> None:
    trainer = goes_on()
    with (
        FolderLock(trainer.folder.path),
        pytest.raises(TrainingError, match=r"process \d+ on .+ trains into this folder"),
    ):
        trainer.train()


def test_a_batch_of_one_is_refused_before_any_step(whole: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="batch_size must be at least 2, got 1"):
        Trainer(recipe_for(whole[0], run=str(tmp_path / "run"), batch_size=1), progress=False)
    with pytest.raises(RecipeError, match="batch_size must be at least 6, got 5"):
        check_shares(recipe_for(whole[0], batch_size=5), 3)


def test_a_batch_of_one_trains_where_no_norm_takes_statistics(
    whole: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    model = ModelRecipe("mobilenetv4_conv_small", "linear", pretrained=False, frozen_norms=True, image_size=48)
    recipe = recipe_for(whole[0], run=str(tmp_path / "run"), batch_size=1, model=model, steps=2, warm_steps=0)
    Trainer(recipe, progress=False).train()
    assert steps_logged(tmp_path / "run")[-1] == 2


def test_a_run_whose_folder_cannot_be_made_is_one_line(
    whole: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="could not be kept"):
        Trainer(recipe_for(whole[0], run=str(tmp_path / "file" / "run")), progress=False)


def test_the_watch_keeps_the_first_bad_step() -> None:
    watch = LossWatch()
    assert watch.first is None
    for step, loss in enumerate([1.0, 2.0, float("nan"), 3.0, float("inf")], start=1):
        watch.see(torch.tensor(loss), step)
        assert watch.first == (None if step < 3 else 3)


def test_finite_weights() -> None:
    layer = torch.nn.Linear(2, 2)
    assert all_finite(layer)
    with torch.no_grad():
        layer.bias[1] = torch.nan
    assert not all_finite(layer)
