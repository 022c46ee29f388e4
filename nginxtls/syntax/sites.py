"""Sites: files that hold nothing but servers and what these name, as ``sites-enabled/`` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.syntax.tree import SourceFile, Tree

_OWN = frozenset("server upstream map geo split_clients limit_req_zone limit_conn_zone proxy_cache_path".split())
"""What a file of a site holds at its top: servers, and things that have a name."""


def sites_of(tree: Tree) -> list[SourceFile]:
    """The sites of a configuration, in the order in which nginx reads them."""
    return [file for file in tree.files if file not in tree.roots and _is_site(file)]


def _is_site(file: SourceFile) -> bool:
    names = {directive.name for directive in file.directives}
    return "server" in names and names <= _OWN


def without(tree: Tree, unneeded: set[SourceFile]) -> Tree:
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
