"""A small head renderer: OpenGL without a screen (EGL), on a graphics card or on the CPU through Mesa.

Edges are hard: draw larger than needed and reduce. Strands of hair are cut out by a hashed threshold so that nothing
needs sorting. The first light throws shadows by a shadow map. On a software rasteriser every branch of a shader costs time for every fragment, so each
way of shading is a program of its own, and light is computed at the vertices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, MissingExtraError
from semiuhpe.geometry.rotation import rotation_of_vector
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.parts import CLOTH, FLAT, HAIR, SKIN, Look, Part
from semiuhpe.synthesis.shaders import FRAGMENT, SHADOW_FRAGMENT, SHADOW_VERTEX, VERTEX

_SHADOW_SIZE = 192
_TEXTURES_KEPT = 96

Texture = NDArray[np.uint8]


@dataclass(frozen=True)
class Light:
    """A directional light. direction (3,): unit, from the head to the light, camera frame; colour: linear RGB."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """How the parts are seen. model (3, 3): camera←mesh; centre (3,): the mesh point on the optical axis;
    distance in dm; window: centre x, y and half side of the picture on the plane z = 1.

    bend: rotation vector of the torso relative to the head, mesh frame, about pivot. gaze: rotation vector of the
    eyes. lights: up to 3, the first throws shadows. sky and ground: ambient light from above and below along `up`.
    light_kind: name of the light, for records.
    """

    model: Float
    centre: Float
    distance: float
    window: tuple[float, float, float]
    bend: Float
    pivot: Float
    gaze: Float
    eye_pivots: tuple[Float, Float]
    lights: tuple[Light, ...]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    up: tuple[float, float, float]
    shadow: float = 0.7
    seed: tuple[float, float] = (0.0, 0.0)
    light_kind: str = ""


def turn(points: Float, vector: Float) -> Float:
    """Rotate points (n, 3) by a rotation vector (3,)."""
    return np.asarray(points @ rotation_of_vector(vector).T)


def _matrix(vector: Float) -> bytes:
    """Rotation matrix of a rotation vector, as the bytes of a GLSL mat3 (column by column)."""
    return rotation_of_vector(vector).T.astype(np.float32).tobytes()


_IDENTITY = np.eye(3, dtype=np.float32).tobytes()


def camera_points(points: Float, view: View, share: Float | None = None) -> Float:
    """Mesh points (n, 3) → camera frame (n, 3), as the shader does. share (n,) of the torso's turn; None = the rigid head."""
    if share is not None:
        bent = turn(points - view.pivot, view.bend) + view.pivot
        points = points + (bent - points) * np.asarray(share)[:, None]
    return np.asarray((points - view.centre) @ view.model.T + [0.0, 0.0, view.distance])


def picture_points(camera: Float, view: View, size: int) -> Float:
    """Camera points (n, 3) → continuous pixel coordinates (n, 2) of a size × size picture."""
    x, y, half = view.window
    plane = camera[:, :2] / camera[:, 2:]
    return np.asarray(((plane - [x, y]) / half + 1.0) * (size / 2))


@dataclass(frozen=True)
class Uploaded:
    """A part in the renderer's memory."""

    part: Part
    array: Any
    shadow: Any
    buffers: tuple[Any, ...]
    context: Any

    def release(self) -> None:
        """Free the memory; the part cannot be drawn any more."""
        with self.context:
            for item in (self.array, self.shadow, *self.buffers):
                item.release()


def noise_texture(size: int = 256) -> Texture:
    """Tileable noise. R: fine grain, G: streaks along v, B: white, A: clouds. → (size, size, 4) uint8."""
    rng = np.random.default_rng(20200901)
    frequency = np.fft.fftfreq(size)
    fy, fx = np.meshgrid(frequency, frequency, indexing="ij")

    def filtered(response: Float) -> Float:
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * response).real
        ranks = np.argsort(np.argsort(field.ravel())).reshape(size, size)
        return np.asarray(ranks / (size * size - 1))

    grain = filtered(np.exp(-(fx**2 + fy**2) / (2 * 0.18**2)))
    streaks = filtered(np.exp(-((fx / 0.22) ** 2 + (fy / 0.015) ** 2) / 2))
    clouds = filtered(1.0 / np.maximum(np.hypot(fx, fy), 2.0 / size) ** 1.5)
    white = filtered(np.ones_like(fx))
    return np.asarray(np.stack([grain, streaks, white, clouds], axis=2) * 255, dtype=np.uint8)


class Renderer:
    """Draws parts at size × size pixels. textures: key → (H, W, 4) RGBA, called once per key.

    Raises MissingExtraError without moderngl and AssetsError where no OpenGL context can be made.
    """

    def __init__(self, size: int, textures: Callable[[str], Texture]) -> None:
        try:
            import moderngl
        except ImportError as error:
            raise MissingExtraError("synthesis", "synth") from error
        try:
            self._context: Any = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        except Exception as error:  # moderngl and glcontext raise bare Exception
            raise AssetsError(
                f"no OpenGL without a screen ({error}); on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
            ) from error
        self.size = size
        self._moderngl: Any = moderngl
        ctx = self._context
        self._source = textures
        self._textures: dict[str, tuple[Any, float]] = {}
        keys = ((SKIN, False), (HAIR, False), (HAIR, True), (CLOTH, False), (FLAT, False))
        self._programs = {key: self._compile(VERTEX, FRAGMENT, *key) for key in keys}
        self._shadow_program = self._compile(SHADOW_VERTEX, SHADOW_FRAGMENT, SKIN, False)
        shape = (size, size)
        self._target: Any = ctx.framebuffer([ctx.renderbuffer(shape, 4)], ctx.depth_renderbuffer(shape))
        self._depth: Any = ctx.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._depth.compare_func = "<="
        self._depth.repeat_x = self._depth.repeat_y = False
        self._depth_target: Any = ctx.framebuffer(depth_attachment=self._depth)
        self._noise: Any = self._upload_texture(noise_texture())
        ctx.enable_only(moderngl.DEPTH_TEST)
        ctx.front_face = "cw"  # the picture is drawn upside down

    def _compile(self, vertex: str, fragment: str, mode: int, strands: bool) -> _Program:
        sources = [_specialise(source, mode, strands) for source in (vertex, fragment)]
        return _Program(self._context.program(vertex_shader=sources[0], fragment_shader=sources[1]))

    def _upload_texture(self, image: Texture) -> Any:
        # OpenGL's v axis points up the picture.
        texture = self._context.texture(image.shape[1::-1], 4, np.ascontiguousarray(image[::-1]).tobytes())
        texture.build_mipmaps()
        texture.filter = (self._moderngl.LINEAR_MIPMAP_LINEAR, self._moderngl.LINEAR)
        return texture

    def _texture(self, key: str) -> tuple[Any, float]:
        if key not in self._textures:
            image = self._source(key) if key else np.full((2, 2, 4), 255, np.uint8)
            mean = _mean_light(image) if key.startswith("hair") else 0.8
            if len(self._textures) >= _TEXTURES_KEPT:
                self._textures.pop(next(iter(self._textures)))[0].release()
            self._textures[key] = (self._upload_texture(image), 0.8 / max(mean, 0.05))
        self._textures[key] = self._textures.pop(key)  # most recently used last
        return self._textures[key]

    def upload(self, part: Part) -> Uploaded:
        """Copy a part to the renderer's memory; `release()` it when its identity is done."""
        ctx = self._context
        data = np.concatenate([part.positions, part.normals, part.uv, part.fields], axis=1, dtype=np.float32)
        program = self._programs[_program_key(part.look)].program
        with ctx:  # another renderer's context may be current
            vertices = ctx.buffer(np.ascontiguousarray(data).tobytes())
            indices = ctx.buffer(np.ascontiguousarray(part.triangles, dtype=np.int32).tobytes())
            full = [(vertices, "3f 3f 2f 4f", "a_position", "a_normal", "a_uv", "a_fields")]
            bare = [(vertices, "3f 3x4 2f 4f", "a_position", "a_uv", "a_fields")]
            array = ctx.vertex_array(program, full, indices, skip_errors=True)
            shadow = ctx.vertex_array(self._shadow_program.program, bare, indices, skip_errors=True)
        return Uploaded(part, array, shadow, (vertices, indices), ctx)

    def draw(self, parts: Sequence[Uploaded], view: View, size: int | None = None) -> Texture:
        """Render at `size` pixels (default: and at most: the renderer's own).

        → (size, size, 4) uint8 RGBA with colour premultiplied by coverage.
        """
        with self._context:  # another renderer's context may be current
            return self._draw(parts, view, min(size or self.size, self.size))

    def _draw(self, parts: Sequence[Uploaded], view: View, size: int) -> Texture:
        ctx = self._context
        light_view = _light_view(view)
        geometry: dict[str, Any] = {
            "u_model": np.asarray(view.model, dtype=np.float32).T.tobytes(),
            "u_bend": _matrix(view.bend),
            "u_eye_bend": _IDENTITY,
            "u_light_view": light_view.T.astype(np.float32).tobytes(),
            "u_centre": tuple(map(float, view.centre)),
            "u_pivot": tuple(map(float, view.pivot)),
            "u_eye_pivot": (0.0, 0.0, 0.0),
            "u_distance": float(view.distance),
        }
        if view.shadow > 0:
            self._shadow_program.set(geometry | {"u_texture_a": 0})
            self._depth_target.use()
            self._depth_target.clear(depth=1.0)
            for item in parts:
                look = item.part.look
                cut = look.mode == HAIR and look.strands < 0.5 and bool(look.texture_a)
                if (
                    item.part.inner
                    or look.alpha < 1.0
                    or (look.mode == HAIR and look.strands > 0.5 and look.scalp[2] < 0.8)
                ):
                    continue
                self._shadow_program.set({"u_cut": int(cut)})
                self._texture(look.texture_a)[0].use(0)
                if look.mode == SKIN:
                    ctx.enable(self._moderngl.CULL_FACE)
                item.shadow.render()
                ctx.disable(self._moderngl.CULL_FACE)
        self._target.use()
        self._target.viewport = (0, 0, size, size)
        self._target.clear(0.0, 0.0, 0.0, 0.0)
        scene = geometry | self._scene(view)
        for key in {_program_key(item.part.look) for item in parts}:
            self._programs[key].set(scene)
        self._noise.use(2)
        self._depth.use(3)
        # What only shows from the front is left out from behind.
        behind = float(np.asarray(view.model)[2, 2]) > 0.35
        # Skin last: most of it is hidden by then, and hidden fragments of it cost nothing.
        for item in sorted(parts, key=lambda item: item.part.look.mode == SKIN):
            look = item.part.look
            if behind and item.part.inner:
                continue
            program = self._programs[_program_key(look)]
            self._set_look(program, look)
            if item.part.eye:
                self._set_eye(program, item.part.eye, view)
            if look.mode == SKIN:
                ctx.enable(self._moderngl.CULL_FACE)
            item.array.render()
            ctx.disable(self._moderngl.CULL_FACE)
            if item.part.eye:
                self._set_eye(program, 0, view)
        raw = np.frombuffer(self._target.read((0, 0, size, size), components=4), np.uint8).reshape(size, size, 4)
        return raw.copy()

    def _set_eye(self, program: _Program, eye: int, view: View) -> None:
        pivot = view.eye_pivots[(eye + 1) // 2] if eye else (0.0, 0.0, 0.0)
        bend = _matrix(view.gaze) if eye else _IDENTITY
        program.set({"u_eye_pivot": tuple(map(float, pivot)), "u_eye_bend": bend})

    @staticmethod
    def _scene(view: View) -> dict[str, Any]:
        off = Light((0.0, 0.0, -1.0), (0.0, 0.0, 0.0))
        lights = (*view.lights, off, off, off)[:3]
        return {
            "u_window": view.window,
            "u_clip": (max(0.3, view.distance - 7.0), view.distance + 9.0),
            "u_light_direction": [light.direction for light in lights],
            "u_light_colour": [light.colour for light in lights],
            "u_sky": view.sky,
            "u_ground": view.ground,
            "u_up": view.up,
            "u_shadow_strength": view.shadow,
            "u_seed": view.seed,
            "u_texture_a": 0,
            "u_noise": 2,
            "u_shadow": 3,
        }

    def _set_look(self, program: _Program, look: Look) -> None:
        texture, brightness = self._texture(look.texture_a)
        texture.use(0)
        values: dict[str, Any] = {
            "u_colour": look.colour,
            "u_colour_b": look.colour_b,
            "u_hair": look.hair,
            "u_recolour": look.recolour,
            "u_gloss": look.gloss,
            "u_scalp": look.scalp,
            "u_beard": look.beard,
            "u_pattern": look.pattern,
            "u_shirt": -10.0 if look.shirt is None else look.shirt,
            "u_alpha": look.alpha,
            "u_brightness": brightness,
            "u_contrast": look.contrast,
            "u_ragged": look.ragged,
        }
        program.set(values)


def _mean_light(image: Texture) -> float:
    """Mean luminance, 0 to 1, of what the texture does not leave clear."""
    weight = image[..., 3].astype(np.float64)
    light = image[..., :3] @ np.array([0.3, 0.59, 0.11]) / 255
    return float((light * weight).sum() / max(weight.sum(), 1.0))


class _Program:
    """A shader program that writes a uniform only when it changes, and skips those that the compiler dropped."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self._uniforms = {name: program[name] for name in program if name.startswith("u_")}
        self._values: dict[str, Any] = {}

    def set(self, values: dict[str, Any]) -> None:
        """Set uniforms; bytes are written as they are."""
        for name, value in values.items():
            uniform = self._uniforms.get(name)
            if uniform is None or self._values.get(name) == value:
                continue
            self._values[name] = value
            if isinstance(value, bytes):
                uniform.write(value)
            else:
                uniform.value = value


def _program_key(look: Look) -> tuple[int, bool]:
    return look.mode, look.mode == HAIR and look.strands > 0.5


def _specialise(source: str, mode: int, strands: bool) -> str:
    """The shader of one way of shading."""
    # Light that enters skin leaves it elsewhere, red the farthest: each colour wraps around the terminator by its own reach.
    wraps = {SKIN: "vec3(0.36, 0.22, 0.17)", HAIR: "vec3(0.15)", CLOTH: "vec3(0.05)"}
    wrap, power = wraps.get(mode, "vec3(0.0)"), {SKIN: 20.0, HAIR: 24.0, FLAT: 40.0}.get(mode, 18.0)
    defines = (
        f"#define MODE {mode}\n#define STRANDS {int(strands)}\n#define TWO_SIDED {'false' if mode == SKIN else 'true'}\n"
        f"#define WRAP {wrap}\n#define POWER {power}\n"
    )
    return source.replace("#version 330\n", "#version 330\n" + defines, 1)


def _light_view(view: View) -> Float:
    """Orthographic clip←camera matrix of the first light, looking at the head's centre."""
    direction = np.asarray(view.lights[0].direction if view.lights else (0.0, -1.0, 0.0), dtype=np.float64)
    z = -direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    extent, depth = 3.2, 6.0
    matrix = np.eye(4)
    matrix[:3, :3] = rotation / np.array([[extent], [extent], [depth]])
    matrix[:3, 3] = -matrix[:3, :3] @ [0.0, 0.0, view.distance]
    return matrix
