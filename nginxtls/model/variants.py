"""The variants of a template's configuration: ways its conditions may fall, so that every branch is looked at.

Conditions are not understood: two of them may exclude each other ("flavour is a", "flavour in (b, c)"). So a variant
joins branches only where none of their lines can contradict each other, and what it leaves out is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nginxtls.model.settings import REPEATABLE

if TYPE_CHECKING:
    from nginxtls.syntax.branches import Branch
    from nginxtls.syntax.tree import Directive, Tree

MAX_VARIANTS = 24
"""Branches that would need more are not looked at together with the lines around them."""

_OF_SERVERS = frozenset({"listen", "server", "server_name"})


@dataclass(slots=True)
class _Lines:
    """What stands in one branch and could contradict another's: single-valued settings, and parts of servers."""

    settings: set[object] = field(default_factory=set)
    servers: set[Directive] = field(default_factory=set)

    def contradicts(self, other: _Lines) -> bool:
        return not self.settings.isdisjoint(other.settings) or bool(
            self.servers and other.servers and len(self.servers | other.servers) > 1
        )


def variants(tree: Tree) -> list[Tree]:
    """The tree in each of its variants, the fullest first; the tree itself if no line stands under a condition."""
    if not any(file.conditions for file in tree.files):
        return [tree]
    found: list[dict[Branch, _Lines]] = []
    for branch, lines in _branches(tree).items():
        best = next((members for members in found if _fits(branch, lines, members)), None)
        if best is not None:
            best[branch] = lines
        elif len(found) < MAX_VARIANTS:
            found.append({branch: lines})
    return [tree.variant(frozenset(pair for branch in members for pair in branch)) for members in (*found, {})]


def _branches(tree: Tree) -> dict[Branch, _Lines]:
    """The branches in the order of the text, each with its lines."""
    found: dict[Branch, _Lines] = {}
    for file in tree.files:
        for directive in file.walk() if file.conditions else ():
            if not directive.branch:
                continue
            lines = found.setdefault(directive.branch, _Lines())
            name = directive.name
            if name in _OF_SERVERS:
                if (server := directive if name == "server" else directive.parent) and server.block is not None:
                    lines.servers.add(server)
            elif name == "add_header":
                lines.settings.add((directive.parent, name, *(arg.lower() for arg in directive.args[:1])))
            elif (name.startswith(("ssl", "http")) or "_ssl_" in name) and name not in REPEATABLE:
                lines.settings.add((directive.parent, name))
    return found


def _fits(branch: Branch, lines: _Lines, members: dict[Branch, _Lines]) -> bool:
    """Whether a branch may stand together with others: no condition is needed and denied, and no line contradicts.

    Branches that imply each other are meant to stand together.
    """
    holds = set(branch)
    return not any(
        any((key, 1 - number) in holds for key, number in other)
        or (lines.contradicts(others) and not (holds.issuperset(other) or holds.issubset(other)))
        for other, others in members.items()
    )
