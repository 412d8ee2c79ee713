"""Rotations of one head over time, smoothed on SO(3) with every frame weighed by how sure it is.

A frame's belief is taken as an isotropic matrix Fisher density `exp(κ·tr(RᵀX))` with `κ = 1/σ²`, σ its expected error.
Beliefs multiply, so their parameters add; older ones are forgotten with the time constant τ:

    M ← exp(−Δt/τ)·M + κ·R,      smoothed rotation = the nearest rotation to M.

This is the exact maximum of the product of all beliefs so far, each raised to the power exp(−age/τ): an exponentially
weighted mean (chordal; within the spread of a track it is the Karcher mean too) that costs one SVD a frame. Causal: it
needs no later frame and delays no output. A head that turns steadily is shown where it was about τ ago (a little
less: `Δt·a/(1−a)` with `a = exp(−Δt/τ)` where all frames are equally sure); that lag is the price of the calm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import InputError
from semiuhpe.geometry.rotation import Float, project_to_rotation

FORGET_S = 5.0
"""A track that has not been seen for so long is forgotten: identities do not come back later."""


class RotationSmoother:
    """Smooths the rotations of many tracks, frame by frame.

    time_constant_s: τ > 0, seconds. Raises InputError otherwise.
    """

    def __init__(self, time_constant_s: float) -> None:
        if not (np.isfinite(time_constant_s) and time_constant_s > 0):
            raise InputError(f"a smoothing time is a positive number of seconds, got {time_constant_s}")
        self.time_constant_s = time_constant_s
        self._tracks: dict[int, tuple[float, Float]] = {}

    def __call__(self, track_id: ArrayLike, rotation: ArrayLike, expected_error_deg: ArrayLike, time_s: float) -> Float:
        """Smoothed rotations of one frame's heads.

        track_id: (n,) int; heads with a negative one are passed through. rotation: (n, 3, 3). expected_error_deg: (n,);
        a frame at 180° (nothing is known) has no weight. time_s: of the frame, not before that of the last call.
        → (n, 3, 3), det +1.
        """
        ids = np.asarray(track_id, dtype=np.int64)
        result = np.array(rotation, dtype=np.float64).reshape(-1, 3, 3)
        error = np.asarray(expected_error_deg, dtype=np.float64)
        weight = np.where(error >= 180.0, 0.0, 1.0 / np.radians(np.maximum(error, 0.1)) ** 2)
        for i in np.flatnonzero(ids >= 0):
            key = int(ids[i])
            before, belief = self._tracks.get(key, (time_s, np.zeros((3, 3))))
            belief = np.exp(-max(time_s - before, 0.0) / self.time_constant_s) * belief + weight[i] * result[i]
            self._tracks[key] = (time_s, belief)
            if np.any(belief):
                result[i] = project_to_rotation(belief)
        self._tracks = {key: kept for key, kept in self._tracks.items() if time_s - kept[0] <= FORGET_S}
        return result

    def state(self) -> dict[str, Any]:
        """JSON-ready, for `restore`."""
        return {str(key): [seen, belief.tolist()] for key, (seen, belief) in self._tracks.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, to the bit."""
        self._tracks = {int(key): (float(seen), np.array(belief)) for key, (seen, belief) in state.items()}
