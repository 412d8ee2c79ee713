"""The embedded weights give the numbers that they gave before."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.stored_predictions import FIELDS, STORED, WEIGHTS, predictions

ABSOLUTE = {
    "box": 0.05,
    "detection_score": 1e-3,
    "rotation": 1e-3,
    "expected_error_deg": 0.02,
    "error_90_deg": 0.04,
    "entropy": 5e-3,
}
"""What processors with other instructions may differ by: pixels, probability, matrix entries (0.06°), degrees, nats."""


@pytest.mark.parametrize("weights", WEIGHTS)
def test_every_number_is_as_stored(weights: str) -> None:
    stored, now = json.loads(STORED.read_text())[weights], predictions(weights)
    renew = "new weights: python tests/helpers/stored_predictions.py"
    assert {key: now[key] for key in ("pose", "detector")} == {key: stored[key] for key in ("pose", "detector")}, renew
    assert now["photos"].keys() == stored["photos"].keys()
    for name, heads in stored["photos"].items():
        assert len(heads["box"]) >= 1
        for field in FIELDS:
            np.testing.assert_allclose(
                now["photos"][name][field], heads[field], rtol=0, atol=ABSOLUTE[field], err_msg=f"{name}: {field}"
            )
