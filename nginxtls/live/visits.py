"""A visit: the handshakes by which the server of one name on one listener shows what it serves."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nginxtls.live import offers
from nginxtls.live.connections import Gate, NoConnection, Target
from nginxtls.live.flights import Flight, ask
from nginxtls.live.offers import CLASSIC, GROUPS, SIGNATURES, Offer
from nginxtls.live.responses import Response, head
from nginxtls.live.served import leaf_of
from nginxtls.model.effective import VERSIONS
from nginxtls.model.handshakes import group_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.live.connections import Connection
    from nginxtls.model import Handshake
    from nginxtls.tls import Suite

_READABLE = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
             "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")  # fmt: skip
_AT_ONCE = 6
CLOSED = "closes the connection"


@dataclass(slots=True)
class Groups:
    """The groups in which the server exchanges keys, among those that could be tried."""

    served: frozenset[str]


@dataclass(slots=True)
class Seen:
    """What clients get. ``flights`` are by protocol version, by client (``modern``, ``old``) and by type of key."""

    flights: dict[str, Flight] = field(default_factory=dict)
    groups: Groups | None = None
    response: Response | None = None
    trouble: str = ""
    """Why the listener gives no TLS answer at all."""
    without_alpn: bool = False
    """The server rejects every protocol that was offered in ALPN, and accepts a client without it."""
    slow: int = 0
    """The connections that took more than half of the time limit."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The protocol versions accepted, oldest first."""
        return tuple(version for version in VERSIONS if version in self.flights and self.flights[version].accepted)

    @property
    def accepted(self) -> list[Flight]:
        """The flights of accepted offers."""
        return [flight for flight in self.flights.values() if flight.accepted]

    @property
    def legacy(self) -> Flight | None:
        """The flight of the newest version before TLS 1.3 that is accepted."""
        return next((self.flights[version] for version in reversed(self.versions) if version != "TLSv1.3"), None)


class _Trouble(Exception):
    """The listener gives no TLS answer."""


def visit(gate: Gate, target: Target, answer: Handshake, *, full: bool, groups: bool, http: bool) -> Seen:
    """Make the handshakes for the name of a predicted answer.

    With ``full`` everything that differs between servers is tried; else one handshake shows the certificate. ``groups``
    are the default server's: once for each listener. ``http``: send a HEAD request, where the listener speaks HTTP.
    """
    seen = Seen()
    visitor = _Visitor(gate, target, answer, seen)
    try:
        if full:
            visitor.everything(groups=groups)
        else:
            visitor.briefly()
        if http and full:
            visitor.request()
    except _Trouble as trouble:
        seen.trouble = str(trouble)
    return seen


def alpn_of(answer: Handshake) -> tuple[str, ...]:
    """The protocols that a client offers by ALPN. A mail server rejects all but its own."""
    assert answer.socket is not None
    live = answer.effective
    own = live.alpn if live else ()
    if answer.socket.module == "mail":
        return own
    return tuple(dict.fromkeys(("h2", "http/1.1", *own)))


class _Visitor:
    def __init__(self, gate: Gate, target: Target, answer: Handshake, seen: Seen) -> None:
        self.gate = gate
        self.target = target
        self.answer = answer
        self.seen = seen
        self.alpn = alpn_of(answer)
        self.live = answer.effective if answer.accepts else None

    # -- which offers ------------------------------------------------------------------------------------------------

    def briefly(self) -> None:
        """One handshake in the newest version; more only where the server does not accept it."""
        newest = self.live.versions[-1:] if self.live else ()
        for version in dict.fromkeys((*newest, *reversed(VERSIONS))):
            self._version(version)
            if self.seen.versions:
                return

    def everything(self, *, groups: bool) -> None:
        for version in reversed(VERSIONS):
            self._version(version, finish=True)
        live = self.live
        if live is None or not self.seen.versions:
            return
        for client, suites, version in (
            ("modern", offers.MODERN, live.versions[-1]),
            ("old", offers.OLD, next((v for v in live.versions if v != "TLSv1.3"), "")),
        ):
            if version in self.seen.versions and not live.refuses_ecdsa_clients(version):
                numbers = offers.numbers()
                fitting = tuple(numbers[name] for name in suites if version in self._suite(name).protocols)
                self._ask(client, self._offer(version, fitting, readable=False))
        self._keys()
        if groups:
            self._groups()
            self._at_once()

    def request(self) -> None:
        """A complete handshake and a HEAD request, where the configuration requires no client certificate."""
        name = self.answer.servername
        if (
            self.target.socket.module != "http"
            or not self.seen.versions
            or name is None
            or self.live is None
            or self.live.client_certificate == "required"
        ):
            return
        port = "" if self.target.socket.port == 443 else f":{self.target.socket.port}"
        try:
            with self._connection() as connection:
                self.seen.response = head(connection, name, f"{name}{port}")
        except NoConnection as trouble:
            self.seen.response = Response(trouble=str(trouble))

    def _version(self, version: str, *, finish: bool = False) -> None:
        suites = offers.suites_of(version)
        if version == "TLSv1.3":
            numbers = tuple(offers.numbers()[name] for name in _READABLE)
            offer = self._offer(version, numbers, groups=tuple(GROUPS[name] for name in CLASSIC))
            flight = self._ask(version, offer._replace(finish=finish))
            if not flight.accepted and self.live and version in self.live.versions:
                # Only groups in which no key can be exchanged here: suite and group can be read, no more.
                self._ask(version, self._offer(version, numbers, readable=False))
            return
        if self.live and self.live.refuses_ecdsa_clients(version):
            suites = tuple(suite for suite in suites if suite.authentication != "ECDSA")
        self._ask(version, self._offer(version, tuple(suite.number for suite in suites)))

    def _keys(self) -> None:
        """A client that accepts only one type of key, for each type that no flight has shown so far."""
        live = self.live
        assert live is not None
        shown = {leaf.key.kind for flight in self.seen.accepted if (leaf := leaf_of(flight))}
        keys = [bundle.leaf.key for bundle in live.served_bundles if bundle.leaf]
        kinds = {key.kind: live.versions_with(key) for key in keys}
        for kind in dict.fromkeys((*kinds, "RSA", "EC")):
            versions = [version for version in kinds.get(kind, live.versions) if version in self.seen.versions]
            if kind in shown or kind not in SIGNATURES or not versions:
                continue
            version = "TLSv1.2" if "TLSv1.2" in versions else versions[-1]
            wanted = "RSA" if kind.startswith("RSA") else "ECDSA"
            suites = [suite.number for suite in offers.suites_of(version) if suite.authentication in (wanted, "any")]
            if version == "TLSv1.3":
                suites = [offers.numbers()[name] for name in _READABLE]
            groups = tuple(GROUPS[name] for name in CLASSIC) if version == "TLSv1.3" else tuple(GROUPS.values())
            offer = self._offer(version, tuple(suites), groups=groups)._replace(signatures=SIGNATURES[kind])
            self._ask(kind, offer)

    def _groups(self) -> None:
        """Each predicted group, then all others at once; in old versions with RSA, as groups limit ECDSA."""
        live, seen = self.live, self.seen
        assert live is not None
        tries: list[tuple[str, tuple[int, ...]]] = []
        if "TLSv1.3" in seen.versions:
            tries.append(("TLSv1.3", tuple(offers.numbers()[name] for name in _READABLE)))
        has_rsa = any(leaf.key.kind == "RSA" for flight in seen.accepted if (leaf := leaf_of(flight)))
        for version in ("TLSv1.2", "TLSv1.1", "TLSv1") if has_rsa else ():
            found = live.suites.get(version, ())
            rsa = tuple(s.number for s in found if (s.key_exchange, s.authentication) == ("ECDHE", "RSA"))
            if rsa and version in seen.versions:
                tries.append((version, rsa))
                break
        if not tries:
            return
        predicted = [name for name in map(group_name, live.groups) if name in GROUPS]
        served = set()
        for names in (*((name,) for name in predicted), tuple(name for name in GROUPS if name not in predicted)):
            for version, suites in tries:
                numbers = tuple(GROUPS[name] for name in names)
                flight = self._answer(self._offer(version, suites, groups=numbers, readable=False))
                if flight.accepted and flight.group in names:
                    served.add(flight.group)
                    break
        seen.groups = Groups(frozenset(served))

    def _at_once(self) -> None:
        """Several connections at once, which different workers accept: all of them should serve the same."""
        flight = self.seen.flights[self.seen.versions[-1]]
        with ExitStack() as stack:
            try:
                several = [stack.enter_context(self.gate.connection(self.target)) for _ in range(_AT_ONCE)]
            except NoConnection:
                return  # a server may limit the connections of a client
            for number, connection in enumerate(several, 1):
                again = ask(connection, flight.offer._replace(finish=False))
                if again.accepted:
                    self.seen.flights[f"again {number}"] = again

    # -- queries -----------------------------------------------------------------------------------------------------

    def _offer(
        self, version: str, suites: tuple[int, ...], *, groups: tuple[int, ...] | None = None, readable: bool = True
    ) -> Offer:
        alpn = () if self.seen.without_alpn else self.alpn
        every = tuple(GROUPS.values()) if groups is None else groups
        return Offer(version, suites, self.answer.servername, groups=every, alpn=alpn, readable=readable)

    def _ask(self, key: str, offer: Offer) -> Flight:
        flight = self._answer(offer)
        if flight.refusal == "no_application_protocol":
            flight = self._answer(offer._replace(alpn=()))
            self.seen.without_alpn = self.seen.without_alpn or flight.accepted
        self.seen.flights[key] = flight
        return flight

    def _answer(self, offer: Offer) -> Flight:
        try:
            with self._connection() as connection:
                flight = ask(connection, offer)
        except NoConnection as trouble:
            raise _Trouble(str(trouble)) from trouble
        if flight.trouble and not flight.trouble.startswith(CLOSED):
            raise _Trouble(flight.trouble)
        return flight

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self.gate.connection(self.target) as connection:
            start = time.monotonic()
            try:
                yield connection
            finally:
                self.seen.slow += time.monotonic() - start > self.gate.limits.timeout / 2

    @staticmethod
    def _suite(name: str) -> Suite:
        return offers.by_number()[offers.numbers()[name]]
