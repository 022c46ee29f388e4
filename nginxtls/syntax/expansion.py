"""Includes that lead back, or that multiply beyond all bounds: cut from the tree, so that everything else ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.limits import LIMITS
from nginxtls.syntax.tree import Gap, Problem

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive, SourceFile, Tree

FREE, TIMES = LIMITS["expanded"], LIMITS["expanded-times"]
"""Included again and again, the text may grow to so many characters, or to so many times what was read."""
EACH = 100
"""Characters that an include counts for beside the text that it brings in."""


def bound_includes(tree: Tree) -> None:
    """Cut each include at which nginx would open files until it fails, and report it; and those beyond the limit.

    Afterwards the includes of the tree form no circle, and following all of them takes a bounded number of steps.
    """
    if not tree.includes:
        return
    limit = max(FREE, TIMES * sum(len(file.text) for file in tree.files))
    sizes: dict[SourceFile, int] = {}
    for root in tree.roots:
        _bound(tree, root, sizes, limit)


def _bound(tree: Tree, root: SourceFile, sizes: dict[SourceFile, int], limit: int) -> None:
    """Depth first from a root, with no recursion: ``sizes`` gets the expanded size of each file when it is left."""
    active: dict[SourceFile, None] = {}
    pending: list[tuple[SourceFile, bool]] = [(root, False)]
    while pending:
        file, leaving = pending.pop()
        if leaving:
            sizes[file] = _size(tree, file, sizes, limit)
            del active[file]
        elif file not in sizes and file not in active:
            active[file] = None
            pending.append((file, True))
            for include in reversed(file.includes):
                _cut_back(tree, include, active)
                pending += ((other, False) for other in reversed(tree.includes.get(include, ())))


def _cut_back(tree: Tree, include: Directive, active: dict[SourceFile, None]) -> None:
    """Cut the files of an include that are being included already."""
    brought = tree.includes.get(include, ())
    back = [file for file in brought if file in active]
    if back:
        tree.includes[include] = tuple(file for file in brought if file not in active)
        include.file.problems.append(
            Problem(
                f"the include leads back to {back[0].name}: nginx would open files until it fails",
                include.start,
                include.words[-1][1],
                "remove this include",
            )
        )


def _size(tree: Tree, file: SourceFile, sizes: dict[SourceFile, int], limit: int) -> int:
    """The characters of a file with all that it includes; includes beyond the limit are cut."""
    total = len(file.text)
    for include in file.includes:
        brought = tree.includes.get(include, ())
        size = sum(sizes.get(other, 0) + EACH for other in brought)
        if brought and total + size > limit:
            tree.includes[include] = ()
            reason = f"its includes add up to more than {limit // 1_000_000:,} MB"
            tree.unresolved[include] = (Gap(include.args[0], reason),)
        else:
            total += size
    return total
