"""What unlabelled heads are worth: the paper's three trainings, and SemiUHPE without each of its parts.

    python benchmarks/ssl_study.py --stores data/stores --out runs/study [--steps 400] [--seeds 0 1] [--only NAME]

For each label budget and seed, stage 1 is trained once, on labelled heads; every training continues from it, for the same
number of steps with the same labelled heads, and is evaluated on sets that no training saw. Run it again to continue: what
is finished is read, what was interrupted goes on from its checkpoint. `paired_study.py` compares two trainings head by head,
on validation heads: that is what choices are made by.
STORES holds synth, faces68_helen_afw, faces68_yt (labelled), wild_heads and web_faces (unlabelled), and for the evaluation
aflw2000_subset, pointing04 and wild_directions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.evaluation.benchmarks import protocol
from semiuhpe.evaluation.labels import labels_of
from semiuhpe.evaluation.models import ExportedModel
from semiuhpe.evaluation.run import evaluate, predict_heads
from semiuhpe.evaluation.tables import document_text
from semiuhpe.files.atomic import write_atomically
from semiuhpe.heads.store import HeadStore
from semiuhpe.models.checkpoint import BEST
from semiuhpe.models.export import export
from semiuhpe.training.pose.data import labelled_heads
from semiuhpe.training.pose.recipe import (
    EmaRecipe,
    LabelledData,
    LossRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    SemiSupervisedRecipe,
    UnlabelledData,
)
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.views.warp import ViewRange

LABELLED = {"synth": 0.6, "faces68_helen_afw": 0.22, "faces68_yt": 0.18}
UNLABELLED = {"wild_heads": 0.7, "web_faces": 0.3}
BUDGETS = {"5 %": 0.05, "100 %": 1.0}
METHODS = ("supervised", "baseline", "semiuhpe", "no threshold", "no cut-occlusion", "no rotation")
FOUR = ("balanced threshold", "mirrored teacher", "sharpened belief", "any turn")
BEYOND = (*FOUR, "all four", "running threshold", "two crops", "agreement", "ramp")
"""SemiUHPE with something that the paper does not have."""
FIXED_THRESHOLD = -4.3  # the paper's for its smaller networks; its -5.3 keeps next to nothing after so few steps


def second_stage(method: str, stores: Path, steps: int) -> SemiSupervisedRecipe | None:
    """The `semi` part of a method's recipe."""
    if method == "supervised":
        return None
    whole = SemiSupervisedRecipe(
        unlabelled=[UnlabelledData(str(stores / name), weight) for name, weight in UNLABELLED.items()],
        stage_steps=max(1, steps // 3),
        stage2_lr_ratio=1.0,
        ulb_batch_ratio=2.0,
        threshold_limit=1000,
    )
    level = ViewRange(scale=whole.strong_view.scale)
    changes: dict[str, dict[str, Any]] = {
        "semiuhpe": {},
        "baseline": {
            "dynamic_threshold": False,
            "conf_thres": FIXED_THRESHOLD,
            "cut_out": False,
            "cut_mix": False,
            "strong_view": level,
        },
        "no threshold": {"left_ratio": 1.0},
        "no cut-occlusion": {"cut_out": False, "cut_mix": False},
        "no rotation": {"strong_view": level},
        "balanced threshold": {"balanced": True},
        "mirrored teacher": {"teacher_mirror": True},
        "sharpened belief": {"sharpen": 1.3},
        "any turn": {"strong_view": dataclasses.replace(whole.strong_view, rotation=math.pi)},
        "running threshold": {"threshold": "running", "balanced": True},
        "two crops": {"teacher_crops": 2},
        "agreement": {"teacher_crops": 2, "agreement_deg": 15.0},
        "ramp": {},
    }
    changes["all four"] = {key: value for name in FOUR for key, value in changes[name].items()}
    return dataclasses.replace(whole, **changes[method])


def labelled(budget: str, stores: Path) -> list[LabelledData]:
    """The budget's share of every labelled store, evenly spread over its heads."""
    share, found = BUDGETS[budget], []
    for name, weight in LABELLED.items():
        path = str(stores / name)
        limit = 0 if share == 1 else max(1, round(share * len(labelled_heads(path, "train"))))
        found.append(LabelledData(path, weight, limit=limit))
    return found


def recipe(method: str, budget: str, seed: int, args: argparse.Namespace) -> Recipe:
    """One training; the method "stage 1" is where all others of the same budget and seed begin."""
    first = method == "stage 1"
    run = f"{method}_{budget}_{seed}".replace(" ", "").replace("%", "pc")
    steps = args.stage1_steps if first else args.steps
    begin = recipe("stage 1", budget, seed, args).run + f"/{BEST}" if not first else ""
    return Recipe(
        run=str(args.out / run),
        seed=seed,
        steps=steps,
        batch_size=32 if first else 16,
        labelled=labelled(budget, args.stores),
        initial_weights=begin,
        model=ModelRecipe(
            image_size=args.image_size, frozen_stages=2, frozen_norms=not first, dropout=0.1, channels_last=True
        ),
        optimizer=OptimizerRecipe(lr=1.2e-3 if first else 4e-4, warmup_steps=min(100, steps // 10)),
        loss=LossRecipe(lambda_ramp_steps=max(1, steps // 3) if method == "ramp" else 0),
        ema=EmaRecipe(0.99, 0.99),
        view=ViewRange(scale=(0.7, 1.4), shift=0.18, rotation=0.35, flip=0.5),
        semi=None if first else second_stage(method, args.stores, steps),
        validate_every=steps,
        validation_limit=200,
        checkpoint_every=max(1, steps // 4),
        workers=1,
        threads=args.threads,
        precision="bf16-mixed",
    )


def measured(cell: Recipe, args: argparse.Namespace) -> dict[str, Any]:
    """Train a cell to its end, if it is not yet, and evaluate it, if it is not yet."""
    result = Path(cell.run) / "evaluation.json"
    if result.exists():
        known: dict[str, Any] = json.loads(result.read_text())
        return known
    Trainer(cell, progress=False).train()
    weights = Path(cell.run) / "pose.onnx"
    export(Path(cell.run) / BEST, weights, precision="float32")
    values = evaluation_of(ExportedModel(weights, threads=args.threads or None), args.stores)
    values["kept"] = kept_share(Path(cell.run))
    write_atomically(result, document_text(values).encode())
    return values


def kept_share(run: Path) -> dict[str, float]:
    """Share of the unlabelled heads that were learnt from, over the run, and that of rear views; 0 without any."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if "kept" in line]
    return {key: float(np.mean([line[key] for line in logged])) if logged else 0.0 for key in ("kept", "kept_rear")}


def evaluation_of(model: ExportedModel, stores: Path) -> dict[str, Any]:
    """Figures on the first 400 rendered heads of the test split and on the three sets of photos."""
    store = HeadStore(stores / "synth")
    first = [i for i, record in enumerate(store) if record.split == "test"][:400]
    labels = labels_of([store.record(i) for i in first])
    renders = protocol("synthetic")(labels, predict_heads(model, store, first))["all"]

    def figures(name: str, folder: str) -> dict[str, Any]:
        return next(iter(evaluate(protocol(name), model, HeadStore(stores / folder)).results.values()))

    wild = figures("wild-directions", "wild_directions")
    return {
        "rendered": renders | renders["geodesic"],
        "AFLW2000_subset": figures("aflw2000", "aflw2000_subset"),
        "Pointing04": figures("pointing04", "pointing04"),
        "WildDirections": wild | wild["azimuth"],
    }


def row(values: list[dict[str, Any]]) -> str:
    """A row of the table: means over the seeds, and the mean 95 % bootstrap interval of the first two columns."""

    def mean(*keys: str) -> Any:
        found = []
        for value in values:
            inner: Any = value
            for key in keys:
                inner = inner[key]
            found.append(inner)
        return np.mean(found, axis=0)

    def with_interval(*keys: str) -> str:
        low, high = mean(*keys, "mean_95")
        return f"{mean(*keys, 'mean_deg'):.1f} [{low:.1f}, {high:.1f}]"

    wild = f"{100 * mean('WildDirections', 'within_45'):.0f} / {100 * mean('WildDirections', 'within_45_rear'):.0f}"
    cells = [
        f"{100 * mean('kept', 'kept'):.0f} ({100 * mean('kept', 'kept_rear'):.0f})",
        with_interval("rendered"),
        with_interval("AFLW2000_subset", "geodesic"),
        with_interval("Pointing04", "direction"),
        wild,
        f"{mean('WildDirections', 'median_deg'):.1f}",
    ]
    return " | ".join(cells)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--stage1-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=400, help="of each training after stage 1")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=[*METHODS, *BEYOND], default=list(METHODS))
    parser.add_argument("--budgets", nargs="+", choices=list(BUDGETS), default=list(BUDGETS))
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    print(
        "| labels | training | kept (rear), % | renders | AFLW2000 subset | Pointing'04 | wild within 45° (rear), % | wild median |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for budget in args.budgets:
        for method in ("stage 1", *args.only):
            values = [measured(recipe(method, budget, seed, args), args) for seed in args.seeds]
            print(f"| {budget} | {method} | {row(values)} |", flush=True)


if __name__ == "__main__":
    main()
