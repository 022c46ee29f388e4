"""Rules about optional client certificates: whether the configuration checks the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import written
from nginxtls.rules.common.serving import Content, contents, derived, is_checked, titles
from nginxtls.rules.mtls.helpers import IDENTITY, VARIABLES, VERIFY, is_public, requesting

from nginxtls.finding import Confidence, Severity
from nginxtls.rule import Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive

WHOLE = frozenset({"ssl_client_verify", "ssl_client_cert", "ssl_client_raw_cert", "ssl_client_escaped_cert"})
"""The variables that show whether the chain is valid."""


class UncheckedClientCertificate(Rule):
    """Client certificates are optional, and nothing checks whether the client presented one.

    With `ssl_verify_client optional` a client without a certificate is served like any other (one with an invalid
    certificate gets 400). With `optional_no_ca` a client with any certificate is served as well. The result is in
    `$ssl_client_verify` (`SUCCESS`, `NONE` or `FAILED:…`) and has no effect by itself.

    Clients: browsers open their certificate dialog, and those who cancel it get the content all the same.

    Fix: reject the request (`if ($ssl_client_verify != SUCCESS) { return 403; }`), forward the result to the upstream
    server (`proxy_set_header X-Client-Verify $ssl_client_verify;`), or set `ssl_verify_client on;`.

    A check is any use of the result in `if`, `map`, `set`, `try_files`, `rewrite`, in a header or parameter for the
    upstream server or in its address, and any code that is not analyzed (`auth_request`, njs, Lua, Perl). Locations
    that only redirect or reject requests, and internal ones, need no check. In mail, nginx itself sends the result to
    the authentication server.

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
                f"clients without a certificate are served: `ssl_verify_client` is `{origin.args[0]}`, and nothing"
                " checks `$ssl_client_verify`",
                label="requests a certificate, but the result is never used",
                labels=[label(place, "served to any client") for place in places[:3] if place is not None],
                help="set `ssl_verify_client on;`, or return 403 where `$ssl_client_verify` is not `SUCCESS`",
                fix=written(origin, "on")
                if all(server.setting("ssl_client_certificate").directives for server, _, _ in rows)
                else None,
                endpoints=titles(server for server, _, _ in rows),
            )


class ClientCheckGap(Rule):
    """Some locations check the result of an optional client certificate, and others serve requests without a check.

    An `if` applies only to its own location, not to sibling or nested locations. A location with `proxy_set_header`
    lines of its own does not inherit the header that forwards the result.

    Clients: without a certificate, an error in some locations and the content in others.

    Fix: check the result at server level, or in each location that needs it.

    Limitations: whether a location is public on purpose is not known. Locations other than `/` that redirect, reject
    requests, return a fixed response or serve files are not reported, nor are ACME challenges.

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
                if place is None or is_public(content):
                    continue
                yield self.at(
                    place,
                    f"{content.title} is served without checking `$ssl_client_verify`, unlike other locations",
                    labels=[label(origin, "client certificates are optional")],
                    help="check `$ssl_client_verify` in this location or at server level",
                    endpoints=titles([server]),
                )


class UncheckedClientChain(Rule):
    """With `optional_no_ca` only the name in the client certificate is checked, and anyone can create a certificate
    with that name.

    `optional_no_ca` accepts every certificate, including self-signed ones. `$ssl_client_verify` contains the result of
    verifying the chain. A fingerprint identifies a certificate by itself; a subject alone proves nothing.

    Clients: no difference for legitimate clients. Anyone who makes a certificate with the right name is let in.

    Fix: check `$ssl_client_verify` as well, compare `$ssl_client_fingerprint`, or forward the whole certificate
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
        servers = requesting(configuration, "optional_no_ca")
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
                    "self-signed client certificates are accepted: only the name is checked, not the chain",
                    labels=[label(place, "served after a check of the name alone")] if place else (),
                    help="check `$ssl_client_verify` as well",
                    endpoints=titles([server]),
                )


def _optional(
    configuration: Configuration,
) -> Iterator[tuple[VirtualServer, Directive, list[Content], list[Content]]]:
    """The servers whose client certificates are optional, with the content that is served checked and unchecked.

    Servers with content for which this is unknown are skipped.
    """
    servers = requesting(configuration, "optional", "optional_no_ca")
    servers = [server for server in servers if server.module != "mail" and not server.fragment]
    names = derived(configuration, IDENTITY) if servers else frozenset[str]()
    for server in servers:
        origin = server.setting("ssl_verify_client").origin
        verdicts = [(content, is_checked(content, names)) for content in contents(server)]
        if origin is None or any(verdict is None for _, verdict in verdicts) or not server.scope.certain:
            continue
        checked = [content for content, verdict in verdicts if verdict]
        yield server, origin, checked, [content for content, verdict in verdicts if not verdict]
