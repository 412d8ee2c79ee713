"""Exact draws from a Bingham distribution on unit quaternions."""

from __future__ import annotations

import torch
from torch import Tensor

_BISECTIONS = 60


def sample_bingham(decay: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws of unit vectors with density ∝ exp(−Σ decayᵢ·xᵢ²), by rejection (Kent, Ganeiber & Mardia 2018).

    The envelope is the angular central Gaussian with precision `Ω = 1 + 2·decay/b`; the b that maximises acceptance
    solves `Σ 1/(b + 2·decayᵢ) = 1`, and about half of the proposals are then taken, whatever the concentration.

    decay: (n, 4) float64 on the CPU, ≥ 0, smallest entry of each row 0. → (count, n, 4).
    """
    bound = _envelope(decay)
    precision = 1.0 + 2.0 * decay / bound[:, None]
    # log of the largest ratio of density to envelope.
    log_ceiling = 2.0 * torch.log(4.0 / bound) - 0.5 * (4.0 - bound)
    rows = torch.arange(decay.shape[0]).expand(count, -1).reshape(-1)
    result = torch.empty(len(rows), 4, dtype=torch.float64)
    missing = torch.arange(len(rows))
    while len(missing):
        row = rows[missing]
        proposal = torch.randn(len(missing), 4, dtype=torch.float64, generator=generator) / precision[row].sqrt()
        proposal = proposal / torch.linalg.vector_norm(proposal, dim=-1, keepdim=True)
        squares = proposal * proposal
        log_ratio = 2.0 * torch.log((squares * precision[row]).sum(-1)) - (squares * decay[row]).sum(-1)
        uniform = torch.rand(len(missing), dtype=torch.float64, generator=generator)
        taken = torch.log(uniform) < log_ratio - log_ceiling[row]
        result[missing[taken]] = proposal[taken]
        missing = missing[~taken]
    return result.reshape(count, -1, 4)


def _envelope(decay: Tensor) -> Tensor:
    """The root b ∈ [1, 4] of `Σ 1/(b + 2·decayᵢ) = 1`. (n, 4) → (n,)."""
    low, high = torch.ones(len(decay), dtype=torch.float64), torch.full((len(decay),), 4.0, dtype=torch.float64)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = (1.0 / (middle[:, None] + 2.0 * decay)).sum(-1) > 1.0
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return 0.5 * (low + high)
