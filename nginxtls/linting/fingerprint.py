"""Fingerprints: they survive moved lines and renamed files, as they hash rule, directive and surrounding blocks."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.finding import Finding, Location
    from nginxtls.syntax.tree import Directive, SourceFile


LONGEST = 4096
"""Characters of the title of a directive."""


class Places:
    """The words at places of findings: those of the directive and of the blocks around it, a server by its names.

    They are read while the directives are there (``note``), or when they are needed.
    """

    def __init__(self) -> None:
        self._words: dict[Location, str] = {}

    def note(self, findings: Iterable[Finding]) -> None:
        """Read the words at the places of the findings of a configuration."""
        contexts: dict[Directive, str] = {}
        titles: dict[Directive, str] = {}
        for finding in findings:
            if finding.location not in self._words:
                self._words[finding.location] = _place(finding.location, contexts, titles)

    def words(self, finding: Finding) -> str:
        """The words at the place of a finding."""
        if finding.location not in self._words:
            self.note([finding])
        return self._words[finding.location]


def fingerprinted(findings: Iterable[Finding], places: Places | None = None) -> list[Finding]:
    """The findings with their fingerprints set: 32 hexadecimal digits, each once.

    They hash the rule, the words at its place, and which of several equal ones it is; neither file nor line.
    """
    places = places or Places()
    seen: dict[str, int] = {}
    marked = []
    for finding in findings:
        from hashlib import sha256  # the import takes longer than the rest of a run without findings

        key = f"{finding.rule}\n{places.words(finding)}"
        ordinal = seen[key] = seen.get(key, -1) + 1
        marked.append(finding.replace(fingerprint=sha256(f"{key}\n{ordinal}".encode()).hexdigest()[:32]))
    return marked


def directive_at(location: Location) -> Directive | None:
    """The innermost directive in whose text a location begins."""
    offset = offset_of(location.file, location.span.line, location.span.column)
    level: Sequence[Directive] = location.file.directives
    found = None
    while level:
        index = bisect_right(level, offset, key=lambda directive: directive.start) - 1
        if index < 0 or offset >= max(level[index].end, level[index].start + 1):
            break
        found = level[index]
        level = found.block or ()
    return found


def _place(location: Location, contexts: dict[Directive, str], titles: dict[Directive, str]) -> str:
    file, span = location.file, location.span
    directive = directive_at(location)
    if directive is None:
        return _short(file.line_text(span.line).strip())
    start = offset_of(file, span.line, span.column)
    part = file.text[start : offset_of(file, span.end_line, span.end_column)] if start != directive.start else ""
    around = _context(directive.parent, contexts) if directive.parent else ""
    if directive not in titles:
        titles[directive] = _title(directive)
    return f"{around}\n{titles[directive]}\n{_short(part)}"


def _context(block: Directive, contexts: dict[Directive, str]) -> str:
    """The titles of a block and of those around it."""
    chain = []
    current: Directive | None = block
    while current is not None and current not in contexts:
        chain.append(current)
        current = current.parent
    context = contexts[current] if current is not None else ""
    for directive in reversed(chain):
        context = contexts[directive] = f"{context} > {_title(directive)}"
    return context


def _title(directive: Directive) -> str:
    """The words of a directive; for a server also its names, which distinguish it from the others."""
    words = [directive.name, *directive.args]
    if directive.name == "server" and directive.block:
        words += (arg for child in directive.block if child.name == "server_name" for arg in child.args)
    return _short(" ".join(words))


def _short(text: str) -> str:
    """A text, or of a very long one its hash: there may be as many findings in it as it has words."""
    if len(text) <= LONGEST:
        return text
    from hashlib import sha256

    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def offsets(place: Location) -> tuple[int, int]:
    """The offsets at which a place starts and ends."""
    file, span = place.file, place.span
    return offset_of(file, span.line, span.column), offset_of(file, span.end_line, span.end_column)


def offset_of(file: SourceFile, line: int, column: int) -> int:
    """The offset of a line and column: the inverse of ``SourceFile.position``."""
    index = line - file.first_line
    if not 0 <= index < len(file.line_starts):
        return 0
    mark = 1 if index == 0 and file.text.startswith("\ufeff") else 0
    return file.line_starts[index] + column - 1 + mark
