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
from nginxtls.base.secrets import hide
from nginxtls.base.yaml_text import NotYamlError, read_yaml
from nginxtls.detection import nginx_version, openssl_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
        self._rows = rows
        self._given_pattern = pattern
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

    @property
    def given(self) -> object:
        """All that they were made from, as a value whose text is always the same."""
        return [sorted(row.items()) for row in self._rows], self._given_pattern

    @property
    def listed(self) -> set[str]:
        """The names of the hosts of the inventory."""
        return {row["host"] for row in self._rows}

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
        UsageError: it cannot be read, is empty, or has a row without a host, for an item that has one already, or with
            an unknown column or version.
    """
    if not file:
        return Hosts(pattern=pattern)
    try:
        text = read_regular(file, LIMITS["inventory"]).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"--inventory {file}", f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--inventory {file}", "is not UTF-8 text") from error
    rows = [
        _row(f"--inventory {file}, row {number}", row)
        for number, row in enumerate((_yaml if file.lower().endswith((".yml", ".yaml")) else _csv)(file, text), 1)
    ]
    if not rows:
        raise UsageError(f"--inventory {file}", "has no rows", f"give it the columns {', '.join(COLUMNS)}")
    first: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        item = row.get("item") or row["host"]
        if first.setdefault(item, number) != number:
            raise UsageError(
                f"--inventory {file}, row {number}", f"is for {item}, as row {first[item]} is", "remove one of the two"
            )
    return Hosts(rows, pattern)


def _csv(file: str, text: str) -> Iterator[Any]:
    rows = csv.reader(io.StringIO(hide(text)))
    try:
        names = [name.strip() for name in next(rows, [])]
        if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
            raise UsageError(f"--inventory {file}", f"has the column {twice} twice", "remove one of the two")
        for row in filter(None, rows):
            if len(row) > len(names):
                raise UsageError(
                    f"--inventory {file}, line {rows.line_num}",
                    f"has {len(row)} values for {len(names)} columns",
                    "quote a value that has a comma",
                )
            yield dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise UsageError(f"--inventory {file}, line {rows.line_num}", "is not CSV") from error


def _yaml(file: str, text: str) -> Iterable[Any]:
    try:
        rows = read_yaml(text)
    except NotYamlError as error:
        place = f"--inventory {file}" + (f", line {error.line}" if error.line else "")
        raise UsageError(place, f"is not YAML: {error}") from error
    if not isinstance(rows, list):
        raise UsageError(f"--inventory {file}", "is not a list", "write a list of mappings with host, team, nginx …")
    return rows


def _row(place: str, row: Any) -> dict[str, str]:
    if not isinstance(row, dict):
        raise UsageError(place, "is not a mapping", f"use the keys {', '.join(COLUMNS)}")
    found = {}
    for name, value in row.items():
        if name not in COLUMNS:
            raise UsageError(
                place, f"has the unknown column {name}", nearest(str(name), COLUMNS) or f"use {', '.join(COLUMNS)}"
            )
        if not isinstance(value, (str, int, type(None))):
            raise UsageError(place, f"has something else than a text as {name}", f'write {name}: "…", with quotes')
        found[name] = "" if value is None else str(value).strip()
    if not found.get("host"):
        raise UsageError(place, "has no host", "fill in the column `host`")
    try:
        nginx_version(found.get("nginx") or None)
        openssl_version(found.get("openssl") or None)
    except UsageError as error:
        raise UsageError(place, error.reason, error.help) from error
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
