"""What is seen compared with what is predicted, in the words of ``handshake``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.live import offers
from nginxtls.live.offers import GROUPS
from nginxtls.live.served import leaf_of, read
from nginxtls.live.visits import alpn_of
from nginxtls.model import headers
from nginxtls.model.handshakes import group_name, key_text
from nginxtls.model.names import valid_host
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer as answer_to
from nginxtls.model.requests import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.live.flights import Flight
    from nginxtls.live.responses import Response
    from nginxtls.live.visits import Seen
    from nginxtls.model import Configuration, EffectiveTLS, Handshake, ServedBundle, Socket
    from nginxtls.model.requests import Answer
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

HEADERS = ("Strict-Transport-Security", "Alt-Svc")
_ELSEWHERE = ("error_page", "auth_request", "random_index", "js_content", "content_by_lua_block", "content_by_lua_file")
"""Directives by which a response may come from a location that is not modelled."""
_FILTERS = ("more_set_headers", "more_clear_headers", "header_filter_by_lua", "js_header_filter", "perl", "js_content")
"""Directives of other modules that change headers."""
_PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass")


_SHOWN = 200
"""So many characters of a header's value are shown."""


class Difference(NamedTuple):
    """A part of the answer that is another one than predicted.

    ``rule`` is the name of its rule, ``part`` that of the part in ``Handshake.origins``. For a certificate, ``served``
    and ``bundle`` are what clients get and what they should.
    """

    rule: str
    message: str
    part: str = ""
    notes: tuple[str, ...] = ()
    served: Certificate | None = None
    chain: tuple[bytes, ...] = ()
    bundle: ServedBundle | None = None
    directive: Directive | None = None


def differences(answer: Handshake, seen: Seen, at: datetime, *, full: bool) -> list[Difference]:
    """The differences between a prediction and what was seen; certificates are judged by the time ``at``."""
    if answer.accepts != bool(seen.versions):
        return [] if answer.accepts and loaded_late(answer) else [_accepts(answer, seen)]
    live = answer.effective
    if not answer.accepts or live is None:
        return []
    found = [*_certificates(live, seen)]
    if full:
        found += _protocols(live, seen)
        found += _suites(live, seen)
        found += _groups(live, seen)
        found += _client_certificate(live, seen)
        found += _tickets(live, seen)
        found += _alpn(answer, live, seen)
        found += _stapling(answer, live, seen, at)
        if seen.response is not None and seen.response.status:
            found += _headers(answer, seen.response)
    return found


def loaded_late(answer: Handshake) -> str:
    """The certificate with variables that is not known here: nginx looks for it in each handshake; empty without one.

    If there is no such file, nginx starts and rejects every handshake.
    """
    live = answer.effective
    bundles = live.bundles if live else ()
    return next((each.path for each in bundles if each.leaf is None and "$" in each.path + each.key_path), "")


def _accepts(answer: Handshake, seen: Seen) -> Difference:
    if answer.accepts:
        live = answer.effective
        newest = live.versions[-1] if live and live.versions else ""
        flight = seen.flights.get(newest) or next(iter(seen.flights.values()))
        return Difference(
            "rejected-handshake",
            f"the running server rejects every handshake ({flight.refusal}), the configuration accepts them",
            "certificates",
        )
    leaf = next((leaf for flight in seen.accepted if (leaf := leaf_of(flight))), None)
    notes = (f"served: {described(leaf)}",) if leaf else ()
    return Difference(
        "accepted-handshake",
        f"the running server accepts handshakes, the configuration does not: {answer.refusal}",
        "certificates",
        notes,
        served=leaf,
    )


def _protocols(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    if set(seen.versions) != set(live.versions):
        served, configured = ", ".join(seen.versions), ", ".join(live.versions)
        yield Difference(
            "other-protocols", f"the running server accepts {served}, the configuration {configured}", "protocols"
        )


def _suites(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    for key, flight in seen.flights.items():
        predicted = [suite.name for suite in live.suites.get(flight.version or flight.offer.version, ())]
        if key not in (*seen.versions, "modern", "old") or not predicted:
            continue
        part = "ciphers TLSv1.3" if flight.offer.version == "TLSv1.3" else "ciphers"
        if key in seen.versions:
            if flight.suite_name not in predicted and flight.version in live.versions:
                message = f"the running server selects {flight.suite_name}, which the configuration does not enable"
                yield Difference("other-suites", message, part)
            continue
        offered = [offers.by_number()[number].name for number in flight.offer.suites]
        expected = {
            next((name for name in offered if name in predicted), ""),
            next((name for name in predicted if name in offered), ""),
        }
        if flight.offer.version != "TLSv1.3" and live.server_order:
            expected = {next((name for name in predicted if name in offered), "")}
        elif flight.offer.version != "TLSv1.3":
            expected = {next((name for name in offered if name in predicted), "")}
        got = flight.suite_name if flight.accepted else ""
        if got not in expected:
            client = {"modern": "a modern client", "old": "an old client"}[key]
            wanted = " or ".join(sorted(name or "no suite" for name in expected))
            yield Difference(
                "other-suites",
                f"{client} gets {got or 'no suite'} in {flight.offer.version}, the configuration selects {wanted}",
                part,
            )


def _groups(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    if seen.groups is None or set(seen.versions) != set(live.versions):
        return  # of another version there are other groups
    predicted = [name for name in map(group_name, live.groups) if name in GROUPS]
    if set(predicted) != seen.groups.served:
        served = " ".join(name for name in GROUPS if name in seen.groups.served) or "none"
        configured = " ".join(predicted) or "none"
        message = f"groups: {served} in the running server, {configured} in the configuration"
        yield Difference("other-groups", message, "groups")


# -- certificates ------------------------------------------------------------------------------------------------------


def _certificates(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    if not live.certificates_known or not live.served_bundles:
        return
    bundles = {bundle.leaf.key.kind: bundle for bundle in live.served_bundles if bundle.leaf}
    expected = {_chain(bundle) for bundle in live.bundles}
    chains: dict[str, dict[tuple[bytes, ...], None]] = {}
    missing = []
    for key, flight in seen.flights.items():
        if flight.accepted and flight.certificates:
            leaf = read(flight.certificates[0])
            chains.setdefault(leaf.key.kind if leaf else "", {})[tuple(flight.certificates)] = None
        elif not flight.accepted and key in bundles:
            missing.append(bundles[key])
    consistent = True
    for kind, several in chains.items():
        wanted = bundles.get(kind) or next(iter(bundles.values()))
        others = [chain for chain in several if chain not in expected]
        consistent = consistent and len(several) == 1 and not others
        if len(several) > 1:
            leaves = [leaf for chain in several if (leaf := read(chain[0]))]
            yield Difference(
                "inconsistent-answers",
                f'clients get {len(several)} different certificates for "{leaves[0].subject_name if leaves else "?"}", '
                "by connection",
                "certificates",
                tuple(f"served: {described(leaf)}" for leaf in leaves),
                bundle=wanted,
                directive=wanted.directive,
            )
        elif others:
            leaf = read(others[0][0])
            yield Difference("other-certificate", "", "certificates", served=leaf, chain=others[0], bundle=wanted)
    for bundle in missing if consistent else ():
        assert bundle.leaf is not None
        message = f"clients that accept only {key_text(bundle.leaf.key)} get no handshake from the running server"
        yield Difference("other-certificate", message, "certificates", bundle=bundle, directive=bundle.directive)


def _chain(bundle: ServedBundle) -> tuple[bytes, ...]:
    return tuple(each.der for each in bundle.bundle.certificates) if bundle.bundle else ()


def described(leaf: Certificate) -> str:
    """``CN=shop.example.com, EC prime256v1, valid until 2026-12-05, SHA-256 3a…``."""
    return f"{leaf.subject}, {key_text(leaf.key)}, valid until {leaf.not_after:%Y-%m-%d}, SHA-256 {leaf.sha256}"


def _client_certificate(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    flights = [flight for flight in seen.accepted if flight.complete and flight.certificates]
    if not flights:
        return
    requested = any(flight.requests_certificate for flight in flights)
    if requested != (live.client_certificate != "none"):
        served = "requested" if requested else "none"
        yield Difference(
            "other-client-certificate",
            f"client certificate: {served} by the running server, {live.client_certificate} by the configuration",
            "client_certificate",
        )
        return
    names = _authorities(live)
    if not requested or names is None:
        return
    served_names = set(next(flight.authorities for flight in flights if flight.requests_certificate))
    if served_names != names:
        yield Difference(
            "other-client-certificate",
            f"the running server lists {len(served_names)} CAs for client certificates, the configuration {len(names)}"
            + ("" if len(served_names) != len(names) else ", of other names"),
            "client_certificate",
            directive=live.setting("ssl_client_certificate").origin,
        )


def _authorities(live: EffectiveTLS) -> set[bytes] | None:
    """The names of the CAs that the server sends; None if they are not known."""
    setting = live.setting("ssl_client_certificate")
    if not setting.known or not live.verify_client.known:
        return None
    if setting.origin is None or not setting.value or live.verify_client.value == "off":
        return set()  # where OpenSSL's VerifyMode alone requests a certificate, nginx reads no file of CAs
    bundle, _ = live.store.read_bundle(setting.value, setting.origin)
    return {each.subject_der for each in bundle.certificates} if bundle else None


# -- the rest ----------------------------------------------------------------------------------------------------------


def _tickets(live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    for version, configured in (("TLSv1.2", live.tickets), ("TLSv1.3", live.encrypted_tickets)):
        flight = seen.flights.get(version)
        if flight is not None and flight.accepted and flight.ticket not in (configured, None):
            words = ("on", "off") if flight.ticket else ("off", "on")
            message = f"session tickets in {version}: {words[0]} in the running server, {words[1]} in the configuration"
            yield Difference("other-session-tickets", message, "session_tickets")
            return


def _alpn(answer: Handshake, live: EffectiveTLS, seen: Seen) -> Iterator[Difference]:
    flights = [flight for flight in seen.accepted if flight.certificates and flight.offer.alpn]
    offered = alpn_of(answer)
    expected = next((word for word in live.alpn if word in offered), "")
    if seen.without_alpn:
        got: str | None = "nothing"
    else:
        got = next((flight.alpn for flight in flights if flight.alpn != expected), None)
    if got is not None and offered:
        yield Difference(
            "other-alpn",
            f"ALPN selects {got or 'nothing'} in the running server, {expected or 'nothing'} by the configuration",
        )


def _stapling(answer: Handshake, live: EffectiveTLS, seen: Seen, at: datetime) -> Iterator[Difference]:
    staples = [(flight, flight.staple) for flight in seen.accepted if flight.staple]
    if not live.certificates_known:
        pass  # whether the certificate names a responder is not known
    elif not staples:
        complete = [flight for flight in seen.accepted if flight.complete and flight.certificates]
        if answer.stapling and complete:
            yield Difference(
                "no-stapled-response",
                "clients receive no stapled OCSP response, which the configuration allows",
                "stapling",
                notes=("nginx fetches a response after the first handshake, and again when it expires",),
            )
        return
    elif not answer.stapling:
        yield Difference(
            "other-stapling", "the running server staples an OCSP response, the configuration does not", "stapling"
        )
    for flight, staple in staples:
        problem = _stale(flight, staple, at)
        if problem:
            yield Difference("stale-stapled-response", problem, "stapling")
            return


def _stale(flight: Flight, staple: bytes, at: datetime) -> str:
    """What is wrong with a stapled response; empty if nothing is."""
    from nginxtls.pki import Response, read_ocsp

    response = read_ocsp(staple)
    if not isinstance(response, Response):
        return "the stapled OCSP response cannot be read"
    if response.error:
        return f"the stapled OCSP response is an error: {response.error}"
    leaf = leaf_of(flight)
    issuer = read(flight.certificates[1]) if len(flight.certificates) > 1 else None
    if not response.decoded or leaf is None:
        return ""
    mine = [each for each in response.answers if each.is_for(leaf, issuer)]
    if not mine:
        return "the stapled OCSP response is for another certificate"
    if mine[0].status == "revoked":
        return "the stapled OCSP response says that the certificate is revoked"
    if mine[0].next_update is not None and mine[0].next_update < at:
        return f"the stapled OCSP response expired on {mine[0].next_update:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _headers(answer: Handshake, response: Response) -> Iterator[Difference]:
    """The headers of ``HEAD /``, where the configuration alone decides them."""
    server, socket = answer.server, answer.socket
    assert server is not None
    assert socket is not None
    if any(word.startswith(_FILTERS) for word in answer.configuration.mentions):
        return
    name = valid_host(answer.servername or "") or ""
    answers = _answers(answer.configuration, socket, Request("https", name, socket.port, "/"))
    if not answers or any(str(response.status) != (found.status or "200") for found in answers):
        return
    first = answers[0]
    passes = first.directive is None and any(first.scope.setting(line).directives for line in _PASSES)
    for header in HEADERS:
        values = [_value(answer.configuration, found, header, response.status) for found in answers]
        if None in values or len(set(values)) > 1 or (passes and not values[0]):
            continue
        expected = values[0] or None
        served = [value for key, value in response.headers if key.lower() == header.lower()]
        if expected != next(iter(served), None) and not (passes and expected in served):
            lines = headers.find(first.scope, header)
            yield Difference(
                "other-header",
                f"{header}: {next(iter(served), 'not sent')[:_SHOWN]} by the running server, "
                f"{expected or 'not sent'} by the configuration",
                directive=lines[0].directive if lines else None,
            )


def _value(configuration: Configuration, found: Answer, header: str, status: int) -> str | None:
    """The value of a header in an answer, empty if it is not sent; None if that is not known."""
    lines = headers.find(found.scope, header)
    if found.scope.may_have("add_header") or any(not line.directive.known for line in lines):
        return None
    if str(status) not in headers.STATUSES:
        lines = tuple(line for line in lines if line.always)
    values = [expanded(configuration, found.server, found.request, line.value) for line in lines]
    return None if None in values else next((value for value in values if value), "")


def _answers(configuration: Configuration, socket: Socket, request: Request) -> list[Answer]:
    """The answers that a request may get: of static content also those of the files it ends in; none if not known."""
    found = answer_to(configuration, socket, request)
    if found is None:
        return []
    scope = found.scope
    if found.directive is not None:
        return [found]
    if any(scope.setting(name).directives for name in _ELSEWHERE):
        return []
    if any(scope.setting(name).directives for name in _PASSES):
        return [found]
    index = scope.setting("index").values or ("index.html",)
    tried = scope.setting("try_files").values
    files = [f"{request.path}{name}" for name in index if not name.startswith("/")]
    files += [name for name in (*index, *tried[-1:]) if name.startswith("/")]
    if any("$" in name for name in files) or (tried and not tried[-1].startswith(("/", "$uri", "="))):
        return []
    others = [answer_to(configuration, socket, request._replace(path=path.partition("?")[0])) for path in files]
    known = [other for other in others if other is not None and other.directive is None and not other.status]
    return [found, *known] if len(known) == len(others) else []
