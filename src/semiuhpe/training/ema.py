"""EMA, the exponential moving average of a network's weights over its training (the mean teacher), buffers included."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class AveragedNetwork(Generic[Network]):
    """Exponential moving average (EMA) of a network: starts as a copy, always in evaluation mode.

    Source: SemiUHPE, arXiv:2404.02544. Update number k (from 0) uses the factor `min(1 − 1/(k + 1), decay)`, so the
    first update copies and early ones average what there is. Floating-point buffers (batch-norm statistics) are
    averaged as the parameters are; integer ones are copied.

    Args:
        network: that is trained.
        decay: largest factor on the average at an update.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take in the current weights of a network.

        Args:
            network: the one this was copied from.
        """
        factor = min(1 - 1 / (self.updates + 1), self.decay)
        self.updates += 1
        own, new = self.network.state_dict(), network.state_dict()
        floating = [key for key, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[key] for key in floating], [new[key] for key in floating], 1 - factor)
        for key, value in own.items():
            if not value.is_floating_point():
                value.copy_(new[key])
