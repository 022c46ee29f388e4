"""The tables of a report: endpoints and certificates, their rows made on access, as most formats do not use them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar, overload

from nginxtls.base.lazy import cached_property
from nginxtls.linting.report import CertificateRow, EndpointRow
from nginxtls.linting.subjects import in_turn
from nginxtls.model.effective import VERSIONS
from nginxtls.syntax.places import Location

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from nginxtls.linting.subjects import Subject
    from nginxtls.model import Configuration, Endpoint, ServedBundle
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.syntax.tree import SourceFile
    from nginxtls.tls import ServerKey

Row = TypeVar("Row")


class Rows(Sequence[Row]):
    """Rows that are made on access."""

    def __len__(self) -> int:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self.row(number) for number in range(*index.indices(len(self)))]
        return self.row(range(len(self))[index])

    def row(self, number: int) -> Row:
        """The row of a number from 0."""
        raise NotImplementedError


class EndpointRows(Rows[EndpointRow]):
    """A row for each virtual server on a TLS socket, of servers in requested files."""

    def __init__(self, subjects: Sequence[Subject], counts: Sequence[int], requested: Collection[SourceFile]) -> None:
        """``counts``: the number of rows of each subject."""
        self.subjects, self.requested = subjects, requested
        self._ends = array("L", accumulate(counts))
        self._at = -1
        self._turn = in_turn(())
        self._endpoints: list[Endpoint] = []

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, number: int) -> EndpointRow:
        """What a client gets from an endpoint, in all builds in question."""
        subject, endpoint = self._endpoint(number)
        alternatives = subject.alternatives
        matter = alternatives is not None and alternatives.matter
        served = (
            alternatives.protocols(endpoint) if alternatives is not None and matter else {endpoint.tls.versions: ""}
        )
        leaf = next((bundle.leaf for bundle in endpoint.bundles if bundle.leaf), None)
        place = endpoint.server.directive
        assert place is not None
        return EndpointRow(
            socket=endpoint.socket.label,
            name=", ".join(endpoint.names),
            protocols=tuple(version for version in VERSIONS if any(version in versions for versions in served)),
            certificate=leaf.subject if leaf else "",
            not_after=leaf.not_after if leaf and leaf.has_dates else None,
            location=Location(place.file, place.span),
            differing=tuple((part, versions) for versions, part in served.items() if part),
            grade=partial(self._letter, number),
        )

    def _endpoint(self, number: int) -> tuple[Subject, Endpoint]:
        """The endpoint of a row, and its subject, which stays until a row of another one is made."""
        at = bisect_right(self._ends, number)
        if at != self._at:
            self._turn.close()
            self._at, self._turn = at, in_turn(self.subjects, at)
            subject = next(self._turn)
            self._endpoints = table_endpoints(subject.configuration, self.requested)
        first = self._ends[at - 1] if at else 0
        return self.subjects[at], self._endpoints[number - first]

    def _letter(self, number: int) -> str:
        from nginxtls.model.grade import endpoint_grade

        subject, endpoint = self._endpoint(number)
        return endpoint_grade(subject.configuration, endpoint).letter or ""


def table_endpoints(configuration: Configuration, requested: Collection[SourceFile]) -> list[Endpoint]:
    """The endpoints of a configuration that have a row: those of servers in requested files."""
    return [
        endpoint
        for endpoint in configuration.endpoints
        if not endpoint.server.fragment
        and endpoint.server.directive is not None
        and endpoint.server.directive.file in requested
    ]


class CertificateRows(Rows[CertificateRow]):
    """A row for each certificate file that a configuration serves."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects

    @cached_property
    def rows(self) -> list[CertificateRow]:
        """All rows."""
        turns = in_turn(self.subjects)
        return [row for each in turns for row in certificate_rows(each.configuration, each.alternatives)]

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, number: int) -> CertificateRow:
        """The row of a number from 0."""
        return self.rows[number]


def certificate_rows(configuration: Configuration, alternatives: Alternatives | None) -> list[CertificateRow]:
    """The certificates of a configuration, with the protocols and suites of all builds in question."""
    rows = list(_rows(configuration))
    if alternatives is None or not alternatives.matter:
        return rows
    numbers = range(len(alternatives.builds))
    others = [list(_rows(alternatives.configuration_in(number))) for number in numbers]
    return [_over(row, [other[place] for other in others], alternatives) for place, row in enumerate(rows)]


def _over(row: CertificateRow, others: Sequence[CertificateRow], alternatives: Alternatives) -> CertificateRow:
    by_protocols: dict[tuple[str, ...], list[int]] = {}
    for number, other in enumerate(others):
        by_protocols.setdefault(other.protocols, []).append(number)
    differing = tuple(
        f"{' '.join(protocols) or 'none'} with {alternatives.part(having, range(len(others)))}"
        for protocols, having in by_protocols.items()
    )
    served = {protocol for protocols in by_protocols for protocol in protocols}
    return row._replace(
        protocols=tuple(version for version in VERSIONS if version in served),
        suites=tuple(dict.fromkeys(suite for other in reversed(others) for suite in other.suites)),
        differing=differing if len(by_protocols) > 1 else (),
    )


def _rows(configuration: Configuration) -> Iterable[CertificateRow]:
    for bundle in configuration.bundles:
        yield _row(configuration, bundle, configuration.endpoints_of(bundle), configuration.facts.at)


def _row(
    configuration: Configuration, bundle: ServedBundle, endpoints: Sequence[Endpoint], at: datetime
) -> CertificateRow:
    servers = configuration.servers_of(bundle)
    lines = (bundle.directive, *(server.directive for server in servers))
    leaf = bundle.leaf
    dated = leaf is not None and leaf.has_dates
    protocols, suites = _negotiated(endpoints, leaf.key) if leaf else ((), ())
    groups, post_quantum = _groups(endpoints) if leaf else ((), ())
    return CertificateRow(
        host=configuration.tree.roots[0].host,
        file=bundle.directive.written(bundle.path) if bundle.directive else bundle.path,
        subject=leaf.subject if leaf else None,
        names=tuple(san.value for san in leaf.sans) if leaf else (),
        issuer=leaf.issuer if leaf else None,
        serial=_hexadecimal(leaf.serial) if leaf else None,
        not_before=leaf.not_before.isoformat() if leaf and dated else None,
        not_after=leaf.not_after.isoformat() if leaf and dated else None,
        days_left=(leaf.not_after - at).days if leaf and dated else None,
        key=key_words(leaf.key) if leaf else None,
        chain=_verdict(bundle),
        endpoints=tuple(dict.fromkeys(endpoint.socket.label for endpoint in endpoints)),
        server_names=tuple(dict.fromkeys(name.shown for server in servers for name in server.names if name.text)),
        protocols=protocols,
        suites=suites,
        used_by=tuple(dict.fromkeys(f"{line.file.name}:{line.line}" for line in lines if line is not None)),
        sha256=leaf.sha256 if leaf else None,
        groups=groups,
        post_quantum=post_quantum,
        grades=_grades(configuration, endpoints) if leaf else (),
    )


def _hexadecimal(serial: int) -> str:
    """As OpenSSL prints it: whole bytes, a minus before."""
    digits = f"{abs(serial):X}"
    return f"{'-' if serial < 0 else ''}{digits.zfill(len(digits) + len(digits) % 2)}"


def key_words(key: ServerKey) -> str:
    """The kind of a key and its curve or size: ``RSA 2048``, ``EC secp256r1``."""
    return " ".join(filter(None, (key.kind, key.curve or (str(key.bits) if key.bits else ""))))


def _negotiated(endpoints: Sequence[Endpoint], key: ServerKey) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The protocol versions and suites in which clients can get a certificate with this key."""
    protocols: dict[str, None] = {}
    suites: dict[str, None] = {}
    for tls in {id(endpoint.tls.suites): endpoint.tls for endpoint in endpoints}.values():
        for version, offered in tls.suites.items():
            ways = key.authenticates(version, tls.level, tls.openssl)
            fitting = [suite.name for suite in offered if suite.authentication in ways]
            suites.update(dict.fromkeys(fitting))
            protocols.update(dict.fromkeys([version] if fitting else ()))
    return tuple(protocols), tuple(suites)


def _groups(endpoints: Sequence[Endpoint]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The groups that some endpoint offers, and those of them that are post-quantum."""
    from nginxtls.model.handshakes import group_name

    found = {group: None for endpoint in endpoints for group in endpoint.tls.groups}
    return tuple(map(group_name, found)), tuple(group_name(group) for group in found if group.post_quantum)


def _grades(configuration: Configuration, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """The grades of some endpoints, best first."""
    from nginxtls.model.grade import LETTERS, endpoint_grade

    found = {endpoint_grade(configuration, endpoint).letter for endpoint in endpoints}
    return tuple(letter for letter in LETTERS if letter in found)


def _verdict(bundle: ServedBundle) -> str:
    verdict, kinds = chain_verdict(bundle)
    return verdict + (f" ({', '.join(kinds)})" if kinds else "")


def chain_verdict(bundle: ServedBundle) -> tuple[str, list[str]]:
    """The verdict of a client on the chain, or why it was not checked, and the kinds of its faults, each once."""
    if bundle.bundle is None:
        return f"not checked: {bundle.unreadable}", []
    if not bundle.bundle.loads or bundle.chain is None:
        # nginx stops at the first error in a file.
        why = bundle.bundle.problems[-1].message
        return f"not checked: {why}" if bundle.bundle.loads else f"not loaded: {why}", []
    return bundle.chain.verdict, list(dict.fromkeys(each.kind for each in bundle.chain.reasons))
