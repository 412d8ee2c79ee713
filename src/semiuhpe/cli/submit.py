"""`semiuhpe submit dad-3dheads WEIGHTS --store STORE OUT.json`: the file that a benchmark takes, and its score offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from semiuhpe.cli.network_options import add_device_option, add_mirrored_option, add_threads_option
from semiuhpe.files.atomic import json_text


def main(argv: list[str]) -> int:
    """Write a submission; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="semiuhpe submit",
        description="Write a benchmark's submission for its test split; with --score, for its val split, and score it here.",
    )
    parser.add_argument("benchmark", choices=["dad-3dheads"], help="the benchmark")
    parser.add_argument("weights", help="default, open, an .onnx, a run folder or a .safetensors of one")
    parser.add_argument("output", type=Path, metavar="OUT.json", help="the file to write")
    parser.add_argument("--store", type=Path, required=True, help="the head store of the data set")
    parser.add_argument("--score", action="store_true", help="of the val split, whose labels are public: pose error")
    parser.add_argument(
        "--student", choices=["averaged", "current"], default="averaged", help="of a run: which weights"
    )
    add_mirrored_option(parser)
    parser.add_argument("--batch-size", type=int, default=64, help="heads in one pass")
    add_device_option(parser)
    add_threads_option(parser)
    args = parser.parse_intermixed_args(argv)
    if args.output.suffix != ".json":
        parser.error(f"the output must end in .json, got {args.output}")
    if args.batch_size < 1:
        parser.error("--batch-size is at least 1")
    import sys

    from tqdm import tqdm

    from semiuhpe.evaluation import dad3dheads
    from semiuhpe.evaluation.labels import choose
    from semiuhpe.evaluation.models import open_model
    from semiuhpe.evaluation.run import predict_heads
    from semiuhpe.files.atomic import write_atomically
    from semiuhpe.heads.store import HeadStore

    store = HeadStore(args.store)
    split = "val" if args.score else "test"
    numbers = choose(store, split, official=split)
    records = [store.record(n) for n in numbers]
    model = open_model(
        args.weights, student=args.student, device=args.device, mirrored=args.mirrored, threads=args.threads,
        batch_size=args.batch_size,
    )  # fmt: skip
    shown = tqdm(numbers, unit="head", disable=not sys.stderr.isatty())
    poses = predict_heads(model, store, shown, batch_size=args.batch_size).rotation
    content = dad3dheads.submission([dad3dheads.item_id(r) for r in records], poses)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(args.output, json_text(content).encode())
    print(f"{args.output}: {len(content)} heads of the {split} split")
    if args.score:
        labels = {dad3dheads.item_id(r): r.rotation for r in records if r.rotation is not None}
        found = dad3dheads.score(dad3dheads.read_submission(args.output), labels)
        geodesic = found["geodesic"]
        print(f"pose error (Frobenius) {found['pose_error']:.4f} on {found['heads']} labelled heads")
        print(f"geodesic mean {geodesic['mean_deg']:.3f}°, median {geodesic['median_deg']:.3f}°")
    return 0
