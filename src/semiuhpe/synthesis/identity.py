"""A random person: shape, skin, hair, clothes. Pure data, drawn from an explicit generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.synthesis.makehuman import HeadAssets

Colour = tuple[float, float, float]

ANCESTRIES = ("african", "asian", "caucasian")
AGES = ("baby", "child", "young", "old")

# Local shape targets: (name, name of its opposite or "" if one-sided, standard deviation of the weight).
# A leading "*" stands for both sides, "l-" and "r-", with a little asymmetry between them.
_SHAPE = (
    ("head/head-age-incr", "head/head-age-decr", 0.3), ("head/head-angle-out", "head/head-angle-in", 0.25),
    ("head/head-fat-incr", "head/head-fat-decr", 0.45), ("head/head-oval", "", 0.4), ("head/head-round", "", 0.4),
    ("head/head-rectangular", "", 0.3), ("head/head-square", "", 0.3), ("head/head-triangular", "", 0.25),
    ("head/head-invertedtriangular", "", 0.3), ("head/head-diamond", "", 0.25),
    ("head/head-scale-depth-incr", "head/head-scale-depth-decr", 0.35),
    ("head/head-scale-horiz-incr", "head/head-scale-horiz-decr", 0.35),
    ("head/head-scale-vert-incr", "head/head-scale-vert-decr", 0.3),
    ("head/head-back-scale-depth-incr", "head/head-back-scale-depth-decr", 0.4),
    ("forehead/forehead-trans-forward", "forehead/forehead-trans-backward", 0.4),
    ("forehead/forehead-scale-vert-incr", "forehead/forehead-scale-vert-decr", 0.4),
    ("forehead/forehead-nubian-incr", "forehead/forehead-nubian-decr", 0.3),
    ("forehead/forehead-temple-incr", "forehead/forehead-temple-decr", 0.4),
    ("eyebrows/eyebrows-trans-up", "eyebrows/eyebrows-trans-down", 0.4),
    ("eyebrows/eyebrows-angle-up", "eyebrows/eyebrows-angle-down", 0.4),
    ("eyebrows/eyebrows-trans-forward", "eyebrows/eyebrows-trans-backward", 0.4),
    ("*eyes/eye-scale-incr", "*eyes/eye-scale-decr", 0.35), ("*eyes/eye-trans-in", "*eyes/eye-trans-out", 0.35),
    ("*eyes/eye-trans-up", "*eyes/eye-trans-down", 0.25), ("*eyes/eye-height2-incr", "*eyes/eye-height2-decr", 0.4),
    ("*eyes/eye-bag-incr", "*eyes/eye-bag-decr", 0.4), ("*eyes/eye-push1-in", "*eyes/eye-push1-out", 0.3),
    ("*eyes/eye-corner1-up", "*eyes/eye-corner1-down", 0.4), ("*eyes/eye-epicanthus-in", "*eyes/eye-epicanthus-out", 0.4),
    ("*cheek/cheek-volume-incr", "*cheek/cheek-volume-decr", 0.45), ("*cheek/cheek-bones-incr", "*cheek/cheek-bones-decr", 0.45),
    ("*cheek/cheek-inner-incr", "*cheek/cheek-inner-decr", 0.4), ("*cheek/cheek-trans-up", "*cheek/cheek-trans-down", 0.35),
    ("*ears/ear-scale-incr", "*ears/ear-scale-decr", 0.4), ("*ears/ear-wing-incr", "*ears/ear-wing-decr", 0.5),
    ("*ears/ear-rot-forward", "*ears/ear-rot-backward", 0.35), ("*ears/ear-trans-up", "*ears/ear-trans-down", 0.3),
    ("*ears/ear-lobe-incr", "*ears/ear-lobe-decr", 0.5), ("*ears/ear-shape-round", "", 0.4),
    ("nose/nose-scale-vert-incr", "nose/nose-scale-vert-decr", 0.35), ("nose/nose-scale-horiz-incr", "nose/nose-scale-horiz-decr", 0.4),
    ("nose/nose-scale-depth-incr", "nose/nose-scale-depth-decr", 0.35), ("nose/nose-hump-incr", "nose/nose-hump-decr", 0.45),
    ("nose/nose-point-up", "nose/nose-point-down", 0.4), ("nose/nose-base-up", "nose/nose-base-down", 0.35),
    ("nose/nose-curve-convex", "nose/nose-curve-concave", 0.4), ("nose/nose-width1-incr", "nose/nose-width1-decr", 0.35),
    ("nose/nose-width2-incr", "nose/nose-width2-decr", 0.35), ("nose/nose-width3-incr", "nose/nose-width3-decr", 0.4),
    ("nose/nose-volume-incr", "nose/nose-volume-decr", 0.35), ("nose/nose-flaring-incr", "nose/nose-flaring-decr", 0.4),
    ("nose/nose-greek-incr", "nose/nose-greek-decr", 0.4), ("nose/nose-trans-up", "nose/nose-trans-down", 0.25),
    ("mouth/mouth-scale-horiz-incr", "mouth/mouth-scale-horiz-decr", 0.4),
    ("mouth/mouth-scale-vert-incr", "mouth/mouth-scale-vert-decr", 0.35),
    ("mouth/mouth-trans-up", "mouth/mouth-trans-down", 0.25), ("mouth/mouth-trans-forward", "mouth/mouth-trans-backward", 0.3),
    ("mouth/mouth-upperlip-volume-incr", "mouth/mouth-upperlip-volume-decr", 0.45),
    ("mouth/mouth-lowerlip-volume-incr", "mouth/mouth-lowerlip-volume-decr", 0.45),
    ("mouth/mouth-angles-up", "mouth/mouth-angles-down", 0.4), ("mouth/mouth-laugh-lines-in", "mouth/mouth-laugh-lines-out", 0.4),
    ("chin/chin-width-incr", "chin/chin-width-decr", 0.4), ("chin/chin-height-incr", "chin/chin-height-decr", 0.35),
    ("chin/chin-prominent-incr", "chin/chin-prominent-decr", 0.35), ("chin/chin-bones-incr", "chin/chin-bones-decr", 0.4),
    ("chin/chin-prognathism-incr", "chin/chin-prognathism-decr", 0.25), ("chin/chin-jaw-drop-incr", "chin/chin-jaw-drop-decr", 0.35),
    ("neck/neck-double-incr", "neck/neck-double-decr", 0.4), ("neck/neck-scale-horiz-incr", "neck/neck-scale-horiz-decr", 0.4),
    ("neck/neck-scale-vert-incr", "neck/neck-scale-vert-decr", 0.4),
)  # fmt: skip

_ASYMMETRY = (
    "brown-1", "brown-2", "cheek-1", "cheek-2", "ear-1", "ear-2", "eye-1", "eye-3", "eye-5", "jaw-1", "jaw-2",
    "jaw-3", "mouth-1", "mouth-2", "nose-1", "nose-2", "nose-4", "temple-1", "top-1", "top-2",
)  # fmt: skip

# Linear RGB. Two thirds of the world's heads are dark-haired.
_HAIR_COLOURS: tuple[tuple[float, Colour], ...] = (
    (0.40, (0.012, 0.010, 0.009)), (0.18, (0.030, 0.020, 0.014)), (0.13, (0.075, 0.042, 0.022)),
    (0.08, (0.16, 0.095, 0.048)), (0.07, (0.36, 0.25, 0.12)), (0.03, (0.55, 0.43, 0.25)), (0.03, (0.20, 0.055, 0.02)),
    (0.04, (0.28, 0.27, 0.26)), (0.03, (0.62, 0.61, 0.59)), (0.01, (0.25, 0.05, 0.30)),
)  # fmt: skip


@dataclass(frozen=True)
class Hairstyle:
    """kind: the name of a modelled style, or "bald", "shaved", "short", "curtain". The rest shapes "short" and "curtain".

    thickness: dm that the shell stands off the skull; top: extra at the crown; shift: of the hairline, dm;
    length: dm that a curtain hangs below the equator of the skull; opening: half angle (radians) left free for the
    face; fringe: dm that the hairline comes down on the forehead; tail: "" | "bun" | "pony" | "pigtails" | "braid";
    tail_size: dm; density: 0 wispy … 1 a closed mass; ears: hair covers them; bald: dm that hair has gone from crown and
    temples; front: how far a fringe falls over the forehead, 0 none, 1 to the brows; sweep: of its edge to a side;
    stubble: density of what is shaved; contrast: between strands; ragged: how uneven the edges are, 0 to 1.
    """

    kind: str
    thickness: float = 0.1
    top: float = 0.1
    shift: float = 0.0
    length: float = 0.0
    opening: float = 1.0
    fringe: float = 0.0
    tail: str = ""
    tail_size: float = 0.3
    wave: float = 0.02
    density: float = 0.7
    ears: bool = False
    bald: float = 0.0
    front: float = 0.0
    sweep: float = 0.0
    stubble: float = 0.75
    contrast: float = 0.7
    ragged: float = 0.5


@dataclass(frozen=True)
class Identity:
    """Everything that makes a person, before expression and scene.

    beard: (density of what is painted on the skin, share of it below the chin); beard_kind: "" or what stands off the
    skin, "full", "goatee" or "moustache", by beard_length dm.
    """

    number: int
    male: bool
    age: float
    ancestry: tuple[float, float, float]
    targets: dict[str, float]
    skin_a: str
    skin_b: str
    skin_mix: float
    skin_tint: Colour
    skin_gloss: float
    iris: str
    brow: str
    lash: str
    hair: Hairstyle
    hair_colour: Colour
    hair_gloss: float
    beard: tuple[float, float]
    beard_kind: str
    beard_length: float

    @property
    def subject(self) -> str:
        """The name that keeps this person's pictures together."""
        return f"person-{self.number:06d}"


def _expand(name: str, side: str) -> str:
    folder, stem = name[1:].split("/")
    return f"{folder}/{side}-{stem}"


def _age_weights(age: float) -> dict[str, float]:
    """MakeHuman's piecewise-linear ages: 0 baby, 0.1875 child, 0.5 young adult, 1 old."""
    knots = (0.0, 0.1875, 0.5, 1.0)
    weights = dict.fromkeys(AGES, 0.0)
    for i in range(3):
        if knots[i] <= age <= knots[i + 1]:
            t = (age - knots[i]) / (knots[i + 1] - knots[i])
            weights[AGES[i]], weights[AGES[i + 1]] = 1 - t, t
    return weights


def _macro_targets(rng: np.random.Generator, male: float, age: float, ancestry: tuple[float, ...]) -> dict[str, float]:
    targets: dict[str, float] = {}
    muscle, weight = np.clip(rng.normal(0.5, 0.2, 2), 0, 1)
    build = {
        f"{m}muscle-{w}weight": mv * wv
        for m, mv in _three(float(muscle)).items()
        for w, wv in _three(float(weight)).items()
    }
    for sex, share in (("male", male), ("female", 1.0 - male)):
        for stage, amount in _age_weights(age).items():
            if share * amount == 0:
                continue
            for race, part in zip(ANCESTRIES, ancestry, strict=True):
                targets[f"macrodetails/{race}-{sex}-{stage}"] = share * amount * part
            for name, value in build.items():
                targets[f"macrodetails/universal-{sex}-{stage}-{name}"] = share * amount * value
    return {name: value for name, value in targets.items() if value > 1e-4}


def _three(value: float) -> dict[str, float]:
    low, high = max(0.0, 1 - 2 * value), max(0.0, 2 * value - 1)
    return {"min": low, "average": 1 - low - high, "max": high}


def _local_targets(rng: np.random.Generator) -> dict[str, float]:
    targets: dict[str, float] = {}

    def put(plus: str, minus: str, weight: float) -> None:
        if weight > 0:
            targets[plus] = min(weight, 1.0)
        elif minus:
            targets[minus] = min(-weight, 1.0)

    for plus, minus, spread in _SHAPE:
        weight = float(rng.normal(0, spread))
        if plus.startswith("*"):
            for side in "lr":
                other = _expand(minus, side) if minus else ""
                put(_expand(plus, side), other, weight + float(rng.normal(0, 0.25 * spread)))
        else:
            put(plus, minus, weight)
    for name in _ASYMMETRY:
        weight = float(rng.normal(0, 0.3))
        targets[f"asym/asym-{name}-{'l' if weight > 0 else 'r'}"] = min(abs(weight), 1.0)
    return targets


def _choose_skin(rng: np.random.Generator, names: list[str], male: bool, age: float, ancestry: str) -> str:
    stage = "young" if age < 0.62 else "middleage" if age < 0.82 else "old"
    scores = []
    for name in names:
        score = 3.0 * (ancestry in name) + 2.0 * (("_male" in name) == male) + 1.0 * name.startswith(stage)
        # Stubble is painted into men's skins and must not appear on women; dark skins exist for men only.
        scores.append(np.exp(1.3 * score))
    weights = np.array(scores) / np.sum(scores)
    return names[int(rng.choice(len(names), p=weights))]


def random_hairstyle(rng: np.random.Generator, assets: HeadAssets, male: bool, age: float) -> Hairstyle:
    """A hairstyle that suits; modelled ones for a third, the procedural ones for the rest."""
    shift = float(rng.normal(0.0, 0.08))
    contrast, ragged = float(rng.uniform(0.25, 1.0)), float(rng.uniform(0.1, 0.9))
    bald = 0.12 * (age > 0.6) + 0.02 if male else 0.002
    if rng.random() < bald:
        kind = "bald" if rng.random() < 0.4 else "shaved"
        return Hairstyle(kind, shift=float(rng.uniform(-0.7, -0.2)), stubble=float(rng.uniform(0.1, 0.5)))
    if rng.random() < (0.07 if male else 0.01):
        return Hairstyle("shaved", shift=shift, stubble=float(rng.uniform(0.35, 0.9)))
    if male and rng.random() < 0.03 + 0.3 * smooth_age(age):
        return Hairstyle(
            "short",
            float(rng.uniform(0.03, 0.12)),
            0.0,
            shift - 0.1,
            wave=float(rng.uniform(0.01, 0.03)),
            density=float(rng.uniform(0.2, 1.0)),
            bald=float(rng.uniform(0.25, 0.95)),
            contrast=contrast,
            ragged=ragged,
        )
    styled = sorted(assets.hair)
    if rng.random() < 0.35 and styled:
        odds = np.array(
            [
                ("short" in n or "afro" in n) * (3.0 if male else 0.7) + ("short" not in n) * (0.25 if male else 1.5)
                for n in styled
            ]
        )
        odds = odds * np.array([0.4 if "afro" in n else 1.0 for n in styled])
        return Hairstyle(styled[int(rng.choice(len(styled), p=odds / odds.sum()))], shift=shift)
    front = float(rng.choice([0.0, rng.uniform(0.1, 1.15)], p=[0.65, 0.35] if male else [0.45, 0.55]))
    sweep = float(rng.normal(0.0, 0.7))
    density = float(np.clip(rng.normal(0.8, 0.25), 0.1, 1.0))
    if rng.random() < (0.93 if male else 0.42):
        tail = (
            "" if male else str(rng.choice(["bun", "pony", "pigtails", "braid", ""], p=[0.24, 0.42, 0.12, 0.12, 0.10]))
        )
        thick = float(rng.uniform(0.03, 0.12)) if tail else float(rng.uniform(0.04, 0.34))
        return Hairstyle(
            "short",
            thick,
            0.0 if tail else float(rng.uniform(0.0, 0.3)),
            shift,
            fringe=float(rng.choice([0.0, rng.uniform(0.05, 0.5)])),
            tail=tail,
            tail_size=float(rng.uniform(0.25, 0.6)),
            wave=float(rng.uniform(0.005, 0.05)),
            density=density,
            ears=bool(rng.random() < (0.18 if male else 0.45)) and not tail,
            front=front,
            sweep=sweep,
            contrast=contrast,
            ragged=ragged,
        )
    return Hairstyle(
        "curtain",
        float(rng.uniform(0.08, 0.26)),
        float(rng.uniform(0.0, 0.12)),
        shift,
        float(rng.choice([rng.uniform(0.3, 1.0), rng.uniform(1.0, 2.6)])),
        float(rng.uniform(0.7, 1.35)),
        float(rng.choice([0.0, rng.uniform(0.1, 0.55)])),
        wave=float(rng.choice([rng.uniform(0.0, 0.02), rng.uniform(0.02, 0.08)])),
        density=density,
        front=front,
        sweep=sweep,
        contrast=contrast,
        ragged=ragged,
    )


def smooth_age(age: float) -> float:
    """0 for the young, 1 for the old: how far grey and balding have come."""
    return float(np.clip((age - 0.5) / 0.4, 0.0, 1.0))


def random_beard(rng: np.random.Generator, male: bool, age: float) -> tuple[tuple[float, float], str, float]:
    """(density painted on the skin, share below the chin), kind and length (dm) of what stands off it."""
    if not male or age < 0.42 or rng.random() > 0.42:
        return (0.0, 0.0), "", 0.0
    below = float(rng.uniform(0.3, 1.0))
    if rng.random() < 0.5:  # a shadow or stubble
        return (float(rng.uniform(0.08, 0.6)), below), "", 0.0
    kind = str(rng.choice(["full", "goatee", "moustache"], p=[0.55, 0.22, 0.23]))
    length = float(rng.choice([rng.uniform(0.04, 0.12), rng.uniform(0.12, 0.5)], p=[0.65, 0.35]))
    painted = float(rng.uniform(0.5, 0.95)) if kind == "full" else float(rng.uniform(0.0, 0.35))
    return (painted, below), kind, 0.07 if kind == "moustache" else length


def random_identity(number: int, rng: np.random.Generator, assets: HeadAssets) -> Identity:
    """Draw a person. number: names the subject; rng: the only source of chance."""
    male = bool(rng.random() < 0.55)
    age = float(
        np.clip(
            rng.choice([rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.6), rng.uniform(0.5, 1.0)], p=[0.25, 0.5, 0.25]),
            0,
            1,
        )
    )
    main = int(rng.choice(3, p=[0.2, 0.42, 0.38]))
    share = rng.dirichlet(np.ones(3) * 0.4) * 0.4
    ancestry = tuple(float(v) for v in share + 0.6 * np.eye(3)[main])
    names = sorted(assets.skins)
    skin_a = _choose_skin(rng, names, male, age, ANCESTRIES[main])
    skin_b = _choose_skin(rng, names, male, age, ANCESTRIES[main])
    targets = _macro_targets(rng, float(np.clip((0.9 if male else 0.1) + rng.normal(0, 0.1), 0, 1)), age, ancestry)
    local = _local_targets(rng)
    calm = 0.6 if age < 0.3 else 1.0
    targets.update({name: calm * value for name, value in local.items()})
    brightness = float(np.exp(rng.normal(0.1, 0.22)))
    if main == 0 and "african" not in skin_a:
        brightness *= 0.4
    tint = brightness * np.exp(rng.normal(0, [0.05, 0.04, 0.07]))
    shares = np.array([c[0] for c in _HAIR_COLOURS])
    if main != 2:
        shares[3:7] *= 0.1
        shares[0] *= 2.0
    grey = smooth_age(age)
    shares[7:9] *= 0.1 + 5.0 * grey
    colour = np.array(_HAIR_COLOURS[int(rng.choice(len(shares), p=shares / shares.sum()))][1])
    colour = colour * np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.06, 3))
    hair = random_hairstyle(rng, assets, male, age)
    beard, beard_kind, beard_length = random_beard(rng, male, age)
    return Identity(
        number=number,
        male=male,
        age=age,
        ancestry=(ancestry[0], ancestry[1], ancestry[2]),
        targets=targets,
        skin_a=skin_a,
        skin_b=skin_b,
        skin_mix=float(rng.uniform(0, 1)),
        skin_tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        skin_gloss=float(rng.uniform(0.03, 0.22)),
        iris=assets.irises[int(rng.integers(len(assets.irises)))],
        brow=str(rng.choice(sorted(assets.brows))) if assets.brows else "",
        lash=str(rng.choice(sorted(assets.lashes))) if assets.lashes else "",
        hair=hair,
        hair_colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        hair_gloss=float(np.exp(rng.uniform(np.log(0.004), np.log(0.07)))),
        beard=beard,
        beard_kind=beard_kind,
        beard_length=beard_length,
    )


_EXPRESSIONS: tuple[tuple[str, float, float], ...] = (
    ("mouth-open", 0.3, 0.8), ("mouth-corner-puller", 0.4, 0.9), ("mouth-retraction", 0.15, 0.7), ("mouth-depression", 0.12, 0.7),
    ("mouth-part-later", 0.15, 0.7), ("mouth-pursing", 0.08, 0.7), ("mouth-elevation", 0.1, 0.6), ("mouth-parling", 0.1, 0.6),
    ("eyebrows-*-up", 0.2, 0.9), ("eyebrows-*-down", 0.2, 0.9), ("eyebrows-*-inner-up", 0.1, 0.8), ("nose-compression", 0.08, 0.7),
    ("eye-*-slit", 0.25, 0.9), ("eye-*-closure", 0.12, 1.0), ("eye-*-opened-up", 0.08, 0.7), ("nose-*-elevation", 0.08, 0.7),
)  # fmt: skip


def random_expression(rng: np.random.Generator, identity: Identity) -> dict[str, float]:
    """Weights of expression targets; about a third of all faces are neutral."""
    if rng.random() < 0.3:
        return {}
    race = ANCESTRIES[int(np.argmax(identity.ancestry))]
    weights: dict[str, float] = {}
    for name, chance, most in _EXPRESSIONS:
        if rng.random() < chance:
            value = float(rng.uniform(0.1, most))
            for side in ("left", "right") if "*" in name else ("",):
                jitter = float(np.clip(value + rng.normal(0, 0.05), 0, 1))
                weights[f"expression/units/{race}/{name.replace('*', side)}"] = jitter
    return weights
