"""The hosts of a report: short names for those whose dumps were linted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_ENDINGS = (".txt", ".conf", ".dump", ".out", ".log", ".json", ".nginx")


def short_names(hosts: Collection[str]) -> dict[str, str]:
    """``{"dumps/web1.txt": "web1", "dumps/web1.txt#2": "web1#2"}``: without folder and ending if they stay distinct."""
    for shorten in (_bare, os.path.basename):
        names = {host: shorten(host) for host in hosts}
        if len(set(names.values())) == len(names) and all(names.values()):
            return names
    return {host: host for host in hosts}


def _bare(host: str) -> str:
    name, mark, number = os.path.basename(host).partition("#")
    stem, ending = os.path.splitext(name)
    return f"{stem if ending in _ENDINGS else name}{mark}{number}"
