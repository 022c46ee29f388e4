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
        """The file's name as shown to people: relative to the working directory, or as in the dump."""
        return self.file.name


class NotChecked(NamedTuple):
    """Something that could not be checked, and why; counted and reported once, never an error and never ignored."""

    subject: str
    reason: str
    location: Location | None = None


class Failure(NamedTuple):
    """Requested input that could not be linted: the run ends with exit code 2."""

    subject: str
    reason: str
    location: Location | None = None
    help: str = ""
    trace: str = ""
    """Where a rule stopped, for its author; empty for other failures."""
