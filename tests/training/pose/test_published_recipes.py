"""The thirteen published settings: their keys, and that each runs both its stages on stores made by the importers."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pool_files import write_cocohead, write_crowdhuman, write_widerface, write_wildhead
from helpers.published_networks import RepVGGB1g2
from helpers.source_files import write_300w_lp, write_aflw, write_biwi_npz, write_dad

from semiuhpe.cli.main import main as command
from semiuhpe.cli.train import main, read_recipe
from semiuhpe.errors import RecipeError
from semiuhpe.models.backbones import BACKBONES
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.sources.aflw import import_aflw
from semiuhpe.sources.biwi import import_biwi
from semiuhpe.sources.cocohead import import_cocohead
from semiuhpe.sources.crowdhuman import import_crowdhuman
from semiuhpe.sources.dad3dheads import import_dad_3dheads
from semiuhpe.sources.w300lp import import_300w_lp
from semiuhpe.sources.widerface import import_widerface
from semiuhpe.sources.wildhead import import_wildhead
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.recipe_checks import check
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.views.photometric import Photometric

SETTINGS = Path(__file__).parents[3] / "settings"

# name → (labelled store, pool, batch, first stage, all steps, unlabelled ratio, left ratio)
PUBLISHED = {
    "300WLP_AFLW2000": ("300w-lp", "300w-lp", 32, 60_000, 100_000, 4, 0.95),
    "300WLP_AFLW2000_RL": ("300w-lp", "300w-lp", 32, 60_000, 100_000, 4, 0.95),
    "300WLP_AFLWFace": ("300w-lp", "aflw", 32, 50_000, 150_000, 4, 0.75),
    "300WLP_BIWItrain": ("300w-lp", "biwi-train", 32, 50_000, 150_000, 4, 0.95),
    "300WLP_COCOHead": ("300w-lp", "cocohead", 32, 90_000, 120_000, 8, 0.75),
    "300WLP_COCOHead_RL": ("300w-lp", "cocohead", 32, 90_000, 120_000, 8, 0.75),
    "300WLP_WiderFace": ("300w-lp", "widerface", 32, 50_000, 150_000, 4, 0.75),
    "300WLP_WildHead": ("300w-lp", "wildhead", 32, 90_000, 120_000, 8, 0.75),
    "DAD3DHeads_COCOHead": ("dad-3dheads", "cocohead", 32, 100_000, 200_000, 4, 0.75),
    "DAD3DHeads_COCOHead_RL": ("dad-3dheads", "cocohead", 32, 100_000, 200_000, 4, 0.75),
    "DAD3DHeads_CrowdHuman": ("dad-3dheads", "crowdhuman", 32, 50_000, 150_000, 4, 0.75),
    "DAD3DHeads_WiderFace": ("dad-3dheads", "widerface", 32, 50_000, 150_000, 4, 0.75),
    "DAD3DHeads_WildHead": ("dad-3dheads", "wildhead", 64, 100_000, 200_000, 4, 0.75),
}

SMALL = shlex.split(
    "--steps 2 --semi.stage1_steps 1 --batch_size 2 --model.backbone mobilenetv4_conv_small --model.image_size 32 "
    "--model.pretrained false --workers 0 --threads 1 --device cpu --validate_every 2 --checkpoint_every 2 --log_every 1 "
    "--semi.threshold_limit 8 --validation_limit 4 --quiet"
)


POOLS = {
    "cocohead": (write_cocohead, import_cocohead),
    "crowdhuman": (write_crowdhuman, import_crowdhuman),
    "widerface": (write_widerface, import_widerface),
    "wildhead": (write_wildhead, import_wildhead),
}


def tiny_store(name: str, stores: Path, raw: Path) -> None:
    """The store `name`, from a miniature of that source in its own format."""
    store = stores / name
    if name == "300w-lp":
        write_300w_lp(raw / name, faces=6, copies=1)
        import_300w_lp(raw / name, store, val=0.3)
    elif name == "dad-3dheads":
        write_dad(raw / name, train=8, val=1, test=1)
        import_dad_3dheads(raw / name, store, val=0.3)
    elif name == "aflw":
        write_aflw(raw / name, 5)
        import_aflw(raw / name, store)
    elif name == "biwi-train":
        write_biwi_npz(raw / name / "BIWI_train.npz", 6)
        import_biwi(raw / name, store, val=0.0)
    else:
        write, read_in = POOLS[name]
        write(raw / name, 6)
        read_in(raw / name, store)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/stores/NAME for every name in the recipes."""
    root = tmp_path_factory.mktemp("published")
    names = {name for labelled, pool, *_ in PUBLISHED.values() for name in (labelled, pool)}
    for name in sorted(names):
        tiny_store(name, root / "data" / "stores", root / "raw")
    return root


def read(name: str, *flags: str) -> Recipe:
    return read_recipe(["--config", str(SETTINGS / f"{name}.yml"), *flags])[0]


def test_all_thirteen_are_there() -> None:
    found = {path.stem for path in [*SETTINGS.glob("300WLP_*.yml"), *SETTINGS.glob("DAD3DHeads_*.yml")]}
    assert found == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_hyper_parameters(name: str) -> None:
    recipe = read(name)
    labelled, pool, batch, stage1, steps, ratio, left = PUBLISHED[name]
    full_range, laplace = name.startswith("DAD"), name.endswith("_RL")
    semi = recipe.semi
    assert semi is not None
    check(recipe)
    assert recipe.run == f"runs/{name}"
    assert [data.store for data in recipe.labelled] == [f"data/stores/{labelled}"]
    assert [data.store for data in semi.unlabelled] == [f"data/stores/{pool}"]
    assert (recipe.batch_size, semi.stage1_steps, recipe.steps) == (batch, stage1, steps)
    assert (semi.ulb_batch_ratio, semi.left_ratio, semi.stage_steps) == (ratio, left, 10_000)
    shared = labelled == pool
    assert (recipe.labelled[0].ss_ratio, semi.unlabelled[0].beyond_ss_ratio) == ((0.05, 0.05) if shared else (1.0, 0.0))
    model, optimizer, loss, ema = recipe.model, recipe.optimizer, recipe.loss, recipe.ema
    assert (model.backbone, model.image_size, model.head, model.dropout, model.pretrained) == (
        "efficientnet_v2_s",
        224,
        "reference",
        0.2,
        True,
    )
    assert model.backbone in BACKBONES
    assert (optimizer.lr, optimizer.schedule, loss.overreg, semi.stage2_lr_ratio) == (1e-4, "constant", 1.025, 0.1)
    assert (optimizer.weight_decay, optimizer.clip, optimizer.warmup_steps) == (0, 0, 0)
    assert loss.distribution == ("rotation_laplace" if laplace else "matrix_fisher")
    assert (loss.unsupervised, loss.ssl_lambda, semi.conf_thres, ema.teacher_decay) == ("ce", 1.0, -5.3, 0.999)
    assert semi.dynamic_threshold
    assert semi.cut_out
    assert semi.cut_mix
    assert (semi.balanced, semi.teacher_mirror, semi.sharpen) == (False, False, 1.0)
    assert semi.strong_view.rotation == pytest.approx(math.radians(30) if full_range else 0, abs=1e-4)
    for view, smallest in ((semi.weak_view, 0.8), (semi.strong_view, 0.6)):
        np.testing.assert_allclose(np.square(view.scale), (smallest, 1), atol=1e-3)
        assert view.resized_crop
    assert recipe.view.resized_crop is not full_range
    if not full_range:
        np.testing.assert_allclose(np.square(recipe.view.scale), (0.8, 1), atol=1e-3)
    assert (recipe.view.shift, semi.weak_view.shift, semi.strong_view.shift) == (0, 0, 0)
    # No colour changes anywhere; labelled DAD heads see nothing but other margins.
    plain = Photometric(smallest=semi.strong_photometric.smallest, blur=0.05)
    assert semi.strong_photometric == plain
    assert recipe.photometric == Photometric(smallest=recipe.photometric.smallest, blur=0 if full_range else 0.05)
    assert (recipe.view.rotation, recipe.view.flip) == (0, 0 if full_range else 0.5)
    assert (recipe.cut_occlusion, recipe.photo_ends) == (0, 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_both_stages_run(name: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    half = shlex.split("--labelled.ss_ratio 0.5 --semi.unlabelled.beyond_ss_ratio 0.5")
    flags = [*SMALL, *(half if name.startswith("300WLP_AFLW2000") else [])]
    assert main(["--config", str(SETTINGS / f"{name}.yml"), *flags]) == 0
    lines = [json.loads(line) for line in (data / "runs" / name / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line for line in lines if "nll" in line}
    assert set(losses) == {1, 2}
    assert "unsupervised" not in losses[1]
    assert math.isfinite(losses[2]["unsupervised"])
    assert [line["step"] for line in lines if "thresholds" in line] == [2]
    assert losses[2]["lr"] == pytest.approx(1e-5)
    _, state = load_checkpoint(data / "runs" / name / "best.safetensors")
    assert math.isfinite(state["validation_deg"]["mean"])


def test_the_other_trainings_of_the_table(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Supervised, and the baseline with a fixed threshold, as docs/semi_supervised.md spells them."""
    monkeypatch.chdir(data)
    supervised = read("300WLP_AFLW2000", "--semi", "null", "--labelled.ss_ratio", "0.2", "--steps", "60000")
    check(supervised)
    assert supervised.semi is None
    assert supervised.labelled[0].ss_ratio == 0.2
    baseline = read(
        "300WLP_AFLW2000",
        *shlex.split(
            "--labelled.ss_ratio 0.1 --semi.unlabelled.beyond_ss_ratio 0.1 --semi.stage1_steps 40000 --steps 80000"
        ),
        *shlex.split("--semi.dynamic_threshold false --semi.conf_thres=-5.4 --semi.cut_out false --semi.cut_mix false"),
    )
    check(baseline)
    semi = baseline.semi
    assert semi is not None
    assert (semi.dynamic_threshold, semi.conf_thres, semi.cut_out, semi.cut_mix) == (False, -5.4, False, False)
    assert (semi.stage1_steps, baseline.steps, semi.unlabelled[0].beyond_ss_ratio) == (40000, 80000, 0.1)
    cut = {i for i, flag in enumerate(SMALL) if flag.startswith("--semi")}
    small = [flag for i, flag in enumerate(SMALL) if i not in cut and i - 1 not in cut]
    flags = ["--semi", "null", "--labelled.ss_ratio", "0.5", "--run", "runs/supervised", *small]
    assert main(["--config", str(SETTINGS / "300WLP_AFLW2000.yml"), *flags]) == 0


def test_the_published_supervised_command_is_told_the_way() -> None:
    """As many steps in stage 1 as in all: so the published program trains on labels alone."""
    with pytest.raises(RecipeError, match=r"purely supervised training is --semi null --steps 60000"):
        check(read("300WLP_AFLW2000", "--semi.stage1_steps", "60000", "--steps", "60000"))
    with pytest.raises(RecipeError, match=r"--stage1_iteration say --semi.stage1_steps .*--max_iteration say --steps"):
        read("300WLP_AFLW2000", "--stage1_iteration", "60000", "--max_iteration=60000")


def test_the_repvgg_row_runs_from_the_weights_that_its_authors_publish(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """import-weights on the classifier, and the row of docs/semi_supervised.md with its output."""
    monkeypatch.chdir(data)
    torch.manual_seed(0)
    classifier = RepVGGB1g2()
    state = {**classifier.state_dict(), "linear.weight": torch.zeros(1000, 2048), "linear.bias": torch.zeros(1000)}
    torch.save(state, "RepVGG-B1g2-train.pth")
    assert command(["import-weights", "RepVGG-B1g2-train.pth", "imagenet/repvgg_b1g2"]) == 0
    row = shlex.split(
        "--model.backbone repvgg_b1g2 --batch_size 16 --initial_weights imagenet/repvgg_b1g2/backbone.safetensors"
    )
    small = shlex.split("--run runs/repvgg --model.image_size 32 --workers 0 --threads 1 --device cpu")
    trainer = Trainer(read("DAD3DHeads_COCOHead", *row, *small), progress=False)
    kernel = trainer.network.backbone.state_dict()["stages.2.3.conv_kxk.conv.weight"]
    torch.testing.assert_close(kernel, state["stage3.3.rbr_dense.conv.weight"], atol=0, rtol=0)
    with torch.no_grad():
        assert torch.isfinite(trainer.model(torch.zeros(2, 32, 32, 3, dtype=torch.uint8))).all()


def test_every_command_of_the_documentation_is_a_recipe_that_can_run() -> None:
    text = (SETTINGS.parent / "docs" / "semi_supervised.md").read_text(encoding="utf-8")
    commands = re.findall(r"`(\w+)\.yml((?: --[^`]*)?)`", text)
    assert {name for name, _ in commands} == set(PUBLISHED)
    assert sum(bool(flags) for _, flags in commands) >= 6
    for name, flags in commands:
        check(read(name, *shlex.split(flags)))
