"""Places in files, and what could not be read or checked there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from nginxtls.syntax.tree import SourceFile, Span


class Location(NamedTuple):
    """A span of a file, in characters, 1-based, end exclusive."""

    file: SourceFile
    span: Span

    @property
    def name(self) -> str:
        """The file's name as it is told to people: relative to where the user stands, or as a dump has it."""
        return self.file.name


class NotChecked(NamedTuple):
    """Something that could not be looked at, and why; counted and told once, never an error and never silently fine."""

    subject: str
    reason: str
    location: Location | None = None


class Failure(NamedTuple):
    """Input that was asked for and could not be linted: the run ends with status 2."""

    subject: str
    reason: str
    location: Location | None = None
    help: str = ""
