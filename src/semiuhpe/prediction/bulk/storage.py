"""Folders on this machine or in object storage, by their URL; files appear whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, fs

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import remove_leftovers, write_atomically


@dataclass(frozen=True)
class Place:
    """A file or folder: a pyarrow filesystem and the path in it. url: as the user wrote it, without a last slash."""

    url: str
    system: Any
    path: str

    def at(self, name: str) -> Place:
        """What is called `name` below this folder."""
        return Place(f"{self.url}/{name}", self.system, f"{self.path}/{name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return place, (self.url,)  # a filesystem of fsspec need not survive the way to another machine

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return bool(self.system.type_name == "local")

    @property
    def kind(self) -> str:
        """ "file", "folder" or "nothing"."""
        info = self.system.get_file_info([self.path])[0]
        return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(info.type, "nothing")

    def names(self, *, recursive: bool = False) -> list[str]:
        """Paths of the files in this folder relative to it, sorted; none where there is no such folder."""
        selector = fs.FileSelector(self.path, recursive=recursive, allow_not_found=True)
        start = len(self.path.rstrip("/")) + 1
        files = [info for info in self.system.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted(info.path[start:] for info in files)

    def read(self) -> bytes:
        """The whole content. Raises OSError."""
        with self.system.open_input_stream(self.path) as stream:
            content: bytes = stream.read()
        return content

    def write(self, content: bytes) -> None:
        """Replace the file; whoever looks sees the old content or all of the new."""
        if not self.is_local:
            # An object appears when its upload is complete; there is no cheap renaming.
            with self.system.open_output_stream(self.path) as stream:
                stream.write(content)
            return
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)

    def remove_leftovers(self) -> None:
        """Delete what killed writers left in this folder. Only where nobody may be writing; objects leave nothing."""
        if self.is_local and self.kind == "folder":
            remove_leftovers(Path(self.path))

    def delete(self) -> None:
        """Delete the file if there is one."""
        if self.kind == "file":
            self.system.delete_file(self.path)


def place(url: str) -> Place:
    """A path of this machine, or a URL that pyarrow (s3, gs, hdfs, abfs, file) or else fsspec knows.

    Credentials and endpoints come from the environment, as those libraries read it. Raises InputError.
    """
    try:
        if "://" not in url:
            path = os.path.abspath(url)
            return Place(path, fs.LocalFileSystem(), path)
        url = url.rstrip("/")
        scheme, _, rest = url.partition("://")
        host, _, inner = rest.partition("/")
        try:
            # The path itself is not parsed: names may hold spaces, '#' and '%'.
            system, root = fs.FileSystem.from_uri(f"{scheme}://{host}/")
            path = f"{root.rstrip('/')}/{inner}"
        except (ValueError, ArrowException):
            from fsspec.core import url_to_fs

            foreign, path = url_to_fs(url)
            system = fs.PyFileSystem(fs.FSSpecHandler(foreign))
        return Place(url, system, path)
    except (ValueError, OSError, ImportError, ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{url}: cannot be opened ({reason}); check the address and its credentials") from error
