"""Comments that suppress findings: ``# nginxtls: ignore[rule, rule] reason`` and ``# nginxtls: ignore-file[rule]``."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.finding import Edit, Fix, Location
from nginxtls.linting.fingerprint import directive_at, offset_of, offsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.finding import Finding
    from nginxtls.syntax.tree import Comment, Directive, SourceFile, Span

_COMMENT = pattern(r"#\s*nginxtls\s*:\s*(?P<kind>ignore(?:-file)?)\b\s*(?:\[(?P<names>[^\]]*)\])?\s*(?P<reason>.*)")
_NAME = pattern(r"[^\s,]+")
_COMMA_AFTER = pattern(r"\s*,[ \t]*")


class Suppression(NamedTuple):
    """One such comment: the rules it names, and the lines (first, last) that it applies to; ``None``: nowhere.

    ``used`` collects the names of the rules that it suppressed.
    """

    file: SourceFile
    names: dict[str, Location]
    reason: str
    location: Location
    lines: tuple[int, int] | None
    used: set[str]

    @property
    def text(self) -> str:
        """The value of ``Finding.suppressed`` for a finding that it suppresses."""
        return f"ignored: {self.reason}" if self.reason else "ignored"

    def applies_to(self, span: Span) -> bool:
        """Whether a span of its file is in its lines."""
        if self.lines is None:
            return False
        first, last = self.lines
        return span.line <= last and span.end_line >= first


def suppressions(file: SourceFile) -> list[Suppression]:
    """All suppression comments of a file, in order."""
    if "nginxtls" not in file.text:
        return []
    found = [(comment, match) for comment in file.comments if (match := _COMMENT.match(comment.text))]
    layout = _Layout(file)
    return [_suppression(layout, comment, match) for comment, match in found]


def removal(suppression: Suppression, name: str) -> Fix:
    """The fix that takes a name out of a comment, or removes the comment if it is the only one."""
    file, place = suppression.file, suppression.names[name]
    text = file.text
    if len(suppression.names) > 1:
        start, end = offsets(place)
        after = _COMMA_AFTER.match(text, end)
        while not after and text[start - 1] in ", \t":
            start -= 1
        return Fix(f"remove {name}", (Edit(Location(file, file.span(start, after.end() if after else end)), ""),), True)
    start, end = offsets(suppression.location)
    while start and text[start - 1] in " \t":
        start -= 1
    if not start or text[start - 1] in "\n\ufeff":
        end = text.find("\n", end) + 1 or len(text)
    return Fix("remove the comment", (Edit(Location(file, file.span(start, end)), ""),), True)


def ignoring(file: SourceFile, offset: int, name: str) -> Edit:
    """The edit that suppresses a rule's findings in the directive at an offset.

    The comment is at the end of its line, or above it where the line has a comment or goes on in a quoted word; a
    suppression that is there gets the name.
    """
    from nginxtls.syntax.parser import parse_text

    place = Location(file, file.span(offset, offset))
    for suppression in suppressions(file):
        here = suppression.location.span.line
        if suppression.names and here in (place.span.line - 1, place.span.line) and suppression.applies_to(place.span):
            start, end = offsets([*suppression.names.values()][-1])
            return Edit(Location(file, file.span(end, end)), f", {name}")
    comment = f"# nginxtls: ignore[{name}]"
    end = offset_of(file, place.span.line, len(file.line_text(place.span.line)) + 1)
    end -= len(file.text[:end]) - len(file.text[:end].rstrip(" \t"))
    if any(c.start == end + 2 for c in parse_text(f"{file.masked[:end]}  {comment}{file.masked[end:]}").comments):
        return Edit(Location(file, file.span(end, end)), f"  {comment}")
    directive = directive_at(place)
    start = offset_of(file, file.position(directive.start if directive else offset)[0], 1)
    line = file.line_text(file.position(start)[0])
    indent = line[: len(line) - len(line.lstrip())]
    newline = "\r\n" if "\r\n" in file.text else "\n"
    return Edit(Location(file, file.span(start, start)), f"{indent}{comment}{newline}")


class Suppressions:
    """The suppressions of many files, found by file and rule."""

    def __init__(self, files: Iterable[SourceFile]) -> None:
        self.all = [suppression for file in files for suppression in suppressions(file)]
        self._by_place: dict[tuple[SourceFile, str], list[Suppression]] = {}
        for suppression in self.all:
            for name in suppression.names:
                self._by_place.setdefault((suppression.file, name), []).append(suppression)

    def apply(self, finding: Finding) -> Finding:
        """The finding, marked as suppressed if a comment applies to any of its places."""
        if not self._by_place:
            return finding
        marked = finding
        for place in (finding.location, *(label.location for label in finding.labels)):
            for suppression in self._by_place.get((place.file, finding.rule), ()):
                if suppression.applies_to(place.span):
                    suppression.used.add(finding.rule)
                    if marked.suppressed is None:
                        marked = marked.replace(suppressed=suppression.text)
        return marked


class _Layout:
    """Which directives begin on which lines of a file, and what follows or surrounds a place."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.directives = sorted(file.walk(), key=lambda directive: directive.start)
        self.starts = [directive.start for directive in self.directives]
        self.heads: dict[int, list[Directive]] = {}
        for directive in self.directives:
            for line in range(directive.line, _head_end(directive) + 1):
                self.heads.setdefault(line, []).append(directive)

    def lines(self, comment: Comment) -> tuple[int, int] | None:
        """The lines of the directives before the comment or, if it is alone, after it; a block counts as a whole."""
        line = self.file.position(comment.start)[0]
        line_start = self.file.line_starts[line - self.file.first_line]
        if self.file.text[line_start : comment.start].strip("\ufeff \t"):
            return _reach(self.heads.get(line, [])) or (line, line)
        index = bisect_right(self.starts, comment.start)
        if index == len(self.directives) or self.directives[index].parent is not self._around(index, comment.start):
            return None
        return _reach(self.heads[self.directives[index].line])

    def file_lines(self, comment: Comment) -> tuple[int, int] | None:
        """All lines, if the comment is above the first directive."""
        if self.starts and self.starts[0] < comment.start:
            return None
        return self.file.first_line, self.file.first_line + len(self.file.line_starts)

    def _around(self, index: int, offset: int) -> Directive | None:
        """The block around an offset, given the index of the directive that follows it."""
        directive = self.directives[index - 1] if index else None
        while directive is not None and not (directive.block is not None and offset < directive.end):
            directive = directive.parent
        return directive


def _suppression(layout: _Layout, comment: Comment, match: re.Match[str]) -> Suppression:
    file = layout.file
    names: dict[str, Location] = {}
    if match["names"] is not None:
        base = comment.start + match.start("names")
        for word in _NAME.finditer(match["names"]):
            names.setdefault(word[0], Location(file, file.span(base + word.start(), base + word.end())))
    lines = layout.file_lines(comment) if match["kind"] == "ignore-file" else layout.lines(comment)
    location = Location(file, file.span(comment.start, comment.start + len(comment.text.rstrip())))
    return Suppression(file, names, match["reason"].strip(), location, lines, set())


def _reach(directives: Sequence[Directive]) -> tuple[int, int] | None:
    if not directives:
        return None
    last = max(d.file.position(max(d.end - 1, d.start))[0] for d in directives)
    return min(d.line for d in directives), last


def _head_end(directive: Directive) -> int:
    """The line on which a directive's own words end: that of its ``;`` or of the block's opening brace."""
    file = directive.file
    end = directive.words[-1][1]
    if directive.block is None:
        return file.position(max(directive.end, end) - 1)[0]
    brace = file.text.find("{", end, directive.end)
    return file.position(brace if brace >= 0 else end)[0]
