"""A change of one site, looked at before and after among the files that it may touch: if that makes no difference to
what is told there, it makes none elsewhere, and a report that was kept still holds.

A *site* is a file of nothing but server blocks that a whole configuration includes. To a changed one belong: all files
that are no sites, the sites that name what it names, and so many of the others that each directive is there, and each
line that stands in several sites (other digits are no other line). What reaches further than that, or is told otherwise
after the change, wants a run over everything.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Finding, Location
from nginxtls.lazy import NamedTuple
from nginxtls.syntax.decoding import decode
from nginxtls.syntax.discovery import LoadedTree
from nginxtls.syntax.dumps import MARK
from nginxtls.syntax.reading import Reader, source
from nginxtls.syntax.tree import SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nginxtls.finding import Report
    from nginxtls.linter import Subject
    from nginxtls.syntax.files import Files

RARE = 40
"""A word that more sites have is no sign that two of them have to do with each other."""
MOST, MOST_OF = 100, 20
"""A neighbourhood is no larger than this and the so manieth part of all: beyond, a run over everything is as fast."""

_REACHING = re.compile(r"server|listen|include|http[23]|quic.*|.*certificate.*|.*(_file|_key|_crl|dhparam)")
"""Lines that say which sockets there are, or name files whose content may be that of any other."""
_OWN = frozenset(
    "server_name root alias access_log error_log return rewrite proxy_pass grpc_pass uwsgi_pass fastcgi_pass "
    "ssl_certificate ssl_certificate_key ssl_trusted_certificate ssl_client_certificate".split()
)
"""Lines that each site has in its own words; any other that stands in one site only is a reason to look at that."""
_DIGITS = str.maketrans("123456789", "000000000")
_PIECES = re.compile(r"[\w.*-]+")


class Sites(NamedTuple):
    """A whole configuration by its main file, and the texts of its sites by real path, in nginx's order."""

    main: str
    base: str
    texts: Mapping[str, str]


# -- what is kept ------------------------------------------------------------------------------------------------------


def sites_of(subjects: Iterable[Subject]) -> list[Sites]:
    """The sites of configurations of which a change can be looked at by itself."""
    found = []
    for subject in subjects:
        configuration, tree = subject.configuration, subject.configuration.tree
        main = tree.roots[0].path
        whole = configuration.kind == "full" and not tree.roots[0].outer and len(subject.asked) == len(tree.files)
        guessed = subject.variants or configuration.files is None or configuration.files.guesses
        if main and configuration.base and whole and not guessed:
            texts = {file.path: file.text for file in tree.files if file.path and _is_site(file)}
            found.append(Sites(main, configuration.base, texts))
    return found


def _is_site(file: SourceFile) -> bool:
    return (
        all(directive.name == "server" and directive.block is not None for directive in file.directives)
        and not file.problems
        and not file.engines
        and "PRIVATE KEY" not in file.text
    )


# -- what becomes of it ------------------------------------------------------------------------------------------------


def after_change(
    kept: Report, path: str, sites: Sites, files: Files, lint: Callable[[LoadedTree], Report]
) -> tuple[Report, str] | None:
    """The kept report as it is to be told after a change of one site, and what that has become; None if it does not
    hold, or that would take a run over everything to know."""
    text = _text(path, files)
    around = text and neighbours(path, text, sites.texts)
    if not text or not around:
        return None
    before, after = (lint(_part(sites, files, path, each, around)) for each in (sites.texts[path], text))
    report = None if files.guesses else _still_holding(kept, path, before, after)
    return report and (report, text)


# -- the files that belong together ------------------------------------------------------------------------------------


def neighbours(path: str, new: str, texts: Mapping[str, str]) -> frozenset[str] | None:
    """The sites to look at when one becomes ``new``, itself among them; None if that may reach any."""
    before, after = (source(path, text) for text in (texts[path], new))
    if _reaching(before) != _reaching(after) or _nameless(before) or _nameless(after):
        return None
    index = _Index(texts)
    found = {path, *index.examples(path)}
    old_words, new_words = _words(before), _words(after)
    hosts = _hosts(before) | _hosts(after)
    for word in sorted(hosts | old_words | new_words):
        there = index.sites_with(word)
        if len(there) <= RARE:
            found |= there
        elif word in hosts or (word in old_words ^ new_words and ("." in word or "/" in word)):
            return None
    found |= index.sites_by_pattern(hosts)
    return frozenset(found) if len(found) <= MOST + len(texts) // MOST_OF else None


def _reaching(file: SourceFile) -> list[tuple[str, tuple[str, ...]]]:
    return [(line.name, line.args) for line in file.walk() if _REACHING.fullmatch(line.name)]


def _nameless(file: SourceFile) -> bool:
    """A server without a name has to do with all others that have none."""
    return any(all(line.name != "server_name" for line in server.block or ()) for server in file.directives)


def _words(file: SourceFile) -> set[str]:
    """What the lines of a file say, as a whole and in pieces."""
    whole = {arg.lower() for line in file.walk() for arg in line.args}
    return {word for arg in whole for word in (arg, *_PIECES.findall(arg)) if len(word) > 3}


def _hosts(file: SourceFile) -> set[str]:
    names = (line.args for line in file.walk() if line.name == "server_name")
    return {name.lower().removeprefix("*").removeprefix(".").removesuffix(".*") for args in names for name in args}


def _kind(line: str) -> str:
    name = line.partition(" ")[0]
    return "#" if name.startswith("#") else name if name in _OWN else line


class _Index:
    """All texts in one, so that a word is looked for in all at once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        lower = [f"{text.lower()};" for text in texts.values()]
        self.text = "".join(lower)
        self.paths = list(texts)
        self.starts = list(accumulate(map(len, lower), initial=0))

    def examples(self, changed: str) -> Iterator[str]:
        """The first of the other sites that together have every line that several have, and each directive."""
        text = self.text.translate(_DIGITS)
        shapes: dict[str, str] = {}
        for path, start, end in zip(self.paths, self.starts, self.starts[1:], strict=False):
            if path != changed:
                shapes.setdefault(text[start:end], path)
        lines = {shape: {line.strip() for line in shape.split("\n")} for shape in shapes}
        common = Counter(line for those in lines.values() for line in those)
        seen: set[str] = set()
        for shape, path in shapes.items():
            those = {line if common[line] > 1 else _kind(line) for line in lines[shape]} - seen
            if those:
                seen |= those
                yield path

    def sites_with(self, word: str) -> set[str]:
        """The sites that have a word, in capitals or not; once there are too many, that is all there is to know."""
        found: set[str] = set()
        for number in self._sites(word):
            found.add(self.paths[number])
            if len(found) > RARE:
                break
        return found

    def sites_by_pattern(self, hosts: Iterable[str]) -> set[str]:
        """The sites with a name that has a wildcard for one of the hosts, or is a regular expression."""
        text, found = self.text, set()
        start = text.find("server_name")
        while start >= 0:
            end = text.index(";", start)
            names = text[start:end]
            if any(map(names.__contains__, _PATTERN_MARKS)):
                words = [word.strip("\"'") for word in names.split()]
                if any(_may_mean(word, host) for word in words for host in hosts):
                    found.add(self.paths[bisect_right(self.starts, start) - 1])
            start = text.find("server_name", end)
        return found

    def _sites(self, word: str) -> Iterator[int]:
        """The numbers of the sites that have a word, each once."""
        position = self.text.find(word)
        while position >= 0:
            number = bisect_right(self.starts, position) - 1
            yield number
            position = self.text.find(word, self.starts[number + 1])


_PATTERN_MARKS = ("*", "~", " .", "\t.", "\n.", '"', "'")


def _may_mean(word: str, host: str) -> bool:
    """Whether a word is a name with a wildcard, or a regular expression, that a host may fit."""
    if word.endswith(".*"):
        return host.startswith(word[:-1])
    return word.startswith("~") or (word.startswith(("*.", ".")) and f".{host}".endswith(word.removeprefix("*")))


# -- before and after --------------------------------------------------------------------------------------------------


def _text(path: str, files: Files) -> str | None:
    """The text of a site after a change; None if it is no more one."""
    content = files.read_real(path)
    text, remark = decode(content) if isinstance(content, bytes) else (None, "")
    if text is None or remark or MARK.search(text) or not _is_site(source(path, text, path)):
        return None
    return text


def _part(sites: Sites, files: Files, path: str, text: str, kept: frozenset[str]) -> LoadedTree:
    """The configuration with none of its sites but those that are kept, and this text for that of one."""
    left_out = sites.texts.keys() - kept

    def passes_over(place: str) -> bool:
        return place in left_out or (place not in kept and os.path.realpath(place) in left_out)

    reader = Reader(files, instead={path: text}, passes_over=passes_over)
    main = reader.load(sites.main)
    assert isinstance(main, SourceFile)
    tree = reader.tree([main], sites.base)
    return LoadedTree(tree, "full", "main", sites.base, set(tree.files))


def _still_holding(kept: Report, path: str, before: Report, after: Report) -> Report | None:
    """The kept report, with what it tells of a changed file at its new places; None if the change makes a difference.

    ``before`` and ``after`` are of the neighbourhood.
    """
    if _told(before, path) != _told(after, path):
        return None
    changes: dict[str, Any] = {}
    for table in ("findings", "suppressed", "not_checked"):
        rows = list(getattr(kept, table))
        ours = [number for number, row in enumerate(rows) if _concerns(row, path)]
        old, new = ([row for row in getattr(report, table) if _concerns(row, path)] for report in (before, after))
        if [_exact(rows[number]) for number in ours] != [_exact(row) for row in old] or len(old) != len(new):
            return None
        for number, row in zip(ours, new, strict=True):
            rows[number] = row if table == "not_checked" else row.but(fingerprint=rows[number].fingerprint)
        changes[table] = tuple(rows)
    return kept._replace(**changes)


def _told(report: Report, path: str) -> object:
    """All that a report tells but for the places in one file."""
    tables = (report.findings, report.suppressed, report.not_checked, report.failures)
    counts = (len(report.endpoints), report.files, report.servers, report.certificates)
    return [*counts, *(_plain(row, path) for rows in tables for row in rows)]


def _exact(row: object) -> object:
    return _plain(row.but(fingerprint="") if isinstance(row, Finding) else row)


def _plain(value: Any, path: str | None = None) -> object:
    """Something of a report in words and numbers, places in a file left out."""
    if isinstance(value, Finding):
        value = value.but(also=())
    if isinstance(value, Location):
        return value.name, None if value.file.path == path else value.span
    return tuple(_plain(part, path) for part in value) if isinstance(value, tuple) else value


def _concerns(value: Any, path: str) -> bool:
    """Whether something of a report has a place in a file."""
    if isinstance(value, Location):
        return value.file.path == path
    return isinstance(value, tuple) and any(_concerns(part, path) for part in value)
