"""Rules that judge endpoints by the policy that the user has chosen; without one they are silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.grouping import legacy_suites, live, suites_by_version, titles, where_missing

from nginxtls.finding import Confidence, Severity
from nginxtls.model import headers
from nginxtls.model.endpoints import VERSIONS, origin_of
from nginxtls.rule import NGINX_SSL, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, Setting
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Effective, Objection, Policy

HSTS = "Strict-Transport-Security"
_LEGACY = frozenset({"TLSv1", "TLSv1.1", "TLSv1.2"})
_BASES = {
    "second-hand": "the policy's text was not at hand: this is what others write of it",
    "memory": "the policy's text was not at hand: this is from memory",
    "interpretation": "the policy leaves this open: it is how it is commonly read",
}


class _PolicyRule(Rule):
    """Common to the rules about a policy: what it objects to in some of its items, once per deciding directive."""

    items: ClassVar[frozenset[str]] = frozenset()
    advice: ClassVar[bool] = False

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for policy in configuration.policies:
            yield from self._judge(policy, configuration)

    def _judge(self, policy: Policy, configuration: Configuration) -> Iterator[Finding]:
        legacy = _LEGACY & set(policy.items.get("protocols", {}).get("allowed", _LEGACY))
        found: dict[tuple[Directive | None, str], tuple[Objection, list[Endpoint]]] = {}
        for endpoint in live(configuration):
            if endpoint.tls.refusal_at_hello:
                continue
            for objection in policy.objections(effective(endpoint)):
                if objection.item not in self.items or objection.advice is not self.advice:
                    continue
                if objection.item == "suites" and not legacy:
                    continue  # its protocols are objected to: that says it
                place, sure = _decides(objection.item, endpoint)
                if place is not None or sure:
                    found.setdefault((place, objection.message), (objection, []))[1].append(endpoint)
        for (origin, message), (objection, endpoints) in found.items():
            place = origin or where_missing(configuration, endpoints)
            if place is None:
                continue
            notes = [f"{policy.title}, {objection.clause} ({objection.date})"]
            notes += [_BASES[objection.basis]] if objection.basis in _BASES else []
            yield self.at(
                place,
                f"{policy.name}: {message}",
                notes=notes,
                endpoints=titles(endpoints),
                confidence=Confidence.CERTAIN if objection.basis == "text" else Confidence.LIKELY,
            )


class PolicyProtocols(_PolicyRule):
    """The protocol versions are not those that the chosen policy allows or demands.

    What counts is what a client gets: the versions that the deciding server switches on and OpenSSL serves.

    Mend: `ssl_protocols` as the note says.

    ```nginx bad, policy: mozilla-modern
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, policy: mozilla-modern
    ssl_protocols TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    cwe = (327,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"protocols"})


class PolicyCiphers(_PolicyRule):
    """A suite for TLS 1.2 or before is offered that the chosen policy does not allow.

    The cipher string in force is expanded as OpenSSL does, and only what fits the certificate counts; a part of what
    the policy allows is fine. Where the policy allows no TLS 1.2 at all, `policy-protocols` says it.

    Mend: remove the suites that are named.

    ```nginx bad, policy: mozilla-intermediate
    ssl_ciphers ECDHE+AESGCM:ECDHE-ECDSA-AES128-SHA256;
    ```

    ```nginx good, policy: mozilla-intermediate
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM:ECDHE-ECDSA-AES128-SHA256;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    cwe = (327,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"suites"})


class PolicyCiphersuites(_PolicyRule):
    """A TLS 1.3 suite is offered that the chosen policy does not allow.

    OpenSSL's default has exactly the three suites of Mozilla's lists; NIST and BSI allow no ChaCha20.

    Mend: `ssl_conf_command Ciphersuites` with the suites of the policy.

    ```nginx bad, policy: bsi-tr-02102-2
    server_tokens off;
    ```

    ```nginx good, policy: bsi-tr-02102-2
    ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256;
    ```

    ```nginx good
    server_tokens off;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (327,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"ciphersuites"})


class PolicyGroups(_PolicyRule):
    """A group is offered that the chosen policy does not allow, or one that it demands is missing.

    The groups are the default server's. Without `ssl_ecdh_curve` they are those of the OpenSSL that was given, or of
    the newest that is known.

    Mend: `ssl_ecdh_curve` with the groups of the policy.

    ```nginx bad, policy: mozilla-intermediate
    ssl_ecdh_curve secp521r1:X25519;
    ```

    ```nginx good, policy: mozilla-intermediate
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ```

    ```nginx good
    ssl_ecdh_curve secp521r1:X25519;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (327,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"groups"})


class PolicyKey(_PolicyRule):
    """The certificate's key is not of a kind or size that the chosen policy allows.

    Told of certificates that could be read.

    Mend: a new key and certificate.

    ```nginx bad, policy: mozilla-modern, certificate: good-rsa.pem
    ssl_protocols TLSv1.3;
    ```

    ```nginx good, policy: mozilla-modern
    ssl_protocols TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (326,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"key"})


class PolicyLifetime(_PolicyRule):
    """The certificate is valid for longer than the chosen policy allows.

    Told of certificates that could be read.

    Mend: a certificate of a shorter life, renewed by ACME.

    ```nginx bad, policy: mozilla-intermediate, certificate: too-long-lived.pem
    ssl_protocols TLSv1.3;
    ```

    ```nginx good, policy: mozilla-intermediate
    ssl_protocols TLSv1.3;
    ```

    ```nginx good, certificate: too-long-lived.pem
    ssl_protocols TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"lifetime"})


class PolicyHsts(_PolicyRule):
    """Strict-Transport-Security is missing, or holds for less than the chosen policy demands.

    Silent where a back end may send the header.

    Mend: `add_header Strict-Transport-Security "max-age=63072000" always;`

    ```nginx bad, policy: mozilla-intermediate
    add_header Strict-Transport-Security "max-age=31536000" always;
    ```

    ```nginx good, policy: mozilla-intermediate
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=31536000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (319,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"hsts"})


class PolicyDhparam(_PolicyRule):
    """The Diffie-Hellman parameters are smaller than the chosen policy demands.

    Told where a suite with DHE can be negotiated.

    Mend: larger parameters, or no suite with DHE.

    ```nginx bad, policy: bsi-tr-02102-2, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ssl_ciphers DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, policy: bsi-tr-02102-2, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048.pem;
    ssl_ciphers DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326,)
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"dhparam"})


class PolicyStapling(_PolicyRule):
    """The chosen policy demands stapling, and the certificate would allow it, but it is off.

    Silent where no certificate names a responder: then nothing can be stapled, whatever a policy says.

    Mend: `ssl_stapling on;`

    ```nginx bad, policy: mozilla-intermediate, certificate: with-ocsp.pem
    ssl_stapling off;
    ```

    ```nginx good, policy: mozilla-intermediate, certificate: with-ocsp.pem
    ssl_stapling on;
    resolver 127.0.0.1;
    ```

    ```nginx good, certificate: with-ocsp.pem
    ssl_stapling off;
    ```
    """

    severity = Severity.NOTE
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"stapling"})


class PolicyTickets(_PolicyRule):
    """Session tickets or early data are on, against the chosen policy.

    Most policies say nothing of either.

    Mend: `ssl_session_tickets off;`, `ssl_early_data off;`

    ```nginx bad, policy: cis-nginx-2.1
    ssl_session_tickets on;
    ssl_early_data on;
    ```

    ```nginx good, policy: cis-nginx-2.1
    ssl_session_tickets off;
    ssl_early_data off;
    ```

    ```nginx good
    ssl_session_tickets on;
    ssl_early_data on;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"session_tickets", "early_data"})


class PolicyServerPreference(_PolicyRule):
    """Whose order of suites decides is not what the chosen policy wants.

    Mozilla's lists want the client's order, others the server's.

    Mend: `ssl_prefer_server_ciphers` as the policy has it.

    ```nginx bad, policy: mozilla-intermediate
    ssl_prefer_server_ciphers on;
    ```

    ```nginx good, policy: mozilla-intermediate
    ssl_prefer_server_ciphers off;
    ```

    ```nginx good
    ssl_prefer_server_ciphers on;
    ```
    """

    severity = Severity.NOTE
    references = ("https://wiki.mozilla.org/Security/Server_Side_TLS", NGINX_SSL)
    items = frozenset({"server_order"})


class PolicyAdvice(_PolicyRule):
    """Something is offered that the chosen policy discourages, but does not exclude.

    Mend: as the note says.

    ```nginx bad, policy: nist-800-52r2, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384;
    ```

    ```nginx good, policy: nist-800-52r2, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;
    ```
    """

    severity = Severity.NOTE
    references = ("https://www.rfc-editor.org/rfc/rfc9325", NGINX_SSL)
    items = frozenset({"suites", "ciphersuites"})
    advice = True


class PolicyUpstreamProtocols(Rule):
    """nginx offers an upstream a protocol version that the chosen policy does not allow.

    Mend: `proxy_ssl_protocols` as the policy has it. An upstream that needs an older version is an exception to record.

    ```nginx bad, policy: cis-nginx
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```

    ```nginx good, policy: cis-nginx
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (327,)
    confidence = Confidence.LIKELY
    references = ("https://www.cisecurity.org/benchmark/nginx", NGINX_SSL)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.tls.policy_files import Effective

        for policy in configuration.policies:
            seen = set()
            for upstream in configuration.upstreams:
                protocols = upstream.setting("protocols")
                place = protocols.origin or upstream.directive
                if place in seen or not protocols.known or not (protocols.directives or protocols.certain):
                    continue
                seen.add(place)
                for objection in policy.objections(Effective(upstream_protocols=protocols.values)):
                    yield self.at(
                        place,
                        f"{policy.name}: {objection.message}",
                        notes=(f"{policy.title}, {objection.clause} ({objection.date})",),
                        help=f"write {upstream.directive_name('protocols')}"
                        f" {' '.join(policy.items['upstream_protocols']['allowed'])};",
                    )


# -- what a server does ------------------------------------------------------------------------------------------------


def effective(endpoint: Endpoint) -> Effective:
    """What a client meets at an endpoint, as far as it is known, in the words that policies are written in."""
    from nginxtls.tls.policy_files import Effective

    tls = endpoint.tls
    versions = suites_by_version(endpoint)
    ciphers_known = tls.ciphers.known and _sure(tls.ciphers)
    legacy = legacy_suites(endpoint) if ciphers_known and _sure(tls.protocols) and tls.protocols.known else None
    served = set(versions) if tls.configuration.openssl_known else set(tls.enabled)
    leaves = [bundle.leaf for bundle in tls.bundles if bundle.leaf is not None]
    dhe = any(suite.key_exchange == "DHE" for suite in legacy or ())
    return Effective(
        protocols=[v for v in VERSIONS if v in served] if tls.protocols.known and _sure(tls.protocols) else None,
        suites=legacy,
        ciphersuites=versions.get("TLSv1.3"),
        groups=tls.groups if tls.versions and _sure(tls.setting("ssl_ecdh_curve")) else None,
        dhparam_bits=tls.dhparam_bits if dhe else None,
        keys=[leaf.key for leaf in leaves],
        lifetime_days=max(((leaf.not_after - leaf.not_before).days for leaf in leaves), default=None),
        hsts_age=_hsts_age(endpoint),
        stapling=tls.setting("ssl_stapling").enabled if any(leaf.ocsp_responders for leaf in leaves) else None,
        session_tickets=tls.tickets and bool(tls.versions),
        early_data=tls.early_data,
        server_order=tls.server_order if legacy and _sure(tls.setting("ssl_prefer_server_ciphers")) else None,
        protocols_explicit=bool(tls.protocols.directives) if _sure(tls.protocols) else None,
    )


def _sure(setting: Setting) -> bool:
    return bool(setting.directives) or setting.certain


def _hsts_age(endpoint: Endpoint) -> int | None:
    """max-age of the server's header; 0 if surely none is sent; None where it is not known."""
    server = endpoint.server
    if endpoint.socket.kind != "http":
        return None
    found = headers.find(server.scope, HSTS)
    if found:
        parts = (part.strip().lower().partition("=") for part in found[0].value.split(";"))
        ages = [value.strip('" ') for name, _, value in parts if name.strip() == "max-age"]
        known = found[0].known and ages and ages[0].isdigit() and len(ages[0]) < 20
        return int(ages[0]) if known else None
    names = [name for name in server.names if name.is_host]
    # A back end may send the header.
    if not names or not server.scope.certain or any(line.name.endswith("_pass") for line in server.walk()):
        return None
    return 0


_SETTINGS = {
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


def _decides(item: str, endpoint: Endpoint) -> tuple[Directive | None, bool]:
    """The directive that decides an item of a policy, or None and whether its absence is sure."""
    tls = endpoint.tls
    if item == "hsts":
        found = headers.find(endpoint.server.scope, HSTS)
        return (found[0].directive if found else endpoint.server.directive), True
    if item in ("key", "lifetime"):
        return next((bundle.directive for bundle in tls.bundles if bundle.leaf), None), False
    name = _SETTINGS[item]
    server = tls.decided_by(name)
    directive = origin_of(server, name)
    if directive is None and item == "ciphersuites":
        return None, server.setting("ssl_conf_command").certain
    return directive, server.setting(name).certain
