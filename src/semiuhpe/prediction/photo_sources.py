"""Which photos and videos the sources of a run stand for."""

from __future__ import annotations

from collections.abc import Sequence

from semiuhpe.images.urls import Photo, photo_url
from semiuhpe.prediction.options import StrPath
from semiuhpe.prediction.video_folder import is_annotated
from semiuhpe.video.sources import MovingSource, list_sources, moving_source


def list_photos_and_videos(
    sources: Sequence[StrPath | int], *, recursive: bool = False
) -> tuple[list[Photo], list[MovingSource]]:
    """Photos, and all that moves, each once, in order; what an earlier run drew of a video is left out.

    The URL of a photo is one that is given itself and whose path ends as a picture's name does; all others are streams.
    Raises ImageError for a source that does not exist or holds neither.
    """
    photos: dict[Photo, None] = {}
    videos: dict[MovingSource, None] = {}
    for source in sources:
        url = photo_url(source)
        if url is not None:
            photos.setdefault(url)
        elif isinstance(source, int):
            camera = moving_source(source)
            assert camera is not None
            videos.setdefault(camera)
        else:
            still, moving = list_sources([source], recursive=recursive, ignore=is_annotated)
            photos.update(dict.fromkeys(still))
            videos.update(dict.fromkeys(moving))
    return list(photos), list(videos)
