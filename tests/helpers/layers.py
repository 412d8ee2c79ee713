"""Layers of networks by their kind, for tests that set their numbers."""

from __future__ import annotations

from torch import nn


def last_layer(network: nn.Module) -> nn.Linear:
    """The last linear layer of a pose network's head."""
    head = network.get_submodule("head")
    assert isinstance(head, nn.Sequential)
    last = head[-1]
    assert isinstance(last, nn.Linear)
    return last
