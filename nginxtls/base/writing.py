"""Atomic file writes: a file is written completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int | None = None, *, owner: tuple[int, int] | None = None) -> None:
    """Write a file atomically, by a temporary file in the same folder, so that a full disk leaves the old content.

    Args:
        path: a regular file, or a path that does not exist yet.
        data: the new content.
        mode: permission bits; by default those of the old file, otherwise those that the umask leaves.
        owner: user and group that the file gets; by default those of this process.

    Raises:
        OSError: the file cannot be written; the old content is unchanged.
    """
    from tempfile import mkstemp  # with shutil and random, and few runs write

    if mode is None:
        try:
            mode = path.stat().st_mode & 0o7777
        except FileNotFoundError:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
    descriptor, name = mkstemp(prefix=f".{path.name[:50]}.", suffix=".tmp", dir=path.parent)
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


def write(path: Path, data: bytes) -> None:
    """Write what a user named: a file whole, as ``write_whole``, and into a device, a pipe or a link's target.

    In a folder where nothing can be made, or over a mount, an existing file is written in its place.

    Raises:
        OSError: the file cannot be written.
    """
    real = Path(os.path.realpath(path))
    if not real.exists() or real.is_file():
        try:
            write_whole(real, data)
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EBUSY, errno.EPERM) or not real.exists():
                raise
    with open(real, "wb", buffering=0) as stream:
        stream.write(data)
