"""`semiuhpe prepare NAME PATH STORE`: import a data set, as downloaded, into a head store."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from semiuhpe.sources.boxes_csv import import_boxes_csv
from semiuhpe.sources.importing import ImportReport
from semiuhpe.sources.mtfl import import_mtfl
from semiuhpe.sources.pts68 import import_pts68

IMPORTERS: dict[str, Callable[[Path, Path], ImportReport]] = {
    "boxes": import_boxes_csv,
    "mtfl": import_mtfl,
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
    args = parser.parse_args(argv)
    report = IMPORTERS[args.name](args.path, args.store)
    print(f"{args.store}: {report.added} heads added, {report.present} were there, {len(report.rejected)} left out")
    for kind, count in report.counts.items():
        print(f"  {kind}: {count}")
    if report.rejected:
        print(f"  the list is in {args.store / 'import.json'}")
    return 0
