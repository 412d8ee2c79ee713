"""`semiuhpe train-detector`: train the head detector on SCUT-HEAD, portraits and renders, and export it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from semiuhpe.cli.parser import CommandParser
from semiuhpe.cli.recipe_options import key_texts, metavar_of, option_help
from semiuhpe.training.detector.recipe import DetectorRecipe, read_recipe

if TYPE_CHECKING:
    from semiuhpe.sources.scut_head import AnnotatedPhoto


def build_parser() -> CommandParser:
    """The options of `semiuhpe train-detector`."""
    parser = CommandParser(
        prog="semiuhpe train-detector",
        description="Train the head detector. Run it again to continue a run that was interrupted.",
        epilog="Training needs pip install 'semiuhpe[train]'.",
        examples=["semiuhpe train-detector --config settings/HeadDetector.yml --output detector.onnx"],
    )
    parser.add_argument("--config", metavar="YAML", help="recipe, e.g. settings/HeadDetector.yml; options override it")
    parser.add_argument("--output", metavar="ONNX", help="export the averaged weights here at the end, with a card")
    parser.add_argument(
        "--changed-data", action="store_true", help="let a continued run see other pictures than it began with"
    )
    parser.add_argument(
        "--mine",
        metavar="CSV",
        help="write what the initial exported detector takes for heads on the training photos, for `hard`, and end",
    )
    parser.add_argument(
        "--confirm",
        metavar="ONNX",
        help="fit on the validation photos how the pose network's answer and this detector's together "
        "tell heads, and the threshold; write both into its card, and end",
    )
    parser.add_argument(
        "--pose-weights",
        nargs="+",
        metavar="WEIGHTS",
        default=["default", "open"],
        help="pose networks to fit that for, each by itself (default: default open)",
    )
    keys = parser.add_argument_group("keys of the recipe")
    texts, recipe = key_texts(DetectorRecipe), DetectorRecipe()
    for name, kind in get_type_hints(DetectorRecipe).items():
        form: dict[str, Any] = {"nargs": "*", "metavar": "PATH"} if kind == list[str] else {"type": kind}
        text = option_help(texts.get(name, ""), kind, getattr(recipe, name))
        keys.add_argument(f"--{name}", help=text, **{"metavar": metavar_of(kind), **form})
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status. Raises SemiUHPEError for bad input."""
    args = build_parser().parse_args(argv)
    from tqdm import tqdm

    from semiuhpe.training.detector import data
    from semiuhpe.training.detector.loop import DetectorTraining
    from semiuhpe.training.detector.scenes import Mix, SceneMaker

    recipe = read_recipe(args.config, {entry.name: getattr(args, entry.name) for entry in fields(DetectorRecipe)})
    photos = data.open_photos(recipe)
    for line in photos.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    if args.mine:
        return _mine(Path(args.mine), recipe, photos.train)
    if args.confirm:
        return _confirm(args.confirm, recipe, photos.val, args.pose_weights)
    scenes = SceneMaker(
        recipe.size,
        Mix(
            photo=recipe.photo_share,
            zoom=recipe.zoom_share,
            paste=recipe.paste_share,
            headless=recipe.headless_share,
            mosaic=recipe.mosaic_share,
            hard=recipe.hard_share,
            pasted_renders=recipe.render_share,
            turned=recipe.turned_share,
            distractors=recipe.distractor_share,
        ),
        photos.train,
        data.open_portraits(recipe.portraits),
        data.rendered_heads(recipe.renders, recipe.render_count) if recipe.renders else [],
        data.headless_pictures(recipe.headless),
        data.read_false_heads(recipe.hard, photos.train) if recipe.hard else [],
    )
    training = DetectorTraining(recipe, scenes, changed_data=args.changed_data)
    with tqdm(total=recipe.steps, initial=training.step, unit="step", desc=recipe.run) as bar:

        def report(values: dict[str, Any]) -> None:
            bar.update(values["step"] - bar.n)
            shown = [key for key in ("score_loss", "box_loss", "val_ap50") if key in values]
            bar.set_postfix({key: f"{values[key]:.3f}" for key in shown})

        training.run(photos.val, report)
    if args.output:
        from semiuhpe.models.detector_export import export_detector
        from semiuhpe.training.detector.calibration import calibrate
        from semiuhpe.training.detector.card import detector_card

        counts = {
            "train_photos": len(photos.train),
            "validation_photos": len(photos.val),
            "portraits": len(scenes.portraits),
            "renders": len(scenes.renders),
            "headless_pictures": len(scenes.headless),
            "false_heads": len(scenes.hard),
        }
        export_detector(training.average.network, args.output, detector_card(recipe, counts, training.metrics()))
        if photos.val:
            calibrate(args.output, photos.val)
            return _confirm(args.output, recipe, photos.val, args.pose_weights)
    return 0


def _mine(path: Path, recipe: DetectorRecipe, photos: Sequence[AnnotatedPhoto]) -> int:
    from tqdm import tqdm

    from semiuhpe.detection.detector import HeadDetector
    from semiuhpe.training.detector.mining import LEAST_SCORE, write_false_heads

    once = list({photo.path: photo for photo in photos}.values())
    detector = HeadDetector(recipe.initial or "default", score_threshold=LEAST_SCORE, threads=recipe.threads)
    with tqdm(total=len(once), unit="photo", desc="mining") as bar:
        count = write_false_heads(path, detector, once, bar.update)
    print(f"{count} false heads on {len(once)} photos: {path}")
    return 0


def _confirm(path: str, recipe: DetectorRecipe, photos: Sequence[AnnotatedPhoto], pose_weights: Sequence[str]) -> int:
    from tqdm import tqdm

    from semiuhpe.training.detector.confirmation import confirm

    for weights in pose_weights:
        with tqdm(total=len(photos), unit="photo", desc=f"poses by {weights}") as bar:
            found = confirm(path, photos, weights, threads=recipe.threads, report=bar.update)
        print(f"{path}: with the pose weights {weights} heads are shown from a probability of {found.threshold}")
    return 0
