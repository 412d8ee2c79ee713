"""This package's matrix Fisher code and the usual 512-point trapezoid, each in the same training step: ratios of one run.

    python benchmarks/side_by_side.py [--backbone efficientnet_lite0] [--batch 32] [--ratio 4] [--size 112] [--threads 1]

Two rows. "distribution": what a semi-supervised step asks of it, which is the supervised loss, the teacher's belief (mean and
entropy), and the cross-entropy, with their gradients. "whole step": the same with the networks: student on labelled heads,
teacher on weak views, student on strong views, backward pass, clipping, AdamW, average of the weights. Pictures are noise; no
data is loaded. Both sides take turns, so that whatever else the machine does falls on both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import AdamW
from trapezoid import trapezoid_belief, trapezoid_cross_entropy, trapezoid_nll

from semiuhpe.distributions.matrix_fisher import OVERREG, MatrixFisher
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.optimizer import parameter_groups


@dataclass(frozen=True)
class Distribution:
    """One way to compute what a step needs. belief: (n, 3, 3) → mean (n, 3, 3) and entropy (n,), detached."""

    name: str
    nll: Callable[[Tensor, Tensor], Tensor]
    belief: Callable[[Tensor], tuple[Tensor, Tensor]]
    cross_entropy: Callable[[Tensor, Tensor], Tensor]


def our_belief(parameter: Tensor) -> tuple[Tensor, Tensor]:
    belief = MatrixFisher(parameter)
    return belief.mean, belief.entropy


def our_nll(parameter: Tensor, rotation: Tensor) -> Tensor:
    return MatrixFisher(parameter).nll(rotation, OVERREG)


def our_cross_entropy(student: Tensor, mean: Tensor) -> Tensor:
    """With a teacher whose E[R] is `mean`, which is all that its belief is asked for: the loss of such a label."""
    return MatrixFisher(student).nll(mean)


SIDES = (
    Distribution("semiuhpe", our_nll, our_belief, our_cross_entropy),
    Distribution("trapezoid", trapezoid_nll, trapezoid_belief, trapezoid_cross_entropy),
)


def step_loss(side: Distribution, labelled: Tensor, rotation: Tensor, weak: Tensor, strong: Tensor) -> Tensor:
    """Supervised loss and cross-entropy over the surer half of the unlabelled heads. Parameters (n, 3, 3) each."""
    mean, entropy = side.belief(weak)
    keep = entropy < entropy.median()
    unsupervised = torch.where(keep, side.cross_entropy(strong, mean), 0.0).mean()
    return side.nll(labelled, rotation).mean() + unsupervised


def alternating(steps: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median milliseconds of each step, which take turns."""
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(repeats + 2):
        for record, step in zip(times, steps, strict=True):
            start = time.perf_counter()
            step()
            if turn >= 2:  # the first ones warm up
                record.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(record) for record in times]


def distribution_step(side: Distribution, beliefs: list[Tensor], rotation: Tensor) -> Callable[[], None]:
    def run() -> None:
        labelled, weak, strong = (belief.detach().clone() for belief in beliefs)
        step_loss(side, labelled.requires_grad_(), rotation, weak, strong.requires_grad_()).backward()

    return run


def whole_step(side: Distribution, options: argparse.Namespace, rotation: Tensor) -> Callable[[], None]:
    torch.manual_seed(0)
    student = PoseNet(options.backbone, pretrained=False).train()
    teacher = AveragedNetwork(student, 0.999)
    optimizer = AdamW(parameter_groups(student, 0.02), lr=1e-4, fused=True)
    sizes = (options.batch, options.batch * options.ratio, options.batch * options.ratio)
    pictures = [torch.randint(0, 256, (n, options.size, options.size, 3), dtype=torch.uint8) for n in sizes]

    def run() -> None:
        with torch.no_grad():
            weak = teacher.network(pictures[1])
        loss = step_loss(side, student(pictures[0]), rotation, weak, student(pictures[2]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        teacher.update(student)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step with two implementations of the matrix Fisher.")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ratio", type=int, default=4, help="unlabelled heads for each labelled one")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    rotation = MatrixFisher(torch.zeros(3, 3)).sample(options.batch, generator)
    counts = (options.batch, options.batch * options.ratio, options.batch * options.ratio)
    beliefs = [
        torch.empty(n, 1, 1).uniform_(5, 20, generator=generator) * MatrixFisher(torch.zeros(3, 3)).sample(n, generator)
        + torch.randn(n, 3, 3, generator=generator)
        for n in counts
    ]
    print(
        f"torch {torch.__version__}, {platform.machine()}, {options.threads} thread(s); {options.backbone} at "
        f"{options.size} pixels, {options.batch} labelled and {counts[1]} unlabelled heads"
    )
    ours, theirs = (float(step_loss(side, beliefs[0], rotation, *beliefs[1:])) for side in SIDES)
    print(f"the loss on the same beliefs: {ours:.6f} and {theirs:.6f}")
    rows = {
        "distribution": [distribution_step(side, beliefs, rotation) for side in SIDES],
        "whole step": [whole_step(side, options, rotation) for side in SIDES],
    }
    print(f"\n{'median ms':16}{'semiuhpe':>12}{'trapezoid':>12}{'ratio':>9}")
    shares = []
    for name, steps in rows.items():
        ours, theirs = alternating(steps, options.repeats if name == "whole step" else 4 * options.repeats)
        print(f"{name:16}{ours:12.1f}{theirs:12.1f}{theirs / ours:8.2f}×")
        shares.append((ours, theirs))
    (a, b), (whole_a, whole_b) = shares
    print(f"{'share of a step':16}{a / whole_a:12.1%}{b / whole_b:12.1%}")


if __name__ == "__main__":
    main()
