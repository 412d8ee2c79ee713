"""Other projects' networks as a `PoseModel`, so that one protocol and one crop measure all. onnxruntime only.

A `PeerSpec` says what goes into such a network and what its outputs mean; `PRESETS` has the public ones, and the user
supplies the files. What a file itself says (NCHW or NHWC, a fixed batch) is read from it and need not be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import InputError, WeightsError
from semiuhpe.evaluation.calibration import radius_50_deg
from semiuhpe.evaluation.predictions import Float, Predictions, StatedErrors, mirrored_crops
from semiuhpe.geometry.crop import MARGIN, Image
from semiuhpe.geometry.euler import CONVENTIONS, from_euler_deg, from_matrix
from semiuhpe.geometry.rotation import from_quaternion, mirror, project_to_rotation
from semiuhpe.poses.error_bars import ErrorModel
from semiuhpe.poses.uncertainty import parameter_of_covariance
from semiuhpe.weights.session import open_on_cpu

Output = Literal["euler", "bins", "6d", "matrix", "quaternion"]
Colour = Literal["rgb", "bgr", "grey"]
ANGLES = ("pitch", "yaw", "roll")
_GREY = (0.299, 0.587, 0.114)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PeerSpec:
    """Signature of a peer's network.

    size: pixels a side of its input. output: "euler", degrees; "bins", logits over bins for each angle; "6d", two columns
    of a matrix before orthonormalisation; "matrix", 3×3 row by row; "quaternion", an output `quat` x, y, z, w of a
    rotation of the canonical frame and, where there is one, `rotaxis_scales_tril`, the Cholesky factor of the covariance
    of its error. convention: of `semiuhpe.geometry.euler`, of the angles or of the matrix. order: of the angles, across
    the outputs. colour: of the input's channels; "grey" is one, by the weights of ITU-R BT.601. mean, std: over pixels
    in 0..1, in the order of RGB, of grey the first counts. bin_deg: width of a bin; n bins reach from −n/2 to n/2 of
    them, and the angle is the expectation of bin · width − n/2 · width under the softmax. margin: crop side over side of
    the head box that suits it. Raises WeightsError for a spec that is none.
    """

    size: int
    output: Output
    convention: str = "300w-lp"
    order: tuple[str, ...] = ("yaw", "pitch", "roll")
    colour: Colour = "rgb"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    bin_deg: float = 3.0
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(ANGLES) or self.convention not in CONVENTIONS or self.size < 1:
            raise WeightsError(
                f"a peer's order names each of {', '.join(ANGLES)} once, its convention is one of "
                f"{', '.join(CONVENTIONS)} and its size is positive; got {self.order}, {self.convention!r}, {self.size}"
            )

    @property
    def channels(self) -> int:
        """Of its input."""
        return 1 if self.colour == "grey" else 3


_HALF = 127.5 / 255
PRESETS = {
    "fsa-net": PeerSpec(64, "euler", colour="bgr", mean=(_HALF,) * 3, std=(128 / 255,) * 3),
    "whenet": PeerSpec(224, "bins", convention="whenet"),
    "6drepnet": PeerSpec(224, "matrix"),
    "6drepnet-6d": PeerSpec(224, "6d"),
    "opentrack": PeerSpec(129, "quaternion", colour="grey", mean=(0.5,) * 3, std=(1.0,) * 3, margin=1.0),
}
"""FSA-Net: yaw, pitch, roll in degrees. WHENet: 120 yaw, 66 pitch and 66 roll bins of 3°. 6DRepNet: the matrix
`Rz(roll)·Ry(yaw)·Rx(pitch)`, or the six numbers before it. opentrack's neuralnet tracker: a quaternion and its
covariance, of a square of about the head box."""

_QUATERNION, _COVARIANCE = "quat", "rotaxis_scales_tril"
_LEAST_VARIANCE = 1e-8  # radians², 0.006°: what is stated can always be inverted


def preset(name: str) -> PeerSpec:
    """The spec of a public network. Raises WeightsError for a name that is none."""
    if name not in PRESETS:
        raise WeightsError(f"no peer is known as {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def open_peer(named: str, *, mirrored: bool = False, threads: int | None = None) -> tuple[str, PeerModel]:
    """Open a public network.

    Args:
        named: `NAME=FILE`, or `NAME=FILE,FILE` of networks whose rotations are averaged, with a name of `PRESETS`.
        mirrored: average over mirror images too.
        threads: of onnxruntime; None = its own choice.

    Returns:
        Its name and the model.

    Raises:
        InputError: anything else than that.
        WeightsError: an unknown name, or files that do not fit.
    """
    name, _, files = named.partition("=")
    if not name or not all(files.split(",")):
        raise InputError(f"expected NAME=FILE, got {named!r}; NAME is one of {', '.join(PRESETS)}")
    return name, PeerModel([Path(file) for file in files.split(",")], preset(name), mirrored=mirrored, threads=threads)


class PeerModel:
    """Poses by a peer's ONNX file, or by several whose rotations are averaged (FSA-Net publishes an ensemble).

    Raises WeightsError for files that onnxruntime cannot open or whose signature is another.
    """

    def __init__(
        self, files: Sequence[Path], spec: PeerSpec, *, mirrored: bool = False, threads: int | None = None
    ) -> None:
        if not files:
            raise WeightsError("a peer needs at least one .onnx file")
        self.spec, self.size, self.mirrored = spec, spec.size, mirrored
        self._networks = [_Network(Path(file), spec, threads) for file in files]
        self.description: dict[str, Any] = {
            "weights": [str(file) for file in files],
            "output": spec.output,
            "convention": spec.convention,
            "mirrored": mirrored,
            "crop_pixels": spec.size,
        }

    def __call__(self, crops: Image) -> Predictions:
        """Poses of crops (n, size, size, 3) uint8 RGB, with error bars where the network states a covariance."""
        rotation, covariance = self.poses(crops)
        stated = None if covariance is None else _stated(rotation, covariance)
        return Predictions(rotation, np.ones(len(crops), bool), stated)

    def poses(self, crops: Image) -> tuple[Float, Float | None]:
        """Rotations (n, 3, 3) camera←head, and where the network states it the covariance (n, 3, 3) of their errors.

        The latter is of the rotation vector `log(Rᵀ·R_true)`, head frame, radians². Of several files and of mirror
        images it is the mean: their errors are much the same, so averaging takes little of them away.
        """
        answers = [network(crops) for network in self._networks]
        if self.mirrored:
            turned = [network(mirrored_crops(crops)) for network in self._networks]
            answers += [(mirror(r), None if c is None else mirror(c)) for r, c in turned]
        rotations = [rotation for rotation, _ in answers]
        stated = [covariance for _, covariance in answers if covariance is not None]
        mean = rotations[0] if len(rotations) == 1 else project_to_rotation(np.sum(rotations, axis=0))
        return mean, np.mean(stated, axis=0) if len(stated) == len(answers) else None


def _stated(rotation: Float, covariance: Float) -> StatedErrors:
    bars = ErrorModel({"overreg": 1.0})(parameter_of_covariance(rotation, covariance))
    half = radius_50_deg({}, bars.entropy, bars.expected_error_deg)
    return StatedErrors(bars.entropy, bars.expected_error_deg, half, bars.error_90_deg)


class _Network:
    def __init__(self, path: Path, spec: PeerSpec, threads: int | None) -> None:
        self._session = open_on_cpu(str(path), path, threads, remedy="give a peer's .onnx file")
        self._path, self._spec = path, spec
        entry = self._session.get_inputs()[0]
        shape = list(entry.shape)
        channels = [axis for axis, length in enumerate(shape) if length == spec.channels and axis in (1, 3)]
        sides = [length for axis, length in enumerate(shape) if axis not in (0, *channels) and isinstance(length, int)]
        if len(shape) != 4 or not channels or any(side != spec.size for side in sides) or entry.type != "tensor(float)":
            raise WeightsError(
                f"{path}: its input is {shape} {entry.type}, expected one float picture of {spec.channels} × {spec.size} × "
                f"{spec.size}; check the preset and --size"
            )
        self._name, self._channels_first = entry.name, channels[0] == 1
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._batch = shape[0] if isinstance(shape[0], int) else None

    def __call__(self, crops: Image) -> tuple[Float, Float | None]:
        """(n, size, size, 3) uint8 RGB → (n, 3, 3) camera←head and the covariance, if any; as `PeerModel.poses`."""
        pixels = prepared(crops, self._spec)
        if self._channels_first:
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        step = self._batch or len(pixels)
        parts = []
        for start in range(0, len(pixels), step):
            chunk = pixels[start : start + step]
            # A file with a fixed batch gets the last picture again until it is full.
            full = np.concatenate([chunk, np.repeat(chunk[-1:], step - len(chunk), axis=0)])
            answers = [np.asarray(o, dtype=np.float64) for o in self._session.run(None, {self._name: full})]
            parts.append([answer.reshape(step, -1)[: len(chunk)] for answer in answers])
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        outputs = dict(zip(self._outputs, columns, strict=True))
        try:
            return decoded(outputs, self._spec), decoded_covariance(outputs)
        except ValueError as error:
            raise WeightsError(f"{self._path}: {error}; check the preset and --output") from error


def prepared(crops: Image, spec: PeerSpec) -> NDArray[np.float32]:
    """Crops as the network takes them, still channels last. (n, S, S, 3) uint8 RGB → (n, S, S, 3 or 1) float32."""
    if spec.colour == "grey":
        grey = crops @ np.array(_GREY) / 255
        return np.asarray((grey - spec.mean[0]) / spec.std[0], dtype=np.float32)[..., None]
    pixels = (crops / 255 - np.array(spec.mean)) / np.array(spec.std)
    return np.asarray(pixels[..., ::-1] if spec.colour == "bgr" else pixels, dtype=np.float32)


def decoded(named: Mapping[str, Float], spec: PeerSpec) -> Float:
    """Poses of a network's outputs by name, each (n, ·). → (n, 3, 3) camera←head. Raises ValueError for other shapes."""
    outputs = list(named.values())
    widths = [output.shape[1] for output in outputs]
    if spec.output == "quaternion":
        if _QUATERNION not in named or named[_QUATERNION].shape[1] != 4:
            raise ValueError(f"no output {_QUATERNION!r} of 4 numbers a head, there are {', '.join(named)}")
        return from_quaternion(named[_QUATERNION])
    if spec.output in ("6d", "matrix"):
        expected = 6 if spec.output == "6d" else 9
        if expected not in widths:
            raise ValueError(f"no output of {expected} numbers a head, they have {widths}")
        values = outputs[widths.index(expected)]
        matrix = gram_schmidt(values) if spec.output == "6d" else values.reshape(-1, 3, 3)
        return project_to_rotation(from_matrix(matrix, spec.convention))
    angles = _expectations(outputs, spec) if spec.output == "bins" else np.concatenate(outputs, axis=1)
    if angles.shape[1] != 3:
        raise ValueError(f"expected three angles a head, the outputs have {widths} numbers")
    places = [spec.order.index(name) for name in ANGLES]
    return from_euler_deg(angles[:, places], spec.convention)


def decoded_covariance(named: Mapping[str, Float]) -> Float | None:
    """`L·Lᵀ` of the output `rotaxis_scales_tril`, (n, 3, 3) radians², or None where there is no such output.

    It is of the rotation vector in the head's frame: there the errors on real faces have the stated shape, in the
    camera's they have not. Raises ValueError for another shape.
    """
    if _COVARIANCE not in named:
        return None
    if named[_COVARIANCE].shape[1] != 9:
        raise ValueError(f"the output {_COVARIANCE} has {named[_COVARIANCE].shape[1]} numbers a head, expected 9")
    lower = named[_COVARIANCE].reshape(-1, 3, 3)
    return np.asarray(lower @ np.swapaxes(lower, 1, 2) + _LEAST_VARIANCE * np.eye(3))


def _expectations(outputs: Sequence[Float], spec: PeerSpec) -> Float:
    """Expected angles of binned logits, in the order of the outputs. three (n, bins) → (n, 3) degrees."""
    if len(outputs) < 3 or min(output.shape[1] for output in outputs[:3]) < 2:
        raise ValueError(f"expected three outputs of bins, got {[output.shape[1] for output in outputs]} numbers")
    angles = []
    for logits in outputs[:3]:
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        bins = logits.shape[1]
        expected = (weight * np.arange(bins)).sum(axis=1) / weight.sum(axis=1)
        angles.append(spec.bin_deg * (expected - bins / 2))
    return np.stack(angles, axis=1)


def gram_schmidt(six: Float) -> Float:
    """Rotation of the six numbers of Zhou et al. 2019: two columns, orthonormalised. (n, 6) → (n, 3, 3)."""
    x = six[:, :3] / np.linalg.norm(six[:, :3], axis=1, keepdims=True)
    z = np.cross(x, six[:, 3:])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=-1)
