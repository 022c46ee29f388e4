"""Dumps of ``nginx -T``: one text that holds every file of a configuration, each under a line with its path."""

from __future__ import annotations

import re

from nginxtls.base.lazy import NamedTuple, pattern

MARK = pattern(r"^# configuration file ((?:/|[A-Za-z]:[\\/])[^\n]*?):\r?(?:\n|\Z)", re.MULTILINE)


_LOGGED = pattern(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[")
"""How nginx begins a line of its log."""


class DumpedFile(NamedTuple):
    """A file of a dump: its path on the host it comes from, and where its text is in the dump."""

    path: str
    start: int
    end: int


def is_dump(text: str) -> bool:
    """Whether a text is a dump: its first mark comes before any directive; remarks of nginx may be above."""
    mark = MARK.search(text) if "# configuration file " in text else None
    if mark is None:
        return False
    above = text[: mark.start()].lstrip("\ufeff")
    return all(
        not line.strip() or line.startswith(("nginx:", "#", "20")) or "nginx: " in line for line in above.split("\n")
    )


_EMERG = pattern(
    r"^(?:nginx:|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?:emerg|crit|alert)\] (?:\d+#\d+: )?(.*)$", re.MULTILINE
)


def failure_of(text: str) -> str | None:
    """What ``nginx -T`` says where its test fails: then it prints no configuration. None if a text is not that."""
    if "test failed" not in text or not all(
        not line.strip() or line.startswith("nginx: ") or _LOGGED.match(line) for line in text.splitlines()
    ):
        return None
    said = _EMERG.findall(text)
    return said[-1] if said else "its test failed"


def split_dump(text: str) -> list[list[DumpedFile]]:
    """The configurations in a dump, each with its files, the main file first.

    A dump of several hosts is one after the other: where a path comes again, another configuration starts.
    """
    marks = list(MARK.finditer(text))
    dumps: list[list[DumpedFile]] = []
    seen: set[str] = set()
    for number, mark in enumerate(marks):
        end = _end(text, mark.end(), marks[number + 1].start() if number + 1 < len(marks) else len(text))
        if not dumps or mark[1] in seen:
            dumps.append([])
            seen = set()
        seen.add(mark[1])
        dumps[-1].append(DumpedFile(mark[1], mark.end(), end))
    return dumps


def _end(text: str, start: int, end: int) -> int:
    """Where a file of a dump ends: before nginx's remarks, if some follow."""
    while True:
        line_start = text.rfind("\n", start, end - 1) + 1
        line = text[max(line_start, start) : end]
        if not (line.startswith("nginx: ") or _LOGGED.match(line)):
            return end
        end = max(line_start, start)
