"""Heads over time as a recording of the Rerun viewer: boxes, axes and angles with their error bars.

What a recording holds, on the timelines `time` (seconds) and `frame`:

    picture                             the frames, or a video that is in the recording as it is
    picture/boxes, picture/axes         2-D boxes, coloured by the expected error; axes as `drawing.axes` draws them
    heads/ID/azimuth, elevation, tilt   three lines each, degrees: the angle, and it minus and plus the expected error
    heads/ID/expected_error             degrees

ID is a head's track_id; heads that are not tracked are only drawn. Error bars are not wrapped: around 180° they go on.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image as Pillow

from semiuhpe.drawing.axes import LENGTH
from semiuhpe.drawing.colour import error_colours
from semiuhpe.drawing.style import BLUE, GREEN, GREY, RED
from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.crop import Image
from semiuhpe.poses.head_poses import UNREADABLE_DEG, HeadPoses
from semiuhpe.tracking.stream import Frame

_ANGLES = ("azimuth", "elevation", "tilt")


def check_rerun() -> None:
    """Raise MissingExtraError where recordings cannot be made."""
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a Rerun recording", "rerun") from error


class RerunLog:
    """Logs frame after frame for the Rerun viewer; a context manager.

    Args:
        path: of an .rrd, which is replaced, and can be read after a kill; None opens the viewer and shows every frame
            as it comes.
        name: what the viewer calls the recording.
        picture_side: longest side of the pictures in it, pixels.

    Raises:
        MissingExtraError: rerun-sdk is not installed.
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path | str | None = None, *, name: str = "heads", picture_side: int = 960) -> None:
        check_rerun()
        import rerun

        self._side, self._scale = picture_side, 1.0
        self._known: set[int] = set()
        self._before: set[int] = set()
        self._recording = rerun.RecordingStream("semiuhpe")
        if path is None:
            self._recording.spawn(default_blueprint=_blueprint())
        else:
            _check_writable(Path(path))
            self._recording.save(path, default_blueprint=_blueprint())
        self._recording.send_recording_name(name)

    def __enter__(self) -> RerunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, frame: Frame) -> None:
        """Log a frame of `HeadPoseEstimator.stream`: its picture and its heads.

        Args:
            frame: the frame.
        """
        self.at(frame.index, frame.time_s)
        self.picture(frame.image)
        self.heads(frame.heads)

    def at(self, index: int, time_s: float) -> None:
        """Say to which frame belongs what is logged from now on.

        Args:
            index: number of the frame.
            time_s: its time, seconds.
        """
        self._recording.set_time("frame", sequence=index)
        self._recording.set_time("time", duration=time_s)

    def picture(self, image: Image) -> None:
        """Log the frame's picture, as a JPEG; before its heads, which are drawn at its scale.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        import rerun

        smaller = Pillow.fromarray(image)
        smaller.thumbnail((self._side, self._side))
        self._scale = smaller.width / image.shape[1]
        buffer = io.BytesIO()
        smaller.save(buffer, "JPEG", quality=85)
        self._log("picture", rerun.EncodedImage(contents=buffer.getvalue(), media_type="image/jpeg"))

    def heads(self, heads: HeadPoses) -> None:
        """Log the frame's heads; lines of heads that it does not show end.

        Args:
            heads: of the frame, boxes in pixels of its picture.
        """
        import rerun

        self._log("picture/boxes", _boxes(heads, self._scale))
        self._log("picture/axes", _axes(heads, self._scale))
        now = {int(key) for key in heads.track_id if key >= 0}
        for key in self._before - now:
            self._log(f"heads/{key}", rerun.Clear(recursive=True))
        self._before = now
        angles = np.stack([heads.azimuth_deg, heads.elevation_deg, heads.tilt_deg], axis=1)
        for key, angle, error in zip(heads.track_id.tolist(), angles, heads.expected_error_deg, strict=True):
            if key < 0:
                continue
            if key not in self._known:
                self._known.add(key)
                self._name_lines(key)
            for name, value in zip(_ANGLES, angle, strict=True):
                self._log(f"heads/{key}/{name}", rerun.Scalars([value - error, value, value + error]))
            self._log(f"heads/{key}/expected_error", rerun.Scalars([error]))

    def video(self, content: bytes) -> None:
        """Put a whole video into the recording; `video_frame` shows its frames.

        Args:
            content: MP4 with H.264.
        """
        import rerun

        self._recording.log("picture", rerun.AssetVideo(contents=content, media_type="video/mp4"), static=True)

    def video_frame(self, time_s: float) -> None:
        """Show a frame of `video`.

        Args:
            time_s: its time in the video, seconds.
        """
        import rerun

        self._log("picture", rerun.VideoFrameReference(seconds=time_s))

    def close(self) -> None:
        """End the recording."""
        self._recording.flush()
        self._recording.disconnect()

    def _name_lines(self, key: int) -> None:
        import rerun

        for name in _ANGLES:
            lines = rerun.SeriesLines(
                names=[f"− error of {key}", f"{name} of {key}", f"+ error of {key}"], widths=[1, 2, 1]
            )
            self._recording.log(f"heads/{key}/{name}", lines, static=True)
        self._recording.log(f"heads/{key}/expected_error", rerun.SeriesLines(names=[f"head {key}"]), static=True)

    def _log(self, path: str, what: Any) -> None:
        self._recording.log(path, what)


def write_recording(path: Path, lines: Iterable[str], video: Path | None, name: str) -> None:
    """The recording of a video's results.

    lines: of `frames.jsonl`. video: an MP4 whose frames have the times of the lines; None for heads alone. Raises
    MissingExtraError without rerun-sdk.
    """
    with RerunLog(path, name=name) as log:
        if video is not None:
            log.video(video.read_bytes())
        for line in lines:
            content = json_value(line)
            if "frame" not in content:
                continue
            log.at(content["frame"], content["time_s"])
            if video is not None:
                log.video_frame(content["time_s"])
            log.heads(HeadPoses.from_dict(content["heads"]))


def _boxes(heads: HeadPoses, scale: float) -> Any:
    import rerun

    ids = [f"{key}  " if key >= 0 else "" for key in heads.track_id.tolist()]
    labels = [f"{one}±{error:.0f}°" for one, error in zip(ids, heads.expected_error_deg, strict=True)]
    colours = error_colours(heads.expected_error_deg, UNREADABLE_DEG)
    colours[heads.expected_error_deg > UNREADABLE_DEG] = GREY
    return rerun.Boxes2D(array=heads.box * scale, array_format=rerun.Box2DFormat.XYXY, colors=colours, labels=labels)


def _axes(heads: HeadPoses, scale: float) -> Any:
    """Three arrows a head: right, chin, face."""
    import rerun

    boxes = heads.box * scale
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    radii = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1) / 2
    directions = heads.rotation * [1.0, 1.0, -1.0]
    vectors = LENGTH * radii[:, None, None] * np.swapaxes(directions[:, :2], 1, 2)
    colours = np.tile(np.array([RED, GREEN, BLUE], np.uint8), (len(heads), 1, 1))
    colours[heads.expected_error_deg > UNREADABLE_DEG] = GREY
    return rerun.Arrows2D(
        vectors=vectors.reshape(-1, 2), origins=np.repeat(centres, 3, axis=0), colors=colours.reshape(-1, 3)
    )


def _blueprint() -> Any:
    """The picture on the left; angles and errors over time on the right."""
    import rerun.blueprint as views

    angles = [views.TimeSeriesView(origin="heads", contents=f"$origin/*/{n}", name=f"{n}, °") for n in _ANGLES]
    errors = views.TimeSeriesView(origin="heads", contents="$origin/*/expected_error", name="expected error, °")
    picture = views.Spatial2DView(origin="picture", contents="$origin/**", name="picture")
    return views.Blueprint(views.Horizontal(picture, views.Vertical(*angles, errors)))


def _check_writable(path: Path) -> None:
    try:
        path.open("ab").close()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); choose another file") from error
