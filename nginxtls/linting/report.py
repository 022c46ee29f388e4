"""The report of a run: its findings, what was not checked, what failed, and the endpoints that were checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nginxtls.finding import Finding
    from nginxtls.rule import Rule
    from nginxtls.syntax.places import Failure, Location, NotChecked


NOT_TLS = "nginxtls does not know it: syntax outside TLS is not judged"
"""Why a directive of another module was not checked."""


class MadeFor(NamedTuple):
    """The versions that configurations were judged by, and why; None is a version that is not known."""

    nginx: str | None
    openssl: str | None
    package: str
    source: str
    likely: bool
    builds: tuple[tuple[str, str, str], ...]
    """The builds in question where a version is not known: nginx, OpenSSL and a release that has both."""
    text: str
    """All of it in a line: ``nginx 1.22.1, OpenSSL 3.0.20: detected from dpkg``."""
    configurations: tuple[str, ...]
    """The names of the main files."""


class EndpointRow(NamedTuple):
    """A row of the endpoints table of a report: what a client gets for a name on a socket."""

    socket: str
    name: str
    protocols: tuple[str, ...]
    """Those of all builds in question."""
    certificate: str
    not_after: datetime | None
    location: Location
    differing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Where the builds in question differ: builds in words, and the protocols that they serve."""
    grade: Callable[[], str] = str
    """The letter of SSL Labs' rating guide, worked out when it is requested; empty if there is none."""


class CertificateRow(NamedTuple):
    """A served certificate; if it could not be read, only the file and where it is served are known."""

    host: str
    """The host of a dump; empty for files that were read where they are."""
    file: str
    subject: str | None
    names: tuple[str, ...]
    issuer: str | None
    serial: str | None
    """In upper-case hexadecimal, as `openssl x509 -serial` prints it."""
    not_before: str | None
    not_after: str | None
    days_left: int | None
    key: str | None
    chain: str
    """The verdict on the chain, or why there is none."""
    endpoints: tuple[str, ...]
    server_names: tuple[str, ...]
    protocols: tuple[str, ...]
    suites: tuple[str, ...]
    used_by: tuple[str, ...]
    sha256: str | None
    groups: tuple[str, ...] = ()
    """The groups for the key exchange of the endpoints that serve it."""
    post_quantum: tuple[str, ...] = ()
    """Those of the groups that withstand a quantum computer."""
    grades: tuple[str, ...] = ()
    """The letters of SSL Labs' rating guide for the endpoints that send it, best first."""
    differing: tuple[str, ...] = ()
    """Where the builds in question differ: the protocols of each, in words."""


class ClientRow(NamedTuple):
    """The named clients that get the same from endpoints that treat all clients alike."""

    host: str
    """The host of a dump; empty for files that were read where they are."""
    socket: str
    names: tuple[str, ...]
    """The names that clients request; ``(no name)`` is none."""
    connects: bool | None
    """None where it depends on the build in question, or on what is not known."""
    result: str
    """``connects with TLSv1.3``; ``no common protocol version: …``; where builds differ, the result in each."""
    clients: tuple[str, ...]
    """Clients of a family in a row are one entry: ``Node 12.22.12 to 26.12.1 (8)``."""
    number: int
    """The number of the clients."""
    total: int
    """The number of all clients that were tried on these endpoints."""


class PolicyRow(NamedTuple):
    """A row of the policies table of a report: whether an endpoint complies with a policy."""

    policy: str
    title: str
    """The policy's title."""
    endpoint: str
    """``shop.example.com on *:443``."""
    socket: str
    name: str
    result: str
    """``pass``; ``fail``; ``depends`` on the build in question; ``unknown``: an item could not be compared."""
    violated: tuple[str, ...]
    """The items of the policy that are violated, of all builds in question."""
    unknown: tuple[str, ...]
    """The items that could not be compared, such as ``key`` where the certificate could not be read."""
    location: Location
    serves: bool = True
    """False where no handshake succeeds, so that nothing is violated."""
    differing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Where the builds in question differ: builds in words, and the items that they violate."""


class Report(NamedTuple):
    """The result of one run; a format sees nothing else."""

    findings: tuple[Finding, ...]
    """Sorted by file, line, column; suppressed and baselined ones are in ``suppressed``."""
    rules: Mapping[str, Rule]
    """The rules that ran, by name."""
    not_checked: tuple[NotChecked, ...] = ()
    failures: tuple[Failure, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    endpoints: Sequence[EndpointRow] = ()
    policies: Sequence[PolicyRow] = ()
    """A row for each endpoint and chosen policy; ``ignore`` comments and the selection of rules do not change them."""
    files: int = 0
    servers: int = 0
    certificates: int = 0
    seconds: float = 0.0
    served: Sequence[CertificateRow] = ()
    """The certificates that are served, made on access."""
    clients: Sequence[ClientRow] = ()
    """What named clients get, made on access."""
    clients_left: int = 0
    """How many configurations are not in that table."""
    hosts: Mapping[str, str] = {}
    """The hosts whose dumps were linted, by the names of the main files."""
    scope: tuple[str, ...] = ()
    """The paths that were requested, as given; `.` by the name of its folder."""
    at: datetime | None = None
    """The time at which certificates were checked (UTC)."""
    root: str = ""
    """Absolute path to which file names are relative: the repository's root, else the working directory."""
    gone: tuple[str, ...] = ()
    """Baseline entries that match no finding any more, as text."""
    versions: tuple[MadeFor, ...] = ()
    """The versions that the report was made for, each once."""
    hints: tuple[str, ...] = ()
    """Hints for the summary, such as a path mapping that was found."""

    def count(self, severity: Severity) -> int:
        """The number of findings of a severity."""
        return sum(1 for finding in self.findings if finding.severity is severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings with severity error."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings with severity warning."""
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)
