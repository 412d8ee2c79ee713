"""Poses as a shaded, half transparent head in perspective that fits the box.

The mesh is the mean of MakeHuman's young adults (CC0 1.0), some 900 vertices, made by docs/make_head_mesh.py. It is
filled triangle by triangle, far ones first. That order is right for a head as it is nearly convex: a z-buffer in numpy
would take longer than the 10 ms that this takes for a head of 200 pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.drawing.layer import Layer
from semiuhpe.drawing.style import Float, Ink, head_centre_and_radius, in_perspective
from semiuhpe.geometry.crop import Image

_OPACITY, _OPACITY_UNREADABLE = 1.0, 0.7
_LEAST_OPAQUE, _MOST_OPAQUE = 0.3, 0.8
"""Of the mesh where it is seen straight on, so that the face shows through, and at its rim, which tells its shape."""
_LIGHT = np.array([-0.45, -0.65, -0.61])
"""Towards the light, camera axes: from the upper left, behind the camera."""


@dataclass(frozen=True)
class HeadMesh:
    """A head that faces the camera. vertices: (v, 3) head frame, in head radii; triangles: (k, 3) vertex numbers, seen
    from outside clockwise in the picture's axes; normals: (k, 3) unit, outward; tone: (k,) brightness of each triangle."""

    vertices: Float
    triangles: NDArray[np.int64]
    normals: Float
    tone: Float


@functools.cache
def head_mesh() -> HeadMesh:
    """The mesh of the package."""
    with files("semiuhpe.drawing").joinpath("data/head_mesh.npz").open("rb") as file:
        content = np.load(file, allow_pickle=False)
        vertices = content["vertices"].astype(np.float64)
        triangles = content["triangles"].astype(np.int64)
        tone = content["tone_percent"] / 100.0
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)  # its length weighs the triangle's share in its corners' normals
    corner = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(corner, triangles[:, i], flat)
    smooth = _unit(_unit(corner)[triangles].sum(axis=1))
    return HeadMesh(vertices, triangles, smooth, tone)


def _unit(vectors: Float) -> Float:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def project_mesh(rotation: ArrayLike, centre: ArrayLike, radius: float) -> tuple[Float, Float]:
    """Where the mesh's vertices are drawn.

    The head stands `style.CAMERA_DISTANCE` radii before a pinhole camera; its picture is then scaled and shifted so that its
    bounding box has the centre and the mean side of the head box, as the detector's boxes have. rotation: (3, 3)
    camera←head. centre: (2,) of the box, pixels; radius: half its mean side. → (v, 2) pixels; (v,) depths in radii.
    """
    turned = head_mesh().vertices @ np.asarray(rotation, dtype=np.float64).T
    flat = in_perspective(turned)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = radius * 4 / float((high - low).sum())
    return np.asarray(centre, dtype=np.float64) + scale * (flat - (low + high) / 2), turned[:, 2]


def paint_mesh(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    """A shaded head in the colour of the expected error; grey and fainter where it is not trusted."""
    centre, radius = head_centre_and_radius(box)
    mesh = head_mesh()
    points, depth = project_mesh(rotation, centre, radius)
    layer = Layer.around(canvas, points, radius)
    if layer is None:
        return
    corners = points[mesh.triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # An outward normal points to the camera, z < 0, where the corners run the other way round in the picture.
    front = np.flatnonzero(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0)
    order = front[np.argsort(-depth[mesh.triangles[front]].sum(axis=1), kind="stable")]
    normals = mesh.normals[order] @ rotation.T
    colours = _shaded(normals, mesh.tone[order], ink.colour)
    # Dark features, such as irises, stay opaque: they tell which way the head looks.
    thin = np.clip(-normals[:, 2], 0, 1) * np.clip(mesh.tone[order] * 2 - 1, 0, 1)
    cover = _MOST_OPAQUE + (_LEAST_OPAQUE - _MOST_OPAQUE) * thin
    inks = np.concatenate([colours * cover[:, None], 255 * cover[:, None]], axis=1).round().astype(int)
    layer.polygons(layer.fixed(corners[order]), list(map(tuple, inks.tolist())))
    layer.silhouette(max(0.5, radius / 60))
    layer.blend(_OPACITY if ink.trusted else _OPACITY_UNREADABLE)


def _shaded(normals: Float, tone: Float, colour: Sequence[int]) -> NDArray[np.int64]:
    """Colours of triangles with these normals (k, 3), camera axes. → (k, 3) in 0..255."""
    towards = normals @ _LIGHT
    half = _unit(_LIGHT + [0, 0, -1.0])
    shine = 0.28 * np.maximum(normals @ half, 0) ** 14
    matt = tone * (0.42 + 0.58 * np.maximum(towards, 0) + 0.08 * towards)
    shaded = matt[:, None] * np.asarray(colour, dtype=np.float64) + 255 * shine[:, None]
    return np.asarray(np.clip(shaded, 0, 255), dtype=np.int64)
