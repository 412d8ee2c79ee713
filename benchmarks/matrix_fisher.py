"""Matrix Fisher loss: this package against the usual 512-point trapezoid, time and error side by side.

    python benchmarks/matrix_fisher.py [--batch 256] [--threads 1]

Timed: the supervised loss ω·log c(A) − tr(AᵀR), forward and backward, float32 parameters on the CPU. The trapezoid is
what published implementations do: singular values by `torch.linalg.svd` with its automatic derivative, I0e by the
polynomials of Numerical Recipes (Abramowitz & Stegun 9.8.1-2), 512 equidistant points on [−1, 1], float32, and three
more such integrals for the gradient. Both are compared with mpmath at 30 digits.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import mpmath
import torch
from torch import Tensor
from trapezoid import trapezoid_log_normalizer, trapezoid_nll

from semiuhpe.distributions.matrix_fisher import OVERREG, MatrixFisher


def exact_log_normalizer(s: list[float]) -> float:
    """mpmath at 30 digits; the interval is split where the integrand changes scale."""
    mpmath.mp.dps = 30
    s1, s2, s3 = (mpmath.mpf(v) for v in s)
    p, q, r = (s2 - s3) / 2, (s2 + s3) / 2, s1 + s3

    def bessel(x: Any) -> Any:
        return (
            mpmath.besseli(0, x) * mpmath.exp(-x)
            if x < 1000
            else mpmath.hyp2f0(0.5, 0.5, 1 / (2 * x)) / mpmath.sqrt(2 * mpmath.pi * x)
        )

    def integrand(u: Any) -> Any:
        return bessel(p * u) * bessel(q * (2 - u)) * mpmath.exp(-r * u) / 2

    edges = sorted({mpmath.mpf(0), mpmath.mpf(2), *(2 * mpmath.mpf(10) ** -k for k in range(1, 7))})
    return float(s1 + s2 + s3 + mpmath.log(mpmath.quad(integrand, edges)))


def milliseconds(step: Callable[[], object], repeats: int = 40) -> float:
    for _ in range(5):
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)  # the least disturbed run


def main() -> None:
    parser = argparse.ArgumentParser(description="Matrix Fisher loss against a 512-point trapezoid.")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = torch.Generator().manual_seed(0)
    scale = torch.empty(arguments.batch, 1, 1).uniform_(0, 20, generator=generator)
    parameter = (torch.randn(arguments.batch, 3, 3, generator=generator) * scale).requires_grad_()
    rotation = MatrixFisher(torch.zeros(3, 3)).sample(arguments.batch, generator)

    def step(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def run() -> None:
            parameter.grad = None
            loss(parameter, rotation).mean().backward()

        return run

    print(f"torch {torch.__version__}, {platform.machine()}, {arguments.threads} thread(s), batch {arguments.batch}")
    ours, theirs = milliseconds(step(lambda a, r: MatrixFisher(a).nll(r, OVERREG))), milliseconds(step(trapezoid_nll))
    belief = parameter.detach()
    extras = {
        "entropy": milliseconds(lambda: MatrixFisher(belief).entropy),
        "mean E[R]": milliseconds(lambda: MatrixFisher(belief).mean),
        "expected angle": milliseconds(lambda: MatrixFisher(belief).expected_angle, 5),
    }
    print(f"\n{'':34}{'semiuhpe':>14}{'trapezoid':>14}")
    print(f"{'loss, forward + backward (ms)':34}{ours:14.2f}{theirs:14.2f}   {theirs / ours:.1f}× faster")
    for name, value in extras.items():
        print(f"{name + ' (ms)':34}{value:14.2f}{'':>14}")
    print(f"\n{'error in log c at s =':34}")
    for s in (
        [0.0, 0.0, 0.0], [5.0, 3.0, 1.0], [16.0, 16.0, 16.0], [50.0, 50.0, 50.0], [100.0, 100.0, 100.0],
        [100.0, 80.0, -60.0], [300.0, 300.0, 300.0], [2000.0, 2000.0, 2000.0], [1e4, 1e4, 1e4], [1e4, 9e3, -8.99e3],
        [1e4, 1e4, -1e4], [1e4, 0.0, 0.0],
    ):  # fmt: skip
        exact = exact_log_normalizer(s)
        with torch.no_grad():
            a = MatrixFisher(torch.diag(torch.tensor(s, dtype=torch.float64))).log_normalizer.item() - exact
            b = trapezoid_log_normalizer(torch.diag(torch.tensor(s))[None]).item() - exact
        print(f"  {', '.join(f'{v:g}' for v in s):32}{a:14.1e}{b:14.1e}")


if __name__ == "__main__":
    main()
