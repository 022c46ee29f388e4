"""A change of a few sites, looked at before and after among the files that it may touch: if that makes no difference to
what is told there, it makes none elsewhere, and a report that was kept still holds.

A *site* is a file of server blocks, and of what these refer to by name, that a whole configuration includes. To changed
ones belong: all files that are no sites, the sites that name what they name, and so many of the others that each line
is there once (but for digits, and for what is each site's own, such as its names). What reaches further, or is told
otherwise after the change, wants a run over everything.
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
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set

    from nginxtls.finding import Report
    from nginxtls.linter import Subject
    from nginxtls.syntax.files import Files
    from nginxtls.syntax.tree import Directive

RARE = 40
"""A word that more sites have is no sign that two of them have to do with each other, nor is a line their own."""
MOST, MOST_OF = 100, 20
"""There are no more neighbours, and no more files that are no sites, than this and the so manieth part of all: a run
over everything would be as fast."""

MOST_SEARCHED = 1 << 30
"""Characters: so much text is looked through for all words of the changed sites. It takes less than a second."""

_NAMED = frozenset("upstream map geo split_clients limit_req_zone limit_conn_zone proxy_cache_path log_format".split())
"""What a site may have beside its servers: of no concern to those who do not name it."""
_REACHING = re.compile(r"server|listen|include|http[23]|quic.*|.*certificate.*|.*(_file|_key|_crl|dhparam)")
"""Lines that say which sockets there are, or name files whose content may be that of any other."""
_OWN = frozenset(
    "server_name root alias access_log error_log return rewrite proxy_pass grpc_pass uwsgi_pass fastcgi_pass upstream "
    "ssl_certificate ssl_certificate_key ssl_trusted_certificate ssl_client_certificate".split()
)
"""Lines that sites have in words of their own."""
_DIGITS = str.maketrans("123456789", "000000000")
_PIECES = re.compile(r"[\w.*-]+")


class Sites(NamedTuple):
    """A whole configuration by its main file, and the texts of its sites by real path, in nginx's order."""

    main: str
    texts: Mapping[str, str]


# -- what is kept ------------------------------------------------------------------------------------------------------


def sites_of(subjects: Iterable[Subject]) -> list[Sites]:
    """The sites of configurations of which a change can be looked at by itself."""
    found = []
    for subject in subjects:
        configuration, tree = subject.configuration, subject.configuration.tree
        main = tree.roots[0]
        whole = configuration.kind == "full" and main.stands_alone and len(subject.asked) == len(tree.files)
        guessed = subject.variants or configuration.files is None or configuration.files.guesses
        if main.path and whole and not guessed:
            texts = {file.path: file.text for file in tree.files if file.path and _is_site(file)}
            if texts and len(tree.files) - len(texts) <= MOST + len(texts) // MOST_OF:
                found.append(Sites(main.path, texts))
    return found


def _is_site(file: SourceFile) -> bool:
    return (
        all(top.name in _NAMED or (top.name == "server" and top.block is not None) for top in file.directives)
        and not file.problems
        and not file.engines
        and "PRIVATE KEY" not in file.text
    )


# -- what becomes of it ------------------------------------------------------------------------------------------------


def after_change(
    kept: Report, changed: Iterable[str], sites: Sites, files: Files, lint: Callable[[LoadedTree], Report]
) -> tuple[Report, Sites] | None:
    """The kept report as it is to be told after a change of these sites, and what they have become; None if it does not
    hold, or that would take a run over everything to know."""
    old = {path: sites.texts[path] for path in changed}
    new = {path: text for path in old if (text := _text(path, files)) is not None}
    around = neighbours(new, sites.texts) if len(new) == len(old) else None
    if around is None:
        return None
    before, after = (lint(_part(sites, files, texts, around)) for texts in (old, new))
    report = None if files.guesses else _still_holding(kept, old.keys(), before, after)
    return report and (report, sites._replace(texts={**sites.texts, **new}))


# -- the files that belong together ------------------------------------------------------------------------------------


def neighbours(changed: Mapping[str, str], texts: Mapping[str, str]) -> frozenset[str] | None:
    """The sites to look at when some have become others, themselves among them; None if that may reach any."""
    index = _Index(texts)
    found = {*changed, *index.examples(changed)}
    hosts: set[str] = set()
    searched = 0
    for path, text in changed.items():
        before, after = source(path, texts[path], path), source(path, text, path)
        if _reaching(before) != _reaching(after) or _nameless(before) or _nameless(after):
            return None
        old_words, new_words = _words(before), _words(after)
        own = _hosts(before) | _hosts(after)
        words = own | old_words | new_words
        searched += len(words) * len(index.text)
        if searched > MOST_SEARCHED:
            return None
        for word in words:
            there = index.sites_with(word)
            if len(there) <= RARE:
                found |= there
            elif word in own or (word in old_words ^ new_words and ("." in word or "/" in word)):
                return None
        hosts |= own
    found |= index.sites_by_pattern(hosts)
    return frozenset(found) if len(found) <= MOST + len(texts) // MOST_OF else None


def _reaching(file: SourceFile) -> list[tuple[str, tuple[str, ...]]]:
    lines = (line for line in file.walk() if _REACHING.fullmatch(line.name) or _top(line).name in _NAMED)
    return [(line.name, line.args) for line in lines]


def _top(line: Directive) -> Directive:
    while line.parent is not None:
        line = line.parent
    return line


def _nameless(file: SourceFile) -> bool:
    """A server without a name has to do with all others that have none."""
    servers = (top for top in file.directives if top.name == "server")
    return any(all(line.name != "server_name" for line in server.block or ()) for server in servers)


def _words(file: SourceFile) -> set[str]:
    """What the lines of a file say, as a whole and in pieces."""
    whole = {arg.lower() for line in file.walk() for arg in line.args}
    return {word for arg in whole for word in (arg, *_PIECES.findall(arg)) if len(word) > 3}


def _hosts(file: SourceFile) -> set[str]:
    names = (line.args for line in file.walk() if line.name == "server_name")
    return {name.lower().removeprefix("*").removeprefix(".").removesuffix(".*") for args in names for name in args}


def _kind(line: str) -> str:
    """What a line that few sites have is an example of: itself, or any line with its directive."""
    name = line.partition(" ")[0]
    return "#" if name.startswith("#") else name if name in _OWN else line


class _Index:
    """All texts in one, so that a word is looked for in all at once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        lower = [f"{text.lower()};" for text in texts.values()]
        self.text = "".join(lower)
        self.paths = list(texts)
        self.starts = list(accumulate(map(len, lower), initial=0))

    def examples(self, changed: Container[str]) -> Iterator[str]:
        """The first of the other sites that together have every line (of their own: every directive) that there is."""
        text = self.text.translate(_DIGITS)
        shapes: dict[str, list[str]] = {}
        for path, start, end in zip(self.paths, self.starts, self.starts[1:], strict=False):
            if path not in changed:
                shapes.setdefault(text[start:end], []).append(path)
        lines = {shape: {line.strip() for line in shape.split("\n")} for shape in shapes}
        common: Counter[str] = Counter()
        for shape, paths in shapes.items():
            common.update(dict.fromkeys(lines[shape], len(paths)))
        seen: set[str] = set()
        for shape, (path, *_) in shapes.items():
            those = {line if common[line] > RARE else _kind(line) for line in lines[shape]} - seen
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


def _part(sites: Sites, files: Files, texts: Mapping[str, str], kept: frozenset[str]) -> LoadedTree:
    """The configuration with none of its sites but those that are kept, and these texts for those of some."""
    left_out = sites.texts.keys() - kept

    def passes_over(place: str) -> bool:
        return place in left_out or (place not in kept and os.path.realpath(place) in left_out)

    tree = Reader(files, instead=texts, passes_over=passes_over).read(sites.main)
    return LoadedTree(tree, "full", "main", os.path.dirname(sites.main), set(tree.files))


def _still_holding(kept: Report, paths: Set[str], before: Report, after: Report) -> Report | None:
    """The kept report, with what it tells of changed files at their new places; None if the change makes a difference.

    ``before`` and ``after`` are of the neighbourhood.
    """
    if before.failures or _told(before, paths) != _told(after, paths):
        return None
    changes: dict[str, Any] = {}
    for table in ("findings", "suppressed", "not_checked"):
        rows = list(getattr(kept, table))
        ours = [number for number, row in enumerate(rows) if _concerns(row, paths)]
        old, new = ([row for row in getattr(report, table) if _concerns(row, paths)] for report in (before, after))
        if [_exact(rows[number]) for number in ours] != [_exact(row) for row in old] or len(old) != len(new):
            return None
        for number, row in zip(ours, new, strict=True):
            rows[number] = row if table == "not_checked" else row.but(fingerprint=rows[number].fingerprint)
        changes[table] = tuple(rows)
    return kept._replace(**changes)


def _told(report: Report, paths: Set[str]) -> object:
    """All that a report tells but for the places in some files."""
    tables = (report.findings, report.suppressed, report.not_checked, report.failures)
    counts = (len(report.endpoints), report.files, report.servers, report.certificates)
    return [*counts, *(_plain(row, paths) for rows in tables for row in rows)]


def _exact(row: object) -> object:
    return _plain(row.but(fingerprint="") if isinstance(row, Finding) else row)


def _plain(value: Any, paths: Set[str] = frozenset()) -> object:
    """Something of a report in words and numbers, places in some files left out."""
    if isinstance(value, Finding):
        value = value.but(also=())
    if isinstance(value, Location):
        return value.name, None if value.file.path in paths else value.span
    return tuple(_plain(part, paths) for part in value) if isinstance(value, tuple) else value


def _concerns(value: Any, paths: Set[str]) -> bool:
    """Whether something of a report has a place in some files."""
    if isinstance(value, Location):
        return value.file.path in paths
    return isinstance(value, tuple) and any(_concerns(part, paths) for part in value)
