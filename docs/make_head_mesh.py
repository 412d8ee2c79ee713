"""Make src/semiuhpe/drawing/data/head_mesh.npz from a MakeHuman data folder: `python docs/make_head_mesh.py FOLDER`.

The mean of MakeHuman's young adults (all sexes and origins in equal shares, CC0 1.0), cut below the chin, reduced to a
few hundred vertices by edge collapses that cost the least (quadric error metric, Garland & Heckbert 1997), turned into
the canonical head frame and scaled so that its bounding box, seen from the front, has a mean side of 2.
"""

from __future__ import annotations

import argparse
import heapq
from collections import defaultdict
from pathlib import Path

import numpy as np

from semiuhpe.synthesis.formats import Float, Int
from semiuhpe.synthesis.frame import mesh_to_head
from semiuhpe.synthesis.makehuman import HeadAssets, load_assets

TARGET = Path(__file__).parents[1] / "src/semiuhpe/drawing/data/head_mesh.npz"
TRIANGLES = 1500
NECK = np.array([0.0, 1.0, 0.32, -6.42])
"""Plane that cuts the neck, from under the chin to the nape; MakeHuman's units, the kept side is positive."""
SKIN, WHITE, IRIS = 100, 150, 30
"""Brightness of a triangle in per cent of its colour."""


def main() -> None:
    """Read the folder, write the mesh."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path, metavar="FOLDER", help="MakeHuman data folder")
    assets = load_assets(parser.parse_args().assets)
    vertices = _mean_adult(assets)
    triangles = assets.base.body.mesh_triangles
    vertices_skin, triangles = _largest_piece(*_cut(vertices, triangles, NECK))
    vertices_skin, triangles = simplify(vertices_skin, triangles, TRIANGLES)
    vertices_skin, triangles = _closed(vertices_skin, triangles)
    tone = np.full(len(triangles), SKIN)
    eye_vertices, eye_triangles, eye_tone = _eyes(assets, vertices)
    triangles = np.concatenate([triangles, eye_triangles + len(vertices_skin)])
    tone = np.concatenate([tone, eye_tone])
    points = np.concatenate([vertices_skin, eye_vertices]) @ mesh_to_head().T
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) * 4 / (high - low)[:2].sum()
    np.savez_compressed(
        TARGET,
        vertices=points.astype(np.float32),
        triangles=triangles.astype(np.uint16),
        tone_percent=tone.astype(np.uint8),
    )
    print(f"{len(points)} vertices, {len(triangles)} triangles, {TARGET.stat().st_size} bytes")


def _mean_adult(assets: HeadAssets) -> Float:
    names = [
        f"macrodetails/{origin}-{sex}-young"
        for origin in ("african", "asian", "caucasian")
        for sex in ("female", "male")
    ]
    weights = {name: 1 / len(names) for name in names}
    missing = [name for name in names if not assets.has_target(name)]
    if missing:
        raise SystemExit(f"no target {missing[0]}; give the whole data folder of MakeHuman")
    return assets.morph(weights)


def _compact(vertices: Float, triangles: Int) -> tuple[Float, Int]:
    used, inverse = np.unique(triangles, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3)


def _cut(vertices: Float, triangles: Int, plane: Float) -> tuple[Float, Int]:
    """What lies on the positive side of a plane; triangles that it crosses are cut in two."""
    height = vertices @ plane[:3] + plane[3]
    points, faces, new = list(vertices), [], {}

    def crossing(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in new:
            share = height[a] / (height[a] - height[b])
            new[key] = len(points)
            points.append(points[a] + share * (points[b] - points[a]))
        return new[key]

    for triangle in triangles.tolist():
        ring = []
        for a, b in zip(triangle, triangle[1:] + triangle[:1], strict=True):
            if height[a] > 0:
                ring.append(a)
            if (height[a] > 0) != (height[b] > 0):
                ring.append(crossing(a, b))
        faces += [[ring[0], ring[i], ring[i + 1]] for i in range(1, len(ring) - 1)]
    return _compact(np.array(points), np.array(faces))


def _largest_piece(vertices: Float, triangles: Int) -> tuple[Float, Int]:
    piece = np.arange(len(vertices))
    while True:
        least = piece[triangles].min(axis=1)
        spread = piece.copy()
        for corner in range(3):
            np.minimum.at(spread, triangles[:, corner], least)
        if (spread == piece).all():
            break
        piece = spread
    largest = np.bincount(piece).argmax()
    return _compact(vertices, triangles[piece[triangles[:, 0]] == largest])


def _planes(vertices: Float, triangles: Int) -> tuple[Float, Float]:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    size = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(size, 1e-12)[:, None]
    return np.concatenate([normal, -np.sum(normal * a, axis=1, keepdims=True)], axis=1), size / 2


def simplify(vertices: Float, triangles: Int, count: int) -> tuple[Float, Int]:
    """Collapse edges, cheapest first, until at most `count` triangles are left. vertices (n, 3), triangles (k, 3)."""
    points = [np.asarray(p) for p in vertices]
    faces: dict[int, tuple[int, ...]] = {i: tuple(int(v) for v in t) for i, t in enumerate(triangles)}
    around: dict[int, set[int]] = defaultdict(set)
    edges: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, face in faces.items():
        for i in range(3):
            around[face[i]].add(number)
            edges[tuple(sorted((face[i], face[i - 1])))].append(number)  # type: ignore[index]
    planes, area = _planes(vertices, triangles)
    quadric = np.zeros((len(points), 4, 4))
    for corner in range(3):
        np.add.at(quadric, triangles[:, corner], area[:, None, None] * planes[:, :, None] * planes[:, None, :])
    for (a, b), sides in edges.items():
        if len(sides) == 1:  # a border keeps its course: a plane through it, upright on its triangle
            along = points[b] - points[a]
            normal = np.cross(along, planes[sides[0], :3])
            normal /= max(np.linalg.norm(normal), 1e-12)
            plane = np.append(normal, -normal @ points[a])
            quadric[[a, b]] += 10 * (along @ along) * np.outer(plane, plane)

    def offer(a: int, b: int) -> tuple[float, int, int, int, Float]:
        q = quadric[a] + quadric[b]
        options = [(points[a] + points[b]) / 2, points[a], points[b]]
        if np.linalg.cond(q[:3, :3]) < 1e6:
            options.append(-np.linalg.solve(q[:3, :3], q[:3, 3]))
        costs = [float(np.append(p, 1) @ q @ np.append(p, 1)) for p in options]
        best = int(np.argmin(costs))
        return costs[best], version[a] + version[b], a, b, options[best]

    def flips(vertex: int, other: int, place: Float) -> bool:
        for number in around[vertex]:
            face = faces[number]
            if other in face:
                continue
            before = [points[v] for v in face]
            after = [place if v == vertex else points[v] for v in face]
            n0 = np.cross(before[1] - before[0], before[2] - before[0])
            n1 = np.cross(after[1] - after[0], after[2] - after[0])
            if n0 @ n1 < 0.2 * np.linalg.norm(n0) * np.linalg.norm(n1):
                return True
        return False

    version = [0] * len(points)
    heap = [(*offer(a, b)[:4], i) for i, (a, b) in enumerate(edges)]
    heapq.heapify(heap)
    tie = len(heap)
    while len(faces) > count and heap:
        _, stamp, a, b, _ = heapq.heappop(heap)
        if stamp != version[a] + version[b] or not around[a] or not around[b]:
            continue
        shared = around[a] & around[b]
        neighbours = {v for f in around[a] for v in faces[f]} & {v for f in around[b] for v in faces[f]} - {a, b}
        if not shared or len(neighbours) != len(shared):
            continue
        place = offer(a, b)[4]
        if flips(a, b, place) or flips(b, a, place):
            continue
        points[a] = place
        quadric[a] += quadric[b]
        for number in shared:
            for v in faces.pop(number):
                around[v].discard(number)
        for number in list(around[b]):
            faces[number] = tuple(a if v == b else v for v in faces[number])
            around[a].add(number)
        around[b].clear()
        version[a] += 1
        version[b] += 1
        for v in {v for f in around[a] for v in faces[f]} - {a}:
            first, second = min(a, v), max(a, v)
            tie += 1
            heapq.heappush(heap, (*offer(first, second)[:4], tie))
    return _compact(np.array(points), np.array(list(faces.values())))


def _closed(vertices: Float, triangles: Int) -> tuple[Float, Int]:
    """Every hole closed with a fan around its middle."""
    directed = {(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)}
    follows = {b: a for a, b in directed if (b, a) not in directed}
    points, faces = list(vertices), triangles.tolist()
    while follows:
        start, after = follows.popitem()
        loop = [start, after]
        while loop[-1] in follows:
            loop.append(follows.pop(loop[-1]))
        middle = np.mean([points[v] for v in loop], axis=0)
        faces += [[loop[i], loop[i + 1], len(points)] for i in range(len(loop) - 1)]
        points.append(middle)
    return np.array(points), np.array(faces)


def _eyes(assets: HeadAssets, base: Float) -> tuple[Float, Int, Int]:
    """The front of both eyeballs, spheres of 5 rings; → vertices, triangles, tone of each triangle."""
    fitted = assets.eyes.proxy.fit(base)
    parts = []
    for side in (-1, 1):
        half = fitted[np.sign(fitted[:, 0]) == side]
        low, high = half.min(axis=0), half.max(axis=0)
        centre, radius = (low + high) / 2, (high - low)[:2].mean() / 2
        parts.append(_dome(centre, radius))
    count = len(parts[0][0])
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([parts[0][1], parts[1][1] + count]),
        np.concatenate([p[2] for p in parts]),
    )


def _dome(centre: Float, radius: float) -> tuple[Float, Int, Int]:
    angles = np.radians([12, 26, 45, 65, 85])
    turn = np.arange(10) * 2 * np.pi / 10
    points = [centre + [0, 0, radius]]
    for angle in angles:
        points += [
            centre + radius * np.array([np.sin(angle) * np.cos(t), np.sin(angle) * np.sin(t), np.cos(angle)])
            for t in turn
        ]
    faces, tone = [], []
    for i in range(10):
        j = (i + 1) % 10
        faces.append([0, 1 + i, 1 + j])
        tone.append(IRIS)
        for ring in range(4):
            a, b = 1 + 10 * ring, 11 + 10 * ring
            faces += [[a + i, b + i, b + j], [a + i, b + j, a + j]]
            tone += [IRIS if ring == 0 else WHITE] * 2
    return np.array(points), np.array(faces), np.array(tone)


if __name__ == "__main__":
    main()
