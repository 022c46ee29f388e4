"""The overview as one HTML page without outside resources, and as Markdown."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nginxtls.base.printing import json_text
from nginxtls.report.markdown import escaped
from nginxtls.report.words import markup, visible

if TYPE_CHECKING:
    from nginxtls.fleet.overview import Overview, Table

LONG = 30
"""Characters of a cell from which on it gets a width of its own."""
AT_FIRST = 20
"""Rows of a table that the page shows at first; the script shows more, and searches in all."""
_SEVERITIES = ("error", "warning", "note")


def html(found: Overview) -> str:
    """The page. All texts of hosts are escaped; the script only shows, filters and sorts rows."""
    template = files(__package__).joinpath("page.html").read_text("utf-8")
    parts = {
        "about": markup(_about(found)),
        "figures": "".join(f"<div><b>{number:,}</b> {markup(name)}</div>" for name, number in found.figures),
        "contents": "".join(f'<a href="#{table.name}">{markup(table.title)}</a>' for table in found.tables),
        "tables": "\n".join(map(_section, found.tables)),
    }
    for name, text in parts.items():
        head, mark, tail = template.partition(f"<!--{name}-->")
        template = head + text + tail if mark else template
    return template


def _about(found: Overview) -> str:
    record = found.run.recorded()
    parts = [
        *([f"Source {record['source']}"] if record.get("source") else []),
        f"as of {str(record.get('at', ''))[:16].replace('T', ' ')} UTC",
        f"nginxtls {record.get('nginxtls', '')}, facts of {record.get('facts', '')}",
    ]
    if found.earlier is not None:
        before = str(found.earlier.recorded().get("at", ""))[:16].replace("T", " ")
        parts.append(f"compared with the run of {before} UTC")
    return "; ".join(parts)


def _section(table: Table) -> str:
    if not table.rows:
        return f'<section id="{table.name}"><h2>{markup(table.title)}</h2><p class="dim">None.</p></section>'
    most = max((row[-1] for row in table.rows), default=0) if table.bars else 0
    heads = "".join(
        f'<th scope="col"{_number(table, index)} aria-sort="none"><button type="button">{markup(name)}</button></th>'
        for index, name in enumerate(table.columns)
    )
    shown = len(table.rows) if table.bars else AT_FIRST
    body = "\n".join(_row(table.columns, row, most) for row in table.rows[:shown])
    rest = table.rows[shown:]
    title = markup(table.title)
    search = f'<input type="search" placeholder="search" aria-label="search {title}">' if rest else ""
    return (
        f'<section id="{table.name}"><h2>{title}</h2>{search}'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>{heads}'
        f"</tr></thead><tbody>\n{body}\n</tbody></table></div>{_more(table, shown)}{_data(rest)}</section>"
    )


def _data(rows: tuple[tuple[Any, ...], ...]) -> str:
    """The rows that the script shows, as JSON that no HTML parser takes for markup."""
    if not rows:
        return ""
    cells = [[cell if isinstance(cell, (int, float)) else visible(_text(cell)) for cell in row] for row in rows]
    text = json.dumps(cells, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def _number(table: Table, index: int) -> str:
    return ' class="number"' if any(isinstance(row[index], (int, float)) for row in table.rows) else ""


def _row(columns: tuple[str, ...], row: tuple[Any, ...], most: int) -> str:
    kind = next((cell for cell in row if cell in _SEVERITIES), "")
    cells = []
    for column, cell in zip(columns, row, strict=True):
        name = f' data-name="{markup(column)}"'
        if isinstance(cell, (int, float)):
            cells.append(f'<td class="number"{name}>{cell:,}</td>')
        else:
            text = _text(cell)
            cells.append(f"<td{' class=long' if len(text) > LONG else ''}{name}>{markup(text)}</td>")
    if most:
        bar = f'<meter min="0" max="{most}" value="{row[-1]}" aria-hidden="true"></meter>'
        cells[-1] = f'<td class="number" data-name="{markup(columns[-1])}">{row[-1]:,} {bar}</td>'
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return ", ".join(map(str, cell)) if isinstance(cell, (list, tuple)) else str(cell)


def _more(table: Table, shown: int) -> str:
    """How many rows the page does not show, and where they are; the script says what it shows instead."""
    left, beyond = table.total - min(shown, len(table.rows)), table.total - len(table.rows)
    if left <= 0:
        return ""
    where = f": all are in <code>nginxtls fleet query DIR {table.query}</code>" if table.query else ""
    return (
        f'<p class="more dim" data-beyond="{beyond}"><span role="status">and {left:,} more{where}</span> '
        f'<button type="button" hidden>show more</button></p>'
    )


def markdown(found: Overview) -> str:
    """The overview as Markdown tables."""
    lines = ["# nginxtls fleet", "", escaped(_about(found)), ""]
    lines += [f"- {number:,} {name}" for name, number in found.figures]
    for table in found.tables:
        lines += ["", f"## {table.title}", ""]
        if not table.rows:
            lines.append("None.")
            continue
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append(
            "|" + "|".join(" ---: " if _number(table, i) else " --- " for i in range(len(table.columns))) + "|"
        )
        lines += ["| " + " | ".join(escaped(_cell(cell)) for cell in row) + " |" for row in table.rows[:50]]
        left = table.total - min(len(table.rows), 50)
        if left:
            lines += ["", f"and {left:,} more" + (f": `nginxtls fleet query DIR {table.query}`" if table.query else "")]
    return "\n".join(lines) + "\n"


def _cell(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, (int, float)) else _text(cell)


def as_json(columns: list[str], found: list[tuple[Any, ...]]) -> str:
    """The rows of a query as JSON: a list of objects, ASCII only."""
    return json_text([dict(zip(columns, row, strict=True)) for row in found], indent=2, default=str) + "\n"
