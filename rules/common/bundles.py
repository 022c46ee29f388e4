"""Helpers for rules about certificates: the endpoints that serve a bundle, and the faults that a rule reports."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import default_is_sure, titles
from nginxtls.rules.common.listening import selects_by_name

from nginxtls.base.lazy import pattern
from nginxtls.model.chosen import sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, ServedBundle, VirtualServer
    from nginxtls.pki import Certificate, Chain, Reason
    from nginxtls.rule import Rule

LOCAL = pattern(r"(^|\.)(localhost|local|localdomain|internal|intranet|lan|home|test|example|invalid|home\.arpa)$")
"""Names that no public CA certifies: RFC 2606, RFC 6761, RFC 6762, RFC 8375 and common names of internal networks."""
SNAKEOIL_PATH = pattern(r"ssl-cert-snakeoil|snake-?oil|make-dummy-cert|(^|/)dummy[-_.][^/]*$")
SNAKEOIL_ISSUER = pattern(
    r"mkcert development CA|minica root ca|Snake Oil|Kubernetes Ingress Controller Fake|TRAEFIK DEFAULT CERT|"
    r"O=Acme Co\b",
    re.IGNORECASE,
)
STAGING = pattern(r"\(STAGING\)|\bFake LE\b|happy hacker fake CA")
ISSUED_ELSEWHERE = frozenset({"missing-intermediate", "untrusted-root", "self-signed-certificate"})
"""Faults that a test or staging certificate always has, because no client trusts its CA."""


def at_bundle(
    rule: Rule,
    configuration: Configuration,
    bundle: ServedBundle,
    message: str,
    *,
    label: str = "",
    notes: Iterable[str] = (),
    help: str = "",
) -> Iterator[Finding]:
    """A finding at the bundle's `ssl_certificate`, with the endpoints that serve it; none if no client does."""
    endpoints = titles(meant(configuration, bundle))
    if endpoints:
        yield rule.at(
            bundle.directive,
            message,
            arg=0,
            label=label,
            notes=notes,
            help=help,
            endpoints=endpoints,
            also=bundle.also,
        )


def meant(configuration: Configuration, bundle: ServedBundle) -> list[Endpoint]:
    """The endpoints that serve a bundle to clients, without those that reject or close every connection, and without
    servers that no name selects."""
    endpoints = configuration.endpoints_of(bundle) or sound(configuration).get(bundle, [])
    return [
        e
        for e in endpoints
        if not e.server.rejects_handshake and not closes(e.server) and not is_hidden(configuration, e)
    ]


def is_hidden(configuration: Configuration, endpoint: Endpoint) -> bool:
    """Whether no client gets the server: others have all its names, and one of them is the default server."""
    socket, server = endpoint.socket, endpoint.server
    if endpoint.context is not server or not selects_by_name(socket) or not default_is_sure(socket, configuration):
        return False
    return not server.fragment and socket.reached is not None and server not in socket.reached


def served_on(servers: Iterable[VirtualServer]) -> tuple[str, ...]:
    """The titles of the TLS endpoints of servers, even if nginx cannot serve them."""
    found = (
        f"{server.title} on {socket.label}" for server in servers for socket in server.sockets if socket.speaks_tls
    )
    return tuple(dict.fromkeys(found))


def closes(server: VirtualServer) -> bool:
    """Whether the server closes every connection: `return 444` for every request."""
    own = server.first("return")
    if own is None and "return" in server.below and len(server.locations) == 1 and server.locations[0].pattern == "/":
        own = server.locations[0].scope.first("return")
    return own is not None and own.args[:1] == ("444",)


def is_catch_all(server: VirtualServer) -> bool:
    """Whether clients cannot request a name of the server: `_`, the empty name, or names that nginx never matches."""
    return all(name.form in ("empty", "invalid") or name.key == "_" for name in server.names)


def is_internal(server: VirtualServer) -> bool:
    """Whether the server has no public name."""
    return is_catch_all(server) or all(
        (name.form == "exact" and ("." not in name.key or LOCAL.search(name.key))) or name.form == "empty"
        for name in server.names
    )


def is_test_certificate(bundle: ServedBundle) -> bool:
    """Whether the certificate is a test certificate from a distribution or a tool."""
    leaf = bundle.leaf
    if SNAKEOIL_PATH.search(bundle.path):
        return leaf is None or leaf.self_issued
    return leaf is not None and bool(SNAKEOIL_ISSUER.search(f"{leaf.issuer}\n{leaf.subject}"))


def is_staging(leaf: Certificate) -> bool:
    """Whether the certificate is from the staging environment of an ACME CA."""
    return bool(STAGING.search(leaf.issuer))


def chain_of(bundle: ServedBundle) -> Chain | None:
    """The chain of a bundle; None if nginx does not load the file."""
    return bundle.chain if bundle.bundle is not None and bundle.bundle.loads else None


def faults(bundle: ServedBundle, *kinds: str) -> list[Reason]:
    """The faults of these kinds in a chain, without those that another fault explains: each cause is reported once."""
    chain = chain_of(bundle)
    if chain is None:
        return []
    found = [reason for reason in chain.reasons if reason.kind in kinds]
    return [reason for reason in found if not _explained(reason, bundle, chain)] if found else []


def _explained(reason: Reason, bundle: ServedBundle, chain: Chain) -> bool:
    """Whether another rule reports the cause of this fault."""
    kind, leaf = reason.kind, chain.leaf
    if chain.leaf_place:
        return kind != "wrong-order"
    if kind == "broken-chain":
        return not reason.fatal
    if kind in ISSUED_ELSEWHERE and (is_test_certificate(bundle) or is_staging(leaf)):
        return True
    if chain.reason("self-signed-certificate"):
        return kind in {"no-server-auth", "no-subject-alt-name", "missing-intermediate", "untrusted-root"}
    if kind == "no-server-auth" and reason.certificate == 0:
        # ca-certificate-as-leaf and missing-digital-signature report these.
        purposes = leaf.extended_key_usage
        return leaf.is_ca or purposes is None or bool({"serverAuth", "msSGC", "nsSGC"}.intersection(purposes))
    if kind == "unrelated-certificate":
        # The wrong intermediate is in the file instead of the right one.
        return chain.reason("broken-chain") is not None or chain.reason("missing-intermediate") is not None
    return False


# -- time --------------------------------------------------------------------------------------------------------------


def days(span: timedelta) -> str:
    """``106 days``, ``1 day``, ``5 hours``: a duration in words, rounded down."""
    if span >= timedelta(days=1):
        return f"{span.days} day{'s' if span.days != 1 else ''}"
    hours = int(span.total_seconds()) // 3600
    if hours:
        return f"{hours} hour{'s' if hours != 1 else ''}"
    minutes = int(span.total_seconds()) // 60
    return f"{minutes} minute{'s' if minutes != 1 else ''}"


def moment(when: datetime) -> str:
    """``2026-03-01``; with the time of day unless it is midnight, always in UTC."""
    return f"{when:%Y-%m-%d}" if (when.hour, when.minute) == (0, 0) else f"{when:%Y-%m-%d %H:%M} UTC"
