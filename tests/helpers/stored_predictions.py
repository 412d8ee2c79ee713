"""What the embedded weights say about the demo's photos, kept beside the tests, so that a change of behaviour is seen.

python tests/helpers/stored_predictions.py     # renews the file; only when the weights themselves are new
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[2] / "docs" / "demo"
STORED = Path(__file__).parents[1] / "estimator_predictions.json"
WEIGHTS = ("default", "open")
FIELDS = ("box", "detection_score", "rotation", "expected_error_deg", "error_90_deg", "entropy")


def predictions(weights: str) -> dict[str, Any]:
    """Weights' and detector's hashes, and every number of every head of the demo's photos, best first."""
    from semiuhpe import HeadPoseEstimator
    from semiuhpe.weights import open_weights

    estimator = HeadPoseEstimator(weights, device="cpu", threads=1)
    heads = {path.name: estimator(path) for path in sorted(DEMO.glob("*.jpg"))}
    return {
        "pose": estimator.weights.sha256,
        "detector": open_weights("head_detector").sha256,
        "photos": {name: {field: getattr(own, field).tolist() for field in FIELDS} for name, own in heads.items()},
    }


if __name__ == "__main__":
    STORED.write_text(json.dumps({weights: predictions(weights) for weights in WEIGHTS}, indent=1) + "\n")
