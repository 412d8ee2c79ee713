from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box
from PIL import Image

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import Rejected
from semiuhpe.sources.wildhead import STORED, box_in_crop, import_wildhead

PHOTO_WIDTH, PHOTO_HEIGHT = 300, 200


def cut(x: int, y: int, w: int, h: int, *, square: bool, size: int = 0) -> Image.Image:
    """A crop as the release was made: 1.2 × the box out of a photo with a white head, black beyond the border."""
    photo = np.full((PHOTO_HEIGHT, PHOTO_WIDTH, 3), 60, np.uint8)
    photo[max(y, 0) : y + h, max(x, 0) : x + w] = 255
    width, height = (STORED * (w + h) / 2,) * 2 if square else (STORED * w, STORED * h)
    left, top = x + w / 2 - width / 2, y + h / 2 - height / 2
    region = (round(left), round(top), round(left + width), round(top + height))
    crop = Image.fromarray(photo).crop(region)
    return crop.resize((size, size), Image.Resampling.BILINEAR) if size else crop


@pytest.mark.parametrize(("square", "size"), [(True, 0), (True, 224), (False, 0)])
@pytest.mark.parametrize("box", [(100, 60, 80, 96), (120, 50, 60, 60), (60, 70, 104, 90)])
def test_the_box_lies_where_the_head_is(tmp_path: Path, box: tuple[int, ...], square: bool, size: int) -> None:
    folder = tmp_path / "WildHead" / "head_images_wild_30_oi"
    folder.mkdir(parents=True)
    name = "OpenImagesV6_000123_" + ",".join(map(str, box))
    cut(*box, square=square, size=size).save(folder / f"{name}.jpg", quality=95)
    assert import_wildhead(tmp_path / "WildHead", tmp_path / "store").added == 1
    (head,) = records(tmp_path / "store").values()
    np.testing.assert_allclose(head.box, white_box(tmp_path / "store", f"oi/{name}"), atol=2)
    assert (head.id, head.source, head.split) == (f"oi/{name}", "WildHead", "unlabelled")
    assert (head.subject, head.extras) == ("oi/OpenImagesV6_000123", {"part": "oi"})


def test_black_padding_counts_as_part_of_the_crop(tmp_path: Path) -> None:
    folder = tmp_path / "head_images_wild_30_ch"
    folder.mkdir()
    cut(260, 100, 60, 60, square=True).save(folder / "a_260,100,60,60.jpg", quality=95)  # 20 pixels beyond the photo
    import_wildhead(tmp_path, tmp_path / "store")
    (head,) = records(tmp_path / "store").values()
    seen = white_box(tmp_path / "store", head.id)
    np.testing.assert_allclose(head.box[:2], seen[:2], atol=1.5)
    assert head.box[2] - seen[2] == pytest.approx(20, abs=1.5)


def test_names_that_do_not_fit_are_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "head_images_wild_30_hp"
    save_picture(folder / "nobox.jpg", 72, 72)
    save_picture(folder / "a_1,2,0,60.jpg", 72, 72)
    save_picture(folder / "b_1,2,60,60.jpg", 72, 200)
    save_picture(folder / "c_-3.5,2,60,60.jpg", 72, 72)
    report = import_wildhead(tmp_path, tmp_path / "store")
    assert report.counts == {"name": 3}
    assert all(str(folder) in reason for _, _, reason in report.rejected)
    assert list(records(tmp_path / "store")) == ["hp/c_-3.5,2,60,60"]
    with pytest.raises(SourceError, match="head_images_wild_30_hp"):
        import_wildhead(folder, tmp_path / "other")


def test_box_in_crop_is_exact_and_centred() -> None:
    assert box_in_crop(60, 40, 60, 60) == pytest.approx((0, 10, 60, 50))
    assert box_in_crop(50, 100, 60, 120) == pytest.approx((5, 10, 55, 110))
    with pytest.raises(Rejected):
        box_in_crop(50, 100, 120, 60)
