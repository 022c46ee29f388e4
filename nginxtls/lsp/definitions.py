"""Go to definition (the files of an include, the ``upstream`` block of a name), and links to the pages of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from nginxtls.linting.registry import installed_rules
from nginxtls.linting.suppression import suppressions
from nginxtls.lsp.context import MODULES, blocks_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.lsp.checking import Checked
    from nginxtls.lsp.context import Spot
    from nginxtls.lsp.places import Places
    from nginxtls.rule import Rule
    from nginxtls.syntax.tree import SourceFile

MOST = 2000
"""No more files of an include are listed."""


def definitions(checked: Checked, spot: Spot, places: Places) -> list[lsp.Location]:
    """Where what is named at a place is defined."""
    directive = spot.directive
    if directive is None or not directive.args:
        return []
    if directive.name == "include":
        start = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        brought = checked.brought(spot.subject, directive)[:MOST]
        return [lsp.Location(places.document(file)[0], start) for file in brought]
    if directive.name.endswith("_pass"):
        target = directive.args[0].partition("://")[2] or directive.args[0]
        host = target.partition("/")[0]
        names = (host, host.rpartition(":")[0])
        blocks = blocks_around(spot.configuration, spot.file, directive)
        modules = [name for name in MODULES if name in blocks] or [*MODULES]
        groups = spot.configuration.upstream_groups
        found = (groups[module, name] for module in modules for name in names if (module, name) in groups)
        return [
            lsp.Location(places.document(group.file)[0], places.range(group.file, group.span))
            for group in dict.fromkeys(found)
        ]
    return []


def links(file: SourceFile, places: Places, page: Callable[[Rule], str | None]) -> Iterator[lsp.DocumentLink]:
    """The rules that comments of a file name, each with the address of its page."""
    for suppression in suppressions(file):
        for name, place in suppression.names.items():
            rule = installed_rules().get(name)
            if rule is not None and (address := page(rule)) is not None:
                yield lsp.DocumentLink(places.range(file, place.span), address, rule.summary)
