"""Places in files as ranges of the protocol, in the units that client and server have agreed on, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol.types import Location as Target
from lsprotocol.types import Position, PositionEncodingKind, Range
from pygls.uris import to_fs_path

from nginxtls.linting.fingerprint import offset_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nginxtls.syntax.places import Location
    from nginxtls.syntax.tree import SourceFile, Span

BOM = "\ufeff"


def path_of(uri: str) -> str | None:
    """The absolute path of a document on disk; None for one that has never been saved."""
    try:
        path = to_fs_path(uri) if uri.startswith("file:") else None
    except ValueError:  # not a URI
        return None
    return os.path.abspath(path) if path else None


class Places:
    """Converts places; ``opened`` has the client's URI of each open document, by real path (``-``: the unsaved one)."""

    def __init__(self, opened: Mapping[str, str], encoding: PositionEncodingKind | str | None = None) -> None:
        self.opened = opened
        self.encoding = encoding or PositionEncodingKind.Utf16

    def document(self, file: SourceFile) -> tuple[str, int]:
        """The URI of the document that a file is (part of), and how many of its lines precede the file's first."""
        name, before = file.outer or (file.path or file.name, 0)
        if name not in self.opened and name != "-":
            name = os.path.realpath(name)
        return self.opened[name] if name in self.opened else Path(name).as_uri(), before

    def target(self, location: Location) -> Target:
        """A location as that of the protocol."""
        return Target(self.document(location.file)[0], self.range(location.file, location.span))

    def range(self, file: SourceFile, span: Span) -> Range:
        """A span of a file as a range of its document."""
        return Range(self._position(file, span.line, span.column), self._position(file, span.end_line, span.end_column))

    def between(self, file: SourceFile, start: int, end: int) -> Range:
        """The range between two offsets of a file's text."""
        return self.range(file, file.span(start, end))

    def offset(self, file: SourceFile, position: Position) -> int | None:
        """The offset of a position of the document in a file's text; None if the line is not the file's."""
        line = position.line + 1 - self.document(file)[1]
        if not 0 <= line - file.first_line < len(file.line_starts):
            return None
        units = position.character - self._bom(file, line)
        column = 1
        for character in file.line_text(line):
            units -= self._length(character)
            if units < 0:
                break
            column += 1
        return offset_of(file, line, column)

    def _position(self, file: SourceFile, line: int, column: int) -> Position:
        before = self.document(file)[1]
        text = file.line_text(line)[: column - 1]
        return Position(line - 1 + before, self._bom(file, line) + self._length(text))

    def _bom(self, file: SourceFile, line: int) -> int:
        """What a BOM counts for before a column of ours, which does not count it."""
        return self._length(BOM) if line == file.first_line and file.text.startswith(BOM) else 0

    def _length(self, text: str) -> int:
        """The length of a text in the units of the protocol."""
        if text.isascii() or self.encoding == PositionEncodingKind.Utf32:
            return len(text)
        if self.encoding == PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)
