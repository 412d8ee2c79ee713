"""Where on the base mesh hair grows, a beard grows, a shirt begins and the neck bends, as smooth functions.

All take positions on the *undeformed* base mesh, (n, 3) decimetres in MakeHuman's frame (x to the person's left,
y up, z out of the face), so that one evaluation serves every identity.
"""

from __future__ import annotations

import numpy as np

from semiuhpe.synthesis.formats import Float

CROWN_AXIS = (7.35, 0.25)
"""y and z of the point inside the skull around which azimuths of hair are taken."""

# Hairline: height (dm) above which hair grows, by azimuth from the nose (degrees), on the base mesh.
_AZIMUTH = np.array([0, 30, 50, 64, 74, 84, 96, 106, 116, 130, 150, 180], dtype=np.float64)
_HEIGHT = np.array([7.98, 7.95, 7.80, 7.45, 7.10, 7.30, 7.42, 7.36, 7.05, 6.80, 6.60, 6.52])


def smoothstep(low: float, high: float, value: Float) -> Float:
    """0 below low, 1 above high, a cubic between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def torso_share(points: Float) -> Float:
    """How much of the torso's turn relative to the head a vertex takes: 0 on the skull and jaw, 1 on the chest. (n,)"""
    # The border of the rigid head runs from under the chin up to the nape.
    border = 6.08 + 0.26 * (1.38 - points[:, 2])
    return smoothstep(0.02, 0.95, border - points[:, 1])


def inside_hairline(points: Float) -> Float:
    """Signed distance (dm, roughly) inside the scalp: positive where hair grows. (n,)"""
    azimuth = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2] - CROWN_AXIS[1]))
    line = np.interp(azimuth, _AZIMUTH, _HEIGHT)
    # Ears stand off the skull: keep them bare whatever their height.
    ear = (np.abs(points[:, 0]) > 0.80) & (np.abs(points[:, 1] - 6.95) < 0.5) & (np.abs(points[:, 2] - 0.1) < 0.45)
    return np.asarray(np.where(ear, -0.3, points[:, 1] - line))


def beard_density(points: Float) -> Float:
    """0 to 1: moustache, chin, jaw and the upper neck, without the lips. (n,)"""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    cheek = 6.62 + 0.55 * smoothstep(0.25, 0.80, x)
    jaw = smoothstep(-0.05, 0.12, cheek - y) * smoothstep(5.85, 6.15, y) * smoothstep(0.15, 0.45, z)
    moustache = smoothstep(6.64, 6.70, y) * (1 - smoothstep(6.78, 6.84, y)) * (1 - smoothstep(0.25, 0.38, x))
    lips = np.sqrt((x / 0.27) ** 2 + ((y - 6.60) / 0.125) ** 2)
    front = smoothstep(1.2, 1.35, z)
    return np.asarray(np.maximum(jaw, moustache * front) * np.where(z > 1.25, smoothstep(0.95, 1.2, lips), 1.0))


def below_neckline(points: Float) -> Float:
    """Signed distance (dm) below the neckline of a round-necked shirt. (n,)"""
    dip = 0.28 * smoothstep(0.2, 0.9, points[:, 2])
    return np.asarray(5.55 - dip - points[:, 1])


def all_fields(points: Float) -> Float:
    """The four fields that a Part carries. (n, 4)"""
    return np.stack(
        [torso_share(points), inside_hairline(points), beard_density(points), below_neckline(points)], axis=1
    )


def arm_share(points: Float, shoulder_x: float = 1.45) -> Float:
    """0 on the chest, 1 on the arm: how much of a lowering of the arm a vertex takes. (n,)"""
    reach = np.abs(points[:, 0]) - shoulder_x + 0.25 * (5.2 - points[:, 1]).clip(-1.0, 0.0)
    below = (points[:, 1] < 3.9) & (np.abs(points[:, 0]) < 1.75)
    return np.asarray(np.where(below, 0.0, smoothstep(0.0, 0.75, reach)))
