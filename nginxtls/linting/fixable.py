"""Which rules offer fixes, and of which kind; the table is made and checked by ``tests/fix/test_table.py``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data

if TYPE_CHECKING:
    from nginxtls.rule import Rule


def fixes(rule: Rule) -> tuple[str, ...] | None:
    """``("safe",)``, ``("safe", "unsafe")`` where it depends on the configuration, or nothing; None: not known.

    The table has the rules of this project alone.
    """
    if not type(rule).__module__.startswith("nginxtls.rules."):
        return None
    return _table().get(rule.name, ())


@cache
def _table() -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in read_data("nginxtls.linting", "fixes.tsv").splitlines())
    return {name: tuple(kinds) for name, *kinds in rows}
