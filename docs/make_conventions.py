"""Draw the pictures and the tables of docs/conventions.md: `python docs/make_conventions.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from semiuhpe.drawing.axes import draw_axes
from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.geometry.euler import CONVENTIONS, euler_deg
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.synthesis.reference import ReferenceRenderer, reference_view

SIZE = 240
POSES_DEG = (
    (0, 0, 0), (45, 0, 0), (-45, 0, 0), (90, 0, 0), (-90, 0, 0), (135, 0, 0), (180, 0, 0), (0, 30, 0), (0, -30, 0),
    (0, 0, 30), (0, 0, -30), (45, 20, 15),
)  # fmt: skip
BEGIN, END = "<!-- numbers: written by docs/make_conventions.py -->", "<!-- end of numbers -->"


def main() -> None:
    """Write docs/img/conventions.jpg and the table between the marks of docs/conventions.md."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    folder = Path(__file__).parent
    renderer = ReferenceRenderer(SIZE)
    pictures, captions, rows = [], [], []
    for pose in POSES_DEG:
        rotation = from_azimuth_elevation_tilt(*np.radians(pose))
        picture = reference_view(renderer, rotation, SIZE)
        middle, half = SIZE / 2, SIZE / 4.5
        pictures.append(
            draw_axes(picture, rotation[None], [[middle - half, middle - half, middle + half, middle + half]])
        )
        captions.append(f"az {pose[0]:+d}  el {pose[1]:+d}  tilt {pose[2]:+d}")
        numbers = [
            " / ".join(f"{v + 0.0:.0f}" for v in np.round(euler_deg(rotation, name)) + 0.0) for name in CONVENTIONS
        ]
        rows.append(f"| {pose[0]} / {pose[1]} / {pose[2]} | " + " | ".join(numbers) + " |")
    sheet = contact_sheet(pictures, columns=4, tile=SIZE, captions=captions)
    Image.fromarray(sheet).save(folder / "img" / "conventions.jpg", quality=88)
    head = "| azimuth / elevation / tilt | " + " | ".join(f"`{name}`" for name in CONVENTIONS) + " |"
    table = "\n".join([BEGIN, head, "|---" * (len(CONVENTIONS) + 1) + "|", *rows, END])
    page = folder / "conventions.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(before + table + rest.split(END)[1])


if __name__ == "__main__":
    main()
