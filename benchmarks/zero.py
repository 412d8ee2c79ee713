"""Do the labels of stores share their zero with networks that learnt the official labels? docs/zero.md tells the story.

    python benchmarks/zero.py data/stores/synth data/stores/helen --teacher opentrack=head-pose.onnx --teacher face-mesh=

For each store and teacher: by how much the teacher's answers are turned away from the labels, in elevation, azimuth and
tilt, over heads near the front, with standard errors.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from semiuhpe.errors import SemiUHPEError
from semiuhpe.heads.store import HeadStore
from semiuhpe.labelling.teachers import open_teachers
from semiuhpe.labelling.zero import near_front, offset_of_store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--teacher", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--limit", type=int, default=400, help="heads of each store (default %(default)s)")
    args = parser.parse_args()
    teachers = open_teachers([(name, file) for name, _, file in (given.partition("=") for given in args.teacher)])
    for path in args.stores:
        store = HeadStore(path)
        indices = near_front(store, args.limit)
        for teacher in teachers:
            found = asdict(offset_of_store(store, teacher, indices))
            print(json.dumps({"store": path, "teacher": teacher.name, **found}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SemiUHPEError as error:
        sys.exit(str(error))
