"""Location, ``if`` and ``limit_except`` blocks: scopes inside a server, and which of them nginx chooses for a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.patterns import read_pattern
from nginxtls.model.settings import Scope, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.syntax.tree import Directive, Tree


class LocationBlock:
    """A location (or an ``if`` or ``limit_except`` in one): a scope, and the locations inside it."""

    __slots__ = ("_inside", "_tree", "directive", "modifier", "parent", "pattern", "scope")

    def __init__(self, directive: Directive, tree: Tree, around: Scope, parent: LocationBlock | None) -> None:
        self.directive = directive
        self.parent = parent
        self.modifier, self.pattern = _read(directive.args)
        """The modifier is ``=``, ``~``, ``~*``, ``^~``, ``@`` (named) or the empty string (prefix); the pattern is the
        prefix, regular expression or name without it."""
        self.scope: Scope = Scope(
            tree, directive.block or (), module=around.module, level=directive.name, nginx=around.nginx, parent=around
        )
        self._tree = tree
        self._inside: dict[Directive, LocationBlock] = {}

    def inside(self, directive: Directive) -> LocationBlock:
        """The block of a directive inside, made once."""
        found = self._inside.get(directive)
        if found is None:
            found = self._inside[directive] = LocationBlock(directive, self._tree, self.scope, self)
        return found

    @property
    def locations(self) -> list[LocationBlock]:
        """The locations directly inside."""
        return [self.inside(d) for d in self.scope.all("location") if d.block is not None]

    def setting(self, name: str) -> Setting:
        """The effective value of a directive in this block."""
        return self.scope.setting(name)

    @property
    def conditions(self) -> list[LocationBlock]:
        """The ``if`` and ``limit_except`` blocks directly inside, as scopes."""
        return [self.inside(d) for name in ("if", "limit_except") for d in self.scope.all(name) if d.block is not None]


def _read(args: Sequence[str]) -> tuple[str, str]:
    """The modifier and pattern of a location (ngx_http_core_location)."""
    if len(args) > 1:
        return args[0], args[1]
    text = args[0] if args else ""
    for mark in ("~*", "^~", "=", "~"):
        if text.startswith(mark):
            return mark, text[len(mark) :]
    return "@" if text.startswith("@") else "", text


def location_for(locations: Sequence[LocationBlock], path: str) -> tuple[LocationBlock | None, bool]:
    """The location that nginx chooses for a path, and whether that is sure (a pattern may not be readable).

    ``=`` first, then the longest prefix, then (unless ``^~``) the first regular expression that matches;
    inside the chosen prefix location again (ngx_http_core_find_location).
    """
    chosen: LocationBlock | None = None
    level: list[LocationBlock] = list(locations)
    regexes: list[list[LocationBlock]] = []
    while level:
        best: LocationBlock | None = None
        for location in level:
            modifier, pattern = location.modifier, location.pattern
            if modifier == "=" and path == pattern:
                return location, True
            if (
                modifier in ("", "^~")
                and path.startswith(pattern)
                and (best is None or len(pattern) > len(best.pattern))
            ):
                best = location
        if best is None or best.modifier != "^~":
            regexes.append([location for location in level if location.modifier in ("~", "~*")])
        if best is None:
            break
        chosen, level = best, best.locations
    sure = True
    for candidates in reversed(regexes):
        for location in candidates:
            matches = read_pattern(location.pattern, caseless=location.modifier == "~*").matches(path)
            if matches:
                return location, sure
            sure = sure and matches is not None
    return chosen, sure
