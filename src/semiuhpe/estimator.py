"""`HeadPoseEstimator`: a photo in, the pose of every head out. Needs onnxruntime, not torch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array, as_boxes, usable_boxes
from semiuhpe.errors import InputError, WeightsError
from semiuhpe.geometry.crop import MARGIN, Image, crop_head
from semiuhpe.geometry.rotation import mirror, project_to_rotation
from semiuhpe.images.load import load_image
from semiuhpe.poses.error_bars import ErrorModel
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.weights import WeightsFile, open_weights
from semiuhpe.weights.session import InferenceSession, open_session

if TYPE_CHECKING:
    from semiuhpe.tracking.stream import Frame
    from semiuhpe.tracking.tracker import Tracker
    from semiuhpe.video.reader import ReadPolicy

Float = NDArray[np.float64]
Detector = Callable[[Image], Any]


class HeadPoseEstimator:
    """Estimates the pose of heads in photos.

    weights: "default" or "open" for embedded ones, or the path of an .onnx file that `semiuhpe export` wrote. device:
    of this network and of a detector that is opened here: "cpu", "cuda" or "cuda:1" (these need onnxruntime-gpu), or
    "auto", which is CUDA where it is there. detector: anything that maps an RGB image (H, W, 3) uint8 to boxes
    (n, 4), or to a tuple of boxes (n, 4) and scores (n,); the path of detector weights; or None for the embedded
    detector (opened when first needed).
    mirrored: estimate the mirror image too and average both beliefs: twice the time, lower error. None = as the weights'
    card says, for which their error bars were calibrated; the embedded ones say yes. threads: of
    onnxruntime, at most one a core; None = as many as there are cores. batch_size: pictures in one pass of the network, mirror images too.

    Raises WeightsError for weights that are missing, damaged or not a pose network's, DeviceError for a device that is
    unknown or not there.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        *,
        device: str = "auto",
        detector: Detector | str | os.PathLike[str] | None = None,
        mirrored: bool | None = None,
        threads: int | None = None,
        batch_size: int = 64,
    ) -> None:
        if batch_size < 1 or (threads is not None and threads < 1):
            raise InputError(f"batch_size and threads must be at least 1, got {batch_size} and {threads}")
        self.weights: WeightsFile = open_weights(weights)
        self._session, self.size = _pose_session(self.weights, device, threads)
        self._error = ErrorModel(self.weights.card)
        self._detector = detector
        self.mirrored = bool(self.weights.card.get("mirrored", False)) if mirrored is None else mirrored
        self.device, self.threads, self.batch_size = device, threads, batch_size

    @property
    def detector(self) -> Detector:
        """The head detector in use; the embedded one is opened when first needed."""
        if self._detector is None or isinstance(self._detector, str | os.PathLike):
            from semiuhpe.detection.detector import HeadDetector

            self._detector = HeadDetector(self._detector or "default", device=self.device, threads=self.threads)
        return self._detector

    def __call__(self, image: Any) -> HeadPoses:
        """Find every head and estimate its pose.

        image: a path, (H, W, 3) uint8 RGB, a PIL image or the bytes of a file. Raises ImageError if it is none.
        """
        pixels = load_image(image)
        boxes, scores = self.detect(pixels)
        return self.estimate(pixels, boxes, scores)

    def detect(self, image: Image) -> tuple[Float, Float]:
        """The heads that the detector in use finds: boxes (n, 4) with area, and scores (n,).

        image: (H, W, 3) uint8 RGB. Raises InputError for a detector that answers anything but boxes.
        """
        boxes, scores = _detections(self.detector(image))
        good = usable_boxes(boxes)
        return boxes[good], scores[good]

    def stream(
        self,
        source: Any,
        *,
        every: int | None = None,
        track: bool = True,
        tracker: Tracker | None = None,
        smooth_s: float = 0.0,
        fps: float = 30.0,
        policy: ReadPolicy | None = None,
    ) -> Iterator[Frame]:
        """The heads of everything that comes in time, frame by frame, with identities.

        source: a video file, camera number, or URL of a stream (rtsp, http, ...); an iterable of pictures or of pairs
        (time_s, picture); or a photo, folder, glob pattern or .txt list, whose photos come one by one, untracked.
        every: the detector runs on each k-th frame; None: five times a second of a file or an iterable, and of a live
        source as often as the work keeps up with the frame rate.
        track: keep identities, by `tracker` (None: `tracking.MotionTracker`). smooth_s: time constant of smoothing the
        rotations, 0 for none; a head that turns steadily is then shown where it was about so many seconds ago. fps: of
        an iterable of pictures without times. policy: queue, deadlines and reconnection.

        Files are lossless. A live source drops frames that come faster than they are worked on and is opened again when
        it fails; `frame.gaps` tells. Raises VideoError for a source that cannot be read or has gone for good,
        InputError for settings that do not go together, ImageError for a photo that cannot be read.
        """
        from semiuhpe.tracking.stream import stream

        return stream(
            self, source, every=every, track=track, tracker=tracker, smooth_s=smooth_s, fps=fps, policy=policy
        )

    def estimate(self, image: Any, boxes: ArrayLike, scores: ArrayLike | None = None) -> HeadPoses:
        """The pose of heads whose boxes are known.

        boxes: (n, 4) x1, y1, x2, y2 of whole heads, pixels of the upright image; they may reach outside of it, and a box
        of which nothing is inside gets the widest error bar. scores: (n,) kept as detection_score (1 where none are
        given). Raises InputError for malformed boxes.
        """
        pixels = load_image(image)
        checked = as_boxes(boxes)
        belief = self._belief((pixels, box) for box in checked)
        height, width = pixels.shape[:2]
        outside = np.any((checked[:, :2] >= [width, height]) | (checked[:, 2:] <= 0), axis=1)
        belief[outside] = np.nan
        return self._poses(belief, checked, np.ones(len(checked)) if scores is None else scores)

    def estimate_batch(self, images: Iterable[Any]) -> list[HeadPoses]:
        """As calling it with each image, but photos of like size go through the detector together, where it has a
        method `batch`, and the heads of all through the pose network; holds all images."""
        photos = [load_image(image) for image in images]
        together = getattr(self.detector, "batch", None)
        answers = map(self.detector, photos) if together is None else together(photos)
        found = [_detections(answer) for answer in answers]
        kept = [(boxes[good], scores[good]) for boxes, scores in found for good in [usable_boxes(boxes)]]
        belief = self._belief((p, box) for p, (boxes, _) in zip(photos, kept, strict=True) for box in boxes)
        ends = np.cumsum([len(boxes) for boxes, _ in kept])[:-1]
        return [
            self._poses(part, boxes, scores)
            for part, (boxes, scores) in zip(np.split(belief, ends), kept, strict=True)
        ] if photos else []  # fmt: skip

    def estimate_crops(self, crops: Iterable[Any]) -> HeadPoses:
        """The pose of heads that are already cropped, each anything that `__call__` takes, any size.

        A crop is taken to be the square that training sees, 1.3 × the head box; one that is not square is centred in
        one of its mean side, so the aspect ratio stays. The boxes that come back are those heads' within each crop.
        """
        boxes: list[list[float]] = []

        def heads() -> Iterator[tuple[Image, Float]]:
            for crop in crops:
                picture = load_image(crop)
                height, width = picture.shape[:2]
                half = (height + width) / 2 / MARGIN / 2
                boxes.append([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half])
                yield picture, np.array(boxes[-1])

        belief = self._belief(heads())
        return self._poses(belief, np.reshape(boxes, (-1, 4)), np.ones(len(boxes)))

    def _belief(self, heads: Iterable[tuple[Image, Float]]) -> Float:
        """Matrix Fisher parameters of heads, (n, 3, 3) float64; holds one batch of pictures at a time."""
        parts = [np.zeros((0, 3, 3))]
        crops = (crop_head(image, box, self.size) for image, box in heads)
        while batch := list(itertools.islice(crops, max(1, self.batch_size // (2 if self.mirrored else 1)))):
            stacked = np.stack(batch)
            if self.mirrored:  # both in one pass: few heads make better use of the processor so
                belief, turned = np.split(self._run(np.concatenate([stacked, stacked[:, :, ::-1]])), 2)
                belief = (belief + mirror(turned)) / 2
            else:
                belief = self._run(stacked)
            parts.append(belief)
        return np.concatenate(parts)

    def _run(self, crops: Image) -> Float:
        name = self._session.get_inputs()[0].name
        return np.asarray(self._session.run(None, {name: crops})[0], dtype=np.float64).reshape(-1, 3, 3)

    def _poses(self, belief: Float, boxes: Float, scores: ArrayLike) -> HeadPoses:
        finite = np.asarray(np.isfinite(belief).all(axis=(1, 2)))
        rotation = project_to_rotation(np.where(finite[:, None, None], belief, np.eye(3)))
        bars = self._error(belief)
        return HeadPoses(
            rotation=rotation,
            box=boxes,
            detection_score=np.asarray(scores, dtype=np.float64),
            expected_error_deg=bars.expected_error_deg,
            error_90_deg=bars.error_90_deg,
            entropy=bars.entropy,
        )


def _detections(answer: Any) -> tuple[Float, Float]:
    """Boxes (n, 4) and scores (n,) of whatever a detector answers: the boxes, or both. Raises InputError."""
    boxes, scores = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    found = as_array("the detector's boxes", boxes, ("n", 4))
    if scores is None:
        return found, np.ones(len(found))
    known = as_array("the detector's scores", scores, ("n",))
    if len(known) != len(found):
        raise InputError(f"the detector's scores: expected {len(found)} as there are boxes, got {len(known)}")
    return found, known


def _pose_session(weights: WeightsFile, device: str, threads: int | None) -> tuple[InferenceSession, int]:
    session = open_session(weights.content, weights.path, device, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    fits = len(inputs) == 1 and len(shape) == 4 and shape[3] == 3 and isinstance(shape[1], int) and shape[1] == shape[2]
    if not fits or inputs[0].type != "tensor(uint8)" or not outputs or outputs[0].shape[-1] != 9:
        raise WeightsError(
            f"{weights.path}: not a pose network (input (n, S, S, 3) uint8, output (n, 9)); "
            "export one with: semiuhpe export"
        )
    return session, int(shape[1])
