"""What the linter says: findings, the places they show, the edits that mend them, and the report that collects them."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING

from nginxtls.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from nginxtls.rule import Rule
    from nginxtls.syntax.tree import Directive, SourceFile, Span


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


class Location(NamedTuple):
    """A span of a file, in characters, 1-based, end exclusive."""

    file: SourceFile
    span: Span

    @property
    def name(self) -> str:
        """The file's name as it is told to people: relative to where the user stands, or as a dump has it."""
        return self.file.name


class Label(NamedTuple):
    """A secondary place of a finding and what it has to do with it."""

    location: Location
    text: str


class Edit(NamedTuple):
    """Replace a span of a file by a text."""

    location: Location
    replacement: str


class Fix(NamedTuple):
    """Edits that mend a finding. Safe: no client meets a different handshake after it."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


class Finding(NamedTuple):
    """One fault at the place that causes it.

    ``message`` stands alone (it has the names and figures in it); ``label`` stands under the carets.
    ``endpoints`` are the names and sockets that it touches, e.g. ``("shop.example.com on *:443",)``.
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
    """Why it is not told: ``None`` (it is told), ``"baseline"``, or ``"ignored"`` / ``"ignored: reason"``."""
    group: str = ""
    """Findings that do not count for the exit code, by what they have in common: ``"not enabled"``."""
    also: tuple[tuple[Directive, int | None], ...] = ()
    """Other places with the same fault, as lines that name the same file: it is told once, at the first asked for."""

    def among(self, files: Container[SourceFile]) -> Finding | None:
        """It at the first of its places that is in one of these files, or None."""
        if self.location.file in files:
            return self
        for directive, arg in self.also:
            if directive.file in files:
                span = directive.span if arg is None else directive.arg_span(arg)
                return self.but(location=Location(directive.file, span))
        return None

    def but(self, **changes: object) -> Finding:
        """A copy with some fields changed."""
        return self._replace(**changes)  # type: ignore[arg-type]


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


class Endpoint(NamedTuple):
    """A row of the endpoints table of a report: what a client gets for a name on a socket."""

    socket: str
    name: str
    protocols: tuple[str, ...]
    certificate: str
    not_after: datetime | None
    location: Location


class Report(NamedTuple):
    """All that one run has to tell; the only thing that a format sees."""

    findings: tuple[Finding, ...]
    """Sorted by group, file, line, column; suppressed and baselined ones are in ``suppressed``."""
    rules: Mapping[str, Rule]
    """The rules that ran, by name."""
    not_checked: tuple[NotChecked, ...] = ()
    failures: tuple[Failure, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    endpoints: Sequence[Endpoint] = ()
    files: int = 0
    servers: int = 0
    certificates: int = 0
    seconds: float = 0.0
    at: datetime | None = None
    """The moment for which validity was judged (UTC)."""
    root: str = ""
    """Absolute path that the files' names are relative to: the repository's root, else the working directory."""
    gone: tuple[str, ...] = ()
    """Baseline entries that match no finding any more, as text."""
    hints: tuple[str, ...] = ()
    """Remarks for the summary, e.g. which path mapping was found."""

    def count(self, severity: Severity) -> int:
        return sum(1 for finding in self.findings if finding.severity is severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)
