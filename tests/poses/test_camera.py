"""Cameras from intrinsics, fields of view and EXIF."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from semiuhpe.errors import ImageError, InputError
from semiuhpe.poses.camera import Camera


def photo(path: Path, size: tuple[int, int], **tags: Any) -> Path:
    """A grey JPEG with EXIF tags by name."""
    exif = Image.Exif()
    of_exposure = exif.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        (exif if name == "Orientation" else of_exposure)[ExifTags.Base[name]] = value
    Image.new("L", size, 128).save(path, exif=exif)
    return path


def test_fields_of_view_span_the_picture() -> None:
    camera = Camera.from_field_of_view((1000, 600), horizontal_deg=60)
    assert camera.matrix[0, 0] == pytest.approx(500 / math.tan(math.radians(30)))
    assert camera.field_of_view_deg[0] == pytest.approx(60)
    assert Camera.from_field_of_view((1000, 600), vertical_deg=40).field_of_view_deg[1] == pytest.approx(40)
    # 24 × 36 mm behind 50 mm: 46.8° across the diagonal, 39.6° across the width.
    diagonal = Camera.from_field_of_view(
        (3600, 2400), diagonal_deg=2 * math.degrees(math.atan(math.hypot(18, 12) / 50))
    )
    assert diagonal.matrix[0, 0] == pytest.approx(5000)


def test_points_and_pixels_belong_together(rng: np.random.Generator) -> None:
    camera = Camera(np.array([[700.0, 3, 310], [0, 650, 250], [0, 0, 1]]), (640, 480))
    points = rng.uniform([-1, -1, 1], [1, 1, 4], (20, 3))
    np.testing.assert_allclose(camera.on_plane(camera.project(points)), points[:, :2] / points[:, 2:], atol=1e-12)
    homogeneous = points @ camera.matrix.T
    np.testing.assert_allclose(camera.project(points), homogeneous[:, :2] / homogeneous[:, 2:])
    assert np.isnan(camera.project([[0, 0, -1.0]])).all()


def test_a_35_mm_equivalent_is_for_the_diagonal(tmp_path: Path) -> None:
    camera = Camera.from_photo(photo(tmp_path / "a.jpg", (400, 300), FocalLengthIn35mmFilm=26))
    assert camera.matrix[0, 0] == pytest.approx(26 / math.hypot(36, 24) * 500)
    assert camera.matrix[:2, 2].tolist() == [200, 150]


def test_an_upright_photo_has_the_upright_size(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", (400, 300), FocalLengthIn35mmFilm=26, Orientation=6)
    assert Camera.from_photo(path).size == (300, 400)
    with Image.open(path) as opened:
        assert Camera.from_photo(opened).size == (300, 400)


def test_focal_length_and_sensor(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", (400, 300), FocalLength=IFDRational(4, 1))
    assert Camera.from_photo(path, sensor_width_mm=6.4).matrix[0, 0] == pytest.approx(4 / 6.4 * 400)
    # 4000 pixels over 8 mm, taken at 4000 and shown at 400: 4 mm are 200 of its pixels.
    plane = photo(
        tmp_path / "b.jpg",
        (400, 300),
        FocalLength=IFDRational(4, 1),
        FocalPlaneXResolution=IFDRational(5000, 1),
        FocalPlaneResolutionUnit=3,
        ExifImageWidth=4000,
        ExifImageHeight=3000,
    )
    assert Camera.from_photo(plane).matrix[0, 0] == pytest.approx(4 / 10 * 5000 / 10)


def test_a_photo_that_tells_nothing_says_what_to_do(tmp_path: Path) -> None:
    path = photo(tmp_path / "plain.jpg", (40, 30), FocalLengthIn35mmFilm=0)
    with pytest.raises(InputError, match=r"plain\.jpg: .*field of view"):
        Camera.from_photo(path)
    with pytest.raises(InputError, match="no focal length"):
        Camera.from_photo(path, sensor_width_mm=6)
    with pytest.raises(ImageError, match="no such file"):
        Camera.from_photo(tmp_path / "none.jpg")
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    with pytest.raises(InputError, match="the picture: "):
        Camera.from_photo(Image.open(buffer))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Camera(np.eye(3) * -1, (4, 4)), "fx, fy > 0"),
        (lambda: Camera(np.eye(2), (4, 4)), "shape"),
        (lambda: Camera(np.eye(3), (0, 4)), "width, height"),
        (lambda: Camera(np.eye(3), "ab"), "width, height"),  # type: ignore[arg-type]  # as a caller without types may
        (lambda: Camera.from_focal_length(0, (4, 4)), "positive"),
        (lambda: Camera.from_focal_length(float("nan"), (4, 4)), "positive"),
        (lambda: Camera.from_field_of_view((4, 4)), "one angle"),
        (lambda: Camera.from_field_of_view((4, 4), horizontal_deg=60, vertical_deg=40), "one angle"),
        (lambda: Camera.from_field_of_view((4, 4), horizontal_deg=180), "from 1° to 179°"),
    ],
)
def test_what_is_no_camera_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
