"""Weights from the Hugging Face Hub: `hf-hub:owner/name`, or `hf-hub:owner/name@revision` to pin them.

The repository holds what `semiuhpe export --hub-folder` writes. The card comes first and tells the commit that a branch
or tag stands for; the network is then that commit's, so the two never belong to different versions. What was fetched once
is taken from the library's cache, also without a network. A revision pins best as a commit's hash: branches and tags move.
"""

from __future__ import annotations

import re
from pathlib import Path

from semiuhpe.errors import MissingExtraError, WeightsError

PREFIX = "hf-hub:"
MODEL, CARD = "model.onnx", "model.json"
"""Names of the network and its card in a repository."""
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def fetch(name: str) -> Path:
    """The network of a repository on this disk, with its card beside it; neither is checked yet.

    name: `hf-hub:owner/name`, `hf-hub:owner/name@revision`. Raises MissingExtraError without huggingface_hub, WeightsError
    for a name of another form and where the repository, revision or file cannot be had.
    """
    match = _NAME.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise WeightsError(f"{name}: weights of the Hub are named hf-hub:owner/name or hf-hub:owner/name@revision")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError(name, "hub") from error
    try:
        card = Path(hf_hub_download(match["repository"], CARD, revision=match["revision"]))
        commit = card.parent.name  # the cache has a folder for each commit
        return Path(hf_hub_download(match["repository"], MODEL, revision=commit))
    except Exception as error:  # of the library, of its HTTP client, of the disk: they share no base but this
        raise WeightsError(f"{name}: {_explained(error)}") from error


def _explained(error: Exception) -> str:
    """What a failed download means, with the remedy, in one line."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError):
        return "not in the cache, and the Hub cannot be reached; fetch it once with a network, or give an .onnx file"
    if isinstance(error, errors.GatedRepoError):
        return "its owner has to grant access first; ask on its page, then: hf auth login"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private; check the name, or: hf auth login"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision; give a commit, tag or branch of it"
    if isinstance(error, errors.EntryNotFoundError):
        return f"the repository lacks {MODEL} or {CARD}; semiuhpe export --hub-folder writes both"
    return f"cannot be fetched ({' '.join(str(error).split())[:160] or type(error).__name__}); try again"
