"""What is fuzzed: every function that reads bytes from outside. A target returns, or raises a SemiUHPEError; no more."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from semiuhpe.errors import SemiUHPEError, WeightsError
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore, HeadStoreWriter
from semiuhpe.images.load import list_images, load_image
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.prediction.boxes_file import read_boxes
from semiuhpe.sources.matlab import read_mat
from semiuhpe.sources.pts68 import read_pts
from semiuhpe.synthesis.formats import read_mhclo, read_mhmat, read_obj, read_target
from semiuhpe.video.decode import VideoSource
from semiuhpe.video.sources import list_sources
from semiuhpe.web.api import Limits, Refusal, estimate, preview, read_picture
from semiuhpe.weights import read_card
from semiuhpe.weights.external_data import refuse_external_data
from semiuhpe.weights.graph_metadata import read_metadata

LIMITS = Limits(pixels=1_000_000)
Target = Callable[[bytes], None]


def _file(data: bytes, name: str, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            read(path)
        except SemiUHPEError as error:
            if "\n" in str(error).strip():
                raise AssertionError("an error is one line") from error


def image(data: bytes) -> None:
    """A picture from memory and from a file: the same pixels, or the same refusal."""
    results: list[tuple[int, ...] | None] = []
    for source in (data, None):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            try:
                pixels = load_image(file.name if source is None else source, max_pixels=LIMITS.pixels)
            except SemiUHPEError:
                results.append(None)
                continue
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise AssertionError(f"not a picture: {pixels.shape} {pixels.dtype}")
        results.append(pixels.shape)
    if results[0] != results[1]:
        raise AssertionError(f"memory and file differ: {results}")


def upload(data: bytes) -> None:
    """What the web page's API does with an upload."""
    try:
        picture = read_picture(data, LIMITS, lambda body, pixels: load_image(body, max_pixels=pixels))
    except Refusal as refusal:
        json.dumps(refusal.to_dict())
        return
    json.dumps(estimate(picture, lambda _: HeadPoses.empty()))
    preview(picture)


def video(data: bytes) -> None:
    """The first frames of a video file."""
    _file(data, "a.mp4", _some_frames)


def _some_frames(path: Path) -> None:
    source = VideoSource(str(path))
    try:
        last = -1.0
        for time_s, pixels in itertools.islice(source, 8):
            if pixels is None:
                continue
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
                raise AssertionError(f"not a picture: {pixels.shape} {pixels.dtype}")
            if not last < time_s < float("inf"):
                raise AssertionError(f"times do not grow: {last} {time_s}")
            last = time_s
    finally:
        source.close()


def boxes_json(data: bytes) -> None:
    """Boxes of another detector, JSON."""
    _file(data, "boxes.json", read_boxes)


def boxes_csv(data: bytes) -> None:
    """Boxes of another detector, CSV."""
    _file(data, "boxes.csv", read_boxes)


def picture_list(data: bytes) -> None:
    """A .txt list of pictures and videos. (What it names is looked at, not decoded.)"""
    _file(data, "list.txt", lambda path: list_images([path]))
    _file(data, "list.txt", lambda path: list_sources([path]))


def poses_json(data: bytes) -> None:
    """Poses as `HeadPoses.to_json` writes them."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(SemiUHPEError):
        HeadPoses.from_dict(content)


def model_card(data: bytes) -> None:
    """The card beside weights."""
    _file(data, "weights.json", lambda path: read_card(path.with_suffix(".onnx")))


def record(data: bytes) -> None:
    """The record of one head in a store."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        made = HeadRecord.from_json(text)
    except SemiUHPEError:
        return
    if HeadRecord.from_json(made.to_json()).to_json() != made.to_json():
        raise AssertionError("a record does not survive being written")


def stored_picture(data: bytes) -> None:
    """The encoded picture of a head in a store."""
    with tempfile.TemporaryDirectory() as folder:
        with HeadStoreWriter(folder) as writer:
            writer.add(HeadRecord("a", "fuzz", "train", "", (0.0, 0.0, 1.0, 1.0)), data)
        store = HeadStore(folder)
        try:
            pixels = store.image(0)
        except SemiUHPEError:
            return
        if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
            raise AssertionError(f"not a picture: {pixels.shape}")


def mat(data: bytes) -> None:
    """MATLAB files of data sets."""
    _file(data, "labels.mat", read_mat)


def pts(data: bytes) -> None:
    """iBUG points."""
    _file(data, "face.pts", read_pts)


def makehuman(data: bytes) -> None:
    """The four text formats of MakeHuman."""
    _file(data, "a.obj", read_obj)
    _file(data, "a.mhclo", lambda path: read_mhclo(path, 100))
    _file(data, "a.mhmat", read_mhmat)
    for name in ("a.target", "a.target.gz"):
        _file(data, name, lambda path: read_target(path, 100))


def network(data: bytes) -> None:
    """Networks, as far as this package reads them itself: before onnxruntime does."""
    try:
        refuse_external_data(data, "a.onnx")
        read_metadata(data)
    except WeightsError as error:
        if "\n" in str(error):
            raise AssertionError("an error is one line") from error


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        image,
        upload,
        video,
        boxes_json,
        boxes_csv,
        picture_list,
        poses_json,
        model_card,
        record,
        stored_picture,
        mat,
        pts,
        makehuman,
        network,
    )
}


def quiet(target: Target) -> Target:
    """The target without the warnings that decoders utter of damaged files."""

    def run(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target(data)

    return run


def photo(kind: str = "PNG") -> bytes:
    """A small picture to begin with."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 40, 10)).save(buffer, kind)
    return buffer.getvalue()
