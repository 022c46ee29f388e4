"""Names of object identifiers, from `oids.tsv`."""

from __future__ import annotations

from functools import lru_cache

from nginxtls.base.data import read_data


@lru_cache(1)
def _table() -> dict[tuple[str, str], tuple[str, str]]:
    table = {}
    for line in read_data("nginxtls.pki", "oids.tsv").splitlines():
        if line and not line.startswith("#"):
            use, oid, detail, name = line.split("\t")
            table[use, oid] = (name, "" if detail == "-" else detail)
    return table


def known(use: str, oid: str) -> tuple[str, str] | None:
    """Name and detail of an identifier used as ``signature``, ``purpose``, ``attribute`` or ``curve``."""
    return _table().get((use, oid))


def name_of(use: str, oid: str) -> str:
    """The name of an identifier, or its dotted form if it is unknown."""
    found = known(use, oid)
    return found[0] if found else oid
