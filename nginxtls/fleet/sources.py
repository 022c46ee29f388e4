"""The items of a source: a file or folder for each host, found through fsspec, read within a size limit."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular
from nginxtls.base.secrets import hide

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_ENDINGS = (*ARCHIVES, ".conf", ".txt", ".dump", ".nginx")


class Item(NamedTuple):
    """What one host left in the source."""

    name: str
    """The path from the source, with ``/``."""
    path: str
    """Where it is in ``files``: no URL, in which a name such as ``a::b`` would mean something else."""
    is_folder: bool
    size: int
    files: Any = None
    """The file system of fsspec that it is in; None where it is refused."""
    refused: str = ""
    """Why it is not read; empty if it is."""

    @property
    def is_archive(self) -> bool:
        """Whether it is a tar archive."""
        return not self.is_folder and self.name.lower().endswith(ARCHIVES)

    @property
    def stem(self) -> str:
        """The last part of the name without the endings of dumps and archives: the host, if nothing else names it."""
        last = self.name.rsplit("/", 1)[-1]
        return next((last[: -len(e)] for e in _ENDINGS if last.lower().endswith(e) and len(last) > len(e)), last)


def find_items(source: str) -> list[Item]:
    """The items of a folder, a glob, a list of paths (``@FILE``) or a URL of fsspec, sorted by name.

    In a folder each file and each folder is an item; names that start with a dot are left out.

    Raises:
        UsageError: nothing is there, or it cannot be listed.
    """
    if source.startswith("@"):
        items = list(_listed(Path(source[1:])))
    else:
        files, path = _file_system(source)
        try:
            items = list(_globbed(files, path) if "*" in path else _inside(files, path))
        except UsageError:
            raise
        except Exception as error:  # each store has exceptions of its own
            raise UsageError(source, f"cannot be listed: {_reason(error)}") from error
    if not items:
        raise UsageError(source, "contains no item", "use a folder, glob, @LIST or URL with a file or folder per host")
    return sorted(items, key=lambda item: item.name)


def _file_system(where: str) -> tuple[Any, str]:
    """The file system of a path or URL, and the path in it.

    Raises:
        UsageError: fsspec does not know the URL, or needs a package that is not installed.
    """
    import fsspec

    if "://" not in where:
        return fsspec.filesystem("file"), os.path.abspath(where)
    try:
        files, path = fsspec.core.url_to_fs(where)
    except ImportError as error:
        raise UsageError(where, str(error), "install the package that it names") from error
    except Exception as error:  # each store has exceptions of its own
        raise UsageError(where, f"cannot be listed: {_reason(error)}") from error
    return files, path


def _reason(error: Exception) -> str:
    if isinstance(error, (OSError, ValueError)):
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"


def _listed(file: Path) -> Iterator[Item]:
    """The paths of a list, one a line, relative to its folder; empty lines and those after ``#`` are left out."""
    try:
        lines = hide(read_regular(file, LIMITS["inventory"]).decode()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"@{file}", f"cannot be read: {_reason(error)}") from error
    for line in dict.fromkeys(line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        where = line if "://" in line or line.startswith("/") else os.fspath(file.parent / line)
        files, path = _file_system(where)
        try:
            info = files.info(path)
        except Exception as error:  # each store has exceptions of its own
            yield Item(line, where, False, 0, refused=f"cannot be read: {_reason(error)}")
            continue
        yield _item(files, info, line, "")


def _inside(files: Any, folder: str) -> Iterator[Item]:
    if not files.exists(folder):
        raise UsageError(folder, "does not exist", "use a folder, glob, @LIST or URL with a file or folder per host")
    if not files.isdir(folder):
        yield _item(files, files.info(folder), folder.rsplit("/", 1)[-1], "")
        return
    top = os.path.realpath(folder) if is_local(files) else ""
    for info in files.ls(folder, detail=True):
        name = info["name"].rstrip("/").rsplit("/", 1)[-1]
        is_marker = info["name"].strip("/") == folder.strip("/")  # an empty object that a store shows as the folder
        if not name.startswith(".") and not is_marker:
            yield _item(files, info, name, top)


def _globbed(files: Any, pattern: str) -> Iterator[Item]:
    fixed = pattern[: pattern.index("*")].rsplit("/", 1)[0]
    top = os.path.realpath(fixed) if is_local(files) else ""
    for path, info in files.glob(pattern, detail=True).items():
        yield _item(files, info, path[len(fixed) :].strip("/"), top)


def _item(files: Any, info: dict[str, Any], name: str, top: str) -> Item:
    """``top``: the folder that a link must not leave; empty where there are no links."""
    path = info["name"]
    refused = ""
    if info.get("islink") and top and not os.path.realpath(path).startswith(top.rstrip("/") + "/"):
        refused = "is a link out of the source"
    kind = info["type"]
    if kind not in ("file", "directory") and not refused:
        # A link is of the type of its target, so this is a device, a socket or a pipe.
        refused = "is neither a file nor a folder"
    return Item(name, path, kind == "directory", int(info.get("size") or 0), files, refused)


def is_local(files: Any) -> bool:
    """Whether a file system of fsspec is that of this machine."""
    return "file" in files.protocol


class TooLarge(Exception):
    """An item is larger than the limit."""


def read_file(item: Item, limit: int) -> bytes:
    """The content of an item that is a file.

    Raises:
        TooLarge: it has more bytes than ``limit``.
        OSError: it cannot be read.
    """
    if item.size > limit:
        raise TooLarge
    item.files.invalidate_cache()  # what this worker has listed for an earlier run may have another size by now
    with item.files.open(item.path, "rb") as stream:
        content: bytes = stream.read(limit + 1)
    if len(content) > limit:
        raise TooLarge
    return content


def folder_digest(folder: str, limit: int) -> tuple[str, int]:
    """SHA-256 (hex) of the names and contents in a local folder without its ``.git``, and their size in bytes.

    Raises:
        TooLarge: the files have more bytes than ``limit``.
    """
    digest = hashlib.sha256()
    size = 0
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted((*names, *(n for n in folders if os.path.islink(os.path.join(path, n))))):
            file = os.path.join(path, name)
            digest.update(os.fsencode(os.path.relpath(file, folder)) + b"\0")
            if os.path.islink(file):
                digest.update(os.fsencode(os.readlink(file)) + b"\0")
            elif os.path.isfile(file):
                size += os.stat(file).st_size
                if size > limit:
                    raise TooLarge
                try:
                    with open(file, "rb") as stream:
                        digest.update(hashlib.sha256(stream.read()).digest())
                except OSError:
                    digest.update(b"unreadable")
    return digest.hexdigest(), size
