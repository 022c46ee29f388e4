"""Rules about requests that miss the server with the client check: its name taken, or its connection shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import listed
from nginxtls.rules.common.serving import titles

from nginxtls.finding import Severity
from nginxtls.pki import covered, covering
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle, ServerName, Socket, VirtualServer

SanKey = tuple[str, str]
"""A name of a certificate, as ``covered`` gives it."""
VERIFY = f"{NGINX_SSL}#ssl_verify_client"


def _verifies(server: VirtualServer) -> bool:
    """Whether a server requests client certificates (any value makes nginx answer 421: ngx_http_set_virtual_server)."""
    return server.setting("ssl_verify_client").value in ("on", "optional", "optional_no_ca")


def _open(server: VirtualServer) -> bool:
    """Whether a server surely requests no client certificates."""
    setting = server.setting("ssl_verify_client")
    return setting.value in ("", "off") and setting.certain and not server.rejects_handshake


class UnreachedClientVerification(Rule):
    """A server requires client certificates for a name, but an earlier server without that check has the name.

    Of two servers with the same name on one socket nginx selects the first, and ignores the name in the second. The
    block with `ssl_verify_client` is never used for it, so everybody gets in.

    Clients: nobody is requested to present a certificate, and everyone gets the content of the earlier server.

    Fix: put the locations and `ssl_verify_client on` into one server, or use a name or port of its own for the check.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 8443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (306,)
    references = (VERIFY, "https://nginx.org/en/docs/http/request_processing.html")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if socket.module != "http" or not socket.speaks_tls or not socket.known:
                continue
            for server in socket.servers:
                verify = server.setting("ssl_verify_client")
                if verify.value != "on" or not verify.certain or verify.origin is None:
                    continue
                for name in server.names:
                    host = name.key if name.is_host else f"any.{name.key}" if name.form == "leading" else ""
                    owner = socket.names.find(host) if host else None
                    if owner is None or owner is server or not _open(owner) or name.directive is None:
                        continue
                    first = next((each for each in owner.names if (each.key, each.form) == (name.key, name.form)), None)
                    if first is None or (name.directive.branch or (first.directive and first.directive.branch)):
                        continue
                    yield self.at(
                        name.directive,
                        f"client certificates are never required for {name.text} on {socket.label}:"
                        " an earlier server without the check has the name",
                        arg=name.arg,
                        labels=[
                            *(
                                [label(first.directive, "answers, without a check", first.arg)]
                                if first.directive
                                else ()
                            ),
                            label(verify.origin, "not used for this name"),
                        ],
                        help="set `ssl_verify_client on;` in the earlier server, or use another name or port",
                        endpoints=[f"{owner.title} on {socket.label}"],
                    )


class CoalescedClientVerification(Rule):
    """Browsers can send requests for a server with a client check over the HTTP/2 connection to another server: 421.

    HTTP/2 and HTTP/3 clients reuse a connection for every name that its certificate covers and that has the same
    address. nginx then answers 421 (Misdirected Request) for a server with `ssl_verify_client`, as the client
    certificate was not requested (measured on 1.22.1 to 1.30.6). Browsers repeat such requests on a new connection,
    other clients may not.

    Clients: browsers repeat the request on a new connection, after a short delay; other HTTP/2 clients show `421
    Misdirected Request`.

    Fix: give the other server a certificate that does not cover the name, or the server with the check an address or
    port of its own.

    ```nginx bad
    http2 on;
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/wildcard.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name admin.example.com;
        ssl_certificate certificates/wildcard.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```

    ```nginx good
    http2 on;
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name admin.example.com;
        ssl_certificate certificates/wildcard.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.NOTE
    references = (
        VERIFY,
        "https://www.rfc-editor.org/rfc/rfc9113#section-9.1.1",
        "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20",
    )
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if socket.module != "http" or not socket.speaks_tls:
                continue
            checked: dict[VirtualServer, ServerName] = {}
            for server in filter(_verifies, socket.servers):
                names = (n for n in server.names if n.is_host and socket.names.find(n.key) is server)
                if (first := next(names, None)) is not None:
                    checked[server] = first
            wanted = {name for first in checked.values() for name in covering(first.key)}
            open_to = _open_by_certificate_name(socket, wanted) if wanted else {}
            for server, name in checked.items():
                verify = server.setting("ssl_verify_client")
                sharing = [*dict.fromkeys(each for key in covering(name.key) for each in open_to.get(key, ()))]
                certificate = sharing[0].setting("ssl_certificate").origin if sharing else None
                if certificate is None or verify.origin is None:
                    continue
                others = listed([each.title for each in sharing], 3)
                yield self.at(
                    verify.origin,
                    f"clients with an HTTP/2 connection to {others} can get 421 for {name.text}",
                    labels=[label(certificate, f"also covers {name.text}")],
                    help="use a certificate there that does not cover the name, or another address or port here",
                    endpoints=titles([server]),
                )


def _multiplexes(socket: Socket, server: VirtualServer) -> bool:
    """Whether a server speaks HTTP/2 or HTTP/3 on a socket."""
    switched_on = server.facts.assumed_nginx.at_least(1, 25, 1) and server.setting("http2").enabled
    return socket.quic or socket.http2 or switched_on


def _open_by_certificate_name(socket: Socket, wanted: set[SanKey]) -> dict[SanKey, list[VirtualServer]]:
    """The servers of a socket to which HTTP/2 and HTTP/3 connections are open, by those names of their certificates."""
    found: dict[SanKey, list[VirtualServer]] = {}
    names: dict[tuple[ServedBundle, ...], set[SanKey]] = {}
    for server in socket.servers:
        if not _open(server) or not _multiplexes(socket, server):
            continue
        bundles = server.bundles
        if bundles not in names:
            names[bundles] = wanted.intersection(n for bundle in bundles if bundle.leaf for n in covered(bundle.leaf))
        for name in names[bundles]:
            found.setdefault(name, []).append(server)
    return found
