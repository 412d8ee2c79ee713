"""The method on one page: from two head stores to a measured network, with the package's parts and no trainer.

    python examples/train_semi_supervised.py LABELLED_STORE UNLABELLED_STORE --steps 2000

Labelled heads alone for a third of the steps; then a teacher, the running average of the student, says what it believes
about unlabelled heads, and the student learns the beliefs that are sure. The heads in the split "val" are measured at the
end. `semiuhpe train` does the same with checkpoints, exact resumption, several processes and a log.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.pose.batches import LabeledBatch, StepSampler
from semiuhpe.training.pose.data import LabelledViews, canonical_crops, labelled_heads, rotations_of, training_sources
from semiuhpe.training.pose.recipe import LabelledData, ModelRecipe, Recipe, SemiSupervisedRecipe, UnlabelledData
from semiuhpe.training.pose.stage import stage_at, stages_of
from semiuhpe.training.pose.step import step_loss
from semiuhpe.training.pose.teachers import Teachers
from semiuhpe.training.pose.threshold import RunningQuantile, azimuth_band
from semiuhpe.training.pose.unlabelled import UnlabelledViews, as_batch, unlabelled_sources


def batches(views: LabelledViews | UnlabelledViews, size: int, recipe: Recipe) -> Iterator[list[torch.Tensor]]:
    """One batch for every step, each a function of (seed, step) alone."""
    sampler = StepSampler(
        [len(source) for source in views.sources],
        [1.0] * len(views.sources),
        size,
        seed=recipe.seed,
        first=0,
        last=recipe.steps,
        picture_size=lambda step: recipe.model.image_size,
    )
    return iter(DataLoader(views, batch_sampler=sampler))


def main() -> float:
    """Train, measure, and return the mean error of the averaged network on validation heads, degrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled")
    parser.add_argument("unlabelled")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=112, help="pixels a side of what the network sees")
    args = parser.parse_args()

    semi = SemiSupervisedRecipe([UnlabelledData(args.unlabelled)], stage1_steps=args.steps // 3, threshold="running")
    model = ModelRecipe(image_size=args.size)
    recipe = Recipe(
        run="", steps=args.steps, batch_size=args.batch, labelled=[LabelledData(args.labelled)], model=model, semi=semi
    )
    torch.manual_seed(recipe.seed)
    student = PoseNet(model.backbone, dropout=model.dropout).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-4, weight_decay=0.01)
    stages, teachers = stages_of(recipe), Teachers(semi)
    teacher = AveragedNetwork(student, stages[0].ema_decay)
    latest = RunningQuantile(semi.left_ratio, semi.running_window, balanced=semi.balanced)
    labelled = batches(LabelledViews(training_sources(recipe.labelled), recipe), args.batch, recipe)
    unlabelled = batches(UnlabelledViews(unlabelled_sources(semi.unlabelled), semi, recipe.seed), args.batch, recipe)

    for step in range(recipe.steps):
        stage = stage_at(stages, step)
        images, rotation, target = next(labelled)
        pool = None if stage.semi is None else as_batch(next(unlabelled), semi, recipe.seed, step)
        loss = step_loss(
            student,
            lambda looks: teachers.ask(teacher.network, looks),
            LabeledBatch(images, rotation, target),
            pool,
            lambda belief: latest.update(belief.entropy, azimuth_band(belief.mode)),
            stage,
            step,
        )
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        teacher.update(student)
        if step % 50 == 0:
            kept = "" if loss.unsupervised is None else f", kept {loss.unsupervised.keep.float().mean():.0%}"
            print(f"step {step}: loss {loss.total.item():.3f}{kept}")

    heads = labelled_heads(args.labelled, "val")
    with torch.no_grad():
        belief = MatrixFisher(teacher.network(torch.from_numpy(canonical_crops(heads, args.size))))
    error = float(np.mean(geodesic_errors_deg(belief.mode.numpy(), rotations_of(heads))))
    print(f"mean error of {len(heads)} validation heads: {error:.1f}°")
    return error


if __name__ == "__main__":
    main()
