"""Whether a file lies in a checkout of git, and whether git has it. Nothing is run; the index is only searched."""

from __future__ import annotations

import os
from functools import lru_cache

from nginxtls.syntax.files import read_plain

_LIMIT = 200_000_000


def checkout_of(folder: str) -> str | None:
    """The top folder of the checkout that a folder lies in, or None: the nearest above it with a ``.git``."""
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def is_tracked(path: str) -> bool | None:
    """Whether git has a file, by a real path; None if it is unknown (no checkout, a work tree elsewhere)."""
    top = checkout_of(os.path.dirname(path))
    if top is None:
        return None
    index = _index(top, _changed(top))
    if index is None:
        return None
    # Entries of versions 2 and 3 hold the path whole, after its length and before a zero (gitformat-index(5)).
    name = os.fsencode(os.path.relpath(path, top))
    at = index.find(name + b"\0")
    while at >= 0:
        flags = int.from_bytes(index[at - 2 : at], "big") & 0xFFF
        extended = int.from_bytes(index[at - 4 : at - 2], "big") & 0xFFF
        if min(len(name), 0xFFF) in (flags, extended):
            return True
        at = index.find(name + b"\0", at + 1)
    return False


def _changed(top: str) -> int:
    """When the index of a checkout was last written, in nanoseconds; 0 if there is none."""
    try:
        return os.lstat(os.path.join(top, ".git/index")).st_mtime_ns
    except OSError:
        return 0


@lru_cache(1)
def _index(top: str, changed: int) -> bytes | None:
    """The index of a checkout, if it has its paths in full."""
    content = read_plain(top, ".git/index", _LIMIT)
    if content is None:
        return None
    if content[:4] != b"DIRC" or int.from_bytes(content[4:8], "big") not in (2, 3):
        return None
    return content
