"""What a policy says of an endpoint: its objections with the directives that decide, and what could not be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.model import headers
from nginxtls.model.effective import VERSIONS, origin_of
from nginxtls.model.offered import legacy_suites, suites_by_version

if TYPE_CHECKING:
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.endpoints import Endpoint
    from nginxtls.model.settings import Setting
    from nginxtls.model.upstreams import Upstream
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Effective, Objection, Policy

HSTS = "Strict-Transport-Security"
_LEGACY = frozenset({"TLSv1", "TLSv1.1", "TLSv1.2"})

SETTINGS = {
    "protocols": "ssl_protocols",
    "suites": "ssl_ciphers",
    "ciphersuites": "ciphersuites",
    "groups": "ssl_ecdh_curve",
    "dhparam": "ssl_dhparam",
    "stapling": "ssl_stapling",
    "session_tickets": "ssl_session_tickets",
    "early_data": "ssl_early_data",
    "server_order": "ssl_prefer_server_ciphers",
}
"""The directives by the items of a policy that they set."""


class Judgement(NamedTuple):
    """What a policy says of an endpoint.

    ``objections`` come with the directive that decides, None for a default. ``unknown`` are the items that could not be
    compared, such as ``key`` where the certificate could not be read; of those there is no objection. ``serves``: false
    where no handshake succeeds, so that nothing can be violated.
    """

    objections: tuple[tuple[Objection, Directive | None], ...] = ()
    unknown: tuple[str, ...] = ()
    serves: bool = True

    @property
    def violated(self) -> tuple[str, ...]:
        """The items that the endpoint violates, in the order of the policy, without what is only discouraged."""
        return tuple(dict.fromkeys(objection.item for objection, _ in self.objections if not objection.advice))


def judge(policy: Policy, endpoint: Endpoint, configuration: Configuration) -> Judgement:
    """Compare an endpoint and the upstreams of its server with a policy."""
    return configuration.memo(
        ("judged", policy, endpoint.socket, endpoint.server), lambda: _judge(policy, endpoint, configuration)
    )


def _judge(policy: Policy, endpoint: Endpoint, configuration: Configuration) -> Judgement:
    if endpoint.server.rejects_handshake or endpoint.tls.refusal_at_hello:
        return Judgement(serves=False)
    effective, unknown = observed(endpoint)
    legacy = _LEGACY & set(policy.items.get("protocols", {}).get("allowed", _LEGACY))
    found: list[tuple[Objection, Directive | None]] = []
    for objection in policy.objections(effective):
        if objection.item == "suites" and not legacy:
            continue  # each suite belongs to a version that is objected to
        place, sure = _decides(objection.item, endpoint)
        if place is None and not sure:
            unknown.add(objection.item)
        else:
            found.append((objection, place))
    if "upstream_protocols" in policy.items:
        for upstream in _upstreams(configuration).get(endpoint.server.directive, ()):
            objections, known = judge_upstream(policy, upstream)
            place = upstream.setting("protocols").origin or upstream.directive
            found += ((objection, place) for objection in objections)
            if not known:
                unknown.add("upstream_protocols")
    return Judgement(tuple(found), tuple(item for item in policy.items if item in unknown))


def judge_upstream(policy: Policy, upstream: Upstream) -> tuple[list[Objection], bool]:
    """The objections to the protocols that nginx offers an upstream, and whether these are known."""
    from nginxtls.tls.policy_files import Effective

    protocols = upstream.setting("protocols")
    if not protocols.known or not (protocols.directives or protocols.certain):
        return [], False
    return policy.objections(Effective(upstream_protocols=protocols.values)), True


def _upstreams(configuration: Configuration) -> dict[Directive | None, list[Upstream]]:
    """The upstreams with TLS by the block of their server."""

    def by_server() -> dict[Directive | None, list[Upstream]]:
        found: dict[Directive | None, list[Upstream]] = {}
        for upstream in configuration.upstreams:
            found.setdefault(upstream.server.directive, []).append(upstream)
        return found

    return configuration.memo("upstreams by server", by_server)


def observed(endpoint: Endpoint) -> tuple[Effective, set[str]]:
    """What a client gets from an endpoint in the terms of policies, and the items of policies that are not known."""
    from nginxtls.tls.policy_files import Effective

    tls = endpoint.tls
    versions = suites_by_version(endpoint)
    protocols_known = tls.protocols.known and _sure(tls.protocols)
    legacy = legacy_suites(endpoint) if protocols_known and tls.ciphers.known and _sure(tls.ciphers) else None
    served = set(versions) if tls.facts.openssl_known else set(tls.enabled)
    groups_known = _sure(tls.setting("ssl_ecdh_curve"))
    order_known = _sure(tls.setting("ssl_prefer_server_ciphers"))
    leaves = [bundle.leaf for bundle in tls.bundles if bundle.leaf is not None]
    unread = len(leaves) < len(tls.bundles) or not tls.bundles
    responder = any(leaf.ocsp_responders for leaf in leaves)
    unread_dhparam = _is_unread(tls.setting("ssl_dhparam"), endpoint)
    dhe = any(suite.key_exchange == "DHE" for suite in legacy or ())
    age, age_known = _hsts_age(endpoint)
    unknown = {
        item
        for item, known in {
            "protocols": protocols_known,
            "suites": legacy is not None,
            "ciphersuites": protocols_known,
            "groups": groups_known,
            "dhparam": legacy is not None and not (dhe and unread_dhparam),
            "key": not unread,
            "lifetime": not unread,
            "hsts": age_known,
            "stapling": responder or not unread or tls.setting("ssl_stapling").enabled,
            "http_versions": all(socket.known for socket in endpoint.server.sockets),
            "server_order": legacy is not None and (order_known or not legacy),
        }.items()
        if not known
    }
    return Effective(
        protocols=[v for v in VERSIONS if v in served] if protocols_known else None,
        suites=legacy,
        ciphersuites=versions.get("TLSv1.3"),
        groups=tls.groups if tls.versions and groups_known else None,
        dhparam_bits=tls.dhparam_bits if dhe and not unread_dhparam else None,
        keys=[leaf.key for leaf in leaves],
        lifetime_days=max(((leaf.not_after - leaf.not_before).days for leaf in leaves), default=None),
        hsts_age=age,
        http_versions=_http_versions(endpoint),
        stapling=tls.setting("ssl_stapling").enabled if responder else None,
        session_tickets=tls.tickets and bool(tls.versions),
        early_data=tls.early_data,
        server_order=tls.server_order if legacy and order_known else None,
        protocols_explicit=bool(tls.protocols.directives) if _sure(tls.protocols) else None,
    ), unknown


def _http_versions(endpoint: Endpoint) -> tuple[str, ...] | None:
    """The versions of HTTP that clients of a server can use; None for a QUIC socket, or without HTTP."""
    socket, server = endpoint.socket, endpoint.server
    if socket.module != "http" or socket.quic:
        return None
    by_quic = any(other.quic for other in server.sockets) and server.setting("http3").value != "off"
    return ("HTTP/1.1", *(["HTTP/2"] if "h2" in endpoint.tls.alpn else []), *(["HTTP/3"] if by_quic else []))


def _is_unread(file: Setting, endpoint: Endpoint) -> bool:
    """Whether a setting names a file that could not be read."""
    return file.origin is not None and not endpoint.server.store.was_read(file.value)


def _sure(setting: Setting) -> bool:
    return bool(setting.directives) or setting.certain


def _hsts_age(endpoint: Endpoint) -> tuple[int | None, bool]:
    """max-age of the server's header in seconds, 0 if certainly none is sent; whether that is known.

    None where it is not known, and for a server without names or without HTTP, of which no policy requires the header.
    """
    server = endpoint.server
    if endpoint.socket.module != "http":
        return None, True
    found = headers.find(server.scope, HSTS)
    if found:
        parts = (part.strip().lower().partition("=") for part in found[0].value.split(";"))
        ages = [value.strip('" ') for name, _, value in parts if name.strip() == "max-age"]
        known = found[0].known and ages and ages[0].isdigit() and len(ages[0]) < 20
        return (int(ages[0]), True) if known else (None, False)
    if not any(name.is_host for name in server.names):
        return None, True
    # A back end may send the header.
    if not server.scope.certain or any(line.name.endswith("_pass") for line in server.walk()):
        return None, False
    return 0, True


def _decides(item: str, endpoint: Endpoint) -> tuple[Directive | None, bool]:
    """The directive that decides an item of a policy, or None, and whether its absence is certain."""
    tls = endpoint.tls
    if item == "http_versions":
        return endpoint.server.directive, True
    if item == "hsts":
        found = headers.find(endpoint.server.scope, HSTS)
        return (found[0].directive if found else endpoint.server.directive), True
    if item in ("key", "lifetime"):
        return next((bundle.directive for bundle in tls.bundles if bundle.leaf), None), False
    name = SETTINGS[item]
    server = tls.decided_by(name)
    directive = origin_of(server, name)
    if directive is None and item == "ciphersuites":
        return None, server.setting("ssl_conf_command").certain
    return directive, server.setting(name).certain
