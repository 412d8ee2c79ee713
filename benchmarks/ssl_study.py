"""What unlabelled heads are worth: the paper's three trainings, and SemiUHPE without each of its parts.

    python benchmarks/ssl_study.py --stores data/stores --data DIR --out runs/study [--steps 800] [--seeds 0 1] [--only NAME]

Every cell of the table is one training (same network, labelled heads, steps and seeds) and one evaluation on sets that no
training saw. Run it again to continue: what is finished is read, what was interrupted goes on from its checkpoint.
STORES holds synth, faces68_helen_afw, faces68_yt (labelled), wild_heads and web_faces (unlabelled).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from photo_sets import aflw2000_subset, pointing04, wild_directions

from semiuhpe.evaluation.labels import Heads, labels_of
from semiuhpe.evaluation.pose_models import ExportedModel
from semiuhpe.evaluation.protocols import protocol
from semiuhpe.evaluation.run import evaluate, predict_heads
from semiuhpe.evaluation.tables import json_text
from semiuhpe.heads.store import HeadStore
from semiuhpe.models.export import export
from semiuhpe.training.data import labelled_heads
from semiuhpe.training.recipe import (
    LabelledData,
    ModelRecipe,
    OptimiserRecipe,
    Recipe,
    SemiSupervisedRecipe,
    UnlabelledData,
)
from semiuhpe.training.run_folder import BEST
from semiuhpe.training.trainer import Trainer
from semiuhpe.views.warp import ViewRange

LABELLED = {"synth": 0.6, "faces68_helen_afw": 0.22, "faces68_yt": 0.18}
UNLABELLED = {"wild_heads": 0.7, "web_faces": 0.3}
BUDGETS = {"5 %": 0.05, "100 %": 1.0}
METHODS = ("supervised", "baseline", "semiuhpe", "no threshold", "no cut-occlusion", "no rotation")


def second_stage(method: str, stores: Path, steps: int) -> SemiSupervisedRecipe | None:
    """The `semi` part of a method's recipe; the first half of the steps is stage 1."""
    if method == "supervised":
        return None
    whole = SemiSupervisedRecipe(
        unlabelled=[UnlabelledData(str(stores / name), weight) for name, weight in UNLABELLED.items()],
        stage1_steps=steps // 2,
        stage_steps=max(1, steps // 6),
        stage2_lr_ratio=0.5,
        teacher_decay=0.99,
        ulb_batch_ratio=2.0,
        threshold_limit=1500,
    )
    level = ViewRange(scale=whole.strong_view.scale)
    changes: dict[str, dict[str, Any]] = {
        "semiuhpe": {},
        "baseline": {"dynamic_threshold": False, "cut_out": False, "cut_mix": False, "strong_view": level},
        "no threshold": {"left_ratio": 1.0},
        "no cut-occlusion": {"cut_out": False, "cut_mix": False},
        "no rotation": {"strong_view": level},
    }
    return dataclasses.replace(whole, **changes[method])


def recipe(method: str, budget: str, seed: int, args: argparse.Namespace) -> Recipe:
    """One cell's recipe. Every method has the same labelled heads a step, and the same number of steps."""
    share = BUDGETS[budget]
    labelled = []
    for name, weight in LABELLED.items():
        path = str(args.stores / name)
        limit = 0 if share == 1 else max(1, round(share * len(labelled_heads(path, "train"))))
        labelled.append(LabelledData(path, weight, limit=limit))
    return Recipe(
        run=str(args.out / f"{method}_{budget}_{seed}".replace(" ", "").replace("%", "pc")),
        seed=seed,
        steps=args.steps,
        batch_size=16,
        labelled=labelled,
        model=ModelRecipe(image_size=args.image_size, frozen_stages=2),
        optimiser=OptimiserRecipe(lr=1e-3, ema_decay=0.99, warmup_steps=min(100, args.steps // 10)),
        semi=second_stage(method, args.stores, args.steps),
        validate_every=max(1, args.steps // 4),
        validation_limit=200,
        checkpoint_every=50,
        workers=0,
        threads=args.threads,
    )


def measured(cell: Recipe, args: argparse.Namespace) -> dict[str, Any]:
    """Train a cell to its end, if it is not yet, and evaluate it, if it is not yet."""
    result = Path(cell.run) / "evaluation.json"
    if result.exists():
        known: dict[str, Any] = json.loads(result.read_text())
        return known
    Trainer(cell).train()
    weights = Path(cell.run) / "pose.onnx"
    export(Path(cell.run) / BEST, weights, half=False)
    values = evaluation_of(ExportedModel(weights, threads=args.threads or None), args.stores, args.data)
    result.write_text(json_text(values))
    return values


def evaluation_of(model: ExportedModel, stores: Path, data: Path) -> dict[str, Any]:
    """Figures on the first 400 rendered heads of the test split and on the three sets of photos."""
    store = HeadStore(stores / "synth")
    first = [i for i, record in enumerate(store) if record.split == "test"][:400]
    renders = protocol("synthetic")(labels_of([store.record(i) for i in first]), predict_heads(model, store, first))[
        "all"
    ]

    def figures(name: str, heads: Heads) -> dict[str, Any]:
        return next(iter(evaluate(protocol(name), model, heads).results.values()))

    wild = figures("wild-directions", wild_directions(data / "WildDirections"))
    return {
        "rendered": renders | renders["geodesic"],
        "AFLW2000_subset": figures("aflw2000", aflw2000_subset(data / "AFLW2000_subset")),
        "Pointing04": figures("pointing04", pointing04(data / "Pointing04")),
        "WildDirections": wild | wild["azimuth"],
    }


def row(values: list[dict[str, Any]]) -> str:
    """A row of the table: means over the seeds, and the mean 95 % bootstrap interval of the first two columns."""

    def mean(*keys: str) -> float:
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
        with_interval("rendered"), with_interval("AFLW2000_subset", "geodesic"), with_interval("Pointing04", "direction"),
        wild, f"{mean('WildDirections', 'median_deg'):.1f}",
    ]  # fmt: skip
    return " | ".join(cells)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--image-size", type=int, default=80)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--budgets", nargs="+", choices=list(BUDGETS), default=list(BUDGETS))
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    print("| labels | training | renders | AFLW2000 subset | Pointing'04 | wild within 45° (rear), % | wild median |")
    print("|---|---|---|---|---|---|---|")
    for budget in args.budgets:
        for method in args.only:
            values = [measured(recipe(method, budget, seed, args), args) for seed in args.seeds]
            print(f"| {budget} | {method} | {row(values)} |", flush=True)


if __name__ == "__main__":
    main()
