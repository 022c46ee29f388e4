"""A finding: what is wrong, where, how sure and how severe it is, and the edits that fix it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.syntax.places import Location

if TYPE_CHECKING:
    from collections.abc import Container

    from nginxtls.syntax.tree import Directive, SourceFile


__all__ = ["Confidence", "Edit", "Finding", "Fix", "Label", "Location", "Severity"]


class Severity(enum.IntEnum):
    """How bad a finding is; ordered, so that ``>=`` compares."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


class Confidence(enum.Enum):
    """``CERTAIN``: it follows from the configuration. ``LIKELY``: from a sample, a template's default, a heuristic."""

    CERTAIN = "certain"
    LIKELY = "likely"


class Label(NamedTuple):
    """A related place of a finding, and how it is related."""

    location: Location
    text: str


class Edit(NamedTuple):
    """Replace a span of a file by a text."""

    location: Location
    replacement: str


class Fix(NamedTuple):
    """Edits that fix a finding. Safe: no client sees a different handshake afterwards."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


class Finding(NamedTuple):
    """One fault at the place that causes it.

    ``message`` is complete by itself, with names and figures; ``label`` is shown under the carets.
    ``endpoints`` are the affected names and sockets, e.g. ``("shop.example.com on *:443",)``.
    ``fingerprint`` (hex) survives moved lines; the linter sets it.
    """

    rule: str
    severity: Severity
    message: str
    location: Location
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    fix: Fix | None = None
    endpoints: tuple[str, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    security_severity: float = 0.0
    fingerprint: str = ""
    suppressed: str | None = None
    """Why it is not reported: ``None`` (it is reported), ``"baseline"``, or ``"ignored"`` / ``"ignored: reason"``."""
    group: str = ""
    """The group of a finding that does not count for the exit code: ``"not enabled"``; else empty."""
    also: tuple[tuple[Directive, int | None], ...] = ()
    """Other places with the same fault, such as lines with the same file; it is reported once, in a requested file."""

    def among(self, files: Container[SourceFile]) -> Finding | None:
        """The finding at the first of its places that is in one of these files, or None."""
        if self.location.file in files:
            return self
        for directive, arg in self.also:
            if directive.file in files:
                span = directive.span if arg is None else directive.arg_span(arg)
                return self.replace(location=Location(directive.file, span))
        return None

    def replace(self, **changes: object) -> Finding:
        """A copy with some fields changed."""
        return self._replace(**changes)  # type: ignore[arg-type]
