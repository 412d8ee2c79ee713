"""What `predict` is asked to do: every option of the command, as a plain value."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

from semiuhpe.errors import InputError
from semiuhpe.poses.exchange import check_parquet, csv_columns
from semiuhpe.poses.head_poses import UNREADABLE_DEG
from semiuhpe.prediction.rerun_log import check_rerun
from semiuhpe.prediction.run_settings import Start

if TYPE_CHECKING:
    from semiuhpe.geometry.crop import Image
    from semiuhpe.poses.head_poses import HeadPoses, Style

Table = Literal["jsonl", "csv", "parquet", "rerun"]
StrPath = str | os.PathLike[str]
TABLES: tuple[Table, ...] = ("jsonl", "csv", "parquet", "rerun")
_LIST_OF_FRAMES: tuple[Table, ...] = ("jsonl",)
TRACKERS = ("motion", "bytetrack")


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Options of `predict`.

    Attributes:
        weights: of the pose network, as of `HeadPoseEstimator`.
        device: as of `HeadPoseEstimator`.
        threads: as of `HeadPoseEstimator`.
        mirrored: as of `HeadPoseEstimator`.
        score_threshold: detections that score less are left out, in [0, 1]; None = as the detector has it.
        detector: path of a head detector's weights; None = the embedded one.
        detector_layout: outputs of another project's detector, see `ForeignDetector`.
        detector_class: number of its class of heads, see `ForeignDetector`.
        detector_side: its side, see `ForeignDetector`; of ours too: pixels of the longer side at which a photo is seen
            whole.
        boxes: instead of a detector, a JSON or CSV file of boxes, or boxes (n, 4) or (n, 5) with a score by path or
            name of the photo.
        crops: each picture is one head, already cropped.
        style: what is drawn, None for nothing.
        labels: write the angles at each head.
        grey_above_deg: a head with a larger expected error, degrees, is drawn grey.
        numbers: as of `HeadPoses.draw`.
        legend: as of `HeadPoses.draw`.
        save_crops: write each head as a picture of its own, see `head_crops`; with style None, nothing else is drawn.
        euler: conventions to report.
        tables: beside the JSON, "csv" and "parquet"; of videos "jsonl" is the list of frames, "rerun" a recording for
            its viewer.
        recursive: look into sub-folders.
        start: "fresh" goes on with results of the same settings, and takes the next number, `poses-2`, where there are
            others; "resume" goes on with this folder or fails; "overwrite" deletes them.
        every: the detector runs on each k-th frame of a video; None = 5 times a second.
        smooth_s: time constant of smoothing, seconds, 0 for none.
        track: keep the identity of heads.
        tracker: "motion" or "bytetrack".
        seconds: stop after so much of each video.
        show: a live window for videos and cameras; closed, or after the key q or Esc, it ends a camera.

    Raises:
        InputError: options that do not go together.
        MissingExtraError: one needs a package that is missing.
    """

    weights: StrPath = "default"
    device: str = "auto"
    threads: int | None = None
    mirrored: bool | None = None
    score_threshold: float | None = None
    detector: StrPath | None = None
    detector_layout: str | None = None
    detector_class: int | None = None
    detector_side: int | None = None
    boxes: StrPath | Mapping[str, ArrayLike] | None = None
    crops: bool = False
    style: Style | None = "axes"
    labels: bool = False
    grey_above_deg: float = UNREADABLE_DEG
    numbers: bool | None = None
    legend: bool | None = None
    save_crops: bool = False
    euler: tuple[str, ...] = ("300w-lp",)
    tables: Collection[Table] = _LIST_OF_FRAMES
    recursive: bool = False
    start: Start = "fresh"
    every: int | None = None
    smooth_s: float = 0.0
    track: bool = True
    tracker: str = "motion"
    seconds: float | None = None
    show: bool = False

    def __post_init__(self) -> None:
        from semiuhpe.drawing.poses import STYLES

        csv_columns(self.euler)  # an unknown convention fails now, not after the first photo
        _one_of("style", self.style, (*STYLES, None))
        if not 0 < self.grey_above_deg <= 180:
            raise InputError(f"--grey-above is above 0 and at most 180 degrees, got {self.grey_above_deg:g}")
        _one_of("start", self.start, ("fresh", "resume", "overwrite"))
        _one_of("tracker", self.tracker, TRACKERS)
        for table in self.tables:
            _one_of("tables", table, TABLES)
        if "parquet" in self.tables:
            check_parquet()
        if "rerun" in self.tables:
            check_rerun()
        if sum([self.crops, self.boxes is not None, self.detector is not None]) > 1:
            raise InputError("give one of detector, boxes and crops: each says where the heads are")
        if self.detector_layout is None and self.detector_class is not None:
            raise InputError("--detector-class goes with --detector-layout, which is missing")
        if self.detector_layout is not None and self.detector is None:
            raise InputError("--detector-layout goes with --detector FILE.onnx, which is missing")
        self._check_heads()
        self._check_drawing()

    def _check_heads(self) -> None:
        if self.heads_from != "detected" and self.detector_side is not None:
            raise InputError("--detector-side is for the detector, which --boxes and --crops do without")
        if self.crops and self.score_threshold is not None:
            raise InputError("--score is for detections, which --crops does without")
        if self.crops and self.save_crops:
            raise InputError("--save-crops cuts heads out of photos; with --crops each picture is one already")

    def _check_drawing(self) -> None:
        given = {
            "--labels": self.labels,
            "--numbers": self.numbers is not None,
            "--legend": self.legend is not None,
            "--grey-above": self.grey_above_deg != UNREADABLE_DEG,
        }
        if self.style is None and any(given.values()):
            option = next(name for name, there in given.items() if there)
            raise InputError(f"{option} is about the drawing; leave it out, or --style none")
        if self.show and self.style is None:
            raise InputError("--show shows what is drawn; leave --style none out")

    @property
    def heads_from(self) -> str:
        """Where the heads come from: "crops", "boxes" or "detected"."""
        return "crops" if self.crops else "detected" if self.boxes is None else "boxes"

    def drawing(self, image: Image, heads: HeadPoses) -> Image | None:
        """Draw on a picture what these options ask for.

        Args:
            image: (H, W, 3) uint8 RGB.
            heads: of it.

        Returns:
            (H, W, 3) uint8 RGB; None where nothing is to be drawn.
        """
        if self.style is None:
            return None
        return heads.draw(
            image,
            self.style,
            labels=self.labels,
            unreadable_deg=self.grey_above_deg,
            numbers=self.numbers,
            legend=self.legend,
        )

    def cut_out(self, image: Image, heads: HeadPoses) -> list[Image]:
        """Cut out the crops of a picture's heads that are to be written.

        Args:
            image: (H, W, 3) uint8 RGB.
            heads: of it.

        Returns:
            A picture per head; none where they are not asked for.
        """
        from semiuhpe.prediction.head_crops import head_crops

        return head_crops(image, heads) if self.save_crops else []

    @property
    def drawing_settings(self) -> dict[str, Any]:
        """What drawings depend on, JSON-ready."""
        settings: dict[str, Any] = {"style": self.style or "none", "labels": self.labels}
        # Results of earlier versions, which had no choice, are gone on with where it is the default.
        choices = {
            "grey_above_deg": (self.grey_above_deg, UNREADABLE_DEG),
            "numbers": (self.numbers, None),
            "legend": (self.legend, None),
            "save_crops": (self.save_crops, False),
        }
        return settings | {name: value for name, (value, default) in choices.items() if value != default}


def _one_of(name: str, value: object, known: Collection[object]) -> None:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def as_sources(sources: Any) -> list[StrPath | int]:
    """One source or several as a list. Raises InputError for what is no source."""
    many = [sources] if isinstance(sources, str | int | os.PathLike) else list(sources)
    for source in many:
        if not isinstance(source, str | int | os.PathLike):
            raise InputError(
                f"a source is a path, URL or camera number, got {type(source).__name__}; see HeadPoseEstimator"
            )
    return [Path(source) if isinstance(source, os.PathLike) else source for source in many]
