"""`semiuhpe export-heads STORE FOLDER`: a head store as webdataset shards or Hugging Face Parquet, with a data card."""

from __future__ import annotations

from pathlib import Path

from semiuhpe.cli.parser import CommandParser

FORMATS = ("webdataset", "huggingface")


def build_parser() -> CommandParser:
    """The options of `semiuhpe export-heads`."""
    parser = CommandParser(
        prog="semiuhpe export-heads",
        description="Write the heads of a store for other tools, with a data card. An export that was killed goes on.",
        epilog="semiuhpe prepare webdataset FOLDER STORE (or huggingface) reads it back.",
        examples=["semiuhpe export-heads stores/mine shards --format webdataset --licence CC-BY-4.0"],
    )
    parser.add_argument("store", type=Path, help="folder of the head store")
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("--format", choices=FORMATS, default="webdataset", help="what is written")
    parser.add_argument("--heads-per-file", type=int, default=1000, metavar="N", help="of the shards or Parquet files")
    card = parser.add_argument_group("the data card")
    card.add_argument("--name", default="", help="title (default: the folder's name)")
    card.add_argument("--licence", default="", help="of the pictures and labels")
    return parser


def main(argv: list[str]) -> int:
    """Write the export. Returns 0. Raises StoreError where it cannot be."""
    args = build_parser().parse_args(argv)
    from tqdm import tqdm

    from semiuhpe.heads.packing import export_heads
    from semiuhpe.heads.store import HeadStore

    store = HeadStore(args.store)
    with tqdm(total=len(store), unit="head", disable=None) as bar:
        files = export_heads(
            store, args.folder, args.format, heads_of_a_file=args.heads_per_file, name=args.name, licence=args.licence,
            progress=bar.update,
        )  # fmt: skip
    print(f"{len(store)} heads in {files} files; the data card is {args.folder / 'README.md'}")
    return 0
