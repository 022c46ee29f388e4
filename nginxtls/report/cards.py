"""Tables of the HTML page, each in a card: they sort by column, scroll inside the card, and may be folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.report.prose import with_code
from nginxtls.report.words import encodable, markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.finding import Severity

SOON = 14
"""Fewer days than these left stand out."""
LONG = 40
"""A column with a text of more characters gets room."""


class Column(NamedTuple):
    """A column: of texts, of numbers, or of days that are left."""

    title: str
    number: bool = False
    days: bool = False


class Pick(NamedTuple):
    """A cell that sets a filter of the findings to a value."""

    filter: str
    value: str
    severity: Severity | None = None


class Row:
    """The cells of a row; None is an empty one. ``host``: the row is hidden while findings of another are filtered."""

    def __init__(self, *cells: str | int | Pick | None, host: str = "") -> None:
        self.cells = cells
        self.host = host


def card(
    title: str, columns: Sequence[Column], rows: Iterable[Row], *, folded: bool, total: int = 0, below: str = ""
) -> str:
    """A table in a card. ``total``: the number of all rows, if some are left out; ``folded``: whether the card is
    closed at first; ``below``: what to write instead of the title if the card is below a heading that has it."""
    heads = "".join(f"<th scope=col{_kind(column.number)}>{escaped(column.title)}</th>" for column in columns)
    lines = [_row(row, columns) for row in rows]
    table = (
        f'<div class="scroll" role="region" aria-label="{escaped(title)}: table" tabindex="0"><table class="sortable">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{chr(10).join(lines)}</tbody></table></div>"
    )
    if total > len(lines):
        table += f'<p class="none">and {total - len(lines):,} more</p>'
    summary = below or f"{escaped(title)} <span>{total or len(lines):,}</span>"
    return f'<details class="card"{"" if folded else " open"}><summary>{summary}</summary>{table}</details>'


def level(severity: Severity) -> str:
    """The badge of a severity."""
    return f'<span class="level {severity}">{severity}</span> '


def escaped(text: str) -> str:
    """Visible text for content and quoted attributes."""
    return markup(encodable(text))


def _row(row: Row, columns: Sequence[Column]) -> str:
    data = f' data-host="{escaped(row.host)}"' if row.host else ""
    return f"<tr{data}>{''.join(map(_cell, row.cells, columns))}</tr>"


def _cell(cell: str | int | Pick | None, column: Column) -> str:
    if isinstance(cell, Pick):
        name = escaped(cell.value)
        badge = level(cell.severity) if cell.severity else ""
        attributes = f'type="button" class="pick" data-filter="{cell.filter}" data-value="{name}"'
        return f'<td class="pickable">{badge}<button {attributes}>{name}</button></td>'
    if isinstance(cell, int):
        kind = _late(cell) if column.days else " zero" if cell == 0 else ""
        return f"<td{_kind(True, kind)}>{cell:,}</td>"
    text = cell or ""
    return f"<td{_kind(column.number, ' wide' if len(text) > LONG else '')}>{with_code(escaped(text))}</td>"


def _late(days: int) -> str:
    return " late" if days < 0 else " soon" if days < SOON else ""


def _kind(number: bool, more: str = "") -> str:
    words = f"{'number' if number else ''}{more}".strip()
    return f' class="{words}"' if words else ""
