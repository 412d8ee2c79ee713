"""Miniatures of data sets in the formats of their releases, with poses that are known; and tiny stores made from them.

Angles are spelled out here in each source's own terms (Euler angles of the 300W-LP matrix, OpenGL model-view matrices, Kinect
poses), independently of `semiuhpe.geometry.euler`, from poses in the canonical frame.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, mirror
from semiuhpe.sources.landmarks.face_model import MIRRORED, default_face_model

F = np.diag([1.0, -1.0, -1.0])
POSES_DEG = (
    (0, 0, 0),
    (35, 10, -5),
    (-70, -15, 20),
    (20, -25, 10),
    (-45, 20, 0),
    (85, 5, 15),
    (10, 0, -30),
    (-20, 30, 5),
)


def poses(count: int) -> np.ndarray:
    """Poses in front of the camera, (count, 3, 3)."""
    angles = np.radians([POSES_DEG[i % len(POSES_DEG)] for i in range(count)])
    return from_azimuth_elevation_tilt(*angles.T)


def pose_para(rotation: np.ndarray) -> np.ndarray:
    """Pitch, yaw, roll (radians) of the 6DRepNet matrix R6 = Rz(roll)·Ry(yaw)·Rx(pitch) of a pose, R = F·R6ᵀ·F."""
    return Rotation.from_matrix((F @ rotation @ F).T).as_euler("xyz")


def landmarks(rotation: np.ndarray, scale: float = 55.0, middle: tuple[float, float] = (225.0, 235.0)) -> np.ndarray:
    """The mean face in that pose, (68, 3): x, y in pixels and depth."""
    return scale * default_face_model().mean @ rotation.T + [*middle, 0.0]


def skull_box(rotation: np.ndarray, scale: float = 55.0, middle: tuple[float, float] = (225.0, 235.0)) -> np.ndarray:
    """Extent of the mean head in that pose."""
    seen = scale * (default_face_model().head @ rotation.T)[:, :2] + middle
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)])


def picture(path: Path, height: int = 450, width: int = 450, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def write_300w_lp(
    root: Path, faces: int = 2, copies: int = 2, subs: tuple[str, ...] = ("AFW", "HELEN")
) -> dict[str, np.ndarray]:
    """→ id → pose. Landmarks of originals in the tree `landmarks`, as released; mirrored copies beside them."""
    known = {}
    for sub in subs:
        for i, rotation in enumerate(poses(faces * copies)):
            name = f"{sub}_{1000 + i // copies}_1_{i % copies}"
            points = landmarks(rotation)
            tree = root / "landmarks" / sub
            tree.mkdir(parents=True, exist_ok=True)
            savemat(tree / f"{name}_pts.mat", {"pts_2d": points[:, :2], "pts_3d": points[:, :2]})
            for folder, pose in ((sub, rotation), (f"{sub}_Flip", mirror(rotation))):
                picture(root / folder / f"{name}.jpg", seed=i)
                para = np.concatenate([pose_para(pose), [225.0, 225.0, 0.0, 5e-4]])[None]
                savemat(root / folder / f"{name}.mat", {"Pose_Para": para, "Shape_Para": np.zeros((199, 1))})
                known[f"{folder}/{name}"] = pose
    return known


def mirrored_landmarks(points: np.ndarray, width: float) -> np.ndarray:
    return points[list(MIRRORED), :2] * [-1, 1] + [width, 0]


def write_aflw2000(root: Path, angles_deg: list[tuple[float, float, float]]) -> list[str]:
    """Faces with these pitch, yaw, roll as labelled; → their names."""
    names = []
    for i, angles in enumerate(angles_deg):
        name = f"image{i + 2:05d}"
        r6 = Rotation.from_euler("xyz", np.radians(angles)).as_matrix()
        rotation = F @ r6.T @ F
        points = landmarks(rotation)
        clicked = points[list(range(17, 38)), :2].T.copy()
        clicked[:, 3] = -1
        picture(root / f"{name}.jpg", seed=i)
        para = np.concatenate([np.radians(angles), [225.0, 225.0, 0.0, 5e-4]])[None]
        savemat(
            root / f"{name}.mat", {"Pose_Para": para, "pt3d_68": points.T, "pt2d": clicked, "roi": np.zeros((1, 4))}
        )
        names.append(name)
    return names


CALIBRATION = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0

0.999947 0.00432361 0.00929419
-0.00446314 0.999877 0.0150443
-0.009228 -0.015085 0.999844

-24.0198 5.8896 -13.2308

640 480
"""


def write_biwi(root: Path, sequences: int = 2, frames: int = 2) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """→ id → pose and centre (mm), both in the depth camera's frame."""
    known = {}
    for s in range(sequences):
        folder = root / "hpdb" / f"{s + 1:02d}"
        for k, rotation in enumerate(poses(frames)):
            centre = np.array([40.0 * s - 20, 30.0 * k, 900.0 + 100 * k])
            stem = f"frame_{k + 3:05d}"
            picture(folder / f"{stem}_rgb.png", 480, 640, seed=k)
            rows = "\n".join(" ".join(f"{v:.6f}" for v in row) + " " for row in rotation)
            (folder / f"{stem}_pose.txt").write_text(rows + "\n\n" + " ".join(f"{v:.3f}" for v in centre) + "\n")
            known[f"{folder.name}/{stem}"] = rotation, centre
        (folder / "rgb.cal").write_text(CALIBRATION)
        (folder / "depth.cal").write_text(CALIBRATION)
    return known


def write_biwi_npz(path: Path, count: int = 4) -> np.ndarray:
    """→ the poses. Angles as Hopenet reads BIWI: of the transposed matrix, yaw and roll negated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rotations = poses(count)
    angles = np.degrees(Rotation.from_matrix(rotations.transpose(0, 2, 1)).as_euler("xyz")) * [1, -1, -1]
    images = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    np.savez(path, image=images, pose=angles[:, [1, 0, 2]], img_size=64)
    return rotations


def write_aflw(root: Path, count: int = 6) -> dict[str, np.ndarray]:
    """→ name → pose; AFLW2000.txt lists the first picture, and the last one shows two faces."""
    from semiuhpe.sources.aflw import LANDMARKS_19

    rotations = poses(count)
    names = [f"0/image{i + 2:05d}.jpg" for i in range(count)]
    data, mask = np.zeros((count + 1, 38)), np.ones((count + 1, 19))
    for i, rotation in enumerate([*rotations, rotations[0]]):
        points = landmarks(rotation)[:, :2]
        nineteen = np.stack([points[list(group)].mean(axis=0) for group in LANDMARKS_19])
        data[i] = np.concatenate([nineteen[:, 0], nineteen[:, 1]])
        mask[i, [0, 18]] = i % 2
    listed = np.array([*names, names[-1]], dtype=object)[:, None]
    for i, name in enumerate(names):
        picture(root / "flickr" / name, seed=i)
    root.mkdir(parents=True, exist_ok=True)
    variables = {
        "nameList": listed,
        "data": data * np.where(np.tile(mask, 2) > 0, 1, 0),
        "bbox": np.zeros((count + 1, 4)),
    }
    savemat(root / "AFLWinfo_release.mat", {**variables, "mask_new": mask})
    (root / "AFLW2000.txt").write_text("image00002.jpg\n")
    return dict(zip(names, rotations, strict=True))


def model_view(rotation: np.ndarray, shift: tuple[float, float, float] = (0.02, -0.03, -1.8)) -> np.ndarray:
    """OpenGL model-view of a head (x right when frontal, y up, z out of the face) in a y-up camera that looks along −z."""
    matrix = np.eye(4)
    matrix[:3, :3] = F @ rotation @ F
    matrix[:3, 3] = shift
    return matrix


def write_dad(root: Path, train: int = 6, val: int = 2, test: int = 1) -> dict[str, np.ndarray | None]:
    """→ id → pose over the full range (None for test)."""
    rng = np.random.default_rng(3)
    shape = 0.05 * default_face_model().head * [1, -1, -1]  # FLAME-like: metres, y up, z out of the face
    projection = np.array([[3.7, 0, 0, 0], [0, 3.7, 0, 0], [0, 0, -1.0, -0.02], [0, 0, -1, 0]])
    known: dict[str, np.ndarray | None] = {}
    for split, count in (("train", train), ("val", val), ("test", test)):
        items = []
        if not count:
            continue
        for i in range(count):
            rotation = from_azimuth_elevation_tilt(*rng.uniform([-3.1, -0.9, -0.6], [3.1, 0.9, 0.6]))
            matrix = model_view(rotation)
            clip = np.c_[shape, np.ones(len(shape))] @ (projection @ matrix).T
            seen = (clip[:, :2] / clip[:, 3:] * [1, -1] + 1) / 2 * [400, 400]
            low, high = seen.min(axis=0), seen.max(axis=0)
            item = f"{split}{i:04x}"
            picture(root / split / "images" / f"{item}.png", 400, 400, seed=i)
            attributes = {"quality": "high", "gender": "female", "expression": False, "age": "young",
                          "occlusions": True, "pose": "front", "standard light": True}  # fmt: skip
            items.append(
                {"item_id": item, "bbox": [*map(float, low), *map(float, high - low)], "attributes": attributes}
            )
            if split != "test":
                target = root / split / "annotations" / f"{item}.json"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(
                    json.dumps(
                        {
                            "vertices": shape.tolist(),
                            "model_view_matrix": matrix.tolist(),
                            "projection_matrix": projection.tolist(),
                        }
                    )
                )
            known[f"{split}/{item}"] = None if split == "test" else rotation
        (root / split / f"{split}.json").write_text(json.dumps(items))
    return known


def write_directmhp(root: Path, names: dict[str, list[str]]) -> dict[str, tuple[float, float, float]]:
    """names: JSON stem → picture names; two heads a picture. → id → (azimuth, elevation, tilt) degrees of heads turned about one axis."""
    single = [(150.0, 0.0, 0.0), (0.0, 25.0, 0.0), (-100.0, 0.0, 0.0), (0.0, 0.0, 40.0), (180.0, 0.0, 0.0)]
    known = {}
    number = 0
    for stem, pictures in names.items():
        images, annotations = [], []
        for image_id, name in enumerate(pictures):
            picture(root / "images" / ("train" if "train" in stem else "val") / name, 200, 300, seed=image_id)
            images.append({"file_name": name, "width": 300, "height": 200, "id": image_id})
            for k in range(2):
                azimuth, elevation, tilt = single[number % len(single)]
                annotations.append(
                    {
                        "image_id": image_id,
                        "id": number,
                        "category_id": 1,
                        "bbox": [40.0 + 120 * k, 60, 50, 60],
                        "euler_angles": [elevation, azimuth, tilt],
                    }
                )
                known[f"{name}#{k}"] = (azimuth, elevation, tilt)
                number += 1
        target = root / "annotations" / f"{stem}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return known
