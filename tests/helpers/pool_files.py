"""Miniatures of the unlabelled pools in their own formats: `count` heads each, one a photo."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.pictures_on_disk import save_picture

HEAD = (40, 20, 80, 64)
X, Y, W, H = HEAD[0], HEAD[1], HEAD[2] - HEAD[0], HEAD[3] - HEAD[1]


def write_cocohead(root: Path, count: int) -> None:
    """COCO 2017 photos with HumanParts' `hier` boxes."""
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": 160, "height": 120} for i in range(1, count + 1)]
    notes = [
        {
            "id": i["id"],
            "image_id": i["id"],
            "category_id": 1,
            "iscrowd": 0,
            "area": 900.0,
            "bbox": [10, 10, 90, 100],
            "hier": [*HEAD, 1, *[0] * 25],
        }
        for i in images
    ]
    for image in images:
        save_picture(root / "train2017" / str(image["file_name"]), head=HEAD)
    (root / "annotations").mkdir(parents=True)
    content = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "person"}]}
    (root / "annotations" / "person_humanparts_train2017.json").write_text(json.dumps(content))


def write_crowdhuman(root: Path, count: int) -> None:
    """The original odgt, a photo a line."""
    root.mkdir(parents=True)
    box = {
        "tag": "person", "hbox": [X, Y, W, H], "head_attr": {"ignore": 0, "occ": 0, "unsure": 0}, "fbox": [0, 0, 90, 100],
        "vbox": [0, 0, 80, 90], "extra": {"box_id": 0, "occ": 0},
    }  # fmt: skip
    names = [f"273271,{i:x}c000ac1360b7" for i in range(count)]
    for name in names:
        save_picture(root / "Images" / f"{name}.jpg", head=HEAD)
    lines = [json.dumps({"ID": name, "gtboxes": [box]}) for name in names]
    (root / "annotation_train.odgt").write_text("\n".join(lines) + "\n")


def write_widerface(root: Path, count: int) -> None:
    """Photos and `wider_face_train_bbx_gt.txt`."""
    lines = []
    for i in range(count):
        file = f"0--Parade/0_Parade_{i}.jpg"
        save_picture(root / "WIDER_train" / "images" / file, head=HEAD)
        lines += [file, "1", f"{X} {Y} {W} {H} 0 0 0 0 0 0"]
    (root / "wider_face_split").mkdir(parents=True)
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")


def write_wildhead(root: Path, count: int) -> None:
    """Crops of 1.2 × the box, whose file names carry it."""
    for i in range(count):
        part = ("hp", "ch", "oi")[i % 3]
        side = round(1.2 * (W + H) / 2)
        save_picture(root / f"head_images_wild_30_{part}" / f"photo_{i:06d}_{X},{Y},{W},{H}.jpg", side, side)
