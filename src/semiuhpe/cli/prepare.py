"""`semiuhpe prepare NAME PATH STORE`: import a data set, as downloaded, into a head store.

The options of a source are the keyword-only parameters of its importer (see `importer_options`).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from semiuhpe.cli.importer_options import add_options, option_defaults
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.aflw import import_aflw
from semiuhpe.sources.aflw2000 import import_aflw2000
from semiuhpe.sources.aflw2000_subset import import_aflw2000_subset
from semiuhpe.sources.aflw_faces import import_aflw_faces
from semiuhpe.sources.biwi import import_biwi
from semiuhpe.sources.boxes_csv import import_boxes_csv
from semiuhpe.sources.cocohead import import_cocohead
from semiuhpe.sources.crowdhuman import import_crowdhuman
from semiuhpe.sources.dad3dheads import import_dad_3dheads
from semiuhpe.sources.directmhp import import_agora, import_panoptic
from semiuhpe.sources.helmet_workers import import_helmet_workers
from semiuhpe.sources.importing import ImportReport
from semiuhpe.sources.mtfl import import_mtfl
from semiuhpe.sources.openimages import import_openimages
from semiuhpe.sources.photos import import_photos
from semiuhpe.sources.pointing04 import import_pointing04
from semiuhpe.sources.pts68 import import_pts68
from semiuhpe.sources.published_counts import PUBLISHED, differences
from semiuhpe.sources.scut_head_import import import_scut_head
from semiuhpe.sources.w300lp import import_300w_lp
from semiuhpe.sources.widerface import import_widerface
from semiuhpe.sources.wild_directions import import_wild_directions
from semiuhpe.sources.wild_val import import_wild_val
from semiuhpe.sources.wildhead import import_wildhead

IMPORTERS: dict[str, Callable[..., ImportReport]] = {
    "300w-lp": import_300w_lp,
    "aflw": import_aflw,
    "aflw2000": import_aflw2000,
    "aflw2000-subset": import_aflw2000_subset,
    "aflw-faces": import_aflw_faces,
    "agora": import_agora,
    "biwi": import_biwi,
    "boxes": import_boxes_csv,
    "cocohead": import_cocohead,
    "crowdhuman": import_crowdhuman,
    "dad-3dheads": import_dad_3dheads,
    "helmet-workers": import_helmet_workers,
    "mtfl": import_mtfl,
    "openimages": import_openimages,
    "panoptic": import_panoptic,
    "photos": import_photos,
    "pointing04": import_pointing04,
    "pts68": import_pts68,
    "scut-head": import_scut_head,
    "widerface": import_widerface,
    "wild-directions": import_wild_directions,
    "wild-val": import_wild_val,
    "wildhead": import_wildhead,
}
"""Name of a source → its importer(folder, store, *, option=default, ...)."""

_NEUTRAL = ("workers", "source")
"""Options that do not change which heads are imported."""


def main(argv: list[str]) -> int:
    """Run an import and print what came of it; returns the exit code."""
    args = vars(_parser().parse_args(argv))
    name, path, store = args.pop("name"), args.pop("path"), args.pop("store")
    importer = IMPORTERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_: print(f"semiuhpe prepare: warning: {message}", file=sys.stderr)
        report = importer(path, store, **args)
    print(f"{store}: {report.added} heads added, {report.present} were there, {len(report.rejected)} left out")
    for kind, count in report.counts.items():
        print(f"  {kind}: {count}")
    if report.rejected:
        print(f"  the list is in {store / 'import.json'}")
    for reason, count in sorted(report.filtered.items()):
        print(f"  filtered, {reason}: {count}")
    for reason, count in sorted(report.unlabelled.items()):
        print(f"  without a label, {reason}: {count}")
    defaults = option_defaults(importer)
    changed = {key: value for key, value in args.items() if value != defaults[key] and key not in _NEUTRAL}
    if name in PUBLISHED:
        for line in differences(name, changed, HeadStore(store)):
            print(f"  differs from what is published: {line}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semiuhpe prepare",
        description="Import a data set into a head store. Run it again to continue one that was interrupted.",
        epilog="semiuhpe prepare NAME --help tells the options of a source; docs/data.md where to get it.",
    )
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True, title="sources")
    for name, importer in sorted(IMPORTERS.items()):
        summary = (importer.__doc__ or "").strip().split("\n")[0].rstrip(".")
        command = names.add_parser(name, help=summary.replace("%", "%%"), description=summary.replace("%", "%%") + ".")
        command.add_argument("path", metavar="PATH", type=Path, help="the data set's folder or file, as downloaded")
        command.add_argument("store", metavar="STORE", type=Path, help="folder of the head store to write")
        add_options(command, importer)
    return parser
