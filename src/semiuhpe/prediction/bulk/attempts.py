"""What was tried before in a unit whose worker died: so that one input that kills workers does not stop the run.

Notes of a unit are lines as in every `semiuhpe.files.journal`: one for each attempt that began, and of careful ones another for
the input that they were at. The first attempt goes fast and notes no inputs. Where it left its notes but no results, the
next goes input by input. An input at which two such attempts ended is condemned: it becomes an error, the others of its
unit are done. One such death proves nothing, a machine may have been switched off. Object storage cannot append, so the
notes, a few lines, are replaced each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from semiuhpe.files.journal import line_of, lines_of
from semiuhpe.prediction.bulk.storage import Place

NOTES = "attempts"
DEATHS = 2
_ATTEMPT, _INPUT = "attempt", "input"


@dataclass
class Attempt:
    """One try at a unit. begun: its notes before any input. careful: whether inputs are noted. condemned: must not be tried again."""

    note: Place
    begun: bytes
    careful: bool
    condemned: frozenset[str]

    def begins(self, key: str) -> None:
        """Note an input before it is begun."""
        if self.careful:
            self.note.write(self.begun + line_of({_INPUT: key}))

    def ends(self) -> None:
        """The unit's results are in place."""
        self.note.delete()


def begin_attempt(output: Place, name: str) -> Attempt:
    """Take the notes of the last attempts at a unit into account, and leave one about this."""
    note = output.at(NOTES).at(f"{name}.jsonl")
    lines = lines_of(b"" if note.kind == "nothing" else note.read())
    deaths = Counter(_last_inputs(lines))
    condemned = frozenset(key for key, count in deaths.items() if count >= DEATHS)
    begun = b"".join(map(line_of, [*lines, {_ATTEMPT: 1 + sum(_ATTEMPT in line for line in lines)}]))
    note.write(begun)
    return Attempt(note, begun, careful=bool(lines), condemned=condemned)


def _last_inputs(lines: Iterable[dict[str, Any]]) -> list[str]:
    """The last input of each attempt that noted any: where it died."""
    last: dict[int, str] = {}
    attempt = 0
    for line in lines:
        attempt = line.get(_ATTEMPT, attempt)
        if _INPUT in line:
            last[attempt] = line[_INPUT]
    return list(last.values())
