"""Training pictures of the head detector: photos, zoomed heads, pasted portraits and renders, pictures without heads.

Every scene is a function of a generator, so training can be resumed at any step. Photos give crowds of small heads;
zooming in on a head, and pasting portraits and rendered heads at any size, give heads up to the whole frame and seen
from everywhere; pictures without heads say what a head is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.canvas import draw
from semiuhpe.errors import RecipeError
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Image, warp
from semiuhpe.synthesis.backgrounds import procedural
from semiuhpe.training.detector.distractors import with_distractors
from semiuhpe.views.photometric import Photometric, apply

Float = NDArray[np.float64]

EFFECTS = Photometric(
    brightness=0.25,
    contrast=0.3,
    saturation=0.5,
    gamma=0.35,
    tint=0.1,
    grey=0.1,
    low_resolution=0.08,
    smallest=96,
    blur=0.04,
    motion_blur=0.03,
    noise=0.12,
    jpeg=0.2,
)

SMALLEST = 5.5
"""Heads smaller than this (square root of the area, pixels of the scene) are neither taught nor counted wrong."""

VISIBLE = 0.45
"""Share of a head's box that must be in the scene for the head to be taught."""


@dataclass(frozen=True)
class Scene:
    """image (S, S, 3) uint8; heads (n, 4) boxes to find; ignored (m, 4) regions that are not scored."""

    image: Image
    heads: Float
    ignored: Float


class BoxedPicture(Protocol):
    """A picture with boxes (n, 4), such as `AnnotatedPhoto`."""

    @property
    def boxes(self) -> Float:
        """(n, 4) float64, pixels of the picture."""

    def image(self) -> Image:
        """(H, W, 3) uint8 RGB."""


@dataclass(frozen=True)
class Mix:
    """How often a scene is each kind; they are scaled to add up to 1.

    mosaic: four photos, each in a corner. hard: a photo around something that a detector took for a head.
    pasted_renders: share of renders in pastes. turned: share of photos, and of pasted heads, that are turned by any angle.
    distractors: share of scenes with round things that are no heads.
    """

    photo: float = 0.58
    zoom: float = 0.18
    paste: float = 0.18
    headless: float = 0.06
    mosaic: float = 0.0
    hard: float = 0.0
    pasted_renders: float = 0.5
    turned: float = 0.0
    distractors: float = 0.0


def similarity(center: tuple[float, float], zoom: float, angle: float, flip: bool, size: int) -> Float:
    """Matrix scene←picture (2, 3): the picture's `center` to the middle, scaled, turned (radians), perhaps mirrored."""
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    return np.column_stack([linear, size / 2 - linear @ np.asarray(center)])


def visible_heads(boxes: Float, width: int, height: int | None = None) -> tuple[Float, Float]:
    """Boxes in a scene's pixels → heads to teach (cut to the frame, a square without `height`), regions to ignore."""
    cut = box_math.clip(boxes, width if height is None else height, width)
    area = box_math.area(cut)
    share = area / np.maximum(box_math.area(boxes), 1e-9)
    taught = (share >= VISIBLE) & (np.sqrt(area) >= SMALLEST)
    return cut[taught], cut[~taught & (area > 0)]


class SceneMaker:
    """Draws scenes of side `size`.

    photos: every head is boxed. portraits, renders: at least one boxed head each, the first one is shown. headless: any
    pictures. hard: false heads, number of the photo and box (4,) each. Raises RecipeError if the mix asks for a kind whose pictures are missing.
    """

    def __init__(
        self,
        size: int,
        mix: Mix,
        photos: Sequence[BoxedPicture],
        portraits: Sequence[BoxedPicture] = (),
        renders: Sequence[BoxedPicture] = (),
        headless: Sequence[Image] = (),
        hard: Sequence[tuple[int, Float]] = (),
    ) -> None:
        if not photos:
            raise RecipeError("the detector needs annotated photos to train on; give a SCUT-HEAD folder")
        if mix.paste > 0 and not portraits and not renders:
            raise RecipeError("mix.paste is above 0 but there are neither portraits nor renders; set it to 0")
        if mix.hard > 0 and not hard:
            raise RecipeError("mix.hard is above 0 but there are no false heads; give a CSV of them, or set it to 0")
        self.size, self.mix = size, mix
        self.photos, self.portraits, self.renders, self.headless = photos, portraits, renders, headless
        self.hard = hard
        # Photos with heads large enough to be zoomed in on.
        self._large = [i for i, photo in enumerate(photos) if np.any(np.sqrt(box_math.area(photo.boxes)) >= 26)]

    def scene(self, rng: np.random.Generator) -> Scene:
        """One scene. Raises ImageError if a picture that it needs cannot be decoded."""
        mix = self.mix
        shares = np.array([mix.photo, mix.zoom, mix.paste, mix.headless, mix.mosaic, mix.hard])
        kind = int(rng.choice(len(shares), p=shares / shares.sum()))
        if kind == 1 and self._large:
            scene = self._zoom(rng)
        elif kind == 2:
            scene = self._paste(rng)
        elif kind == 3:
            none = np.zeros((0, 4))
            scene = Scene(self._background(rng), none, none)
        elif kind == 4:
            scene = self._mosaic(rng)
        elif kind == 5:
            scene = self._hard(rng)
        else:
            scene = self._photo(rng)
        image = scene.image
        if mix.distractors > 0 and rng.random() < mix.distractors:
            image = with_distractors(image, np.concatenate([scene.heads, scene.ignored]), rng)
        return Scene(apply(image, EFFECTS, rng), scene.heads, scene.ignored)

    def _photo(self, rng: np.random.Generator) -> Scene:
        photo = self.photos[int(rng.integers(len(self.photos)))]
        image = photo.image()
        zoom = float(np.exp(rng.uniform(np.log(0.7), np.log(3.2))))
        height, width = image.shape[:2]
        reach = self.size / zoom
        if len(photo.boxes) and rng.random() < 0.85:
            x1, y1, x2, y2 = photo.boxes[int(rng.integers(len(photo.boxes)))]
            wish = np.array([(x1 + x2) / 2, (y1 + y2) / 2]) + rng.uniform(-0.42, 0.42, 2) * reach
        else:
            wish = rng.uniform(0, 1, 2) * [width, height]
        low = np.minimum(reach / 2, [width / 2, height / 2])
        center = np.clip(wish, low, [width, height] - low)
        return self._cut(photo, image, (float(center[0]), float(center[1])), zoom, rng)

    def _zoom(self, rng: np.random.Generator) -> Scene:
        photo = self.photos[self._large[int(rng.integers(len(self._large)))]]
        sizes = np.sqrt(box_math.area(photo.boxes))
        index = int(rng.choice(np.flatnonzero(sizes >= 26)))
        target = np.exp(rng.uniform(np.log(32), np.log(0.95 * self.size)))
        zoom = float(min(target / sizes[index], 6.0))
        x1, y1, x2, y2 = photo.boxes[index]
        shift = rng.uniform(-0.5, 0.5, 2) * max(self.size / zoom - sizes[index], 0.0)
        center = (float((x1 + x2) / 2 + shift[0]), float((y1 + y2) / 2 + shift[1]))
        return self._cut(photo, photo.image(), center, zoom, rng)

    def _hard(self, rng: np.random.Generator) -> Scene:
        number, (x1, y1, x2, y2) = self.hard[int(rng.integers(len(self.hard)))]
        size = float(np.sqrt((x2 - x1) * (y2 - y1)))
        zoom = float(min(np.exp(rng.uniform(np.log(14), np.log(0.6 * self.size))) / size, 6.0))
        shift = rng.uniform(-0.4, 0.4, 2) * max(self.size / zoom - size, 0.0)
        center = (float((x1 + x2) / 2 + shift[0]), float((y1 + y2) / 2 + shift[1]))
        photo = self.photos[number]
        return self._cut(photo, photo.image(), center, zoom, rng)

    def _mosaic(self, rng: np.random.Generator) -> Scene:
        """Four scenes of photos in one, each seen through its corner of the frame."""
        split_x, split_y = (int(v) for v in np.rint(rng.uniform(0.3, 0.7, 2) * self.size))
        image = np.empty((self.size, self.size, 3), np.uint8)
        heads, ignored = [np.zeros((0, 4))], [np.zeros((0, 4))]
        for x1, x2 in ((0, split_x), (split_x, self.size)):
            for y1, y2 in ((0, split_y), (split_y, self.size)):
                part = self._photo(rng)
                image[y1:y2, x1:x2] = part.image[y1:y2, x1:x2]
                corner = np.array([x1, y1, x1, y1], dtype=np.float64)
                taught, hidden = visible_heads(part.heads - corner, x2 - x1, y2 - y1)
                heads.append(taught + corner)
                ignored += [hidden + corner, box_math.clip(part.ignored - corner, y2 - y1, x2 - x1) + corner]
        return Scene(image, np.concatenate(heads), np.concatenate(ignored))

    def _cut(
        self, photo: BoxedPicture, image: Image, center: tuple[float, float], zoom: float, rng: np.random.Generator
    ) -> Scene:
        angle = rng.normal(0, np.radians(5)) if rng.random() < 0.4 else 0.0
        if rng.random() < 0.03:
            angle += float(rng.choice([np.pi / 2, np.pi, -np.pi / 2]))
        angle += self._turn(rng)
        matrix = similarity(center, zoom, float(angle), bool(rng.random() < 0.5), self.size)
        heads, ignored = visible_heads(box_math.transform(photo.boxes, matrix), self.size)
        return Scene(draw(image, matrix, self.size, self.size), heads, ignored)

    def _turn(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(-np.pi, np.pi)) if rng.random() < self.mix.turned else 0.0

    def _background(self, rng: np.random.Generator) -> Image:
        if not self.headless or rng.random() < 0.4:
            return np.asarray(procedural(rng, self.size), dtype=np.uint8)
        picture = self.headless[int(rng.integers(len(self.headless)))]
        height, width = picture.shape[:2]
        fits = self.size / min(height, width)  # the picture's short side fills the scene
        zoom = fits * float(np.exp(rng.uniform(0, np.log(6))))
        center = rng.uniform(self.size / 2 / zoom, [width - self.size / 2 / zoom, height - self.size / 2 / zoom])
        angle = float(rng.choice([0, 1, 2, 3])) * np.pi / 2
        matrix = similarity((float(center[0]), float(center[1])), zoom, angle, bool(rng.random() < 0.5), self.size)
        drawn = draw(picture, matrix, self.size, self.size)
        if rng.random() < 0.5:  # few pictures have no heads; other colours make more of them
            drawn = np.ascontiguousarray(drawn[..., rng.permutation(3)])
        return drawn

    def _paste(self, rng: np.random.Generator) -> Scene:
        none = np.zeros((0, 4))
        below = self._photo(rng) if rng.random() < 0.4 else Scene(self._background(rng), none, none)
        count = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
        largest = self.size * (1.0 if count == 1 else 0.5)
        for _ in range(count):
            rendered = self._wants_render(rng)
            sources = self.renders if rendered else self.portraits
            target = float(np.exp(rng.uniform(np.log(14.0 if count > 1 else 40.0), np.log(largest))))
            below = self._paste_one(below, sources[int(rng.integers(len(sources)))], target, rendered, rng)
        return below

    def _wants_render(self, rng: np.random.Generator) -> bool:
        wants = bool(rng.random() < self.mix.pasted_renders)
        return bool(self.renders) and (wants or not self.portraits)

    def _paste_one(
        self, below: Scene, source: BoxedPicture, target: float, rendered: bool, rng: np.random.Generator
    ) -> Scene:
        """Lay a picture of one head, `target` pixels large, over a scene; what it hides is no longer taught."""
        image = source.image()
        box = source.boxes[0]
        width, height = box[2] - box[0], box[3] - box[1]
        zoom = target / float(np.sqrt(width * height))
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        room = max(self.size - target, 0.15 * self.size)
        angle = float(rng.normal(0, np.radians(10))) + self._turn(rng)
        matrix = similarity((float(middle[0]), float(middle[1])), zoom, angle, bool(rng.random() < 0.5), self.size)
        matrix[:, 2] += rng.uniform(-0.5, 0.5, 2) * room
        # How much of the source's surroundings comes along; small margins keep its frame from giving the head away.
        grow = rng.uniform(0.08, 1.0, 4) * [width, height, width, height]
        rectangle = np.concatenate([box[:2] - grow[:2], box[2:] + grow[2:]])
        if target > 0.45 * self.size:  # a portrait fills the frame with all that it has
            rectangle = np.array([0.0, 0.0, image.shape[1], image.shape[0]])
        x1, y1, x2, y2 = np.rint(box_math.clip(rectangle, image.shape[0], image.shape[1])[0]).astype(int)
        stencil = np.zeros((*image.shape[:2], 3), np.uint8)
        if rng.random() < 0.4 and target <= 0.45 * self.size:
            half = (max((x2 - x1) // 2, 1), max((y2 - y1) // 2, 1))
            cv2.ellipse(stencil, ((x1 + x2) // 2, (y1 + y2) // 2), half, 0, 0, 360, (255, 255, 255), -1)
        else:
            stencil[y1:y2, x1:x2] = 255
        alpha = warp(stencil, matrix, self.size, pad=(0, 0, 0))[..., :1]
        drawn = draw(image, matrix, self.size, self.size)
        weight = alpha.astype(np.float32) / 255
        mixed = drawn * weight + below.image * (1 - weight)
        hidden = _covered(below.heads, alpha)
        heads, ignored = visible_heads(box_math.transform(box[None], matrix), self.size)
        if rendered:  # bystanders in a render have no box: what surrounds the head is not scored
            frame = box_math.transform(np.array([[x1, y1, x2, y2]], dtype=np.float64), matrix)
            ignored = np.concatenate([ignored, _around(heads, frame)])
        return Scene(
            np.asarray(np.rint(mixed), dtype=np.uint8),
            np.concatenate([below.heads[hidden < 0.3], heads]),
            np.concatenate([below.ignored, below.heads[(hidden >= 0.3) & (hidden < 0.98)], ignored]),
        )


def _covered(boxes: Float, alpha: Image) -> Float:
    """Share of each box (n, 4) that a stencil (S, S, 1) of 0..255 covers. → (n,)"""
    total = cv2.integral(alpha[..., 0]).astype(np.float64) / 255
    x1, y1, x2, y2 = np.clip(np.rint(boxes), 0, alpha.shape[0]).astype(int).T
    covered = total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]
    return np.asarray(covered / np.maximum((x2 - x1) * (y2 - y1), 1))


def _around(heads: Float, frame: Float) -> Float:
    """The four strips of `frame` (1, 4) that lie left, right, above and below the box `heads` (0 or 1, 4)."""
    if len(heads) == 0:
        return frame
    (x1, y1, x2, y2), (left, top, right, bottom) = heads[0], frame[0]
    strips = [(left, top, x1, bottom), (x2, top, right, bottom), (x1, top, x2, y1), (x1, y2, x2, bottom)]
    return np.array([strip for strip in strips if strip[2] > strip[0] and strip[3] > strip[1]]).reshape(-1, 4)
