"""`semiuhpe prepare NAME PATH STORE`: import a data set, as downloaded, into a head store.

The options of a source are the keyword-only parameters of its importer (see `importer_options`).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from semiuhpe.cli.importer_options import add_options, option_defaults
from semiuhpe.cli.parser import CommandParser
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.registry import SOURCES
from semiuhpe.sources.source import differences

_NEUTRAL = ("workers", "source")
"""Options that do not change which heads are imported."""


def main(argv: list[str]) -> int:
    """Run an import and print what came of it; returns the exit code."""
    args = vars(build_parser().parse_args(argv))
    name, path, store = args.pop("name"), args.pop("path"), args.pop("store")
    source = SOURCES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_: print(f"semiuhpe prepare: warning: {message}", file=sys.stderr)
        report = source.importer(path, store, **args)
    print(f"{store}: {report.added} heads added, {report.present} were there, {len(report.rejected)} left out")
    for kind, count in report.counts.items():
        print(f"  {kind}: {count}")
    if report.rejected:
        print(f"  the list is in {store / 'import.json'}")
    for reason, count in sorted(report.filtered.items()):
        print(f"  filtered, {reason}: {count}")
    for reason, count in sorted(report.unlabelled.items()):
        print(f"  without a label, {reason}: {count}")
    defaults = option_defaults(source.importer)
    changed = {key: value for key, value in args.items() if value != defaults[key] and key not in _NEUTRAL}
    if source.published:
        for line in differences(source, changed, HeadStore(store)):
            print(f"  differs from what is published: {line}")
    print(f"  terms: {source.licence}" + (f"; cite {source.citation}" if source.citation else ""))
    return 0


def build_parser() -> CommandParser:
    """The options of `semiuhpe prepare`."""
    parser = CommandParser(
        prog="semiuhpe prepare",
        description="Import a data set into a head store. Run it again to continue one that was interrupted.",
        epilog="semiuhpe prepare NAME --help tells the options of a source; docs/data.md where to get it.",
        examples=["semiuhpe prepare aflw2000 downloads/AFLW2000 stores/aflw2000"],
    )
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True, title="sources")
    for name, source in sorted(SOURCES.items()):
        summary = source.summary.replace("%", "%%")
        cite = f" Cite {source.citation}." if source.citation else ""
        command = names.add_parser(
            name, help=summary, description=f"{summary}.", epilog=f"Terms: {source.licence}.{cite}".replace("%", "%%")
        )
        command.add_argument("path", metavar="PATH", type=Path, help="the data set's folder or file, as downloaded")
        command.add_argument("store", metavar="STORE", type=Path, help="folder of the head store to write")
        add_options(command, source.importer)
    return parser
