"""Reading a file that is not part of a configuration: a regular file of a limited size, or an error."""

from __future__ import annotations

import errno
import os
import stat

MB = 1_000_000


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a file of at most ``limit`` bytes. Pipes and devices, whose reading may never end, are refused.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger; ``strerror`` says so.
    """
    _refuse_others(path, os.stat(path).st_mode)  # to open a device may do something
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        _refuse_others(path, os.fstat(handle).st_mode)
        content = stream.read(limit + 1)
    if len(content) > limit:
        size = f"{limit // MB} MB" if limit >= MB else f"{limit // 1000} kB"
        raise OSError(errno.EFBIG, f"larger than {size}", os.fspath(path))
    return content


def _refuse_others(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "it is a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise OSError(errno.EINVAL, kind, os.fspath(path))
