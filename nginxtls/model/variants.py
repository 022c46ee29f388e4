"""The variants of a template's configuration: ways its conditions may fall, so that every branch is looked at.

Conditions are not understood: two of them may exclude each other ("flavour is a", "flavour in (b, c)"). So a variant
joins branches only where none of their lines can contradict each other, and what it leaves out is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.settings import REPEATABLE
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.syntax.branches import Branch
    from nginxtls.syntax.tree import Directive, Tree

MAX_VARIANTS, MAX_BRANCHES = 24, 20_000
"""So many, and so many branches in all of them. Those that would need more are not looked at together with the lines
around them."""

_OF_SERVERS = frozenset({"listen", "server", "server_name"})


class _Lines:
    """What one branch contains and could contradict another's: single-valued settings, and servers by their ports."""

    def __init__(self) -> None:
        self.settings: set[object] = set()
        self.servers: set[tuple[str, Directive]] = set()


class _Variant:
    """Branches that are compatible."""

    def __init__(self, branches: dict[Branch, _Lines], by_condition: dict[tuple[int, int], list[Branch]]) -> None:
        self.branches, self.by_condition = branches, by_condition
        self.holds: set[tuple[int, int]] = set()
        self.settings: dict[object, list[Branch]] = {}
        self.servers: dict[str, list[tuple[Directive, Branch]]] = {}

    def take(self, branch: Branch) -> bool:
        """Add a branch if no condition of it is denied here, and no line that it brings contradicts one that is here.

        Branches that imply each other are meant to be used together.
        """
        if any((key, 1 - number) in self.holds for key, number in branch):
            return False
        added = {
            other
            for condition in branch
            if condition not in self.holds
            for other in self.by_condition[condition]
            if all(needed in self.holds or needed in branch for needed in other)
        }
        if any(not _imply(new, old) for new in added for old in self._rivals(self.branches[new])):
            return False
        self.holds.update(branch)
        for new in added:
            lines = self.branches[new]
            for setting in lines.settings:
                self.settings.setdefault(setting, []).append(new)
            for port, server in lines.servers:
                self.servers.setdefault(port, []).append((server, new))
        return True

    def _rivals(self, lines: _Lines) -> Iterator[Branch]:
        for setting in lines.settings:
            yield from self.settings.get(setting, ())
        for port, server in lines.servers:
            yield from (branch for other, branch in self.servers.get(port, ()) if other is not server)


def _imply(one: Branch, other: Branch) -> bool:
    return set(one).issuperset(other) or set(other).issuperset(one)


def variants(tree: Tree) -> list[Tree]:
    """The tree in each of its variants; the tree itself if no line is under a condition.

    Each variant has as many branches as can be, the first one those that come first; in the last no condition holds.
    """
    if not any(file.conditions for file in tree.files):
        return [tree]
    branches = _branches(tree)
    by_condition: dict[tuple[int, int], list[Branch]] = {}
    for branch in branches:
        for condition in branch:
            by_condition.setdefault(condition, []).append(branch)
    found: list[_Variant] = []
    most = min(MAX_VARIANTS, MAX_BRANCHES // len(branches)) if branches else 0
    for branch in branches:
        if not any(variant.take(branch) for variant in found) and len(found) < most:
            found.append(_Variant(branches, by_condition))
            found[-1].take(branch)
    for variant in found:
        for branch in branches:
            if not variant.holds.issuperset(branch):
                variant.take(branch)
    found.append(_Variant(branches, by_condition))
    for branch in branches:
        if all(number for _, number in branch):
            found[-1].take(branch)
    # Of a condition that has lines for both cases, one case is there.
    for key, number in by_condition:
        if number and (key, 0) in by_condition:
            for variant in found:
                if (key, 0) not in variant.holds:
                    variant.holds.add((key, 1))
    return [tree.variant(frozenset(variant.holds)) for variant in found]


def _branches(tree: Tree) -> dict[Branch, _Lines]:
    """The branches that can be, in the order of the text, each with its lines."""
    found: dict[Branch, _Lines] = {}
    for file in tree.files:
        for directive in file.walk() if file.conditions else ():
            branch = directive.branch
            if not branch or any((key, 1 - number) in branch for key, number in branch):
                continue  # there always, or never
            lines = found.setdefault(branch, _Lines())
            name = directive.name
            if name in _OF_SERVERS:
                if (server := directive if name == "server" else directive.parent) and server.block is not None:
                    lines.servers.update((port, server) for port in _ports(server))
            elif name == "add_header":
                lines.settings.add((directive.parent, name, *(arg.lower() for arg in directive.args[:1])))
            elif (name.startswith(("ssl", "http")) or "_ssl_" in name) and name not in REPEATABLE:
                lines.settings.add((directive.parent, name))
    return found


def _ports(server: Directive) -> set[str]:
    """The ports of a server's listen lines, as far as they are known: those of a template are its own."""
    places = [line.args[0] for line in server.block or () if line.name == "listen" and line.args]
    found = {place.rpartition(":")[2].rpartition("]")[2] or place for place in places if UNKNOWN not in place}
    return found if places else {"80"}
