"""Weights of the Hub, from the library's own cache without a network and from a stand-in of the Hub on this machine.

The library reads its settings once, when it is imported: each test asks in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("huggingface_hub")

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.time_limits import within
from helpers.tiny_onnx import write_detector_weights, write_pose_weights

import semiuhpe
from semiuhpe.errors import MissingExtraError, WeightsError
from semiuhpe.weights import open_weights

OLD, NEW = "1" * 40, "2" * 40
OPEN_ALL = """
import json, sys
from semiuhpe.errors import SemiUHPEError
from semiuhpe.weights import open_weights
for name in sys.argv[1:]:
    try:
        found = open_weights(name)
        print(json.dumps([found.sha256, found.path.parent.name]))
    except SemiUHPEError as error:
        print(json.dumps([str(error), None]))
"""


def run(*arguments: str, cache: Path, endpoint: str | None = None) -> str:
    """What Python prints with the library's cache in a folder of the test; without an endpoint it is offline."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_HOME": str(cache.parent), "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_ENDPOINT": endpoint} if endpoint else {"HF_HUB_OFFLINE": "1"}
    environment |= {"PYTHONPATH": str(Path(semiuhpe.__file__).parents[1]), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=within(120), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(*names: str, cache: Path, endpoint: str | None = None) -> list[list[str | None]]:
    """For each name the SHA-256 of the weights and the commit they are of, or the error and None."""
    return [json.loads(line) for line in run("-c", OPEN_ALL, *names, cache=cache, endpoint=endpoint).splitlines()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keep(cache: Path, commit: str, source: Path, *, reference: str | None = None) -> None:
    """Put weights into the cache of `owner/name`, as the library lays it out."""
    repository = cache / "models--owner--name"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir(exist_ok=True)
    for name, content in (("model.onnx", source), ("model.json", source.with_suffix(".json"))):
        blob = repository / "blobs" / hashlib.sha256(content.read_bytes()).hexdigest()
        blob.write_bytes(content.read_bytes())
        (snapshot / name).symlink_to(Path("..", "..", "blobs", blob.name))
    if reference:
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / reference).write_text(commit)


def weights(folder: Path, azimuth: float) -> Path:
    folder.mkdir()
    bias = 40 * np.array([[np.cos(azimuth), 0, np.sin(azimuth)], [0, 1, 0], [-np.sin(azimuth), 0, np.cos(azimuth)]])
    return write_pose_weights(folder, bias=bias)


def test_a_branch_and_a_pinned_commit_each_give_their_own_weights(tmp_path: Path) -> None:
    old, new = weights(tmp_path / "old", 0.0), weights(tmp_path / "new", 2.0)
    cache = tmp_path / "cache"
    keep(cache, OLD, old)
    keep(cache, NEW, new, reference="main")
    names = ("hf-hub:owner/name", "hf-hub:owner/name@main", f"hf-hub:owner/name@{OLD}", "hf-hub:owner/other")
    *found, missing = opened(*names, cache=cache)
    assert found == [[sha256(new), NEW], [sha256(new), NEW], [sha256(old), OLD]]
    assert str(missing[0]).startswith("hf-hub:owner/other: not in the cache, and the Hub cannot be reached")


def test_a_network_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    keep(tmp_path / "cache", OLD, weights(tmp_path / "old", 0.0), reference="main")
    blob = (tmp_path / "cache" / "models--owner--name" / "snapshots" / OLD / "model.onnx").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"\0")
    ((told, _),) = opened("hf-hub:owner/name", cache=tmp_path / "cache")
    assert "SHA-256" in str(told)


def test_the_command_takes_both_networks_from_the_hub(tmp_path: Path) -> None:
    pose = weights(tmp_path / "pose", 0.0)
    (tmp_path / "detector").mkdir()
    keep(tmp_path / "cache", OLD, pose)
    keep(tmp_path / "cache", NEW, write_detector_weights(tmp_path / "detector", [[20.0, 20, 60, 80]]))
    photo = Path(__file__).parents[2] / "docs" / "demo" / "astronaut.jpg"
    networks = ["--weights", f"hf-hub:owner/name@{OLD}", "--detector", f"hf-hub:owner/name@{NEW}"]
    out = tmp_path / "out"
    command = ["-m", "semiuhpe", "predict", str(photo), "-o", str(out), "--style", "none", *networks]
    run(*command, cache=tmp_path / "cache")
    document = json.loads((out / "predictions.json").read_text())
    assert document["weights_sha256"] == sha256(pose)
    assert len(document["images"][0]["heads"]) > 0


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:name", "hf-hub:a/b/c", "hf-hub:../b@", "hf-hub:a/b@c d"])
def test_other_forms_of_a_name_are_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="hf-hub:owner/name@revision"):
        open_weights(name)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"hf-hub:owner/name .*semiuhpe\[hub\]"):
        open_weights("hf-hub:owner/name")


class _Hub(BaseHTTPRequestHandler):
    """The part of the Hub's protocol that a download of one file uses."""

    endpoint: str
    files: dict[str, bytes]
    commits: dict[str, str]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        owner, name, _, revision, file = (self.path.strip("/").split("/") + [""] * 5)[:5]
        if f"{owner}/{name}" != "owner/name":
            return self._answer(404, {"X-Error-Code": "RepoNotFound"})
        if revision not in self.commits:
            return self._answer(404, {"X-Error-Code": "RevisionNotFound"})
        if file not in self.files:
            return self._answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commits[revision]})
        content = self.files[file]
        etag = hashlib.sha256(content).hexdigest()
        return self._answer(200, {"X-Repo-Commit": self.commits[revision], "ETag": f'"{etag}"'}, content)

    do_HEAD = do_GET

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[type[_Hub]]:
    """A Hub on this machine, whose repository owner/name holds `server.files`."""
    handler: type[_Hub] = type("Hub", (_Hub,), {"files": {}, "commits": {"main": NEW, NEW: NEW}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        handler.endpoint = f"http://127.0.0.1:{http.server_address[1]}"
        yield handler
        http.shutdown()
        thread.join()


def test_a_download_is_kept_and_serves_offline_afterwards(server: type[_Hub], tmp_path: Path) -> None:
    source, cache = weights(tmp_path / "new", 2.0), tmp_path / "cache"
    server.files |= {"model.onnx": source.read_bytes(), "model.json": source.with_suffix(".json").read_bytes()}
    assert opened("hf-hub:owner/name", cache=cache, endpoint=server.endpoint) == [[sha256(source), NEW]]
    networks = {path for path in server.asked if path.endswith("model.onnx")}
    assert networks == {f"/owner/name/resolve/{NEW}/model.onnx"}  # of the commit that the card came from
    asked = len(server.asked)
    names = ("hf-hub:owner/name", f"hf-hub:owner/name@{NEW}")
    assert opened(*names, cache=cache) == [[sha256(source), NEW]] * 2
    assert len(server.asked) == asked


def test_what_the_hub_does_not_have_is_told(server: type[_Hub], tmp_path: Path) -> None:
    names = ("hf-hub:owner/other", "hf-hub:owner/name@v9", "hf-hub:owner/name")
    told = [error for error, _ in opened(*names, cache=tmp_path / "cache", endpoint=server.endpoint)]
    reasons = ("no such repository", "no such revision", "lacks model.onnx or model.json; semiuhpe export --hub-folder")
    for name, reason, error in zip(names, reasons, told, strict=True):
        assert str(error).startswith(f"{name}: ")
        assert reason in str(error)
        assert "\n" not in str(error)
