"""Draw the pictures of docs/gallery.md, from docs/demo and known poses: `python docs/make_gallery.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from semiuhpe import HeadPoseEstimator, HeadPoses
from semiuhpe.drawing.poses import STYLES, draw_poses
from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.images.load import load_image

DOCS = Path(__file__).parent
PHOTOS = ("astronaut.jpg", "grace_hopper.jpg")
POSES_DEG = ((0, 0, 0), (45, 10, 0), (-90, 0, 0), (30, -35, 15), (150, 0, 0), (0, 55, -20))
ERRORS_DEG = (3.0, 10.0, 17.0, 25.0, 36.0, 47.0)


def photos() -> None:
    """The likeliest head of each photo in every style, cut out of the picture: gallery_styles.jpg."""
    estimator = HeadPoseEstimator()
    tiles, captions = [], []
    for name in PHOTOS:
        image = load_image(DOCS / "demo" / name)
        heads = estimator(image)[:1]
        x1, y1, x2, y2 = heads.box[0]
        side = min(int(1.9 * max(x2 - x1, y2 - y1)), *image.shape[:2])
        left = int(np.clip((x1 + x2 - side) / 2, 0, image.shape[1] - side))
        top = int(np.clip((y1 + y2 - side) / 2, 0, image.shape[0] - side))
        for style in STYLES:
            tiles.append(heads.draw(image, style)[top : top + side, left : left + side])
            captions.append(f"{style}, expected error {heads.expected_error_deg[0]:.0f}°")
    sheet = contact_sheet(tiles, columns=len(STYLES), tile=280, captions=captions)
    Image.fromarray(sheet).save(DOCS / "img" / "gallery_styles.jpg", quality=85)


def known_poses() -> None:
    """Known poses in every style, with growing expected errors, on grounds from black to white: gallery_poses.jpg."""
    rotations = from_azimuth_elevation_tilt(*np.radians(POSES_DEG).T)
    tiles, captions = [], []
    for style in STYLES:
        for number, (rotation, error) in enumerate(zip(rotations, ERRORS_DEG, strict=True)):
            ground = np.full((220, 220, 3), 15 + 45 * number, np.uint8)
            head = HeadPoses(
                rotation=rotation[None],
                box=[[50, 45, 170, 165]],
                detection_score=[1.0],
                expected_error_deg=[error],
                error_90_deg=[2 * error],
                entropy=[1.0],
            )
            tiles.append(head.draw(ground, style))
            captions.append("az {} el {} tilt {}".format(*POSES_DEG[number]) + f"  ±{error:.0f}°")
    sheet = contact_sheet(tiles, columns=len(POSES_DEG), tile=200, captions=captions)
    Image.fromarray(sheet).save(DOCS / "img" / "gallery_poses.jpg", quality=85)


def sizes() -> None:
    """Heads of 16 to 320 pixels in one picture: gallery_sizes.jpg."""
    picture = np.full((380, 1120, 3), 90, np.uint8)
    picture[:, :560] = 225
    sides, left = (16, 24, 40, 70, 120, 200, 320), 30.0
    boxes = []
    for side in sides:
        boxes.append([left, 190 - side / 2, left + side, 190 + side / 2])
        left += side + 40
    rotation = np.repeat(from_azimuth_elevation_tilt(0.7, 0.15, 0.1)[None], len(sides), axis=0)
    drawn = draw_poses(picture, rotation, boxes, style="mesh", expected_error_deg=np.full(len(sides), 12.0))
    Image.fromarray(drawn).save(DOCS / "img" / "gallery_sizes.jpg", quality=85)


def main() -> None:
    """Write docs/img/gallery_*.jpg."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    photos()
    known_poses()
    sizes()


if __name__ == "__main__":
    main()
