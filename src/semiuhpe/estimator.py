"""`HeadPoseEstimator`: a photo or many in, the pose of every head out. Needs onnxruntime, not torch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array, as_boxes, usable_boxes
from semiuhpe.errors import InputError
from semiuhpe.geometry.crop import MARGIN, Image, crop_head
from semiuhpe.geometry.rotation import mirror, project_to_rotation
from semiuhpe.images.batches import batches, each_together, outcome
from semiuhpe.images.load import is_collection, list_images, load_image
from semiuhpe.images.urls import load_photo, web_url
from semiuhpe.poses.error_bars import ErrorModel
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.weights import WeightsFile, open_weights
from semiuhpe.weights.session import open_pose_session

if TYPE_CHECKING:
    from semiuhpe.detection.head_probability import HeadProbability
    from semiuhpe.tracking.stream import Frame
    from semiuhpe.tracking.tracker import Tracker
    from semiuhpe.video.reader import ReadPolicy

Float = NDArray[np.float64]
Detector = Callable[[Image], Any]


class HeadPoseEstimator:
    """Estimates the pose of heads in photos. It can be pickled: it is opened anew from its arguments.

    Args:
        weights: "default" or "open" for embedded ones, or the path of an .onnx file that `semiuhpe export` wrote.
        device: of this network and of a detector that is opened here: "cpu", "cuda" or "cuda:1" (these need
            onnxruntime-gpu), or "auto", which is CUDA where it is there.
        detector: maps an RGB image (H, W, 3) uint8 to boxes (n, 4), or to a tuple of boxes (n, 4) and scores (n,); or
            the path of detector weights; None = the embedded detector (opened when first needed).
        score_threshold: detections that score less are left out, in [0, 1]; None = as the detector has it.
        mirrored: estimate the mirror image too and average both beliefs: twice the time, lower error. None = as the
            weights' card says, for which their error bars were calibrated; the embedded ones say yes.
        threads: of onnxruntime, at most one per core; None = as many as there are cores.
        batch_size: pictures in one pass of the network, mirror images too.

    Raises:
        WeightsError: weights that are missing, damaged or not a pose network's.
        DeviceError: a device that is unknown or not there.
        InputError: other wrong settings.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        *,
        device: str = "auto",
        detector: Detector | str | os.PathLike[str] | None = None,
        score_threshold: float | None = None,
        mirrored: bool | None = None,
        threads: int | None = None,
        batch_size: int = 64,
    ) -> None:
        if batch_size < 1 or (threads is not None and threads < 1):
            raise InputError(f"batch_size and threads must be at least 1, got {batch_size} and {threads}")
        if score_threshold is not None and not 0 <= score_threshold <= 1:
            raise InputError(f"score_threshold is between 0 and 1, got {score_threshold}")
        self._arguments = {
            "weights": weights,
            "device": device,
            "detector": detector,
            "score_threshold": score_threshold,
            "mirrored": mirrored,
            "threads": threads,
            "batch_size": batch_size,
        }
        self.weights: WeightsFile = open_weights(weights)
        self._session, self.size = open_pose_session(self.weights.content, self.weights.path, device, threads)
        self._error = ErrorModel(self.weights.card)
        self._detector, self.score_threshold = detector, score_threshold
        self.mirrored = bool(self.weights.card.get("mirrored", False)) if mirrored is None else mirrored
        self.device, self.threads, self.batch_size = device, threads, batch_size

    def __getstate__(self) -> dict[str, Any]:
        return self._arguments

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        HeadPoseEstimator.__init__(self, **arguments)

    @property
    def detector(self) -> Detector:
        """The head detector in use; the embedded one is opened when first needed."""
        if self._detector is None or isinstance(self._detector, str | os.PathLike):
            from semiuhpe.detection.detector import HeadDetector

            own: dict[str, Any] = {} if self.score_threshold is None else {"score_threshold": self.score_threshold}
            self._detector = HeadDetector(self._detector or "default", device=self.device, threads=self.threads, **own)
        return self._detector

    @overload
    def __call__(self, image: list[Any] | tuple[Any, ...]) -> list[HeadPoses]: ...

    @overload
    def __call__(self, image: Any) -> Any: ...

    def __call__(self, image: Any) -> Any:
        """Find every head and estimate its pose.

        Args:
            image: a path, the http or https URL of a photo, (H, W, 3) uint8 RGB, a PIL image or the bytes of a file; or
                a list or tuple of these, a folder, a glob pattern or a .txt list.

        Returns:
            A `HeadPoses` for one picture; a list of them for many, one per picture, in order, as of `each`.

        Raises:
            ImageError: one of the pictures cannot be read.
        """
        if not (isinstance(image, list | tuple) or is_collection(image)):
            return self.estimate_batch([load_photo(image)])[0]
        found = []
        for _, heads in self.each(image):
            if isinstance(heads, Exception):
                raise heads
            found.append(heads)
        return found

    def each(self, sources: Any, *, recursive: bool = False) -> Iterator[tuple[Any, HeadPoses | Exception]]:
        """Yield the heads of many photos, of any number, one photo after the other.

        Photos go through detector and pose network in batches of at most 16, 16 megapixels in all; no more than these
        are held.

        Args:
            sources: an iterable of what `__call__` takes, or one folder, glob pattern or .txt list. Folders, patterns
                and lists among many are replaced by the photos in them.
            recursive: look into sub-folders.

        Yields:
            Pairs of a photo (a Path, or what was given where that is no path) and its `HeadPoses`, or the exception
            where a photo cannot be read: it costs no other one.
        """
        for batch in batches((name, outcome(load_photo, photo)) for name, photo in _photos(sources, recursive)):
            for name, _, heads in each_together(lambda some: self.estimate_batch(photo for _, photo in some), batch):
                yield name, heads

    def detect(self, image: Image) -> tuple[Float, Float]:
        """Find the heads in a picture, without their poses.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Boxes (n, 4) float64 with area, x1, y1, x2, y2 pixels, and scores (n,) float64, as the detector in use finds
            them; of a detector whose card tells how the pose network's answer counts (`head_probability`), what both
            take for heads.

        Raises:
            InputError: the detector answers anything but boxes.
        """
        if self.head_probability is None:
            return self._usable(self.detector(image))
        heads = self.estimate_batch([image])[0]
        return heads.box, heads.detection_score

    @property
    def head_probability(self) -> HeadProbability | None:
        """How the detector's score and the error stated by this pose network together tell a head.

        None where the detector's card does not know these pose weights, or it has none: its score then stands alone.
        """
        told = getattr(self.detector, "head_probability", None)
        return None if told is None else told(self.weights.sha256)

    def _usable(self, answer: Any) -> tuple[Float, Float]:
        boxes, scores = _detections(answer)
        good = usable_boxes(boxes)
        if self.head_probability is None:
            good &= ~(scores < (self.score_threshold or 0.0))  # NaN is told later
        return boxes[good], scores[good]

    def _detect_batch(self, photos: Sequence[Image]) -> list[tuple[Float, Float]]:
        curve, together = self.head_probability, getattr(self.detector, "batch", None)
        if curve is not None:
            found = self.detector.candidates(photos, curve.candidates)  # type: ignore[attr-defined]
        else:
            found = map(self.detector, photos) if together is None else together(photos)
        return [self._usable(one) for one in found]

    def _confirmed(self, heads: HeadPoses) -> HeadPoses:
        """Of the detector's candidates with their poses, those that are heads, with the probability of that as score."""
        curve = self.head_probability
        if curve is None:
            return heads
        sizes = np.sqrt(np.prod(heads.box[:, 2:] - heads.box[:, :2], axis=1))
        probability = curve(heads.detection_score, sizes, heads.expected_error_deg)
        least = curve.threshold if self.score_threshold is None else self.score_threshold
        best_first = np.argsort(-probability, kind="stable")
        kept = best_first[probability[best_first] >= least]
        return replace(heads, detection_score=probability)[kept]

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
        """Yield the heads of everything that comes in time, frame by frame, with identities.

        Files are lossless. A live source drops frames that come faster than they are worked on and is opened again when
        it fails; `frame.gaps` tells.

        Args:
            source: a video file, camera number, or URL of a stream (rtsp, http, ...); an iterable of pictures or of
                pairs (time_s, picture); or a photo, folder, glob pattern or .txt list, whose photos come one by one,
                untracked.
            every: the detector runs on each k-th frame; None = five times a second of a file or an iterable, and of a
                live source as often as the work keeps up with the frame rate.
            track: keep identities.
            tracker: keeps them; None = `tracking.MotionTracker`.
            smooth_s: time constant of smoothing the rotations, seconds, 0 for none; a head that turns steadily is then
                shown where it was about so many seconds ago.
            fps: frames per second of an iterable of pictures without times.
            policy: queue, deadlines and reconnection.

        Yields:
            A `Frame` per frame or photo.

        Raises:
            VideoError: a source that cannot be read or has gone for good.
            InputError: settings that do not go together.
            ImageError: a photo that cannot be read.
        """
        from semiuhpe.tracking.stream import stream

        return stream(
            self, source, every=every, track=track, tracker=tracker, smooth_s=smooth_s, fps=fps, policy=policy
        )

    def estimate(self, image: Any, boxes: ArrayLike, scores: ArrayLike | None = None) -> HeadPoses:
        """Estimate the pose of heads whose boxes are known.

        Args:
            image: one picture, as of `__call__`.
            boxes: (n, 4) x1, y1, x2, y2 of whole heads, pixels of the upright image, or (n, 5) with the score; they may
                reach outside of it, and a box of which nothing is inside gets the widest error bar.
            scores: (n,) kept as detection_score; None = 1 where none are given.

        Returns:
            A `HeadPoses` of length n, in the order of the boxes.

        Raises:
            InputError: malformed boxes.
        """
        (heads,) = self._estimate_known([load_photo(image)], [_known(boxes, scores)])
        return heads

    def estimate_batch(self, images: Iterable[Any], boxes: Iterable[ArrayLike] | None = None) -> list[HeadPoses]:
        """Do as `__call__` with each image, or `estimate` with each image and its boxes, but together.

        Photos of like size go through the detector together, where it has a method `batch` (as `HeadDetector`), and the
        heads of all through the pose network. All images are held: hand over a few dozen at a time, or use `each`.

        Args:
            images: each as of `__call__`.
            boxes: for each image (n, 4) or (n, 5), as of `estimate`; None = detect.

        Returns:
            A `HeadPoses` per image, in order.

        Raises:
            InputError: there are not as many boxes as images.
            ImageError: a picture that cannot be read.
        """
        photos = [load_photo(image) for image in images]
        known = self._detect_batch(photos) if boxes is None else [_known(own, None) for own in boxes]
        if len(known) != len(photos):
            raise InputError(f"boxes: expected those of {len(photos)} images, got {len(known)}")
        found = self._estimate_known(photos, known)
        return [self._confirmed(heads) for heads in found] if boxes is None else found

    def _estimate_known(self, photos: Sequence[Image], known: Sequence[tuple[Float, Float]]) -> list[HeadPoses]:
        belief = self._belief((p, box) for p, (boxes, _) in zip(photos, known, strict=True) for box in boxes)
        outside = [_outside(boxes, photo) for photo, (boxes, _) in zip(photos, known, strict=True)]
        belief[np.concatenate([np.zeros(0, bool), *outside])] = np.nan
        ends = np.cumsum([len(boxes) for boxes, _ in known])
        parts = np.split(belief, ends)  # and an empty one after the last
        return [self._poses(part, boxes, scores) for part, (boxes, scores) in zip(parts, known, strict=False)]

    def estimate_crops(self, crops: Iterable[Any]) -> HeadPoses:
        """Estimate the pose of heads that are already cropped.

        A crop is taken to be the square that training sees, 1.3 × the head box; one that is not square is centred in
        one of its mean side, so the aspect ratio stays.

        Args:
            crops: each anything that `load_image` takes, any size.

        Returns:
            A `HeadPoses` of one head per crop; its boxes are those heads' within each crop, pixels.
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


def _photos(sources: Any, recursive: bool) -> Iterator[tuple[Any, Any]]:
    """Names and photos, or why there are none, of what `each` takes."""
    single = isinstance(sources, str | os.PathLike | bytes | np.ndarray) or not isinstance(sources, Iterable)
    for source in [sources] if single else sources:
        if not is_collection(source):
            path = isinstance(source, str | os.PathLike) and web_url(source) is None
            yield (Path(source) if path else source), source
            continue
        found = outcome(lambda one: list_images([one], recursive=recursive), source)
        if isinstance(found, Exception):
            yield source, found
        else:
            yield from ((path, path) for path in found)


def _known(boxes: ArrayLike, scores: ArrayLike | None) -> tuple[Float, Float]:
    """Boxes (n, 4) and scores (n,) as a user gives them, perhaps as (n, 5). Raises InputError."""
    scored = np.ndim(boxes) == 2 and np.shape(boxes)[1] == 5
    if scored:
        both = as_array("boxes", boxes, ("n", 5))
        boxes, scores = both[:, :4], both[:, 4] if scores is None else scores
    checked = as_boxes(boxes)
    return checked, np.ones(len(checked)) if scores is None else np.asarray(scores, dtype=np.float64)


def _outside(boxes: Float, image: Image) -> NDArray[np.bool_]:
    """Which boxes (n, 4) have nothing inside of the picture."""
    height, width = image.shape[:2]
    return np.asarray(np.any((boxes[:, :2] >= [width, height]) | (boxes[:, 2:] <= 0), axis=1))


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
