"""Time of a supervised training step on this machine, by number format, order in memory, and kind of depthwise gradients.

python benchmarks/training_step.py [--backbone efficientnet_lite0] [--size 112] [--batch 32] [--threads N]
"""

from __future__ import annotations

import argparse
import time

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.models import depthwise
from semiuhpe.models.pose_net import PoseNet


def images_per_s(network: PoseNet, batch: int, size: int, *, half: bool, steps: int) -> float:
    """Forward, backward and optimizer step; after three steps that are not counted."""
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-4, fused=True)
    images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    rotations = torch.eye(3).expand(batch, 3, 3)
    started = 0.0
    for step in range(steps + 3):
        if step == 3:
            started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            parameter = network(images)
        optimizer.zero_grad()
        MatrixFisher(parameter.float()).nll(rotations, 1.025).mean().backward()
        optimizer.step()
    return batch * steps / (time.perf_counter() - started)


def with_plain_gradients(network: PoseNet) -> PoseNet:
    """The same network with the library's own depthwise gradients."""
    plain = {depthwise.FastDepthwiseConv2d: nn.Conv2d, depthwise.FastDepthwiseConv2dSame: Conv2dSame}
    for module in network.modules():
        module.__class__ = plain.get(type(module), type(module))
    return network


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--frozen-stages", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    if args.threads:
        torch.set_num_threads(args.threads)
    print(f"{args.backbone}, {args.size} px, batch {args.batch}, {torch.get_num_threads()} threads")
    print("| numbers | order | depthwise gradients | images/s |")
    print("|---|---|---|---|")
    for half in (False, True):
        for last in (False, True):
            for fast in (False, True):
                network = PoseNet(
                    args.backbone,
                    pretrained=False,
                    frozen_stages=args.frozen_stages,
                    frozen_norms=True,
                    channels_last=last,
                ).train()
                network = network if fast else with_plain_gradients(network)
                rate = images_per_s(network, args.batch, args.size, half=half, steps=args.steps)
                order = "channels last" if last else "channels first"
                kind = "ours" if fast else "the library's"
                print(f"| {'bfloat16' if half else 'float32'} | {order} | {kind} | {rate:.0f} |", flush=True)


if __name__ == "__main__":
    main()
