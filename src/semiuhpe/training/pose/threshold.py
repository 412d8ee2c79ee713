"""Which pseudo-labels, the teacher's beliefs, are sure enough to learn from: a threshold on their entropy.

Source: SemiUHPE, arXiv:2404.02544. Fixed; or dynamic: at the start of every stage, the quantile of the teacher's
entropies over the pool that keeps the share `left_ratio`; or running: that quantile over the heads of the latest steps,
anew at every step, so that it follows a teacher that grows surer. The teacher is the one that is used afterwards, in
the same mode on the same kind of views; the first estimate is made with a copy of the student, never with a network
that has not learnt anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher

BANDS_DEG = (60.0, 120.0)
"""Edges of |azimuth| between the bands front, side and rear."""

BAND_NAMES = ("front", "side", "rear")


def azimuth_band(rotation: Tensor) -> Tensor:
    """Band of azimuth of each head, by the facing direction R·(0, 0, −1).

    Args:
        rotation: (n, 3, 3) camera←head.

    Returns:
        (n,) int64: 0 front, 1 side, 2 rear.
    """
    facing = -rotation[..., :, 2]
    azimuth = torch.atan2(-facing[..., 0], -facing[..., 2]).abs()
    edges = torch.tensor([math.radians(edge) for edge in BANDS_DEG], dtype=azimuth.dtype, device=azimuth.device)
    return torch.bucketize(azimuth, edges)


@dataclass(frozen=True)
class Threshold:
    """The largest entropy that is kept.

    Attributes:
        by_band: nats, for each band of predicted azimuth (front, side, rear); usually one for all.
    """

    by_band: tuple[float, float, float]

    def keep(self, belief: MatrixFisher) -> Tensor:
        """Which heads are kept: H < τ.

        Args:
            belief: batch of n.

        Returns:
            (n,) bool.
        """
        limits = torch.tensor(self.by_band, dtype=torch.float64, device=belief.parameter.device)
        return belief.entropy.double() < limits[azimuth_band(belief.mode)]


def fixed(value: float) -> Threshold:
    """The same limit for every head, for all of the training.

    Args:
        value: τ, nats.

    Returns:
        The threshold.
    """
    return Threshold((value, value, value))


def quantile(entropy: Tensor, left_ratio: float) -> float:
    """The limit τ with which `left_ratio` of the entropies are below τ.

    Args:
        entropy: (n,) nats.
        left_ratio: share that is kept, 0 to 1.

    Returns:
        τ, nats; infinity for a ratio of 1, or no heads.
    """
    if left_ratio >= 1 or len(entropy) == 0:
        return math.inf
    ordered = entropy.double().sort().values
    return float(ordered[min(int(len(ordered) * left_ratio), len(ordered) - 1)])


def dynamic(belief: MatrixFisher, left_ratio: float, *, balanced: bool = False) -> Threshold:
    """The threshold from the teacher's beliefs about the pool.

    Args:
        belief: batch of n, the pool.
        left_ratio: share that is kept, 0 to 1.
        balanced: the quantile of each azimuth band by itself.

    Returns:
        The threshold.
    """
    return by_quantile(belief.entropy, azimuth_band(belief.mode), left_ratio, balanced=balanced)


def by_quantile(entropy: Tensor, band: Tensor, left_ratio: float, *, balanced: bool = False) -> Threshold:
    """The limit that keeps `left_ratio` of the heads.

    Args:
        entropy: (n,) nats.
        band: (n,) of `azimuth_band`.
        left_ratio: share that is kept, 0 to 1.
        balanced: of each band by itself; a band without heads has the limit of all heads.

    Returns:
        The threshold.
    """
    of_all = quantile(entropy, left_ratio)
    if not balanced:
        return fixed(of_all)
    inside = [entropy[band == number] for number in range(len(BAND_NAMES))]
    front, side, rear = (quantile(part, left_ratio) if len(part) else of_all for part in inside)
    return Threshold((front, side, rear))


class RunningQuantile:
    """The quantile over the latest heads that the teacher has looked at, those of the present step among them.

    entropy, band: (m,) float32 and int64 on the CPU, m ≤ window, the oldest first: the whole state.

    Args:
        left_ratio: share that is kept, 0 to 1.
        window: heads that count.
        balanced: the quantile of each azimuth band by itself.
    """

    def __init__(self, left_ratio: float, window: int, *, balanced: bool) -> None:
        self.left_ratio, self.window, self.balanced = left_ratio, window, balanced
        self.entropy, self.band = torch.zeros(0), torch.zeros(0, dtype=torch.int64)

    def update(self, entropy: Tensor, band: Tensor) -> Threshold:
        """Take in the heads of a step, those of all ranks.

        Args:
            entropy: (n,) nats.
            band: (n,) of `azimuth_band`.

        Returns:
            The threshold for them.
        """
        self.entropy = torch.cat([self.entropy, entropy.float().cpu()])[-self.window :]
        self.band = torch.cat([self.band, band.cpu()])[-self.window :]
        return by_quantile(self.entropy, self.band, self.left_ratio, balanced=self.balanced)


def kept_shares(belief: MatrixFisher, keep: Tensor) -> dict[str, float]:
    """Share of heads kept, over all and in each azimuth band, and each band's share of the pool.

    Args:
        belief: batch of n.
        keep: (n,) bool.

    Returns:
        "kept", and "pool_NAME" and "kept_NAME" of each band → share in [0, 1].
    """
    band = azimuth_band(belief.mode)
    shares = {"kept": float(keep.double().mean())}
    for number, name in enumerate(BAND_NAMES):
        inside = band == number
        shares[f"pool_{name}"] = float(inside.double().mean())
        shares[f"kept_{name}"] = float(keep[inside].double().mean()) if bool(inside.any()) else 0.0
    return shares
