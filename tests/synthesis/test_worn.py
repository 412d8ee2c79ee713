"""What heads wear and how hair falls: seen where it should be, moving with the head, and without moving the head box."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.synthesis import face_masks, hands
from semiuhpe.synthesis.anatomy import anatomy_of
from semiuhpe.synthesis.frame import landmark_vertices
from semiuhpe.synthesis.hair import hairline, is_ear
from semiuhpe.synthesis.identity import Hairstyle, Identity, random_beard, random_identity
from semiuhpe.synthesis.makehuman import HeadAssets
from semiuhpe.synthesis.outfit import HATS, random_outfit
from semiuhpe.synthesis.parts import Part
from semiuhpe.synthesis.person import Person, build_person
from semiuhpe.synthesis.relief import relief_of
from semiuhpe.synthesis.renderer import Light, Renderer, View, camera_points, picture_points
from semiuhpe.synthesis.scene import Pose, head_box, random_view

SIZE = 192
MOUTH, EYES, BROWS = slice(48, 68), slice(36, 48), slice(17, 27)
BARE: dict[str, Any] = {
    "hat": "",
    "glasses": False,
    "mask": ("", ""),
    "hand": "",
    "scarf": False,
    "headphones": False,
    "clothes": "",
}


@pytest.fixture(scope="module")
def someone(assets: HeadAssets) -> Identity:
    """A grown man with short hair and no beard."""
    people = (random_identity(k, np.random.default_rng(k), assets) for k in range(100))
    identity = next(person for person in people if person.male and person.age > 0.5)
    return replace(identity, male=True, hair=Hairstyle("short", 0.08, 0.05), beard=(0.0, 0.0), beard_kind="")


def dressed(assets: HeadAssets, identity: Identity, seed: int = 1, **worn: Any) -> Person:
    rng = np.random.default_rng(seed)
    outfit = replace(random_outfit(rng, identity, assets), **(BARE | worn))
    return build_person(identity, {}, outfit, assets, rng)


def seen_from(person: Person, degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> View:
    """An evenly lit view without shadows."""
    pose = Pose(from_azimuth_elevation_tilt(*np.radians(degrees)), np.radians([8.0, -10.0, 4.0]))
    grey = (0.6, 0.6, 0.6)
    light = Light((0.0, -0.6, -0.8), (0.4, 0.4, 0.4))
    view = random_view(person, pose, np.random.default_rng(2))
    return replace(view, lights=(light,), sky=grey, ground=grey, shadow=0.0, distance=20.0)


def drawn(renderer: Renderer, parts: Sequence[Part], view: View) -> NDArray[np.int_]:
    uploaded = [renderer.upload(part) for part in parts]
    picture = renderer.draw(uploaded, view)
    for item in uploaded:
        item.release()
    return picture.astype(int)


def changed(renderer: Renderer, person: Person, names: Collection[str], view: View) -> NDArray[np.bool_]:
    """Pixels (H, W) that differ with and without the parts of these names."""
    without = [part for part in person.parts if part.name not in names]
    assert len(without) < len(person.parts), f"no part is called {names}"
    return np.abs(drawn(renderer, person.parts, view) - drawn(renderer, without, view)).max(axis=2) > 12


def landmarks_at(person: Person, view: View) -> NDArray[np.float64]:
    return picture_points(camera_points(person.vertices[landmark_vertices()], view), view, SIZE)


def own_points(part: Part, view: View) -> NDArray[np.float64]:
    """Where the camera sees the points of a part, camera frame."""
    return camera_points(part.positions.astype(np.float64), view, part.fields[:, 0].astype(np.float64))


def share_on(mask: NDArray[np.bool_], pixels: NDArray[np.float64]) -> float:
    x, y = np.clip(pixels, 0, SIZE - 1).astype(int).T
    return float(mask[y, x].mean())


WORN = [
    *((("mask",), {"mask": (kind, "right")}) for kind in face_masks.KINDS),
    *(((kind,), {"hat": kind}) for kind in HATS),
    (("hand",), {"hand": "cheek"}),
    (("hand", "phone"), {"hand": "phone"}),
    (("scarf",), {"scarf": True}),
    (("headphone",), {"headphones": True}),
]


@pytest.mark.parametrize(("names", "worn"), WORN, ids=lambda value: "-".join(map(str, value)))
@pytest.mark.parametrize("degrees", [(0, 0, 0), (50, 15, -20), (-30, -25, 160)])
def test_what_is_worn_shows_where_the_label_puts_it(
    renderer: Renderer,
    assets: HeadAssets,
    someone: Identity,
    names: Collection[str],
    worn: dict[str, Any],
    degrees: tuple[float, float, float],
) -> None:
    """The pixels that it changes are those of its own points, projected from the label by numpy."""
    person = dressed(assets, someone, **worn)
    view = seen_from(person, degrees)
    mask = changed(renderer, person, names, view)
    assert mask.sum() > 60
    own = [part for part in person.parts if part.name in names]
    points = np.concatenate([own_points(part, view) for part in own])
    pixels = picture_points(points, view, SIZE)
    y, x = np.nonzero(mask)
    low, high = pixels.min(axis=0) - 2, pixels.max(axis=0) + 2
    assert ((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])).all()


@pytest.mark.parametrize("kind", face_masks.KINDS)
@pytest.mark.parametrize("number", [3, 11, 25, 40])
def test_a_mask_covers_the_mouth_and_not_the_eyes(
    renderer: Renderer, assets: HeadAssets, kind: str, number: int
) -> None:
    identity = random_identity(number, np.random.default_rng(number), assets)
    person = dressed(assets, replace(identity, hair=Hairstyle("bald"), beard_kind=""), mask=(kind, "right"))
    view = seen_from(person)
    mask, at = changed(renderer, person, ("mask",), view), landmarks_at(person, view)
    assert share_on(mask, at[MOUTH]) > 0.9
    assert share_on(mask, at[31:36]) == 1.0  # and the nostrils
    assert share_on(mask, at[EYES]) == 0.0
    assert share_on(mask, at[BROWS]) == 0.0


def test_a_mask_worn_below_the_nose_or_at_the_chin_leaves_them_free(
    renderer: Renderer, assets: HeadAssets, someone: Identity
) -> None:
    for wear, free in (("nose", [30, 33]), ("chin", [30, 33, 51, 62])):
        person = dressed(assets, someone, mask=("surgical", wear))
        view = seen_from(person)
        mask = changed(renderer, person, ("mask",), view)
        assert share_on(mask, landmarks_at(person, view)[free]) == 0.0
        assert share_on(mask, landmarks_at(person, view)[[8]] - [0, 3]) == 1.0


def test_a_phone_is_at_the_ear_and_the_hand_holds_it(assets: HeadAssets, someone: Identity) -> None:
    for seed in range(6):
        person = dressed(assets, someone, seed, hand="phone")
        phone, hand = (next(p.positions for p in person.parts if p.name == name) for name in ("phone", "hand"))
        ears = person.vertices[:13380][is_ear(assets.base.mesh.vertices[:13380])]
        assert np.linalg.norm(ears - phone.mean(axis=0), axis=1).min() < 0.6
        assert np.linalg.norm(hand - phone.mean(axis=0), axis=1).min() < 0.4
        assert abs(phone[:, 0].mean()) > 0.8  # beside the head, not before the face


@pytest.mark.parametrize("kind", ["cheek", "chin", "brow", "hair"])
def test_hands_touch_the_head_without_being_inside(assets: HeadAssets, someone: Identity, kind: str) -> None:
    for seed in range(4):
        person = dressed(assets, someone, seed, hand=kind)
        hand = next(p.positions for p in person.parts if p.name == "hand").astype(float)
        skin = person.vertices[:13380]
        skin = skin[assets.base.mesh.vertices[:13380, 1] > 6.0]
        assert np.linalg.norm(hand[::3, None] - skin[None, ::3], axis=2).min() < 0.3
        # In slices: a point of the hand is inside if the skin reaches further at its height and azimuth.
        relief = relief_of(person.vertices[:13380], assets.base.mesh.vertices[:13380])
        x, z = hand[:, 0] - relief.centre[0], hand[:, 2] - relief.centre[1]
        above = hand[:, 1] > person.vertices[landmark_vertices()][8, 1]
        inside = relief.at(np.arctan2(x, z), hand[:, 1]) - np.hypot(x, z)
        assert (inside[above] > 0.12).mean() < 0.05
    assert sum(hands.KINDS.values()) == pytest.approx(1.0)


def test_both_hands_occur_and_face_outwards(renderer: Renderer, assets: HeadAssets, someone: Identity) -> None:
    sides = set()
    for seed in range(8):
        person = dressed(assets, someone, seed, hand="cheek")
        hand = next(part for part in person.parts if part.name == "hand")
        sides.add(np.sign(hand.positions[:, 0].mean()))
        corners = hand.positions[hand.triangles]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (np.einsum("kd,kd->k", facing, hand.normals[hand.triangles[:, 0]]) > 0).mean() > 0.95
    assert sides == {-1.0, 1.0}


@pytest.mark.parametrize(
    "worn", [{"mask": ("respirator", "right")}, {"hand": "photo"}, {"scarf": True}, {"hand": "hair"}]
)
def test_the_head_box_does_not_know_what_is_before_the_head(
    assets: HeadAssets, someone: Identity, worn: dict[str, Any]
) -> None:
    plain, other = dressed(assets, someone), dressed(assets, someone, **worn)
    view = seen_from(plain, (25, 10, 5))
    np.testing.assert_allclose(head_box(other, view), head_box(plain, view), atol=1e-9)


@pytest.mark.parametrize("hat", sorted(HATS))
def test_the_head_box_holds_the_hat_but_not_its_brim(assets: HeadAssets, someone: Identity, hat: str) -> None:
    plain, other = dressed(assets, someone), dressed(assets, someone, hat=hat)
    view = seen_from(plain)
    bare, box = np.array(head_box(plain, view)), np.array(head_box(other, view))
    grown = (box - bare) * [-1, -1, 1, 1] / (bare[3] - bare[1])
    assert grown.min() > -0.12  # hair pressed down may make it a little smaller
    assert grown.max() < 0.25


def test_a_site_helmet_sits_on_the_skull_with_a_brim(assets: HeadAssets, someone: Identity) -> None:
    for seed in range(5):
        person = dressed(assets, someone, seed, hat="helmet")
        helmet = next(p.positions for p in person.parts if p.name == "helmet").astype(float)
        skull = person.vertices[:13380]
        brows = person.vertices[landmark_vertices()][BROWS]
        assert helmet[:, 1].max() > skull[:, 1].max()
        assert helmet[:, 1].min() > person.vertices[landmark_vertices()][30, 1]  # above the tip of the nose
        assert helmet[:, 2].max() > brows[:, 2].max() + 0.2  # a peak before the forehead
        # No skin comes through the dome.
        top = skull[skull[:, 1] > helmet[:, 1].min() + 0.35]
        dome = helmet[helmet[:, 1] > helmet[:, 1].min() + 0.3]
        assert np.ptp(dome[:, 0]) > np.ptp(top[:, 0])
        assert np.ptp(dome[:, 2]) > np.ptp(top[:, 2])


def test_a_relief_is_the_reach_of_the_skin(assets: HeadAssets, someone: Identity) -> None:
    """No vertex of the head reaches far beyond it, and it reaches no further than the vertices around."""
    anatomy = anatomy_of(assets, assets.morph(someone.targets))
    base = assets.base.mesh.vertices[:13380]
    skin = anatomy.vertices[:13380][~is_ear(base) & (base[:, 1] > 6.2) & (base[:, 1] < 8.2)]
    azimuth = np.arctan2(skin[:, 0] - anatomy.relief.centre[0], skin[:, 2] - anatomy.relief.centre[1])
    reach = np.hypot(skin[:, 0] - anatomy.relief.centre[0], skin[:, 2] - anatomy.relief.centre[1])
    field = anatomy.relief.at(azimuth, skin[:, 1])
    assert (reach - field < 0.1).mean() > 0.97
    for k in range(0, len(skin), 97):
        turn = np.abs(np.angle(np.exp(1j * (azimuth - azimuth[k]))))
        around = (turn < 0.45) & (np.abs(skin[:, 1] - skin[k, 1]) < 0.4)
        assert field[k] < reach[around].max() + 0.05


def test_ears_are_under_long_enough_hair(renderer: Renderer, assets: HeadAssets, someone: Identity) -> None:
    style = Hairstyle("short", 0.15, 0.05, density=1.0, ragged=0.1)
    ear = is_ear(assets.base.mesh.vertices) & (assets.base.mesh.vertices[:, 0] > 0)
    ear &= assets.base.mesh.vertices[:, 1] > 6.9
    light = {}
    for covered in (False, True):
        person = dressed(assets, replace(someone, hair=replace(style, ears=covered), hair_colour=(0.01, 0.01, 0.01)))
        view = seen_from(person, (-90, 0, 0))
        picture = drawn(renderer, person.parts, view)[..., :3].sum(axis=2)
        x, y = picture_points(camera_points(person.vertices[ear], view), view, SIZE).mean(axis=0).astype(int)
        light[covered] = np.median(picture[y - 3 : y + 4, x - 3 : x + 4])
    assert light[True] < 0.6 * light[False]


def test_a_fringe_covers_the_forehead_and_not_the_eyes(
    renderer: Renderer, assets: HeadAssets, someone: Identity
) -> None:
    person = dressed(assets, replace(someone, hair=Hairstyle("short", 0.12, 0.05, front=0.9, density=1.0)))
    view = seen_from(person)
    mask, at = changed(renderer, person, ("fringe",), view), landmarks_at(person, view)
    middle, up = at[[21, 22]].mean(axis=0), at[27] - at[33]
    assert share_on(mask, (middle + 0.55 * up)[None]) == 1.0
    assert share_on(mask, at[EYES]) == 0.0


@pytest.mark.parametrize("tail", ["bun", "pony", "pigtails", "braid"])
def test_tied_hair_is_behind_and_outside_the_head_box(assets: HeadAssets, someone: Identity, tail: str) -> None:
    for seed in range(4):
        person = dressed(assets, replace(someone, hair=Hairstyle("short", 0.05, tail=tail, tail_size=0.4)), seed)
        tied = np.concatenate([p.positions for p in person.parts if p.name in ("tail", "bun")])
        assert tied[:, 2].mean() < person.centre[2]
    plain = dressed(assets, replace(someone, hair=Hairstyle("short", 0.05)))
    view = seen_from(plain, (90, 0, 0))
    box, bare = np.array(head_box(person, view)), np.array(head_box(plain, view))
    assert np.abs(box - bare).max() < 0.3 * (bare[2] - bare[0])


def test_a_balding_head_is_bare_at_the_crown_alone(assets: HeadAssets) -> None:
    base = assets.base.mesh.vertices[:13380]
    full = assets.base.fields[:13380, 1]
    line = hairline(base, full, Hairstyle("short", bald=0.6))
    crown = (base[:, 1] > 8.2) & (np.hypot(base[:, 0], base[:, 2] - 0.1) < 0.4)
    back = (base[:, 2] < -0.3) & (np.abs(base[:, 1] - 7.1) < 0.2)
    assert crown.any()
    assert (line[crown] < 0).all()
    assert back.any()
    assert (line[back] > 0).all()
    assert (line <= full + 1e-9).all()


@pytest.mark.parametrize("kind", ["full", "goatee", "moustache"])
def test_a_beard_grows_where_beards_grow(renderer: Renderer, assets: HeadAssets, someone: Identity, kind: str) -> None:
    person = dressed(assets, replace(someone, beard_kind=kind, beard_length=0.15, hair_colour=(0.01, 0.01, 0.01)))
    view = seen_from(person)
    mask, at = changed(renderer, person, ("beard",), view), landmarks_at(person, view)
    chin = at[8] + 0.25 * (at[57] - at[8])
    lip = (at[33] + at[51]) / 2
    assert share_on(mask, lip[None]) == 1.0
    assert share_on(mask, chin[None]) == (0.0 if kind == "moustache" else 1.0)
    assert share_on(mask, at[EYES]) == 0.0
    assert share_on(mask, at[27:31]) == 0.0


def test_beards_are_for_men(rng: np.random.Generator) -> None:
    assert all(random_beard(rng, False, 0.8) == ((0.0, 0.0), "", 0.0) for _ in range(50))
    kinds = {random_beard(rng, True, 0.8)[1] for _ in range(300)}
    assert kinds == {"", "full", "goatee", "moustache"}


def test_the_edge_of_light_on_skin_is_red(renderer: Renderer, assets: HeadAssets, someone: Identity) -> None:
    """Subsurface light: at the terminator the ratio of red to green is higher than in full light."""
    person = dressed(assets, replace(someone, skin_gloss=0.0))
    side = Light((0.95, 0.0, -0.31), (1.2, 1.2, 1.2))
    view = replace(seen_from(person), lights=(side,), sky=(0.0,) * 3, ground=(0.0,) * 3)
    body = next(part for part in person.parts if part.name == "body")
    picture = drawn(renderer, [body], view)
    pixels = picture_points(own_points(body, view), view, SIZE)
    normals = body.normals @ view.model.T
    face = (normals[:, 2] < -0.25) & (body.fields[:, 0] < 0.01) & (body.fields[:, 1] < -0.3)
    cosine = normals @ np.array(side.direction)

    def redness(mask: NDArray[np.bool_]) -> float:
        x, y = np.clip(pixels[mask], 0, SIZE - 1).astype(int).T
        red, green = (picture[y, x, k].astype(float) ** 2 for k in (0, 1))
        return float(np.median((red / np.maximum(green, 1.0))[green > 30]))

    assert redness(face & (np.abs(cosine) < 0.1)) > 1.25 * redness(face & (cosine > 0.6))


def test_hair_shines_across_its_strands(renderer: Renderer, assets: HeadAssets, someone: Identity) -> None:
    """Black hair has a band of light, brighter than the rest of it."""
    person = dressed(
        assets,
        replace(someone, hair_colour=(0.01, 0.01, 0.01), hair_gloss=0.2, hair=Hairstyle("short", 0.1, density=1.0)),
    )
    view = replace(seen_from(person, (180, 0, 0)), lights=(Light((0.0, -0.7, -0.71), (1.0, 1.0, 1.0)),))
    dull = dressed(
        assets,
        replace(someone, hair_colour=(0.01, 0.01, 0.01), hair_gloss=0.0, hair=Hairstyle("short", 0.1, density=1.0)),
    )
    gain = (drawn(renderer, person.parts, view) - drawn(renderer, dull.parts, view))[..., 1]
    rows = gain[:, SIZE // 2 - 12 : SIZE // 2 + 12].mean(axis=1)
    head = np.flatnonzero(rows > 0.5 * rows.max())
    assert rows.max() > 25
    assert len(head) < 0.6 * SIZE / 2.6


def test_a_person_is_a_function_of_the_seed(assets: HeadAssets, someone: Identity) -> None:
    first, second = (
        dressed(assets, someone, 5, mask=("cloth", "right"), hand="chin", hat="helmet", scarf=True) for _ in range(2)
    )
    assert [part.name for part in first.parts] == [part.name for part in second.parts]
    for a, b in zip(first.parts, second.parts, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
