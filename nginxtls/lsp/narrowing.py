"""The part of a large configuration that a check while typing looks at; the check of the whole follows it.

Of files that hold nothing but servers and what these name, it keeps the open ones, those that share a rare word with
them (a server name, an upstream, a zone, a certificate), and those whose ``listen`` lines differ from the ones before
them: the first server of a socket is its default server, and the options of a socket are those of all its lines.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nginxtls.syntax.discovery import LoadedTree
    from nginxtls.syntax.tree import Directive, SourceFile, Tree

SMALL = 40
"""A configuration of fewer files with servers is looked at as a whole."""
RARE = 12
"""A word in no more files than this relates them."""
KINDS = 60
"""No more files are kept for their ``listen`` lines."""

ALIKE = 2
"""So many lines in a row that are alike are kept."""

OWN = frozenset("server upstream map geo split_clients limit_req_zone limit_conn_zone proxy_cache_path".split())
"""What a file of a site holds at its top: servers, and things that have a name."""
_PARTS = re.compile(r"[^\s:/=,;\"'{}()|~^$]{3,}")


class _Summary(NamedTuple):
    """What relates a file to others: words of its arguments, its ``listen`` lines and server names."""

    words: frozenset[str]
    listens: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]


class Narrowing:
    """Narrows trees to what concerns some files; ``left_out``: something was left out since ``begin``.

    The summaries of files are kept for the next run, as files that have not changed are the same objects then.
    """

    def __init__(self) -> None:
        self.focus: Collection[str] = ()
        self.left_out = False
        self.includes: dict[Directive, tuple[SourceFile, ...]] = {}
        """All that the includes of narrowed trees bring in."""
        self._last: dict[SourceFile, _Summary] = {}
        self._now: dict[SourceFile, _Summary] = {}

    def begin(self, focus: Collection[str]) -> None:
        """Begin a run for the files with these real paths."""
        self.focus, self.left_out, self.includes = focus, False, {}
        self._last, self._now = self._now, {}

    def __call__(self, loaded: LoadedTree) -> LoadedTree:
        """The configuration with fewer files, or as it is."""
        tree = loaded.tree
        sites = [file for file in tree.files if file not in tree.roots and _is_site(file)]
        if loaded.from_dump or len(sites) < SMALL:
            return loaded
        unneeded = set(sites) - self._needed(tree, sites)
        if not unneeded:
            return loaded
        self.left_out = True
        self.includes |= tree.includes
        return loaded.part(_without(tree, unneeded), loaded.requested - unneeded)

    def _needed(self, tree: Tree, sites: list[SourceFile]) -> set[SourceFile]:
        focus = {file for file in tree.files if file.path in self.focus}
        needed = {*focus.intersection(sites), *_including(tree, sites, focus)}
        summaries = {file: self._summary(file) for file in (*sites, *focus)}
        counts = Counter(word for file in sites for word in summaries[file].words)
        naming: set[str] = set()
        for file in (*focus, *needed):
            naming.update(word for word in summaries[file].words if counts[word] <= RARE)
            naming.update(parent for name in summaries[file].names for parent in _parents(name))
        needed.update(file for file in sites if not naming.isdisjoint(summaries[file].words))
        # Of lines in a row that are alike the first two: nginx compares a line of a socket with those before it only
        # from the third on (ngx_http_add_addresses).
        latest: dict[str, tuple[tuple[str, ...], int]] = {}
        turns: dict[SourceFile, None] = {}
        for file in sites:
            for kind in summaries[file].listens:
                before, count = latest.get(kind[0], ((), 0))
                count = count + 1 if before == kind else 1
                latest[kind[0]] = kind, count
                if count <= ALIKE:
                    turns[file] = None
        needed.update([*turns][:KINDS])
        return needed

    def _summary(self, file: SourceFile) -> _Summary:
        found = self._now.get(file) or self._last.get(file) or _summarized(file)
        self._now[file] = found
        return found


def _summarized(file: SourceFile) -> _Summary:
    words: set[str] = set()
    listens: list[tuple[str, ...]] = []
    names: list[str] = []
    for line in file.walk():
        for arg in line.args:
            words.update(_PARTS.findall(arg))
        if line.name == "listen" and line.args:
            listens.append((line.args[0], *sorted(line.args[1:])))
        elif line.name == "server_name":
            names += line.args
    return _Summary(frozenset(words), tuple(listens), tuple(names))


def _without(tree: Tree, unneeded: set[SourceFile]) -> Tree:
    """The tree as if its includes did not match these files."""
    narrow = tree.variant(tree.holds) if tree.holds is not None else type(tree)(tree.roots, tree.files)
    narrow.unresolved = tree.unresolved
    narrow.includes = {
        include: tuple(file for file in brought if file not in unneeded) for include, brought in tree.includes.items()
    }
    reached: dict[SourceFile, None] = dict.fromkeys(narrow.roots)
    pending = [*narrow.roots]
    while pending:
        for include in pending.pop().includes:
            for file in narrow.includes.get(include, ()):
                if file not in reached:
                    reached[file] = None
                    pending.append(file)
    narrow.files = [file for file in tree.files if file in reached]
    return narrow


def _including(tree: Tree, sites: list[SourceFile], focus: set[SourceFile]) -> Iterator[SourceFile]:
    """Some of the sites that include a file in focus."""
    found = 0
    for site in sites:
        if found < RARE and any(file in focus for include in site.includes for file in tree.includes.get(include, ())):
            found += 1
            yield site


def _is_site(file: SourceFile) -> bool:
    names = {directive.name for directive in file.directives}
    return "server" in names and names <= OWN


def _parents(name: str) -> Iterator[str]:
    """The domains above a name, each also as a wildcard has it."""
    labels = name.lstrip("*.").split(".")
    for start in range(1, len(labels) - 1):
        parent = ".".join(labels[start:])
        yield from (parent, f"*.{parent}", f".{parent}")
