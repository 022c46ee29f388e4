"""Who an item belongs to: host, versions, team and root, from an inventory file or from a pattern of names."""

from __future__ import annotations

import csv
import io
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nginxtls.fleet.sources import Item

COLUMNS = ("host", "nginx", "openssl", "team", "root", "item")
"""The columns of an inventory; ``item`` is a name in the source or a glob, where it is not named as the host."""
_FIELD = re.compile(r"\{(host|team)\}")


class Host(NamedTuple):
    """A host; what is not known is empty."""

    name: str
    team: str = ""
    nginx: str = ""
    openssl: str = ""
    root: str = ""
    """The folder of the item that is the root of the host's file system."""
    listed: bool = False
    """Whether the inventory names it."""


class Hosts:
    """The hosts by item."""

    def __init__(self, rows: Sequence[Mapping[str, str]] = (), pattern: str = "") -> None:
        self.given = (tuple(tuple(sorted(row.items())) for row in rows), pattern)
        """All that they were made from."""
        self._by_name: dict[str, Host] = {}
        self._by_glob: list[tuple[str, Host]] = []
        for row in rows:
            host = Host(
                row["host"],
                row.get("team", ""),
                row.get("nginx", ""),
                row.get("openssl", ""),
                row.get("root", ""),
                listed=True,
            )
            item = row.get("item", "")
            if "*" in item:
                self._by_glob.append((item, host))
            else:
                self._by_name.setdefault(item or host.name, host)
        self._pattern = _compiled(pattern) if pattern else None

    def of(self, item: Item) -> Host:
        """The host of an item: of the inventory by name, stem or glob; else by the pattern; else its stem."""
        found = self._by_name.get(item.name) or self._by_name.get(item.stem)
        if found is None:
            found = next((host for glob, host in self._by_glob if fnmatchcase(item.name, glob)), None)
        if found is not None:
            return found
        named = self._pattern.fullmatch(item.name) if self._pattern else None
        parts = named.groupdict() if named else {}
        name = parts.get("host") or item.stem
        known = self._by_name.get(name)
        return known if known is not None else Host(name, parts.get("team") or "")


def read_hosts(file: str, pattern: str = "") -> Hosts:
    """The hosts of an inventory in CSV (with a header) or YAML (a list of mappings).

    Args:
        file: its path; empty for none.
        pattern: how item names hold host and team, such as ``{team}/{host}.txt``; ``*`` is any part of a name.

    Raises:
        UsageError: it cannot be read, or has rows without a host or unknown columns.
    """
    if not file:
        return Hosts(pattern=pattern)
    try:
        text = read_regular(file, LIMITS["inventory"]).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--inventory {file}", f"cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    rows = list(_yaml(file, text) if file.lower().endswith((".yml", ".yaml")) else csv.DictReader(io.StringIO(text)))
    return Hosts([_row(file, number, row) for number, row in enumerate(rows, 1)], pattern)


def _yaml(file: str, text: str) -> Iterable[Any]:
    import yaml

    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--inventory {file}", "is not YAML") from error
    if not isinstance(rows, list):
        raise UsageError(f"--inventory {file}", "is not a list", "write a list of mappings with host, team, nginx …")
    return rows


def _row(file: str, number: int, row: Any) -> dict[str, str]:
    place = f"--inventory {file}, row {number}"
    if not isinstance(row, dict):
        raise UsageError(place, "is not a mapping", f"use the keys {', '.join(COLUMNS)}")
    for name in row:
        if name not in COLUMNS:
            raise UsageError(
                place, f"has the unknown column {name}", nearest(str(name), COLUMNS) or f"use {', '.join(COLUMNS)}"
            )
    found = {name: str(value).strip() for name, value in row.items() if value is not None}
    if not found.get("host"):
        raise UsageError(place, "has no host", "fill in the column `host`")
    return found


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of item names as an expression; each part matches within one segment of the path."""
    if not _FIELD.search(pattern):
        raise UsageError(f"--host-pattern {pattern}", "names no {host}", "use a pattern such as {team}/{host}.txt")
    parts = re.split(r"(\{host\}|\{team\}|\*)", pattern)
    texts = {"{host}": "(?P<host>[^/]+?)", "{team}": "(?P<team>[^/]+?)", "*": "[^/]*"}
    try:
        return re.compile("".join(texts.get(part, re.escape(part)) for part in parts))
    except re.error as error:
        raise UsageError(f"--host-pattern {pattern}", "names a part twice", "use {host} and {team} once") from error
