"""Which named clients can connect, with what, and what locks the others out.

A client's handshake follows from what the server offers and from its ClientHello (`nginxtls.tls.agreement`); servers
with the same lines and keys share the result. Names, chains and ALPN come on top, per endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.conf_commands import option
from nginxtls.model.effective import EffectiveTLS
from nginxtls.model.grade import covers_name
from nginxtls.model.handshakes import Handshake, group_name, key_text
from nginxtls.model.names import valid_host
from nginxtls.tls.agreement import Agreement, Order, ServerOffer, agree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model.bundles import ServedBundle
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.tls.clients import Client


class Outcome(NamedTuple):
    """What one client gets. ``connects`` is None where it depends on something unknown, which ``reason`` names.

    ``kind`` is the cause in one word: protocol, suite, group, signature, certificate, name, chain, dh, alpn, refused.
    ``resumption`` is ``tickets``, ``session IDs`` or ``none``.
    """

    client: Client
    connects: bool | None
    kind: str
    reason: str
    protocol: str | None = None
    suite: str | None = None
    group: str | None = None
    post_quantum: bool = False
    retry: bool = False
    key: str | None = None
    alpn: str | None = None
    resumption: str = "none"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        row: dict[str, Any] = self._asdict()
        return {**row, "client": self.client.name, "released": self.client.released, "recorded": self.client.recorded}


def server_offer(tls: EffectiveTLS) -> ServerOffer:
    """The server's side of a negotiation, made once for servers with the same lines and keys."""
    key = ("offer", *(server.tls_lines for server in (tls.default, tls.context, tls.server)),
           tls.context is tls.default, tls.context.key_types, tls.socket.quic)  # fmt: skip
    return tls.store.memo(key, lambda: _shared_offer(tls))


def _shared_offer(tls: EffectiveTLS) -> ServerOffer:
    """The offer, one object for all equal ones: hashing one takes longer than most that is asked of it."""
    offer = _server_offer(tls)
    return tls.store.memo(("offer", offer), lambda: offer)


def _server_offer(tls: EffectiveTLS) -> ServerOffer:
    order = _order(tls.context)
    return ServerOffer(
        tls.selectable,
        tls.evaluation.suites,
        tls.ciphersuites,
        order,
        order if tls.by_client_hello else _order(tls.default),
        (tls.ciphersuites_of(tls.context), order),
        tls.group_list.bare(),
        tls.keys,
        tls.signature_algorithms and tuple(dict.fromkeys(tls.signature_algorithms)),
        tls.level,
        tls.level_of_groups,
        tls.dhparam_bits,
        tls.openssl,
    )


@dataclass(slots=True)
class Table:
    """The clients of endpoints that treat them all alike: a socket's names, and what each client gets.

    ``names`` are server names, ``(no name)`` where no SNI is sent; ``certificates`` the files by their kind of key.
    """

    socket: Socket
    outcomes: tuple[Outcome, ...]
    names: list[str] = field(default_factory=list)
    certificates: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, answer: Handshake) -> None:
        """Add an endpoint that treats clients as the others of this table."""
        self.names.append(name)
        tls = answer.effective
        for bundle in tls.bundles if tls else ():
            files = self.certificates.setdefault(key_text(bundle.leaf.key) if bundle.leaf else "unknown", [])
            if bundle.path not in files[-1:]:
                files.append(bundle.path)


def tables(configuration: Configuration, clients: Sequence[Client]) -> list[Table]:
    """What clients get on every TLS socket, for each name of a server and without one."""
    return grouped(every_handshake(configuration), clients)


def grouped(answers: Iterable[tuple[str, Handshake]], clients: Sequence[Client]) -> list[Table]:
    """The tables of some handshakes, each with the name to show; equal ones of a socket are one table."""
    found: dict[tuple[int, int], Table] = {}
    same: dict[tuple[Outcome, ...], tuple[Outcome, ...]] = {}
    by_identity: dict[int, tuple[Outcome, ...]] = {}
    asked = _asked(tuple(clients))
    for name, answer in answers:
        made = _of_all(answer, asked)
        if not made or answer.socket is None:
            continue
        # Most are the very same object; only others are compared value by value.
        shared = by_identity.get(id(made))
        if shared is None:
            shared = by_identity[id(made)] = same.setdefault(made, made)
        table = found.get((id(answer.socket), id(shared)))
        if table is None:
            table = found[id(answer.socket), id(shared)] = Table(answer.socket, shared)
        table.add(name, answer)
    return list(found.values())


def every_handshake(configuration: Configuration) -> Iterator[tuple[str, Handshake]]:
    """A handshake for each TLS socket without a name, and with each name of its servers (``(no name)`` is none)."""
    for socket in configuration.sockets:
        if not socket.speaks_tls:
            continue
        yield "(no name)", Handshake(configuration, socket)
        seen: set[str] = set()
        for server in socket.servers:
            for name in server.names:
                if (
                    name.form in ("exact", "suffix", "leading", "trailing")
                    and name.text != "_"
                    and name.text not in seen
                ):
                    seen.add(name.text)
                    sample = {"leading": f"any.{name.key}", "trailing": f"{name.key}.any"}.get(name.form, name.key)
                    yield name.text, Handshake(configuration, socket, sample)


def _order(server: VirtualServer) -> Order:
    prefers = option(server.commands, "serverpreference")
    chacha = option(server.commands, "prioritizechacha")
    own = server.setting("ssl_prefer_server_ciphers").enabled
    return Order(prefers[0] if prefers else own, bool(chacha and chacha[0]))


def outcomes(handshake: Handshake, clients: Sequence[Client]) -> tuple[Outcome, ...]:
    """What each client gets from the server that a handshake leads to; on a QUIC socket only clients that speak HTTP/3.

    Clients that send no SNI get the default server of the socket. Equal endpoints share the answer.
    """
    return _of_all(handshake, _asked(tuple(clients)))


class _Asked:
    """Clients, and those of them that can ask a socket. One object for the same clients: it is hashed by identity."""

    def __init__(self, clients: tuple[Client, ...]) -> None:
        self.clients = clients
        self._parts: dict[tuple[bool, bool | None], tuple[Client, ...]] = {}

    def part(self, *, quic: bool, sni: bool | None) -> tuple[Client, ...]:
        """Those that speak HTTP/3, or the others; with ``sni``, those that send SNI, or the others."""
        found = self._parts.get((quic, sni))
        if found is None:
            found = tuple(c for c in self.clients if c.quic == quic and sni in (None, c.sni))
            self._parts[quic, sni] = found
        return found


@lru_cache(maxsize=8)
def _asked(clients: tuple[Client, ...]) -> _Asked:
    return _Asked(clients)


def _of_all(handshake: Handshake, asked: _Asked) -> tuple[Outcome, ...]:
    socket, configuration = handshake.socket, handshake.configuration
    if socket is None:
        return ()
    if handshake.servername is None or not asked.part(quic=socket.quic, sni=False):
        return _of(handshake, asked, None, handshake.servername)
    named = _of(handshake, asked, True, handshake.servername)
    default = configuration.memo(("without SNI", socket), lambda: Handshake(configuration, socket))
    unnamed = _of(default, asked, False, handshake.servername)

    def merged() -> tuple[Outcome, ...]:
        by_client = {outcome.client: outcome for outcome in (*named, *unnamed)}
        return tuple(by_client[client] for client in asked.clients if client in by_client)

    # Both are memoised themselves, so they live as long as their identities are used here.
    return configuration.memo(("merged", id(named), id(unnamed)), merged)


def _of(answer: Handshake, asked: _Asked, sni: bool | None, name: str | None) -> tuple[Outcome, ...]:
    socket = answer.socket
    assert socket is not None
    clients = asked.part(quic=socket.quic, sni=sni)
    tls = answer.effective
    store = answer.configuration.store
    if tls is None or (refusal := answer.refusal):
        refusal = answer.refusal or "the socket does not use TLS"
        return store.memo(
            ("refused", refusal, asked, socket.quic, sni),
            lambda: tuple(Outcome(c, False, "refused", refusal) for c in clients),
        )
    bundles = tls.served_bundles
    faults = tuple(_faults(bundle, name) for bundle in bundles)
    # Resumption and ALPN depend on lines that server_offer leaves out, so they are part of the key. The offer lives in
    # the same memo as what is found here.
    manner = _Manner(tls.alpn, _strict_alpn(tls), tls.tickets, _cache(tls))
    key = ("outcomes", id(server_offer(tls)), faults, asked, socket.quic, sni, manner, tls.certificates_known)
    return store.memo(key, lambda: _outcomes(tls, clients, faults, manner))


class _Manner(NamedTuple):
    """What a server does beside the key exchange, alike for all clients."""

    alpn: tuple[str, ...]
    strict_alpn: bool
    tickets: bool
    session_cache: bool


def _outcomes(
    tls: EffectiveTLS, clients: tuple[Client, ...], faults: tuple[tuple[_Fault, ...], ...], manner: _Manner
) -> tuple[Outcome, ...]:
    """What clients get; where a certificate could not be read, with each key that it may have."""
    offer = server_offer(tls)
    offers = (offer,) if tls.certificates_known else tuple(offer._replace(keys=keys) for keys in tls.possible_keys)
    agreed = _agreements(offers or (offer,), clients)
    return tuple(_outcome(tls, client, faults, cases, manner) for client, cases in zip(clients, agreed, strict=True))


@lru_cache(maxsize=512)
def _agreements(offers: tuple[ServerOffer, ...], clients: tuple[Client, ...]) -> tuple[tuple[Agreement, ...], ...]:
    """What each client agrees on with each of the offers; a long key is hashed once for all of them."""
    return tuple(tuple(agree(offer, client.hello) for offer in offers) for client in clients)


class _Fault(NamedTuple):
    """A reason for which clients reject a certificate; ``kind`` decides which of them."""

    kind: str
    text: str


_TOLERANT = {"missing-intermediate": "fetches_issuers", "weak-signature": "sha1", "cn-only": "common_name"}
"""Faults that some clients accept, and the fact of a client that says so."""


def _faults(bundle: ServedBundle, name: str | None) -> tuple[_Fault, ...]:
    """What is wrong with a certificate for the clients of a name."""
    chain, leaf = bundle.chain, bundle.leaf
    if chain is None or leaf is None:
        return ()
    found = [_Fault(reason.kind, reason.message) for reason in chain.reasons if reason.fatal]
    if chain.missing_issuer is not None and not chain.aia:
        # Nothing says where the issuer could be fetched.
        found = [_Fault("untrusted-root", f.text) if f.kind == "missing-intermediate" else f for f in found]
    if name is not None and valid_host(name) is not None:
        from nginxtls.pki import match_hostname

        if leaf.sans and not covers_name(leaf, name):
            found.append(_Fault("name-mismatch", match_hostname(name, leaf).reason))
        elif not leaf.sans:
            mine = name.lower() in (common.lower() for common in leaf.common_names)
            text = "the certificate has its name only in the subject" if mine else match_hostname(name, leaf).reason
            found.append(_Fault("cn-only" if mine else "name-mismatch", text))
    return tuple(found)


def _cache(tls: EffectiveTLS) -> bool:
    """Whether sessions are kept for resumption by session ID."""
    words = tls.setting("ssl_session_cache").values
    return any(word.startswith(("shared:", "builtin")) for word in words)


def _strict_alpn(tls: EffectiveTLS) -> bool:
    """nginx ends a handshake without a common ALPN protocol (http, mail and stream since 1.21.4)."""
    return bool(tls.alpn) and tls.nginx.at_least(1, 21, 4)


def _outcome(
    tls: EffectiveTLS,
    client: Client,
    faults: tuple[tuple[_Fault, ...], ...],
    cases: Sequence[Agreement],
    manner: _Manner,
) -> Outcome:
    agreed = cases[0]
    if len({bool(case.problem) for case in cases}) > 1:
        failing = next(case for case in cases if case.problem)
        reason = f"it depends on the certificate, which could not be read ({failing.problem})"
        return Outcome(client, None, failing.kind, reason, failing.protocol)
    if agreed.problem:
        return Outcome(client, False, agreed.kind, agreed.problem, agreed.protocol)
    assert agreed.suite is not None
    number = next((n for n, b in enumerate(tls.served_bundles) if b.leaf and b.leaf.key == agreed.key), None)
    alpn = next((word for word in manner.alpn if word in client.hello.alpn), None)
    found = Outcome(
        client, True, "", "", agreed.protocol, agreed.suite.name, group_name(agreed.group) if agreed.group else None,
        bool(agreed.group and agreed.group.post_quantum), agreed.retry,
        key_text(agreed.key) if agreed.key else None, alpn, _resumption(manner, client, agreed),
    )  # fmt: skip
    kind, reason = _objection(client, agreed, faults[number] if number is not None else ())
    # http also accepts http/1.0 and http/0.9.
    silent = tls.socket.module == "http" and {"http/1.0", "http/0.9"} & set(client.hello.alpn)
    if not kind and client.hello.alpn and alpn is None and manner.strict_alpn and not silent:
        kind, reason = "alpn", f"no common ALPN protocol: the client offers {' '.join(client.hello.alpn)}"
    if kind:
        return found._replace(connects=False, kind=kind, reason=reason)
    return found


def _objection(client: Client, agreed: Agreement, faults: Iterable[_Fault]) -> tuple[str, str]:
    """Why a client gives up on what the server sent: sizes first, then the certificate; empty if it does not."""
    key, dh = agreed.key, agreed.dh_bits
    if dh is not None and client.min_dh_bits > dh:
        return "dh", f"the client rejects DH parameters of less than {client.min_dh_bits} bits; the server has {dh}"
    if dh is not None and 0 < client.max_dh_bits < dh:
        return "dh", f"the client supports DH parameters of up to {client.max_dh_bits} bits; the server has {dh}"
    if key is not None and key.kind in ("RSA", "RSA-PSS") and key.bits is not None:
        if key.bits < client.min_rsa_bits:
            return "key", f"the client rejects RSA keys of less than {client.min_rsa_bits} bits"
        if 0 < client.max_rsa_bits < key.bits:
            return "key", f"the client supports RSA keys of up to {client.max_rsa_bits} bits"
    signed = agreed.suite is not None and agreed.suite.forward_secrecy
    if not client.legacy_signatures and agreed.protocol in ("TLSv1", "TLSv1.1") and signed:
        return "signature", f"{agreed.protocol} signs the key exchange with SHA-1, which the client rejects"
    if not client.verifies:
        return "", ""
    for fault in faults:
        accepts = _TOLERANT.get(fault.kind)
        if accepts is None or not getattr(client, accepts):
            kind = "name" if fault.kind in ("name-mismatch", "cn-only") else "chain"
            return kind, f"the client rejects the certificate: {fault.text}"
    return "", ""


def _resumption(manner: _Manner, client: Client, agreed: Agreement) -> str:
    if agreed.protocol == "TLSv1.3":
        # Without tickets OpenSSL sends stateful ones, if it keeps sessions at all.
        return "tickets" if client.psk and (manner.tickets or manner.session_cache) else "none"
    if client.tickets and manner.tickets:
        return "tickets"
    return "session IDs" if manner.session_cache else "none"
