"""Programs of this machine. Relative folders in PATH are skipped: they could be in a scanned tree."""

from __future__ import annotations

import os
import shutil


def search_path() -> str:
    """PATH without its relative folders; an empty one is the working directory."""
    return os.pathsep.join(filter(os.path.isabs, os.environ.get("PATH", os.defpath).split(os.pathsep)))


def program(name: str, *more: str) -> str | None:
    """Where a program is, on PATH or in one of more folders; None if it is nowhere."""
    path = os.pathsep.join(filter(None, (search_path(), *more)))
    return shutil.which(name, path=path) if path else None
