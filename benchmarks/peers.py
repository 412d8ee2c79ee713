"""Measure another project's ONNX file by the protocols and crops that ours is measured by.

    python benchmarks/peers.py whenet WHENET.onnx --protocol aflw2000 --store data/stores/aflw2000 --report whenet.html
    python benchmarks/peers.py custom NET.onnx --size 224 --output bins --order yaw pitch roll --protocol biwi --store STORE

Presets know the public signatures of FSA-Net, WHENet, 6DRepNet and opentrack's network; options change what a file has otherwise. Several
files are averaged. Peers were trained on crops of other sizes: try more than one --margin before you judge one.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import get_args

from semiuhpe.errors import SemiUHPEError
from semiuhpe.evaluation.benchmarks import PROTOCOLS
from semiuhpe.evaluation.measure import measure
from semiuhpe.evaluation.peers import ANGLES, PRESETS, Colour, Output, PeerModel, PeerSpec
from semiuhpe.evaluation.tables import document_text, text_table
from semiuhpe.geometry.euler import CONVENTIONS

_PIXELS: dict[str, dict[str, tuple[float, ...]]] = {
    "imagenet": {},
    "unit": {"mean": (0.0,) * 3, "std": (1.0,) * 3},
    "symmetric": {"mean": (0.5,) * 3, "std": (0.5,) * 3},
}


def spec_of(args: argparse.Namespace) -> PeerSpec:
    """The preset with what the options change. Raises WeightsError for a custom one that is not whole."""
    changes = {
        name: getattr(args, name)
        for name in ("size", "output", "convention", "colour", "bin_deg", "margin")
        if getattr(args, name) is not None
    }
    if args.order:
        changes["order"] = tuple(args.order)
    if args.pixels:
        defaults = {"mean": PeerSpec(1, "matrix").mean, "std": PeerSpec(1, "matrix").std}
        changes |= defaults | _PIXELS[args.pixels]
    if args.preset == "custom":
        return PeerSpec(**changes)
    return dataclasses.replace(PRESETS[args.preset], **changes)


def main() -> int:
    """Measure the peer as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", choices=[*PRESETS, "custom"])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.onnx")
    parser.add_argument("--protocol", required=True, choices=list(PROTOCOLS), help="what to measure")
    parser.add_argument("--store", type=Path, required=True, help="the head store of the set")
    parser.add_argument("--limit", type=int, default=0, help="heads at most, evenly spread (0 = all)")
    parser.add_argument("--mirrored", action="store_true", help="average with the answer on the mirror image")
    parser.add_argument("--threads", type=int, help="threads of the network")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a report, and its JSON beside it")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--margin", type=float, help="crop side over head box side (default: the preset's)")
    parser.add_argument("--size", type=int, help="pixels a side of the input")
    parser.add_argument("--output", choices=get_args(Output), help="what the outputs are")
    parser.add_argument("--convention", choices=CONVENTIONS, help="of the angles or the matrix")
    parser.add_argument("--order", nargs=3, choices=ANGLES, help="of the angles in the outputs")
    parser.add_argument("--colour", choices=get_args(Colour), help="order of the channels")
    parser.add_argument("--pixels", choices=list(_PIXELS), help="normalisation: ImageNet's, 0..1 or -1..1")
    parser.add_argument("--bin-deg", type=float, help="width of a bin, degrees")
    args = parser.parse_intermixed_args()
    if args.preset == "custom" and (args.size is None or args.output is None):
        parser.error("a custom peer needs --size and --output")
    try:
        model = PeerModel(args.files, spec_of(args), mirrored=args.mirrored, threads=args.threads)
        found = measure(
            args.protocol, model, args.store, limit=args.limit, margin=model.spec.margin, report=args.report
        )
    except SemiUHPEError as error:
        print(f"peers.py: error: {error}", file=sys.stderr)
        return 1
    print(document_text(found.document) if args.json else text_table(found.document["results"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
