"""Rules that check endpoints against the chosen policy; without one they report nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.common.grouping import titles, where_missing

from nginxtls.finding import Confidence, Severity
from nginxtls.model.compliance import SETTINGS, judge, judge_upstream
from nginxtls.model.decides import live
from nginxtls.rule import NGINX_SSL, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Objection, Policy

_BASES = {
    "second-hand": "not verified against the policy's text: based on secondary sources",
    "memory": "not verified against the policy's text: recorded from memory",
    "interpretation": "the policy does not specify this: it is commonly interpreted so",
}


class _PolicyRule(Rule):
    """Base of the rules about a policy: its objections to some of its items, once per deciding directive."""

    items: ClassVar[frozenset[str]] = frozenset()
    advice: ClassVar[bool] = False

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for policy in configuration.facts.policies:
            yield from self._judge(policy, configuration)

    def _judge(self, policy: Policy, configuration: Configuration) -> Iterator[Finding]:
        found: dict[tuple[Directive | None, str], tuple[Objection, list[Endpoint]]] = {}
        for endpoint in live(configuration):
            for objection, place in judge(policy, endpoint, configuration).objections:
                if objection.item in self.items and objection.advice is self.advice:
                    found.setdefault((place, objection.message), (objection, []))[1].append(endpoint)
        for (origin, message), (objection, endpoints) in found.items():
            name = SETTINGS.get(objection.item, "ssl_certificate")
            place = origin or where_missing(configuration, endpoints, name)
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
    """The protocol versions are not those that the chosen policy allows or requires.

    Checked is what a client gets: the versions that the deciding server enables and OpenSSL serves.

    Fix: set `ssl_protocols` to the versions that the message names.

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
    """A suite for TLS 1.2 or earlier is offered that the chosen policy does not allow.

    The effective cipher string is expanded as OpenSSL does, and only suites that fit the certificate count; a subset of
    what the policy allows complies. If the policy does not allow TLS 1.2 at all, see `policy-protocols`.

    Fix: remove the suites that the message names.

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

    OpenSSL's default has exactly the three suites of Mozilla's lists; NIST and BSI do not allow ChaCha20.

    Fix: set `ssl_conf_command Ciphersuites` to the suites of the policy.

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
    """A group is offered that the chosen policy does not allow, or one that it requires is missing.

    The default server decides the groups. Without `ssl_ecdh_curve` they are the default of the given OpenSSL, or of the
    newest known version.

    Fix: set `ssl_ecdh_curve` to the groups of the policy.

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
    """The chosen policy does not allow the type or the size of the certificate's key.

    Reported only for certificates that could be read.

    Fix: create a key that the policy allows, and obtain a certificate for it.

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

    Reported only for certificates that could be read.

    Fix: obtain a certificate with a shorter lifetime, and renew it automatically (ACME).

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
    """Strict-Transport-Security is missing, or its `max-age` is shorter than the chosen policy requires.

    Not reported if a back end may send the header.

    Fix: `add_header Strict-Transport-Security "max-age=63072000" always;`

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
    """The Diffie-Hellman parameters are smaller than the chosen policy requires.

    Reported only if a suite with DHE can be negotiated.

    Fix: use larger parameters, or no suite with DHE.

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
    """The chosen policy requires stapling, and the certificate supports it, but it is disabled.

    Not reported if no certificate names a responder: nginx then has nothing to staple.

    Fix: `ssl_stapling on;`

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
    """Session tickets or early data are enabled, which the chosen policy does not allow.

    Most policies specify neither.

    Fix: `ssl_session_tickets off;`, `ssl_early_data off;`

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
    """The chosen policy requires the other order of suites: the server's or the client's.

    Mozilla's lists prefer the client's order, others the server's.

    Fix: set `ssl_prefer_server_ciphers` as the policy requires.

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
    """A suite is offered that the chosen policy discourages, but does not prohibit.

    Fix: remove the suites that the message names.

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

    Fix: set `proxy_ssl_protocols` to the versions of the policy. Record an upstream that needs an older version as an
    exception.

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
        for policy in configuration.facts.policies:
            seen = set()
            for upstream in configuration.upstreams:
                place = upstream.setting("protocols").origin or upstream.directive
                if place in seen:
                    continue
                seen.add(place)
                for objection in judge_upstream(policy, upstream)[0]:
                    yield self.at(
                        place,
                        f"{policy.name}: {objection.message}",
                        notes=(f"{policy.title}, {objection.clause} ({objection.date})",),
                        help=f"set `{upstream.directive_name('protocols')}"
                        f" {' '.join(policy.items['upstream_protocols']['allowed'])};`",
                    )
