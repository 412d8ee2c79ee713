"""`semiuhpe prepare NAME PATH STORE`: import a data set, as downloaded, into a head store."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from semiuhpe.cli.importer_options import add_options, options_for
from semiuhpe.sources.aflw import import_aflw
from semiuhpe.sources.aflw2000 import import_aflw2000
from semiuhpe.sources.biwi import import_biwi
from semiuhpe.sources.boxes_csv import import_boxes_csv
from semiuhpe.sources.dad3dheads import import_dad_3dheads
from semiuhpe.sources.directmhp import import_agora, import_panoptic
from semiuhpe.sources.importing import ImportReport
from semiuhpe.sources.mtfl import import_mtfl
from semiuhpe.sources.pts68 import import_pts68
from semiuhpe.sources.published_counts import compare_count
from semiuhpe.sources.w300lp import import_300w_lp

IMPORTERS: dict[str, Callable[..., ImportReport]] = {
    "300w-lp": import_300w_lp,
    "aflw": import_aflw,
    "aflw2000": import_aflw2000,
    "agora": import_agora,
    "biwi": import_biwi,
    "boxes": import_boxes_csv,
    "dad-3dheads": import_dad_3dheads,
    "mtfl": import_mtfl,
    "panoptic": import_panoptic,
    "pts68": import_pts68,
}
"""Name of a source → its importer(folder, store)."""


def main(argv: list[str]) -> int:
    """Run an import and print what came of it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="semiuhpe prepare",
        description="Import a data set into a head store. Run it again to continue one that was interrupted.",
    )
    parser.add_argument(
        "name", metavar="NAME", choices=sorted(IMPORTERS), help=f"one of {', '.join(sorted(IMPORTERS))}"
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="the data set's folder")
    parser.add_argument("store", metavar="STORE", type=Path, help="folder of the head store to write")
    add_options(parser)
    args = parser.parse_args(argv)
    options = options_for(args.name, IMPORTERS[args.name], args.options)
    report = IMPORTERS[args.name](args.path, args.store, **options)
    print(f"{args.store}: {report.added} heads added, {report.present} were there, {len(report.rejected)} left out")
    for kind, count in report.counts.items():
        print(f"  {kind}: {count}")
    if line := compare_count(args.name, report.added + report.present):
        print(line)
    if report.rejected:
        print(f"  the list is in {args.store / 'import.json'}")
    return 0
