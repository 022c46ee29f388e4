"""What crossplane's tables know of directives: their names, and how many arguments they take."""

from __future__ import annotations

from functools import cache

_COUNTED = 8
_BLOCK, _FLAG, _ANY, _ONE_OR_MORE, _TWO_OR_MORE = 0x100, 0x200, 0x400, 0x800, 0x1000


@cache
def _table() -> dict[str, list[int]]:
    from crossplane.analyzer import DIRECTIVES

    table: dict[str, list[int]] = DIRECTIVES
    return table


def is_directive(name: str) -> bool:
    """Whether crossplane knows a directive of that name."""
    return name in _table()


def accepts(name: str, count: int) -> bool:
    """Whether a directive takes that many arguments somewhere; True for one that crossplane does not know."""
    styles = _table().get(name)
    if styles is None:
        return True
    return any(
        (count < _COUNTED and style >> count & 1)
        or style & _ANY
        or (style & _FLAG and count == 1)
        or (style & _ONE_OR_MORE and count >= 1)
        or (style & _TWO_OR_MORE and count >= 2)
        for style in styles
    )
