"""Rules about client certificates: who asks for them, who checks them, and against which CAs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import Content, contents, derived, is_checked, titles, variables

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence, Label, Severity
from nginxtls.model import refusals
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.pki import Certificate
    from nginxtls.pki.crl import RevocationList
    from nginxtls.syntax.tree import Directive

VERIFY = f"{NGINX_SSL}#ssl_verify_client"
VARIABLES = f"{NGINX_SSL}#variables"
ASKS = ("on", "optional", "optional_no_ca")
IDENTITY = frozenset(
    "ssl_client_verify ssl_client_cert ssl_client_raw_cert ssl_client_escaped_cert ssl_client_fingerprint "
    "ssl_client_s_dn ssl_client_i_dn ssl_client_s_dn_legacy ssl_client_i_dn_legacy ssl_client_serial "
    "ssl_client_v_start ssl_client_v_end ssl_client_v_remain".split()
)
WHOLE = frozenset({"ssl_client_verify", "ssl_client_cert", "ssl_client_raw_cert", "ssl_client_escaped_cert"})
"""The variables from which the application can tell whether the chain is good."""


def _asking(configuration: Configuration, *values: str) -> list[VirtualServer]:
    """The servers that speak TLS and ask for client certificates in one of these ways."""
    return [
        server
        for server in configuration.servers
        if server.setting("ssl_verify_client").value in (values or ASKS)
        and server.setting("ssl_verify_client").known
        and (server.fragment or server.speaks_tls)
    ]


def _by_file(servers: Iterable[VirtualServer], *names: str) -> dict[Directive, list[VirtualServer]]:
    """Servers by the directive that names their file."""
    found: dict[Directive, list[VirtualServer]] = {}
    for server in servers:
        for name in names:
            origin = server.setting(name).origin
            if origin is not None and origin.args:
                found.setdefault(origin, []).append(server)
    return found


def _cas(configuration: Configuration, directive: Directive) -> tuple[Certificate, ...]:
    """The certificates of a CA file, none if it cannot be read."""
    bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
    return bundle.certificates if bundle else ()


def _crls(configuration: Configuration, directive: Directive) -> tuple[RevocationList, ...]:
    found = configuration.store.read_crl(directive)
    return found.lists if found else ()


def _short(name: str) -> str:
    """The common name of a distinguished name, else all of it."""
    found = re.search(r"(?:^|,)CN=((?:\\.|[^,\\])+)", name)
    return found[1] if found else name


class ClientVerificationWithoutCa(Rule):
    """Client certificates are demanded, but no file says which CAs they may come from, and nginx does not start.

    `ssl_verify_client on` and `optional` need `ssl_client_certificate`; from nginx 1.27.2 on `ssl_trusted_certificate`
    will do. `optional_no_ca` needs neither. Measured: `[emerg] no ssl_client_certificate for ssl_verify_client` up to
    1.26.3, `no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client` on 1.30.6. A server that has no
    certificate of its own is not looked at by nginx, and not by this rule.

    Mend: name the CA of the clients with `ssl_client_certificate`.

    ```nginx bad
    ssl_verify_client on;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx bad, nginx: 1.26.3
    ssl_verify_client on;
    ssl_trusted_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    references = (VERIFY, "https://nginx.org/en/CHANGES")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "client-ca" and refusal.message.startswith("no ssl_client_certificate"):
                old = "or ssl_trusted" not in refusal.message
                yield self.at(
                    refusal.directive,
                    "client certificates are verified against no CA, so nginx does not start",
                    notes=("ssl_trusted_certificate alone is enough only from nginx 1.27.2 on",) if old else (),
                    help="name the clients' CA: ssl_client_certificate FILE;",
                )


class ClientCaWithoutVerification(Rule):
    """A CA for client certificates is configured, but `ssl_verify_client` is off, so no client is ever asked for one.

    Whoever reads `ssl_client_certificate` believes that only holders of a certificate get in. The default of
    `ssl_verify_client` is `off`: everybody does.

    Mend: `ssl_verify_client on;`, or remove the CA.

    Silent as soon as one server that has the file from the same line asks for certificates, and where the directive
    that is missing may stand in a part of the configuration that was not seen.

    ```nginx bad
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_client_certificate certificates/client-ca.pem;
    ssl_verify_client on;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (306,)
    references = (VERIFY, f"{NGINX_SSL}#ssl_client_certificate")
    needs = ("ssl_client_certificate",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(configuration.servers, "ssl_client_certificate").items():
            settings = [server.setting("ssl_verify_client") for server in servers]
            if any(s.value in ASKS or not s.known or not s.certain for s in settings):
                continue
            speaking = [server for server in servers if server.speaks_tls]
            if not speaking:
                continue
            off = next((s.origin for s in settings if s.origin), None)
            yield self.at(
                directive,
                "no client is asked for a certificate: ssl_verify_client is off",
                label="this CA is never used",
                labels=[label(off, "switches it off")] if off else (),
                help="write ssl_verify_client on; or remove the CA",
                endpoints=titles(speaking),
            )


class UncheckedClientCertificate(Rule):
    """Client certificates are optional, and nothing looks at whether there was one.

    With `ssl_verify_client optional` a client without a certificate is served like any other (a bad certificate gets
    400); with `optional_no_ca` one with any certificate is, too. The result is in `$ssl_client_verify` (`SUCCESS`,
    `NONE` or `FAILED:…`) and does nothing by itself.

    Mend: refuse (`if ($ssl_client_verify != SUCCESS) { return 403; }`), or hand it to the back end
    (`proxy_set_header X-Client-Verify $ssl_client_verify;`), or write `ssl_verify_client on;`.

    What counts as a look: `if`, `map`, `set`, `try_files`, `rewrite`, a parameter or header for the back end, the
    target itself, and code that may do anything (`auth_request`, njs, Lua, Perl). Locations that only redirect, refuse
    or are internal need none. In mail nginx itself tells the authentication server.

    ```nginx bad
    ssl_verify_client optional;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client optional;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_set_header X-Client-Verify $ssl_client_verify;
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (287,)
    references = (VERIFY, VARIABLES)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[tuple[VirtualServer, list[Content], list[Content]]]] = {}
        for server, origin, checked, open_ in _optional(configuration):
            found.setdefault(origin, []).append((server, checked, open_))
        for origin, rows in found.items():
            if any(checked for _, checked, _ in rows):
                continue
            places = [content.place for _, _, open_ in rows for content in open_]
            if not places:
                continue
            yield self.at(
                origin,
                f"with ssl_verify_client {origin.args[0]} clients without a certificate are served: nothing checks"
                " $ssl_client_verify",
                label="asks, and nobody reads the answer",
                labels=[Label(label(p, "").location, "served to anybody") for p in places[:3] if p is not None],
                help="write ssl_verify_client on; or refuse where $ssl_client_verify is not SUCCESS",
                endpoints=titles(server for server, _, _ in rows),
            )


class ClientCheckGap(Rule):
    """The result of an optional client certificate is checked in some locations, and others pass requests on unchecked.

    An `if` belongs to its own location: neither its siblings nor the locations inside it have it. A header for the back
    end is dropped by a location with such a line of its own.

    Mend: check at server level, or in each location that needs it.

    What it does not see: that a location is public on purpose. Those that redirect, refuse or answer for themselves are
    not told, nor are ACME challenges and locations that serve files, except for `/`.

    ```nginx bad
    ssl_verify_client optional;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        if ($ssl_client_verify != SUCCESS) {
            return 403;
        }
        proxy_pass http://127.0.0.1:8080;
    }
    location /api/ {
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client optional;
    ssl_client_certificate certificates/client-ca.pem;
    if ($ssl_client_verify != SUCCESS) {
        return 403;
    }
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    location /api/ {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (862,)
    confidence = Confidence.LIKELY
    references = (VERIFY, "https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#if")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server, origin, checked, open_ in _optional(configuration):
            for content in open_ if checked else ():
                place = content.place
                if place is None or _public(content):
                    continue
                yield self.at(
                    place,
                    f"{content.title} is served without a look at $ssl_client_verify, which other places check",
                    labels=[label(origin, "a client need not have a certificate")],
                    help="check it here, too, or at server level",
                    endpoints=titles([server]),
                )


def _public(content: Content) -> bool:
    """Places that are open on purpose more often than not."""
    pattern = content.location.pattern if content.location else "/"
    if "acme-challenge" in pattern or "well-known" in pattern:
        return True
    return content.handler is None or content.handler.name == "return" if pattern != "/" else False


def _optional(
    configuration: Configuration,
) -> Iterator[tuple[VirtualServer, Directive, list[Content], list[Content]]]:
    """The servers whose client certificates are optional, with what they serve: checked and unchecked.

    A server of which something cannot be told is left out.
    """
    asking = [s for s in _asking(configuration, "optional", "optional_no_ca") if s.module != "mail" and not s.fragment]
    names = derived(configuration, IDENTITY) if asking else frozenset[str]()
    for server in asking:
        origin = server.setting("ssl_verify_client").origin
        verdicts = [(content, is_checked(content, names)) for content in contents(server)]
        if origin is None or any(verdict is None for _, verdict in verdicts) or not server.scope.certain:
            continue
        checked = [content for content, verdict in verdicts if verdict]
        yield server, origin, checked, [content for content, verdict in verdicts if not verdict]


class UncheckedClientChain(Rule):
    """With `optional_no_ca` only the name in a client certificate is looked at, and anybody can make one of that name.

    `optional_no_ca` accepts every certificate, self-signed ones included. What says whether the chain is good is
    `$ssl_client_verify`; a fingerprint is good by itself. A subject alone proves nothing.

    Mend: check `$ssl_client_verify` too, compare `$ssl_client_fingerprint`, or hand the whole certificate
    (`$ssl_client_escaped_cert`) to an application that verifies it.

    ```nginx bad
    ssl_verify_client optional_no_ca;
    location / {
        if ($ssl_client_s_dn != "CN=admin,O=Example") {
            return 403;
        }
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client optional_no_ca;
    location / {
        proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (295,)
    references = (VERIFY, VARIABLES)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        servers = _asking(configuration, "optional_no_ca")
        if not servers:
            return
        whole = derived(configuration, WHOLE | {"ssl_client_fingerprint"})
        for server, origin, checked, _ in _optional(configuration):
            if server not in servers:
                continue
            weak = [content for content in checked if is_checked(content, whole) is False]
            if weak and len(weak) == len(checked):
                place = weak[0].place
                yield self.at(
                    origin,
                    "any client certificate is accepted: only its name is checked, which anybody can write into one",
                    labels=[label(place, "served after a look at the name alone")] if place else (),
                    help="check $ssl_client_verify, too",
                    endpoints=titles([server]),
                )


class IneffectiveClientVerification(Rule):
    """`ssl_verify_client` stands in a server without a certificate of its own, where it asks no client for anything.

    Such a server has no TLS context: clients of its names get the whole TLS of the default server, which may not ask
    for certificates. With `on` every request is then refused with 400, with `optional` nobody can ever authenticate.
    Measured on nginx 1.18.0 to 1.30.6; `nginx -t` is silent, even where the CA is missing.

    Mend: give the server an `ssl_certificate` (the default server's will do, if it covers the names).

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name admin.example.com;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (287,)
    references = (VERIFY, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        verify = server.setting("ssl_verify_client")
        if server.has_tls_context or not server.scope.certain or verify.value not in ASKS or verify.origin is None:
            return
        if server.facts.completeness != "full":
            return
        for socket in server.sockets:
            default = socket.default
            if not socket.tls or default is server or not default.has_tls_context or default.directive is None:
                continue
            if default.setting("ssl_verify_client").value in ASKS:
                continue
            refused = " and every request gets 400" if verify.value == "on" else ""
            yield self.at(
                verify.origin,
                f"clients of {server.title} are asked for no certificate{refused}: the server has no"
                " ssl_certificate, so the default server's TLS holds",
                labels=[label(default.directive, f"decides the TLS of {server.title} on {socket.label}")],
                help="give the server an ssl_certificate",
                endpoints=titles([server]),
            )
            return


class OpenDefaultServer(Rule):
    """What a server keeps for holders of a client certificate, the default server of the same socket serves to anybody.

    A client without SNI, or with a name that no server has, gets the default server. If that one does not verify and
    has the same back end or folder, the certificate is no barrier.

    Mend: let the default server refuse (`ssl_reject_handshake on;`), or verify there, too.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (288,)
    references = ("https://nginx.org/en/docs/http/request_processing.html", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for socket in configuration.sockets:
            default = socket.default
            if not socket.tls or socket.is_loopback or default.rejects_handshake or default.directive is None:
                continue
            verify = default.setting("ssl_verify_client")
            if verify.value != "off" or not verify.certain or len(socket.servers) < 2:
                continue
            guarded = [s for s in socket.servers if s.setting("ssl_verify_client").value == "on" and s.has_tls_context]
            if not guarded:
                continue
            open_ = {content.target: content for content in contents(default) if content.target}
            shared = [(s, c) for s in guarded for c in contents(s) if c.target in open_ and not _public(c)]
            if not shared:
                continue
            server, content = shared[0]
            here, there = open_[content.target or ""].place, content.place
            labels = [label(here, "reached without a certificate")] if here else []
            labels += [label(there, "the same, behind a certificate")] if there else []
            yield self.at(
                default.directive,
                f"{_target(content.target)} is open to clients without a certificate on {socket.label}:"
                f" {default.title} is the default server and does not verify, {server.title} does",
                labels=labels,
                help="let the default server refuse: ssl_reject_handshake on;",
                endpoints=titles([default]),
            )


def _target(target: str | None) -> str:
    return (target or "").removeprefix("root ")


class ClientVerificationBypass(Rule):
    """What a server keeps for holders of a client certificate, the same server gives to anybody on a plain HTTP port.

    `ssl_verify_client` is looked at on TLS connections only. If the server also has `listen 80;`, requests there are
    answered without a certificate.

    Mend: a server of its own for port 80 that redirects.

    Silent where the plain listener is on a loopback address or the server redirects by `$scheme`, `$https` or
    `$server_port`.

    ```nginx bad
    listen 80;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    root /srv/www;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    root /srv/www;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (288, 319)
    references = (VERIFY, "https://nginx.org/en/docs/http/configuring_https_servers.html#single_http_https_server")
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        verify = server.setting("ssl_verify_client")
        if server.module != "http" or verify.value != "on" or not server.speaks_tls or server.ssl_on:
            return
        plain = [s for s in server.sockets if not s.tls and not s.is_loopback and not s.address.startswith("unix:")]
        if not plain or server.first("return") or not any(True for _ in contents(server)):
            return
        text = [" ".join(condition.directive.args) for condition in server.conditions]
        if any(variables(words) & {"scheme", "https", "server_port", "ssl_protocol"} for words in text):
            return
        listen = next((li for li in server.listens if li.directive and plain[0].port in li.ports), None)
        if listen is None or listen.directive is None or verify.origin is None:
            return
        yield self.at(
            listen.directive,
            f"{server.title} is served without a client certificate over plain HTTP on {plain[0].label}",
            labels=[label(verify.origin, "holds for TLS connections only")],
            help="move this listener to a server that redirects to https",
            endpoints=[f"{server.title} on {socket.label}" for socket in plain],
        )


class MixedClientVerification(Rule):
    """On one socket some servers verify client certificates and others do not.

    The barrier then hangs on the server name. nginx refuses (421) a request whose Host leads to a verifying server when
    SNI led to another, and from 1.26.3 and 1.27.4 on it does not resume sessions across. A socket of its own makes the
    barrier independent of both.

    Mend: give the verifying servers an address or port of their own.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 8443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (287,)
    pedantic = True
    references = ("https://www.cve.org/CVERecord?id=CVE-2025-23419", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            live = [server for server in socket.servers if not server.rejects_handshake]
            asking = [server for server in live if server.setting("ssl_verify_client").value in ASKS]
            open_ = [(server, server.setting("ssl_verify_client")) for server in live]
            others = [server for server, verify in open_ if verify.value == "off" and (verify.origin or verify.certain)]
            if not socket.tls or not asking or not others:
                continue
            origin = asking[0].setting("ssl_verify_client").origin
            if origin is not None and others[0].directive is not None:
                yield self.at(
                    origin,
                    f"not every server on {socket.label} verifies client certificates",
                    labels=[label(others[0].directive, "does not")],
                    help="give the servers that verify an address or port of their own",
                    endpoints=titles(asking),
                )


class ClientVerifyDepth(Rule):
    """`ssl_verify_depth` is too small for the clients' CAs: clients below the lowest of them are refused with 400.

    The depth counts the intermediates that may stand between the client's certificate and the root: with the default of
    1 a client below one intermediate gets in, one below two does not (measured, error 2).

    Mend: raise `ssl_verify_depth` to the number of intermediates.

    Judged by the longest path of issuers inside the CA file. What clients send themselves is not known.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-deep.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_client_certificate certificates/client-ca-deep.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (f"{NGINX_SSL}#ssl_verify_depth", "https://docs.openssl.org/3.5/man3/SSL_CTX_set_verify/")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_client_certificate").items():
            needed, lowest = _height(_cas(configuration, directive))
            for server in servers if lowest else ():
                depth = server.setting("ssl_verify_depth")
                if not depth.value.isdigit() or int(depth.value) >= needed or not depth.certain:
                    continue
                place = depth.origin or directive
                assert lowest is not None
                yield self.at(
                    place,
                    f"clients below {_short(lowest.subject)} are refused: {needed} intermediates stand between them and"
                    f" the root, ssl_verify_depth is {depth.value}{'' if depth.origin else ' by default'}",
                    labels=[label(directive, "has these CAs")] if depth.origin else (),
                    help=f"write ssl_verify_depth {needed};",
                    endpoints=titles([server]),
                )


def _height(certificates: tuple[Certificate, ...]) -> tuple[int, Certificate | None]:
    """The most intermediates on a path to a root within the file, and the CA at its lower end."""
    by_subject = {certificate.subject: certificate for certificate in certificates}
    best: tuple[int, Certificate | None] = (0, None)
    for certificate in certificates:
        height, current = 0, certificate
        while current.subject != current.issuer and height <= len(certificates):
            height += 1
            parent = by_subject.get(current.issuer)
            if parent is None:
                height = 0
                break
            current = parent
        if height > best[0] and certificate.is_ca:
            best = (height, certificate)
    return best


PUBLIC_FILES = pattern(
    r"(ca-certificates\.crt|ca-bundle(\.trust)?\.crt|tls-ca-bundle\.pem|certifi/cacert\.pem|/etc/ssl/cert\.pem"
    r"|/etc/ssl/ca-bundle\.pem|curl-ca-bundle\.crt|ISRG_?Root)",
    re.IGNORECASE,
)


class PublicClientCa(Rule):
    """The CA file for client certificates holds public CAs, so whoever has a certificate from one of them gets in.

    Public CAs give a certificate to everybody who owns any domain, and most of theirs were until 2026 good for client
    authentication, too. They prove that somebody owns some name, not that he may come in.

    Mend: name a CA of your own that signs nothing but your clients' certificates.

    A public CA is known by the file's name (a system's bundle) or because Mozilla's root store has it.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-public.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (295, 287)
    references = (VERIFY, f"{NGINX_SSL}#ssl_client_certificate")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        from nginxtls.pki.public import is_public_root

        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_client_certificate").items():
            if PUBLIC_FILES.search(directive.args[0]):
                who = "a public CA"
            else:
                public = [c for c in _cas(configuration, directive) if is_public_root(c)]
                if not public:
                    continue
                who = f"the public CA {_short(public[0].subject)}"
            yield self.at(
                directive,
                f"anybody with a certificate of {who} passes for a client",
                arg=0,
                help="name a CA of your own",
                endpoints=titles(servers),
            )


class OversizedClientCaList(Rule):
    """The names of all CAs in `ssl_client_certificate` do not fit into the handshake: every client is refused.

    nginx sends these names when it asks for a certificate, and TLS has room for 65,535 bytes of them. With more no
    handshake succeeds, whoever the client is; `nginx -t` is silent, and the error log says `internal error` (measured
    on nginx 1.18.0 and 1.30.6). It happens to files with all public CAs of the world and hundreds of others.

    Mend: name only the CAs that sign clients' certificates. What is needed to verify and not to be sent belongs into
    `ssl_trusted_certificate`.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-oversized.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_trusted_certificate certificates/client-ca-oversized.pem;
    ```
    """

    severity = Severity.ERROR
    needs = ("ssl_verify_client",)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-4.2.4", f"{NGINX_SSL}#ssl_client_certificate")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration), "ssl_client_certificate").items():
            names = {c.subject_dn.canonical: c.subject_der for c in _cas(configuration, directive)}
            # Each name comes with its length in two bytes.
            size = sum(len(name) + 2 for name in names.values())
            if size > MOST_NAMES:
                yield self.at(
                    directive,
                    f"every handshake fails: the names of {len(names)} CAs take {size} bytes, and {MOST_NAMES} fit",
                    arg=0,
                    help="name only the CAs of your clients; the others belong into ssl_trusted_certificate",
                    endpoints=titles(servers),
                )


MOST_NAMES = 65_535


class ExpiredClientCa(Rule):
    """All CAs for client certificates have expired or are not yet valid: every client is refused with 400.

    Mend: renew the CA (with the same key and name the clients' certificates stay good) and reload nginx.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-expired.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (298,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-6.1", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_client_certificate").items():
            certificates = _cas(configuration, directive)
            dead = [c for c in certificates if not c.not_before <= configuration.facts.at <= c.not_after]
            if dead and len(dead) == len(certificates):
                yield self.at(
                    directive,
                    f"every client is refused: {_validity(dead[0], configuration)}",
                    arg=0,
                    endpoints=titles(servers),
                )


class LeftoverClientCa(Rule):
    """One of several CAs for client certificates has expired: the clients below it are refused with 400.

    Mend: renew it, or remove it from the file.

    Silent if a valid CA of the same name is in the file.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-mixed.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.NOTE
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-6.1", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_client_certificate").items():
            certificates = _cas(configuration, directive)
            good = {c.subject for c in certificates if c.not_before <= configuration.facts.at <= c.not_after}
            dead = [c for c in certificates if c.subject not in good]
            if good and dead:
                yield self.at(
                    directive,
                    f"clients below it are refused: {_validity(dead[0], configuration)}",
                    arg=0,
                    help="renew it or remove it from the file",
                    endpoints=titles(servers),
                )


def _validity(certificate: Certificate, configuration: Configuration) -> str:
    who = f'the CA "{_short(certificate.subject)}"'
    if certificate.not_after < configuration.facts.at:
        return f"{who} expired {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    return f"{who} is valid only from {certificate.not_before:%Y-%m-%d %H:%M} UTC"


class ClientCaNotCa(Rule):
    """The CA file for client certificates holds a certificate that is no CA.

    A certificate without `CA:TRUE` signs nothing. A self-signed one lets in exactly the client that holds it, which may
    be meant, and is not told; any other does nothing: without the root above it OpenSSL takes it for no anchor.

    Mend: name the CA that signed the clients' certificates.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca-not-ca.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (295,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_client_certificate").items():
            wrong = [c for c in _cas(configuration, directive) if not c.is_ca and c.subject != c.issuer]
            if wrong:
                yield self.at(
                    directive,
                    f'"{_short(wrong[0].subject)}" is no CA, so no client certificate can come from it',
                    arg=0,
                    help="name the CA that signed the clients' certificates",
                    endpoints=titles(servers),
                )


class UnrevocableClientCertificates(Rule):
    """Client certificates are verified, but a revoked one still gets in: neither `ssl_crl` nor `ssl_ocsp` is set.

    Mend: `ssl_crl` with the lists of all CAs, or `ssl_ocsp on` (nginx 1.19.0); short-lived certificates need neither.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (299,)
    pedantic = True
    references = (f"{NGINX_SSL}#ssl_crl", f"{NGINX_SSL}#ssl_ocsp")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_verify_client").items():
            bare = [
                server
                for server in servers
                if all(server.setting(n).is_default and server.setting(n).certain for n in ("ssl_crl", "ssl_ocsp"))
            ]
            if bare:
                yield self.at(
                    directive,
                    "a revoked client certificate still gets in: neither ssl_crl nor ssl_ocsp is set",
                    endpoints=titles(bare),
                )


class StaleCrl(Rule):
    """A revocation list in `ssl_crl` is past its next update or from the future: every client of that CA is refused.

    OpenSSL treats an outdated list as a failed verification (measured, error 12), and one that begins later, too (error
    11); nginx answers 400. It reads the file when it starts and when it is reloaded, not when it changes.

    Mend: fetch the CA's current list and reload nginx, regularly.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl-stale.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (299,)
    references = ("https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5", f"{NGINX_SSL}#ssl_crl")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_crl").items():
            for crl in _crls(configuration, directive):
                when = None
                if crl.begins_later(configuration.facts.at):
                    when = f"begins {crl.this_update:%Y-%m-%d %H:%M} UTC"
                elif crl.next_update is not None and crl.stale(configuration.facts.at):
                    when = f"ended {crl.next_update:%Y-%m-%d %H:%M} UTC"
                if when:
                    yield self.at(
                        directive,
                        f'clients of "{crl.issuer_name}" are refused: its revocation list {when}',
                        arg=0,
                        help="fetch the current list and reload nginx",
                        endpoints=titles(servers),
                    )


class IncompleteCrl(Rule):
    """`ssl_crl` has no list of one of the clients' CAs: every client below that CA is refused with 400.

    With `ssl_crl` nginx has the whole path checked, the root's own list included (measured, error 3).

    Mend: append the list of each CA in the file, roots included.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl-other.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.ERROR
    security_severity = 4.3
    cwe = (299,)
    references = (f"{NGINX_SSL}#ssl_crl", "https://docs.openssl.org/3.5/man3/X509_VERIFY_PARAM_set_flags/")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in _by_file(_asking(configuration, "on", "optional"), "ssl_crl").items():
            lists = _crls(configuration, directive)
            ca_file = servers[0].setting("ssl_client_certificate").origin
            if not lists or ca_file is None or not ca_file.args:
                continue
            cas = [certificate for certificate in _cas(configuration, ca_file) if certificate.is_ca]
            lacking = [ca for ca in cas if all(crl.issued_by(ca) is False for crl in lists)]
            if lacking:
                yield self.at(
                    directive,
                    f'clients of "{_short(lacking[0].subject)}" are refused: there is no revocation list of that CA',
                    arg=0,
                    labels=[label(ca_file, "has this CA")],
                    help="append the CA's list",
                    endpoints=titles(servers),
                )


class RevocationWithoutVerification(Rule):
    """`ssl_crl` or `ssl_ocsp` is set where no client certificate is asked for, so it does nothing.

    Both are about client certificates. `nginx -t` is silent (measured).

    Mend: `ssl_verify_client on;`, or remove the line.

    ```nginx bad
    ssl_crl certificates/crl.pem;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ssl_crl certificates/crl.pem;
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 4.3
    references = (f"{NGINX_SSL}#ssl_crl", f"{NGINX_SSL}#ssl_ocsp")
    needs = ("ssl_crl", "ssl_ocsp")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for name in ("ssl_crl", "ssl_ocsp"):
            for directive, servers in _by_file(configuration.servers, name).items():
                settings = [server.setting("ssl_verify_client") for server in servers]
                if directive.args[0] == "off" or any(s.value != "off" or not s.certain for s in settings):
                    continue
                if any(server.setting("ssl_client_certificate").directives for server in servers):
                    continue  # client-ca-without-verification tells it
                speaking = [server for server in servers if server.speaks_tls]
                if speaking:
                    yield self.at(
                        directive,
                        f"{name} does nothing: no client is asked for a certificate",
                        help="write ssl_verify_client on; or remove it",
                        endpoints=titles(speaking),
                    )


class LostIdentityHeader(Rule):
    """A header with the client's identity is set at an outer level, and a location with a header of its own drops it.

    `proxy_set_header`, `grpc_set_header`, `fastcgi_param` and their like are inherited only by a level that has none of
    its own. In such a location the back end sees the header that the client itself sent: anybody can claim any
    identity.

    Mend: repeat the outer lines in the location.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    proxy_set_header X-Client-DN $ssl_client_s_dn;
    location / {
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    proxy_set_header X-Client-DN $ssl_client_s_dn;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (290,)
    references = ("https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header",)
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or server.setting("ssl_verify_client").value not in ASKS:
            return
        told: set[Directive] = set()
        for content in contents(server):
            name = _SETS.get(content.handler.name if content.handler else "")
            if name is None:
                continue
            level, inner = content.scope, content.scope.setting(name).directives
            while not level.own.get(name) and level.parent is not None:
                level = level.parent
            outer = level.parent.setting(name).directives if level.parent and level.own.get(name) else ()
            mine = {line.args[0].lower() for line in inner if line.args}
            lost = [
                line
                for line in outer
                if len(line.args) > 1
                and variables(" ".join(line.args[1:])) & IDENTITY
                and line.args[0].lower() not in mine
            ]
            if lost and inner and inner[0] not in told and level.certain:
                told.add(inner[0])
                yield self.at(
                    inner[0],
                    f"in {content.title} a client can forge {lost[0].args[0]}: this {name} drops the outer one",
                    label="a level with one of its own inherits none",
                    labels=[label(lost[0], "does not hold there")],
                    help=f"repeat it: {name} {lost[0].args[0]} {lost[0].args[1]};",
                    endpoints=titles([server]),
                )


_SETS = {"proxy_pass": "proxy_set_header", "grpc_pass": "grpc_set_header"}


class ClientCertificateInHeader(Rule):
    """`$ssl_client_cert` is sent to a back end, which may refuse or misread it: its line breaks are no legal header.

    nginx writes the PEM on several lines, each but the first beginning with a tab. RFC 9110 forbids such folding. The
    variable is deprecated since nginx 1.13.5.

    Mend: `$ssl_client_escaped_cert` (nginx 1.13.5), which the application decodes.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_set_header X-Client-Certificate $ssl_client_cert;
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    since = "nginx 1.13.5"
    directives = ("proxy_set_header", "grpc_set_header", "add_header")
    references = (VARIABLES, "https://www.rfc-editor.org/rfc/rfc9440")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        for index, argument in enumerate(directive.args[1:], 1):
            names = variables(argument)
            if configuration.facts.assumed_nginx.at_least(1, 13, 5) and names & {
                "ssl_client_cert",
                "ssl_client_raw_cert",
            }:
                which = "$ssl_client_cert" if "ssl_client_cert" in names else "$ssl_client_raw_cert"
                yield self.at(
                    directive,
                    f"{which} has line breaks, which no header may have",
                    arg=index,
                    help="use $ssl_client_escaped_cert",
                )


class LooseDnMatch(Rule):
    """A pattern on a client certificate's name is not anchored, so other names fit as well.

    `CN=admin` fits `CN=admin2`, `CN=not-admin`'s organisation `O=CN=admin`, and what else a CA may be talked into. The
    name is in RFC 2253 form, most specific part first: `CN=admin,OU=ops,O=Example`.

    Mend: anchor both ends: `"~^CN=admin,OU=ops,O=Example$"`, or compare the whole name with `=`.

    ```nginx bad
    location / {
        if ($ssl_client_s_dn !~ "CN=admin") {
            return 403;
        }
    }
    ```

    ```nginx good
    location / {
        if ($ssl_client_s_dn !~ "^CN=admin,OU=ops,O=Example$") {
            return 403;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (625,)
    directives = ("if", "map")
    references = (VARIABLES, "https://www.rfc-editor.org/rfc/rfc4514")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or not directive.args[0].startswith(("$ssl_client_s_dn", "$ssl_client_i_dn")):
            return
        if directive.name == "if":
            if len(directive.args) >= 3 and "~" in directive.args[1] and _loose(directive.args[2]):
                yield self._told(directive, directive.args[2], 2)
            return
        for line in directive.block or ():
            if line.name.startswith("~") and line.args and _loose(line.name.lstrip("~*")):
                yield self._told(line, line.name, None)

    def _told(self, directive: Directive, pattern: str, arg: int | None) -> Finding:
        return self.at(
            directive,
            f'"{pattern}" fits more names than meant: it is not anchored at both ends',
            arg=arg,
            help='write "^…$" with the whole name',
        )


def _loose(pattern: str) -> bool:
    """Names an attribute, and is open at one end."""
    if "=" not in pattern:
        return False
    starts = pattern.startswith(("^", "(^|,)", "(?:^|,)"))
    return not (starts and re.search(r"(?:\$|,|\)|\.\*)$", pattern))


class OldDnFormat(Rule):
    """A client certificate's name is compared with the slash form, which nginx has not used since 1.11.6.

    `$ssl_client_s_dn` is `CN=admin,O=Example` (RFC 2253) since then; `/O=Example/CN=admin` is in
    `$ssl_client_s_dn_legacy`. The comparison never fits: a rule that grants refuses, and one that refuses grants.

    Mend: write the name in the new form, or compare `$ssl_client_s_dn_legacy`.

    ```nginx bad
    location / {
        if ($ssl_client_s_dn != "/O=Example/CN=admin") {
            return 403;
        }
    }
    ```

    ```nginx good
    location / {
        if ($ssl_client_s_dn != "CN=admin,O=Example") {
            return 403;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (863,)
    since = "nginx 1.11.6"
    directives = ("if", "map")
    references = (VARIABLES, "https://nginx.org/en/CHANGES")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.assumed_nginx.at_least(1, 11, 6):
            return
        if directive.args[:1] not in (("$ssl_client_s_dn",), ("$ssl_client_i_dn",)):
            return
        if directive.name == "if":
            if len(directive.args) >= 3 and _slashed(directive.args[2]):
                yield self._told(directive, directive.args[2], 2)
            return
        for line in directive.block or ():
            if line.args and _slashed(line.name):
                yield self._told(line, line.name, None)

    def _told(self, directive: Directive, text: str, arg: int | None) -> Finding:
        return self.at(
            directive,
            f'no client certificate has the name "{text}": since nginx 1.11.6 names look like CN=admin,O=Example',
            arg=arg,
        )


def _slashed(text: str) -> bool:
    return bool(re.match(r"[~*^\\]*/[A-Za-z]+=", text))
