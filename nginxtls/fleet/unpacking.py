"""Archives of a host's files, unpacked into a folder that nothing of them can leave, within limits."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import tarfile
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_MEMBERS = 50_000
MOST_TIMES = 200
"""How many times its own size an archive may become, beyond a megabyte."""


MOST_OF_A_HEADER = 1_000_000
"""The most bytes of a name or another header of a member, which tarfile reads at once."""
_COMPRESSIONS: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"]\0\0", lzma.LZMAFile),
)


class BadArchive(Exception):
    """The archive cannot be unpacked; the text says why."""


class _Bounded(io.BufferedIOBase):
    """The bytes of an archive without its compression: at most ``most``, and at most ``at_once`` in a piece."""

    def __init__(self, content: bytes, most: int) -> None:
        opened = next((kind for magic, kind in _COMPRESSIONS if content.startswith(magic)), None)
        self._stream = io.BytesIO(content) if opened is None else opened(io.BytesIO(content))
        self._most = most
        self.at_once = MOST_OF_A_HEADER

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= self.at_once or self.seek(0, 1) + size > self._most:
            raise BadArchive(_TOO_LARGE)
        return bytes(self._stream.read(size))

    def seek(self, place: int, whence: int = 0) -> int:
        if whence == 0 and place > self._most:
            raise BadArchive(_TOO_LARGE)
        return int(self._stream.seek(place, whence))


_TOO_LARGE = "has more bytes than the limit"


OUT = "leads out of the item"
"""Why a file is left out that ``..`` is in the name of."""


def unpack(content: bytes, folder: Path, limit: int) -> list[str]:
    """Write the files, folders and links of a tar archive below a folder.

    Links are made last and files never through one, so nothing is written elsewhere; the reader resolves links inside
    the root. Devices and pipes are left out. Files keep their permission bits, as a rule checks who may read a key.

    Args:
        content: the archive, compressed or not.
        folder: an empty folder.
        limit: the most bytes that the files may have together.

    Returns:
        the members that are left out, each with the reason.

    Raises:
        BadArchive: it is not an archive, is damaged, or exceeds the limits.
    """
    room = min(limit, len(content) * MOST_TIMES + 1_000_000)
    links: list[tuple[str, str]] = []
    lost: list[str] = []
    try:
        bounded = _Bounded(content, 4 * (room + MOST_OF_A_HEADER))  # small files have as much in headers
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= MOST_MEMBERS:
                    raise BadArchive(f"has more than {MOST_MEMBERS:,} members")
                name = _inside(member.name)
                if not name:
                    if member.name.strip("./"):
                        lost.append(f"{member.name}: {OUT}")
                    continue
                if member.issym():
                    links.append((name, member.linkname))
                elif member.islnk():
                    links.append((name, os.path.relpath(_inside(member.linkname) or ".", os.path.dirname(name) or ".")))
                elif member.isdir():
                    with _losing(lost, name):
                        (folder / name).mkdir(parents=True, exist_ok=True)
                elif member.isreg():
                    room -= member.size
                    if room < 0:
                        raise BadArchive(_TOO_LARGE)
                    bounded.at_once = max(member.size, MOST_OF_A_HEADER)
                    stream = archive.extractfile(member)
                    data = stream.read() if stream else b""
                    bounded.at_once = MOST_OF_A_HEADER
                    with _losing(lost, name):
                        (folder / name).parent.mkdir(parents=True, exist_ok=True)
                        (folder / name).write_bytes(data)
                        (folder / name).chmod(member.mode & 0o777 | 0o600)
                else:
                    lost.append(f"{name}: is neither a file, a folder nor a link")
        made: set[str] = set()
        for name, target in links:
            place = folder / name
            through_link = any(os.fspath(parent) in made for parent in PurePosixPath(name).parents)
            if through_link or os.path.lexists(place):
                lost.append(f"{name}: another member is in the place of this link")
                continue
            with _losing(lost, name):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(target, place)
                made.add(name)
    except BadArchive:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError, UnicodeError) as error:
        text = getattr(error, "strerror", None) or "is not a readable tar archive"
        raise BadArchive(text) from error
    except Exception as error:  # zlib.error and lzma.LZMAError have no base in common
        raise BadArchive("its compression is damaged") from error
    return lost


@contextmanager
def _losing(lost: list[str], name: str) -> Iterator[None]:
    """Skip a member that cannot be made: its name may be too long, or that of a folder. A full disk is an error."""
    try:
        yield
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        lost.append(f"{name}: {getattr(error, 'strerror', None) or 'is not a file name'}")


def _inside(name: str) -> str:
    """The name relative to the folder; empty for one that leads out of it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "" if ".." in parts or "\0" in name else "/".join(parts)
