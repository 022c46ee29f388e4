"""Rules that check endpoints against the chosen policy; without one they report nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from nginxtls.rules.common.edits import added, after, beside, quoted, removal, set_for, written
from nginxtls.rules.common.grouping import OPENSSL_111, titles, where_missing

from nginxtls.finding import Confidence, Severity
from nginxtls.model import headers
from nginxtls.model.compliance import SETTINGS, judge, judge_upstream
from nginxtls.model.decides import live
from nginxtls.model.effective import VERSIONS
from nginxtls.rule import NGINX_SSL, Fix, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.model.effective import EffectiveTLS
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Objection, Policy

HSTS = "Strict-Transport-Security"
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
                fix=_fix(policy, objection, origin, endpoints, configuration),
                endpoints=titles(endpoints),
                confidence=Confidence.CERTAIN if objection.basis == "text" else Confidence.LIKELY,
            )


class PolicyProtocols(_PolicyRule):
    """The protocol versions are not those that the chosen policy allows or requires.

    Checked is what a client gets: the versions that the deciding server enables and OpenSSL serves.

    Clients: a client may negotiate a version that the policy prohibits, or one that requires a missing version is
    refused; the message says which.

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

    Clients: a client may negotiate a suite that the policy prohibits. Once it is removed, clients that have no other
    are refused: `nginxtls clients` names them.

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

    Clients: a client with TLS 1.3 may negotiate a suite that the policy prohibits. Every such client must have
    TLS_AES_128_GCM_SHA256, so a policy that keeps it locks nobody out.

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

    Clients: a client may negotiate a group outside of the policy, or miss one that it needs; the message says which.

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

    Clients: no difference as long as the key is of a common type; an audit against the policy fails.

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

    Clients: no difference. If the key is stolen, the certificate can be misused for longer than the policy permits.

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

    Clients: no error. For longer than the policy permits, `http://` links are followed in plain text.

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

    Clients: clients that choose DHE get parameters below the policy's size; all others notice nothing.

    Fix: use larger parameters, or no suite with DHE.

    ```nginx bad, policy: bsi-tr-02102-2, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
    ssl_ciphers DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, policy: bsi-tr-02102-2, certificate: good-rsa.pem
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_dhparam certificates/dh2048-ffdhe.pem;
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

    Clients: no error. Clients that check revocation ask the CA's responder themselves, which takes time and shows the
    CA who visits.

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
    """Session tickets or early data are enabled against the chosen policy, or tickets are disabled that it requires.

    Most policies specify neither.

    Clients: no visible difference, except that without tickets returning clients may need a full handshake.

    Fix: `ssl_session_tickets off;`, `ssl_early_data off;`; or remove `ssl_session_tickets off;`

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


class PolicyHttpVersions(_PolicyRule):
    """Clients of the server cannot use a version of HTTP that the chosen policy requires.

    HTTP/3 is offered where the server has a `listen … quic`, HTTP/2 by `http2 on;`.

    Clients: no error; browsers use an older version of HTTP.

    Fix: enable the versions that the message names. Clients find HTTP/3 by `Alt-Svc`.

    ```nginx bad, policy: cis-nginx
    server {
        listen 443 ssl;
        server_name example.com;
    }
    ```

    ```nginx good, policy: cis-nginx
    server {
        listen 443 ssl;
        listen 443 quic;
        http2 on;
        server_name example.com;
    }
    ```
    """

    severity = Severity.NOTE
    references = (
        "https://www.cisecurity.org/benchmark/nginx",
        "https://nginx.org/en/docs/http/ngx_http_v3_module.html",
    )
    items = frozenset({"http_versions"})


class PolicyServerPreference(_PolicyRule):
    """The chosen policy requires the other order of suites: the server's or the client's.

    Mozilla's lists prefer the client's order, others the server's.

    Clients: no error; another of the common suites is negotiated than with the order that the policy requires.

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

    Clients: no difference; a client may negotiate the discouraged suite. An audit against the policy lists it.

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

    Clients: no difference for visitors; the connection from nginx to the back end may use a version that the policy
    prohibits.

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
                        fix=beside(
                            place,
                            upstream.directive_name("protocols"),
                            *policy.items["upstream_protocols"]["allowed"],
                        ),
                    )


# -- what brings a server to the policy --------------------------------------------------------------------------------


def _fix(
    policy: Policy,
    objection: Objection,
    origin: Directive | None,
    endpoints: list[Endpoint],
    configuration: Configuration,
) -> Fix | None:
    """The edit after which the policy no longer objects; None if it is not an edit of the configuration."""
    item, endpoint = objection.item, endpoints[0]
    rule = policy.items[item]
    if item == "hsts":
        return _hsts_fix(origin, endpoint, rule["minimum_age"])
    if item == "dhparam":
        return removal(origin) if origin is not None else None
    value = _value(item, objection, rule, endpoint)
    if not value:
        return None
    name = SETTINGS[item]
    if item == "ciphersuites":
        return _ciphersuites_fix(origin, endpoint, value)
    if origin is None:
        return set_for(configuration, endpoints, name, *value)
    if origin.name == name:
        return written(origin, *value)
    if origin.name == "ssl_conf_command" and item in ("suites", "groups"):
        return written(origin, origin.arg_text(0), *value)
    return None


def _value(item: str, objection: Objection, rule: Mapping[str, Any], endpoint: Endpoint) -> list[str]:
    """The arguments of the directive for an item; none if there is no such line."""
    tls = endpoint.tls
    if item == "protocols":
        versions = tls.enabled & set(rule["allowed"]) or set(rule["allowed"])
        return [v for v in VERSIONS if v in versions | set(rule.get("required", ()))]
    if item in ("suites", "ciphersuites"):
        offered = [s.name for s in (tls.evaluation.suites if item == "suites" else tls.ciphersuites)]
        allowed = rule.get("allowed", offered)
        kept = [name for name in offered if name not in objection.names and (objection.advice or name in allowed)]
        return [quoted(":".join(kept or [name for name in allowed if name not in objection.names]))]
    if item == "groups":
        return _groups(objection, rule, tls)
    if item in ("session_tickets", "early_data"):
        return ["off"]
    if item == "stapling":
        return ["on"]
    if item == "server_order":
        return ["on" if rule["wanted"] else "off"]
    return []


def _groups(objection: Objection, rule: Mapping[str, Any], tls: EffectiveTLS) -> list[str]:
    """The groups that are offered and allowed, after one that is required if that is what is missing.

    If OpenSSL is not known, those that every version accepts.
    """
    from nginxtls.tls import evaluate_groups

    openssl = tls.openssl if tls.facts.openssl_known else OPENSSL_111

    def known(names: Iterable[str]) -> list[str]:
        found = (evaluate_groups(_spelling(name), openssl).groups for name in names)
        return list(dict.fromkeys(_spelling(groups[0].name) for groups in found if len(groups) == 1))

    offered, allowed = known(group.name for group in tls.groups), known(rule["allowed"])
    if {group.name for group in tls.groups} & set(objection.names):
        names = [name for name in offered if name in allowed] or allowed
    else:
        wanted = known(objection.names)[:1]
        names = wanted + [name for name in offered if name in allowed and name not in wanted] if wanted else []
    return [":".join(names)] if names else []


def _spelling(name: str) -> str:
    """The name that OpenSSL 1.1.1 knows, too."""
    return "prime256v1" if name == "secp256r1" else name


def _ciphersuites_fix(origin: Directive | None, endpoint: Endpoint, value: list[str]) -> Fix | None:
    if origin is not None:
        return written(origin, origin.arg_text(0), *value)
    server = endpoint.tls.decided_by("ciphersuites")
    if server.facts.nginx is None or not server.facts.nginx.at_least(1, 19, 4):
        return None  # an older one does not start with the directive
    text = f"ssl_conf_command Ciphersuites {value[0]};"
    # A level with a command of its own inherits none.
    given = server.setting("ssl_conf_command").origin
    if given is not None:
        return Fix(f"add `{text}`", (after(given, text),))
    return added(server.directive, text) if server.directive is not None else None


def _hsts_fix(origin: Directive | None, endpoint: Endpoint, age: int) -> Fix | None:
    if origin is None:
        return None
    if origin.name == "add_header":
        value = re.sub(r"(?i)max-age=\d+", f"max-age={age}", origin.args[1])
        return written(origin, origin.arg_text(0), quoted(value), *origin.args[2:])
    # A block with a header of its own inherits none.
    given = headers.headers(endpoint.server.scope)
    text = f'add_header {HSTS} "max-age={age}" always;'
    return Fix(f"add `{text}`", (after(given[-1].directive, text),)) if given else added(origin, text)
