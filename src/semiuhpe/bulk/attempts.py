"""What was tried before in a unit whose worker died: so that one input that kills workers does not stop the run.

The first attempt goes fast. Where it left its note but no results, the next goes input by input and notes each before it
begins it. An input at which two such attempts ended is condemned: it becomes an error, the others of its unit are done.
One such death proves nothing, a machine may have been switched off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from semiuhpe.bulk.storage import Place
from semiuhpe.files import json_text

NOTES = "attempts"
DEATHS = 2


@dataclass
class Attempt:
    """One try at a unit. careful: whether inputs are noted one by one. deaths: how often each key was the last noted."""

    note: Place
    careful: bool
    deaths: dict[str, int] = field(default_factory=dict)

    @property
    def condemned(self) -> set[str]:
        """Inputs that must not be tried again."""
        return {key for key, count in self.deaths.items() if count >= DEATHS}

    def begins(self, key: str) -> None:
        """Note an input before it is begun."""
        if self.careful:
            self._write(key)

    def ends(self) -> None:
        """The unit's results are in place."""
        self.note.delete()

    def _write(self, current: str) -> None:
        self.note.write(json_text({"current": current, "deaths": self.deaths}).encode())


def begin_attempt(output: Place, name: str) -> Attempt:
    """Take the notes of the last attempt at a unit into account, and leave one about this."""
    note = output.at(NOTES).at(f"{name}.json")
    if note.kind == "nothing":
        attempt = Attempt(note, careful=False)
    else:
        before = json.loads(note.read())
        attempt = Attempt(note, careful=True, deaths=dict(before["deaths"]))
        if before["current"]:
            attempt.deaths[before["current"]] = attempt.deaths.get(before["current"], 0) + 1
    attempt._write("")
    return attempt
