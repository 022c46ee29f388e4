"""Places for other tools: the file on disk, relative to the repository's root, and a region on one of its lines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from nginxtls.base.secrets import hide

if TYPE_CHECKING:
    from nginxtls.finding import Location
    from nginxtls.syntax.tree import SourceFile

_URI = "/-._~!$&'()*+,;=@"


@dataclass(frozen=True, slots=True)
class Place:
    """A file (from the root, or absolute if outside of it) and a region: 1-based, in characters, end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Places:
    """Finds the place of a location. A file of a dump maps to its lines in the dump; links are followed."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root) if root else ""
        self._files: dict[SourceFile, tuple[str, int]] = {}

    def of(self, location: Location, *, one_line: bool = True) -> Place:
        """The place of a location; by default of its first line only, and at least a character wide."""
        file, span = location.file, location.span
        name, before = self._files.get(file) or self._look_up(file)
        end_line, end_column = span.end_line, span.end_column
        if one_line:
            if end_line != span.line:
                end_line, end_column = span.line, len(file.line_text(span.line)) + 1
            end_column = max(end_column, span.column + 1)
        return Place(name, span.line + before, span.column, end_line + before, end_column)

    def is_inside(self, file: str) -> bool:
        """Whether a place's file is below the root."""
        return not file.startswith("/")

    def _look_up(self, file: SourceFile) -> tuple[str, int]:
        name, before = file.outer or (file.path or file.name, 0)
        if name != "-" and self.root:
            name = os.path.realpath(name)
            if name.startswith(self.root.rstrip("/") + "/"):
                name = name[len(self.root.rstrip("/")) + 1 :]
        found = self._files[file] = hide(name), before
        return found


def uri(file: str) -> str:
    """A file's name as a URI: relative, percent-encoded, or with the scheme ``file``; standard input is ``stdin``."""
    if file == "-":
        return "stdin"
    while file.startswith("./"):
        file = file[2:]
    encoded = quote(file.encode("utf-8", "surrogateescape"), safe=_URI)
    return f"file://{encoded}" if file.startswith("/") else encoded
