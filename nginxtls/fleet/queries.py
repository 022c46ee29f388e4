"""The named queries, and how the rows of a query are printed."""

from __future__ import annotations

import csv
import io
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError, nearest, printable
from nginxtls.fleet.report import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = re.compile(r"^-- ([a-z-]+): (.+)$", re.MULTILINE)


@lru_cache(maxsize=1)
def queries() -> dict[str, tuple[str, str]]:
    """What each named query answers, and its SQL."""
    text = files(__package__).joinpath("queries.sql").read_text("utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {h[1]: (h[2], text[h.end() : end].strip()) for h, end in zip(heads, ends, strict=True)}


def named(text: str) -> str:
    """The SQL of a named query, or the text itself if it is SQL.

    Raises:
        UsageError: it is neither.
    """
    if text in queries():
        return queries()[text][1]
    if re.fullmatch(r"[\w-]+", text):
        raise UsageError(
            text, "is not a named query", nearest(text, queries()) or "list them with `nginxtls fleet query DIR`"
        )
    return text


def listing() -> str:
    """The named queries and the tables with their columns."""
    from nginxtls.fleet.tables import TABLES

    lines = [f"{name}: {about}" for name, (about, _) in queries().items()]
    lines += ["", *(f"table {name}: {', '.join(columns)}" for name, columns in TABLES.items())]
    lines += ["earlier_NAME has the run before, all_NAME every run with the column run"]
    return "\n".join(lines) + "\n"


def _words(value: Any) -> str:
    if value is None:
        return ""
    return printable(", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))


def _text(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    cells = [[_words(name) for name in columns], *([_words(value) for value in row] for row in rows)]
    widths = [min(max(len(row[index]) for row in cells), 60) for index in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join((*lines, f"{len(rows):,} row{'' if len(rows) == 1 else 's'}")) + "\n"


def _csv(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    # A spreadsheet evaluates such a cell as a formula.
    guarded = (
        [f"'{t}" if t.startswith(("=", "+", "-", "@")) and not _is_number(t) else t for t in row]
        for row in ([_words(value) for value in row] for row in (columns, *rows))
    )
    writer.writerows(guarded)
    return buffer.getvalue()


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", text) is not None


FORMS: dict[str, Callable[[list[str], list[tuple[Any, ...]]], str]] = {"text": _text, "json": as_json, "csv": _csv}
