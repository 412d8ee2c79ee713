"""Invented places: classrooms, offices, corridors and streets, drawn in one-point perspective."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
Colour = tuple[float, float, float]


def _shade(rng: np.random.Generator, low: float, high: float, spread: float = 9.0) -> Colour:
    value = rng.uniform(low, high)
    r, g, b = np.clip(value + rng.normal(0, spread, 3), 2, 252)
    return float(r), float(g), float(b)


def _poly(canvas: Canvas, points: NDArray[np.float64], colour: Colour) -> None:
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA)


class _Room:
    """A box seen from inside. Corners of the back wall, in pixels; the front of the box lies outside the picture."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        width, height = rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.7)
        x, y = rng.uniform(0.1, 0.9) - width / 2, rng.uniform(0.25, 0.65) - height / 2
        self.back = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]) * size
        self.vanish = self.back.mean(axis=0) + rng.normal(0, 0.05, 2) * size
        self.front = self.vanish + (self.back - self.vanish) * rng.uniform(3.5, 6.0)

    def wall(self, corner: int, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the wall between corner and corner + 1: u along it in depth, 0 back, 1 front; v from one corner to the
        other. Depth is foreshortened.
        """
        near = u[:, None] ** 1.7
        a = self.back[corner] + (self.front[corner] - self.back[corner]) * near
        other = (corner + 1) % 4
        b = self.back[other] + (self.front[other] - self.back[other]) * near
        return np.asarray(a + (b - a) * v[:, None])

    def quad(self, corner: int, u0: float, u1: float, v0: float, v1: float) -> NDArray[np.float64]:
        return self.wall(corner, np.array([u0, u0, u1, u1]), np.array([v0, v1, v1, v0]))

    def on_back(self, x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
        low, extent = self.back[0], self.back[2] - self.back[0]
        return np.asarray(low + np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * extent)


CEILING, RIGHT, FLOOR, LEFT = 0, 1, 2, 3


def indoors(rng: np.random.Generator, size: int) -> Canvas:
    """A room with what rooms have: windows, a board, shelves, doors, posters, lamps, desks. (size, size, 3) 0 to 255."""
    room = _Room(rng, size)
    wall, floor = _shade(rng, 70, 235, 12), _shade(rng, 35, 170, 16)
    canvas = np.full((size, size, 3), wall, np.float32)
    canvas[max(int(room.back[FLOOR, 1]), 0) :] = floor
    tones = {CEILING: rng.uniform(0.85, 1.25), RIGHT: rng.uniform(0.7, 1.1), LEFT: rng.uniform(0.7, 1.1)}
    for side, tone in tones.items():
        own = tuple(min(tone * c, 252.0) for c in wall)
        _poly(canvas, room.quad(side, 0, 1, 0, 1), own)  # type: ignore[arg-type]
    _poly(canvas, room.quad(FLOOR, 0, 1, 0, 1), floor)
    _poly(canvas, room.back, wall)
    _lamps(canvas, room, rng)
    for side in (LEFT, RIGHT):
        kind = rng.random()
        if kind < 0.45:
            _windows(canvas, room, side, rng)
        elif kind < 0.75:
            _shelves(canvas, room, side, rng)
    _back_wall(canvas, room, rng)
    if rng.random() < 0.5:
        _desks(canvas, room, rng)
    light = np.linspace(rng.uniform(0.75, 1.2), rng.uniform(0.75, 1.2), size, dtype=np.float32)
    return np.asarray(canvas * (light[:, None, None] if rng.random() < 0.5 else light[None, :, None]), np.float32)


def _lamps(canvas: Canvas, room: _Room, rng: np.random.Generator) -> None:
    glow = (252.0, 252.0, float(rng.uniform(205, 252)))
    columns = int(rng.integers(0, 4))
    width = rng.uniform(0.05, 0.2)
    for u in np.arange(0.1, 0.95, rng.uniform(0.15, 0.35)):
        for k in range(columns):
            v = (k + 1) / (columns + 1)
            _poly(canvas, room.quad(CEILING, u, u + 0.06, v - width / 2, v + width / 2), glow)


def _windows(canvas: Canvas, room: _Room, side: int, rng: np.random.Generator) -> None:
    # v runs from the ceiling down on the right wall, from the floor up on the left one.
    top, low = (rng.uniform(0.08, 0.25), rng.uniform(0.5, 0.75))
    v = (top, low) if side == RIGHT else (1 - low, 1 - top)
    pane, frame = _shade(rng, 150, 252, 14), _shade(rng, 60, 240, 8)
    step = rng.uniform(0.12, 0.3)
    curtain = _shade(rng, 40, 220, 30) if rng.random() < 0.4 else None
    for u in np.arange(0.05, 0.95, step):
        _poly(canvas, room.quad(side, u, u + 0.85 * step, *v), frame)
        _poly(canvas, room.quad(side, u + 0.05 * step, u + 0.8 * step, v[0] + 0.02, v[1] - 0.02), pane)
        if curtain is not None:
            _poly(canvas, room.quad(side, u, u + rng.uniform(0.1, 0.4) * step, v[0] - 0.02, v[1] + 0.04), curtain)


def _shelves(canvas: Canvas, room: _Room, side: int, rng: np.random.Generator) -> None:
    boards = int(rng.integers(2, 6))
    board = _shade(rng, 40, 180, 18)
    _poly(canvas, room.quad(side, 0.05, 0.9, 0.1, 0.9), tuple(0.6 * c for c in board))  # type: ignore[arg-type]
    for k in range(boards):
        low = 0.1 + 0.8 * k / boards
        u = 0.06
        while u < 0.88:
            thick = rng.uniform(0.01, 0.05)
            if rng.random() < 0.85:
                high = low + 0.8 / boards * rng.uniform(0.5, 0.9)
                _poly(canvas, room.quad(side, u, u + thick, low, high), _shade(rng, 20, 230, 45))
            u += thick


def _back_wall(canvas: Canvas, room: _Room, rng: np.random.Generator) -> None:
    if rng.random() < 0.45:
        x0, x1, y0, y1 = rng.uniform(0.05, 0.3), rng.uniform(0.6, 0.95), rng.uniform(0.15, 0.3), rng.uniform(0.5, 0.7)
        _poly(canvas, room.on_back(x0 - 0.01, y0 - 0.02, x1 + 0.01, y1 + 0.02), _shade(rng, 60, 200))
        board = ((25.0, 70.0, 48.0), (235.0, 238.0, 240.0), (30.0, 32.0, 36.0))[int(rng.integers(3))]
        _poly(canvas, room.on_back(x0, y0, x1, y1), board)
        ink = (225.0, 225.0, 220.0) if board[0] < 100 else _shade(rng, 20, 90, 30)
        for _ in range(int(rng.integers(0, 12))):
            a = room.on_back(rng.uniform(x0, x1), rng.uniform(y0, y1), 1, 1)[0]
            b = a + rng.uniform(0.01, 0.12, 2) * [room.size, 0.08 * room.size]
            cv2.line(canvas, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), ink, 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 5))):  # doors, posters, notices
        x, y = rng.uniform(0.0, 0.9), rng.uniform(0.1, 0.8)
        tall = rng.random() < 0.3
        end = (x + rng.uniform(0.08, 0.16), 1.0) if tall else (x + rng.uniform(0.04, 0.25), y + rng.uniform(0.05, 0.25))
        _poly(canvas, room.on_back(x, y if not tall else 0.3, *end), _shade(rng, 20, 240, 35))


def _desks(canvas: Canvas, room: _Room, rng: np.random.Generator) -> None:
    top, leg = _shade(rng, 60, 220, 18), _shade(rng, 15, 110, 8)
    columns = int(rng.integers(2, 5))
    for u in np.arange(0.15, 1.0, rng.uniform(0.12, 0.3)):
        rise = 0.16 * (room.front[FLOOR, 1] - room.front[CEILING, 1]) * u**1.7 * rng.uniform(0.5, 0.7)
        for k in range(columns):
            v = k / columns + 0.05
            quad = room.quad(FLOOR, u, u + 0.09, v, v + 0.7 / columns)
            for x, y in quad:
                cv2.line(canvas, (int(x), int(y)), (int(x), int(y - rise)), leg, max(1, room.size // 150))
            _poly(canvas, quad - [0.0, rise], top)


def outdoors(rng: np.random.Generator, size: int, foliage: Canvas) -> Canvas:
    """A street or a park: sky, buildings, trees, ground. foliage (size, size): noise of unit deviation."""
    canvas = np.zeros((size, size, 3), np.float32)
    horizon = int(rng.uniform(0.25, 0.8) * size)
    sky = np.array(_shade(rng, 140, 245, 10)) * [0.9, 0.97, 1.05]
    fade = np.linspace(rng.uniform(0.7, 1.0), 1.0, size, dtype=np.float32)[:, None, None]
    canvas[:] = np.minimum(sky * fade, 252)
    ground = np.array(_shade(rng, 50, 170, 12)) * ([0.8, 1.0, 0.6] if rng.random() < 0.35 else [1.0, 1.0, 1.0])
    canvas[horizon:] = ground * (0.8 + 0.06 * foliage[horizon:, :, None])
    for _ in range(int(rng.integers(0, 6))):
        x, width = int(rng.uniform(-0.2, 0.9) * size), int(rng.uniform(0.15, 0.6) * size)
        roof = int(horizon * rng.uniform(-0.1, 0.8))
        wall = _shade(rng, 45, 210, 18)
        cv2.rectangle(canvas, (x, roof), (x + width, horizon), wall, -1)
        step, glass = max(5, int(rng.uniform(0.04, 0.12) * size)), _shade(rng, 30, 190, 15)
        for wx in range(x + step // 3, x + width - step // 2, step):
            for wy in range(roof + step // 3, horizon - step // 2, int(1.3 * step)):
                cv2.rectangle(canvas, (wx, wy), (wx + step // 2, wy + int(0.7 * step)), glass, -1)
    for _ in range(int(rng.integers(0, 5))):
        mask = np.zeros((size, size), np.float32)
        at = (int(rng.uniform(0, 1) * size), int(horizon * rng.uniform(0.5, 1.0)))
        cv2.ellipse(
            mask, at, (int(rng.uniform(0.08, 0.3) * size), int(rng.uniform(0.1, 0.35) * size)), 0, 0, 360, 1.0, -1
        )
        leaves = (mask + 0.25 * foliage * cv2.GaussianBlur(mask, (0, 0), size / 60)) > 0.5
        green = np.array([0.75, 1.0, 0.45]) * rng.uniform(35, 130)
        canvas[leaves] = green * (1 + 0.35 * foliage[leaves, None])
    return canvas
