"""Which of the files that no main file includes are known not to be in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.syntax.files import Files
    from nginxtls.syntax.tree import SourceFile, Tree


def unused_among(rest: Sequence[SourceFile], mains: Iterable[tuple[Tree, str]], files: Files) -> set[SourceFile]:
    """Those of the files that are not enabled. ``mains`` are the trees of main files, each with its folder.

    Where all of the server can be read, these are the files in the folder of a main file whose includes are all known.
    In a repository it is known of ``sites-available/`` alone, and where ``sites-enabled/`` is kept beside it: other
    files may be copied anywhere.
    """
    folders = {
        base + "/"
        for tree, base in mains
        if files.holds(base) and all(gap.missing or gap.stock for gaps in tree.unresolved.values() for gap in gaps)
    }
    unused = set()
    for file in rest:
        path = file.path or ""
        if any(path.startswith(folder) for folder in folders) or _without_link(path, files):
            unused.add(file)
    return unused


def _without_link(path: str, files: Files) -> bool:
    """Whether a site in ``sites-available/`` has no link in the ``sites-enabled/`` beside it."""
    folder, name = os.path.split(path)
    parent, available = os.path.split(folder)
    enabled = files.real(f"{parent}/sites-enabled")
    if available != "sites-available" or not isinstance(enabled, str):
        return False
    try:
        names = os.listdir(enabled)
    except OSError:
        return False
    return not any(name in (entry, os.path.basename(_target(f"{enabled}/{entry}"))) for entry in names)


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
