"""What photos and videos of one run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.files.interruption import Interruption
from semiuhpe.prediction.options import PredictOptions
from semiuhpe.prediction.reporting import Reporter
from semiuhpe.prediction.run_settings import Start


@dataclass(frozen=True)
class Job:
    """One run of `predict`.

    settings: what its results depend on, beside the drawing, JSON-ready. folder: the output folder, which is held by a
    lock. start: how its parts are to be opened. interruption: is looked at where the run can stop.
    """

    options: PredictOptions
    estimator: HeadPoseEstimator
    settings: dict[str, Any]
    folder: Path
    start: Start
    interruption: Interruption
    reporter: Reporter

    def header(self) -> dict[str, Any]:
        """What every result document begins with."""
        from semiuhpe import __version__

        return {"semiuhpe": __version__, "weights_sha256": self.estimator.weights.sha256}
