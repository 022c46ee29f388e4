"""Lines of source as a terminal shows them: tabs expanded, wide characters measured, long lines cut around a mark."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.finding import Location

TAB = 4
CUT = "…"


class Mark(NamedTuple):
    """Carets (``primary``) or dashes under cells ``start`` to ``end`` of a line, and the label under them."""

    start: int
    end: int
    text: str
    primary: bool


class Wanted(NamedTuple):
    """A location to mark, and how."""

    location: Location
    text: str
    primary: bool


class Row(NamedTuple):
    """A line of source with its marks from left to right, in cells."""

    number: int
    text: str
    marks: tuple[Mark, ...]


def cells(text: str) -> int:
    """How many character cells a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def expanded(line: str) -> tuple[str, Sequence[int]]:
    """The line as shown, and the cell at which each of its characters starts (one more at the end)."""
    if line.isascii() and line.isprintable():
        return line, range(len(line) + 1)
    shown, starts, at = [], [0], 0
    for character in line:
        if character == "\t":
            text, size = " " * (TAB - at % TAB), TAB - at % TAB
        else:
            text, size = _cell(character)
        shown.append(text)
        at += size
        starts.append(at)
    return "".join(shown), starts


def row(number: int, line: str, wanted: Iterable[Wanted], width: int) -> Row:
    """A line with the marks that begin on it, at most ``width`` cells wide."""
    places = sorted(
        ((w, *_columns(w, number, line)) for w in wanted), key=lambda place: (place[1], place[2], not place[0].primary)
    )
    anchor = next((place for place in places if place[0].primary), places[0] if places else None)
    first = anchor[1] if anchor else 0
    # only a line's width before and after the mark can be shown; measuring the rest of a long line takes too long
    low, high = max(0, first - width), min(len(line), first + 2 * width)
    shown, starts = expanded(line[low:high])

    def cell(column: int) -> int:
        return starts[min(max(column - low, 0), high - low)]

    left, right = 0, starts[-1]
    if low or high < len(line) or right > width:
        inner = max(width - 2, 1)
        begin, end = (cell(anchor[1]), cell(anchor[2])) if anchor else (0, 0)
        context = max(inner - (end - begin), 0)
        left = max(0, min(begin - context // 2, right - inner)) if low or begin > context // 2 else 0
        right = min(right, left + inner)
        before = CUT if low or left else ""
        after = CUT if high < len(line) or right < starts[-1] else ""
        shown = before + _slice(shown, left, right) + after
        shift = left - len(before)
    else:
        shift = 0
    marks = []
    for w, start, end in places:
        begin = min(max(cell(start), left), right) - shift
        stop = min(max(cell(end), left), right) - shift
        marks.append(Mark(begin, max(stop, begin + 1), w.text, w.primary))
    return Row(number, shown.rstrip(), tuple(marks))


def under(marks: Sequence[Mark], width: int) -> list[tuple[str, list[tuple[int, int, bool]]]]:
    """The lines to write under a line of source, each with the stretches that belong to a mark (and if primary)."""
    marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
    line = [" "] * max((mark.end for mark in marks), default=0)
    for mark in sorted(marks, key=lambda mark: mark.primary):
        line[mark.start : mark.end] = ("^" if mark.primary else "-") * (mark.end - mark.start)
    stretches = [(mark.start, mark.end, mark.primary) for mark in marks]
    hanging = [mark for mark in marks if mark.text]
    text = "".join(line)
    rows = []
    if hanging:
        last = hanging[-1]
        # the label needs the rest of the line, and must fit
        if last.end == len(text) and len(text) + 1 + cells(last.text) <= max(width, len(text) + 20):
            stretches.append((len(text) + 1, len(text) + 1 + len(last.text), last.primary))
            text = f"{text} {last.text}"
            hanging.pop()
    rows.append((text, stretches))
    if hanging:
        rows.append(_bars(hanging))
    while hanging:
        mark = hanging.pop()
        bars, stretches = _bars([other for other in hanging if other.start < mark.start])
        parts = wrapped(mark.text, max(width - mark.start, 30))
        rows += [
            (bars.ljust(mark.start) + part, [*stretches, (mark.start, mark.start + len(part), mark.primary)])
            for part in parts
        ]
    return rows


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` cells; words are never broken."""
    if cells(text) <= width:
        return [text]
    lines: list[str] = []
    line, used = "", 0
    for word in text.split(" "):
        size = cells(word)
        if line and used + 1 + size > width:
            lines.append(line)
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    return [*lines, line]


def _columns(wanted: Wanted, number: int, line: str) -> tuple[int, int]:
    """The characters of the line that a location covers, from 0; of several lines, the first."""
    span = wanted.location.span
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == number else len(line.rstrip())
    return start, max(min(end, len(line)), start)


def _bars(marks: Sequence[Mark]) -> tuple[str, list[tuple[int, int, bool]]]:
    line = [" "] * (max((mark.start for mark in marks), default=-1) + 1)
    for mark in marks:
        line[mark.start] = "|"
    return "".join(line), [(mark.start, mark.start + 1, mark.primary) for mark in marks]


def _slice(text: str, left: int, right: int) -> str:
    """The cells ``left`` to ``right`` of a text; half of a wide character is a space."""
    if text.isascii():
        return text[left:right]
    kept, at = [], 0
    for character in text:
        size = _width(character)
        if left <= at and at + size <= right:
            kept.append(character)
        elif left < at + size and at < right:
            kept.append(" " * (min(at + size, right) - max(at, left)))
        at += size
    return "".join(kept)


@lru_cache(4096)
def _cell(character: str) -> tuple[str, int]:
    """A character as it is shown, and its cells."""
    text = visible(character)
    return text, cells(text)


@lru_cache(4096)
def _width(character: str) -> int:
    from unicodedata import category, east_asian_width

    if category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
