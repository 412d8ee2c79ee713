"""`--save-crops`: a picture for each head, which its row in the tables finds, whatever happens to the run."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.moving_pictures import wandering
from helpers.tiny_onnx import write_detector_weights, write_pose_weights
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.errors import InputError
from semiuhpe.prediction.head_crops import (
    CROPS,
    crops_of,
    delete_frames_from,
    head_crops,
    names_of_frame,
    write_crops,
)
from semiuhpe.prediction.options import PredictOptions
from semiuhpe.prediction.run import PredictResult, predict


@pytest.fixture
def networks(tmp_path: Path) -> dict[str, Any]:
    """Tiny weights: two heads in every photo."""
    detector = write_detector_weights(tmp_path, [[40.0, 60, 160, 200], [200, 80, 300, 190]], [0.9, 0.6])
    return {"weights": write_pose_weights(tmp_path), "detector": detector, "threads": 1}


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (160, 120)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = np.random.default_rng(seed).integers(0, 256, 3)
    Image.fromarray(np.broadcast_to(colour, (size[1], size[0], 3)).astype(np.uint8)).save(path)
    return path


def images(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "predictions.json").read_text())["images"])


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / CROPS).iterdir()}


def oracle(image: np.ndarray, box: list[float]) -> np.ndarray:
    """The square of 1.3 times the mean side around a box, pixel by pixel, padded."""
    x1, y1, x2, y2 = box
    side = 1.3 * ((x2 - x1) + (y2 - y1)) / 2
    size = round(side)
    found = np.zeros((size, size, 3), np.uint8)
    for row in range(size):
        for column in range(size):
            x = int(np.floor((x1 + x2) / 2 - side / 2 + (column + 0.5) * side / size))
            y = int(np.floor((y1 + y2) / 2 - side / 2 + (row + 0.5) * side / size))
            inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
            found[row, column] = image[y, x] if inside else (124, 116, 104)
    return found


def test_a_crop_has_the_pixels_of_the_picture(rng: np.random.Generator) -> None:
    image = np.repeat(np.repeat(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), 20, 0), 20, 1)
    boxes = [[40.0, 40, 80, 80], [-10.0, 20, 40, 60]]

    class Boxes:  # only the boxes count
        box = np.array(boxes)

    for crop, box in zip(head_crops(image, Boxes()), boxes, strict=True):  # type: ignore[arg-type]
        expected = oracle(image, box)
        assert crop.shape == expected.shape
        assert np.mean(np.abs(crop.astype(int) - expected.astype(int)) > 3) < 0.2  # bilinear at the edges of the tiles


def test_rows_of_the_tables_find_their_crops(tmp_path: Path, networks: dict[str, Any]) -> None:
    sources = [photo(tmp_path / "a" / "x.png"), photo(tmp_path / "b" / "x.png", 1), photo(tmp_path / "b" / "y.png", 2)]
    options = PredictOptions(save_crops=True, tables={"csv"}, **networks)
    folder = predict(list(sources), tmp_path / "out", options).folder
    entries = {entry["file"]: entry for entry in images(folder)}
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    seen = set()
    for row in rows:
        entry = entries[row["file"]]
        crop = entry["heads"][int(row["head"]) - 1]["crop"]
        assert crop == f"crops/{Path(entry['drawing']).stem}_{row['head']}.jpg"
        picture = np.asarray(Image.open(folder / crop)).astype(float)
        side = 1.3 * (float(row["x2"]) - float(row["x1"]) + float(row["y2"]) - float(row["y1"])) / 2
        assert picture.shape[:2] == (round(side), round(side))
        middle = np.median(picture.reshape(-1, 3), axis=0)
        assert np.abs(middle - np.asarray(Image.open(row["file"]))[0, 0]).max() < 8, "of its own photo"
        seen.add(crop)
    assert {Path(crop).name for crop in seen} == names(folder) and len(seen) == 6


def test_without_drawings(tmp_path: Path, networks: dict[str, Any]) -> None:
    options = PredictOptions(save_crops=True, style=None, **networks)
    folder = predict(
        [photo(tmp_path / "a" / "x.png"), photo(tmp_path / "b" / "X.png")], tmp_path / "out", options
    ).folder
    assert names(folder) == {"x_1.jpg", "x_2.jpg", "X_2_1.jpg", "X_2_2.jpg"}
    assert {path.name for path in folder.iterdir()} == {"crops", "predictions.json"}


def test_what_is_missing_is_done_again(tmp_path: Path, networks: dict[str, Any]) -> None:
    source, options = photo(tmp_path / "x.png"), PredictOptions(save_crops=True, **networks)
    folder = predict(source, tmp_path / "out", options).folder
    before = {path: path.read_bytes() for path in (folder / CROPS).iterdir()}
    (folder / CROPS / "x_2.jpg").unlink()
    (folder / CROPS / "mine.jpg").write_bytes(b"not a crop")
    assert predict(source, tmp_path / "out", options).folder == folder
    assert all(path.read_bytes() == content for path, content in before.items())
    assert names(folder) == {"x_1.jpg", "x_2.jpg", "mine.jpg"}
    predict(source, tmp_path / "out", PredictOptions(start="overwrite", **networks))
    assert names(folder) == {"mine.jpg"}, "other files are left alone"


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_run_that_is_cut_short_goes_on(
    tmp_path: Path, networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    sources = [photo(tmp_path / f"{name}.png") for name in "xy"]
    options = PredictOptions(save_crops=True, **networks)

    def killed(folder: Path, crops: Mapping[str, Any]) -> None:
        write_crops(folder, dict(list(crops.items())[:written]))
        raise KeyboardInterrupt

    monkeypatch.setattr("semiuhpe.prediction.photo_folder.write_crops", killed)
    with pytest.raises(KeyboardInterrupt):
        predict(list(sources), tmp_path / "out", options)
    monkeypatch.undo()
    folder = predict(list(sources), tmp_path / "out", options).folder
    assert names(folder) == {"x_1.jpg", "x_2.jpg", "y_1.jpg", "y_2.jpg"}
    assert [crops_of(entry) for entry in images(folder)] == [[f"crops/{n}_{h}.jpg" for h in (1, 2)] for n in "xy"]
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_crops_are_no_photos_of_a_later_run(tmp_path: Path, networks: dict[str, Any]) -> None:
    options = PredictOptions(save_crops=True, **networks)
    folder = predict(photo(tmp_path / "x.png"), tmp_path / "out", options).folder
    with pytest.raises(InputError, match="an earlier run drew"):
        predict(folder, tmp_path / "out", PredictOptions(save_crops=True, recursive=True, **networks))


@pytest.mark.parametrize("crop", ["../x.png", "crops/../../x.png", "/x.png", "crops\\..\\x.png", "x.png"])
def test_a_foreign_journal_cannot_name_other_files(tmp_path: Path, networks: dict[str, Any], crop: str) -> None:
    source, options = photo(tmp_path / "x.png"), PredictOptions(save_crops=True, **networks)
    folder = predict(source, tmp_path / "out", options).folder
    text = (folder / "predictions.json").read_text().replace('"crops/x_1.jpg"', json.dumps(crop))
    (folder / "predictions.json").write_text(text)
    with pytest.raises(InputError, match="malformed"):
        predict(source, tmp_path / "out", PredictOptions(save_crops=True, start="resume", **networks))
    assert source.exists()


@pytest.mark.parametrize("killed_at", [None, 2])
def test_of_a_video_by_frame_and_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int | None) -> None:
    video = wandering(tmp_path / "clip.mp4", 4)
    options = PredictOptions(
        save_crops=True,
        style=None,
        weights=write_pose_weights(tmp_path),
        threads=1,
        detector=write_detector_weights(tmp_path, [[20.0, 20, 120, 140]]),
    )
    if killed_at is not None:

        def killed(folder: Path, crops: Mapping[str, Any]) -> None:
            write_crops(folder, crops)
            if f"crops/{killed_at:06d}" in " ".join(crops):
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("semiuhpe.prediction.video_folder.write_crops", killed)
            with pytest.raises(KeyboardInterrupt):
                predict(video, tmp_path / "out", options)
        assert names(tmp_path / "out" / "clip")
        (tmp_path / "out" / "clip" / CROPS / "000099_1.jpg").touch()  # of a frame after the last checkpoint
    folder = predict(video, tmp_path / "out", options).folder / "clip"
    told = set()
    for line in (folder / "frames.jsonl").read_text().splitlines():
        frame = json.loads(line)
        for head in frame["heads"]:
            assert head["crop"] == f"crops/{frame['frame']:06d}_{head['track_id']}.jpg"
            told.add(Path(head["crop"]).name)
    assert told == names(folder) and len(told) >= 4


def test_frames_that_are_done_again_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / CROPS
    folder.mkdir()
    for name in ("000007_1.jpg", "000008_1.jpg", "000009_head2.jpg", "000012_.jpg", "mine_1.jpg", "1234567_3.jpg"):
        (folder / name).touch()
    delete_frames_from(tmp_path, 8)
    assert names(tmp_path) == {"000007_1.jpg", "000012_.jpg", "mine_1.jpg"}
    delete_frames_from(tmp_path / "none", 0)


def test_heads_without_a_track_are_counted() -> None:
    class Tracked:
        track_id = np.array([7, -1])

    assert names_of_frame(12, Tracked()) == ["crops/000012_7.jpg", "crops/000012_head2.jpg"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"crops": True, "save_crops": True}, "--save-crops cuts heads out"),
        ({"crops": True, "score_threshold": 0.5}, "--score is for detections"),
        ({"boxes": "b.csv", "detector_side": 640}, "--detector-side is for the detector"),
        ({"style": None, "labels": True}, "--labels is about the drawing"),
        ({"style": None, "numbers": False}, "--numbers is about the drawing"),
        ({"style": None, "legend": True}, "--legend is about the drawing"),
        ({"style": None, "grey_above_deg": 20.0}, "--grey-above is about the drawing"),
    ],
)
def test_options_that_do_not_apply_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        PredictOptions(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"every": 2}, "--every"),
        ({"smooth_s": 0.2}, "--smooth"),
        ({"track": False}, "--no-track"),
        ({"tracker": "bytetrack"}, "--tracker"),
        ({"seconds": 3.0}, "--seconds"),
        ({"show": True}, "--show"),
    ],
)
def test_options_of_videos_are_refused_where_there_is_none(
    tmp_path: Path, networks: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=f"{told} is for videos"):
        predict(photo(tmp_path / "x.png"), tmp_path / "out", PredictOptions(**options, **networks))
    assert not (tmp_path / "out").exists()


def test_the_command_passes_its_switches_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[PredictOptions] = []

    def recorded(sources: object, output: object, options: PredictOptions, **_: object) -> PredictResult:
        asked.append(options)
        return PredictResult(Path("poses"))

    monkeypatch.setattr("semiuhpe.prediction.run.predict", recorded)
    assert main(["predict", "a.jpg"]) == 0
    assert main(["predict", "a.jpg", "--save-crops", "--no-numbers", "--legend"]) == 0
    assert main(["predict", "a.jpg", "--numbers", "--no-legend"]) == 0
    assert [(o.save_crops, o.numbers, o.legend) for o in asked] == [
        (False, None, None),
        (True, False, True),
        (False, True, False),
    ]


def test_numbers_and_legend_are_drawn_as_asked(tmp_path: Path, networks: dict[str, Any]) -> None:
    source = photo(tmp_path / "x.png", size=(640, 480))

    def drawn(**options: Any) -> np.ndarray:
        folder = predict(source, tmp_path / "out", PredictOptions(style="box", **options, **networks)).folder
        return np.asarray(Image.open(folder / "x.jpg"))

    plain, numbered = drawn(numbers=False, legend=False), drawn(numbers=True, legend=False)
    explained = drawn(numbers=False, legend=True)
    assert (plain != numbered).any() and (plain != explained).any()
    assert len({p.name for p in tmp_path.iterdir() if p.name.startswith("out")}) == 3, "other settings, other folders"
