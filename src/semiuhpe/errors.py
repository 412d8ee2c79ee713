"""The errors that a user can cause; each message is one line that names the value and the remedy."""

from __future__ import annotations

from collections.abc import Iterable


class SemiUHPEError(Exception):
    """Base of every error that this package raises for bad input; the command line prints it and exits with 1."""


class MissingExtraError(SemiUHPEError):
    """A feature needs an optional dependency that is not installed.

    Args:
        feature: what needs it.
        extra: of the package, that installs it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency; install it with: pip install 'semiuhpe[{extra}]'")


class ImageError(SemiUHPEError):
    """An image cannot be read."""


class TooLargeError(ImageError):
    """An image has more bytes or pixels than are allowed."""


class VideoError(SemiUHPEError):
    """A video, camera or stream cannot be read, or fails for good."""


class StoreError(SemiUHPEError):
    """A head store is missing, damaged or of another version."""


class RecordError(StoreError):
    """A head record is damaged or impossible; it does not know which store it belongs to."""


class SourceError(SemiUHPEError):
    """A data set to import is missing, or is not what its importer expects."""


class WeightsError(SemiUHPEError):
    """A weights file is missing, damaged or not what it claims to be."""


class DeviceError(SemiUHPEError, ValueError):
    """Networks are to run on a device that does not exist, or not here."""


class RecipeError(SemiUHPEError):
    """A recipe is malformed or asks for something impossible."""


class TrainingError(SemiUHPEError):
    """A training cannot go on: its loss is no number any more, or its disk is full. Started again, it goes on."""


class RankLostError(SemiUHPEError):
    """Another process of a training on many has ended, or does not answer any more.

    Args:
        rank: number of the process that tells.
        count: processes in all.
    """

    def __init__(self, rank: int, count: int) -> None:
        super().__init__(
            f"process {rank} of {count} lost its connection to another, which ended or does not answer; see that one's "
            "message, then start the same command again: it goes on from the last checkpoint, also with another number "
            "of processes"
        )


class AssetsError(SemiUHPEError):
    """Assets for rendering are missing or malformed."""


class RenderingError(SemiUHPEError):
    """Rendering came to a halt for a reason outside of the package."""


class ConventionError(SemiUHPEError, ValueError):
    """An Euler or matrix convention was asked for by a name that does not exist.

    Args:
        name: that name.
        valid: those that exist.
    """

    def __init__(self, name: object, valid: Iterable[str]) -> None:
        super().__init__(f"unknown rotation convention {name!r}; choose one of: {', '.join(valid)}")


class InputError(SemiUHPEError, ValueError):
    """An argument has the wrong shape, type or value."""


class ProtocolError(SemiUHPEError, ValueError):
    """A protocol was asked for that does not exist."""


class Rejected(SourceError):
    """One head that is left out.

    Args:
        kind: a word to count by.
        message: names the file and the reason.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class FilteredOut(Rejected):
    """A sound head that the import was told to leave out (too small, a depiction, ...): counted, but not listed.

    Args:
        kind: a word to count by.
        message: names the file and the reason.
    """
