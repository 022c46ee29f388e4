"""The one way in which files are written: whole or not at all, whatever goes wrong on the way."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int | None = None, *, owner: tuple[int, int] | None = None) -> None:
    """Write a file by way of a temporary one beside it, so that a full disk leaves the old content.

    Args:
        path: a regular file, or nothing yet.
        data: the new content.
        mode: permission bits; by default those of the old file, else those that the umask leaves.
        owner: user and group that the file gets; by default those of this process.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    if mode is None:
        try:
            mode = path.stat().st_mode & 0o7777
        except FileNotFoundError:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:50]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
