"""Rules about `listen` directives: which ports speak TLS, and with which certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import without_words
from nginxtls.rules.common.listening import selects_by_name
from nginxtls.rules.common.serving import titles
from nginxtls.rules.virtual_servers.helpers import HTTPS, LISTEN, REJECT

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.model import refusals
from nginxtls.rule import Fix, Rule, label, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Listen, Socket
    from nginxtls.syntax.tree import Directive


class TlsListenerWithoutCertificate(Rule):
    """A TLS listener has no certificate: neither the server nor an outer level has `ssl_certificate`.

    nginx does not start if the default server of a TLS socket has no certificate (measured: `[emerg] no
    "ssl_certificate" is defined for the "listen ... ssl" directive`). If the default server has `ssl_reject_handshake
    on`, every other server of the socket needs one.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: set `ssl_certificate` and `ssl_certificate_key`, or `ssl_reject_handshake on;` (nginx 1.19.4) in a server that
    is meant to reject clients.

    ```nginx bad, certificate: none
    server {
        listen 443 ssl;
        server_name example.com;
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
    }
    ```
    """

    severity = Severity.ERROR
    references = (REJECT, f"{HTTPS}#single_http_https_server")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        servers = {server.directive: server for server in reversed(configuration.servers)}
        for refusal in refusals(configuration):
            if refusal.category == "certificate" and refusal.message.startswith('no "ssl_certificate" is defined'):
                server = servers.get(refusal.directive)
                name = server.title if server else "this server"
                yield self.at(
                    refusal.directive,
                    f"{name} has a TLS listener and no certificate: nginx does not start",
                    help="set `ssl_certificate` and `ssl_certificate_key`"
                    + (", or `ssl_reject_handshake on;`" if server is None or server.module != "mail" else ""),
                    endpoints=titles([server]) if server else (),
                )


class PlainHttpOnTlsPort(Rule):
    """Port 443 is served in plain HTTP: no `listen` directive of the socket has `ssl`.

    A browser that opens `https://` gets an error, and with `http://…:443` everyone on the network can read the traffic.
    Certificates in such a server are loaded and never used.

    Clients: browsers that open `https://` show ERR_SSL_PROTOCOL_ERROR or SSL_ERROR_RX_RECORD_TOO_LONG, curl reports
    `wrong version number`.

    Fix: `listen 443 ssl;`.

    Not reported with `proxy_protocol` and on loopback addresses (TLS may end before nginx), in `stream`, and with the
    old `ssl on;`. In a file of servers without its `nginx.conf`, reported only if a certificate shows that TLS is
    intended.

    ```nginx bad
    server {
        listen 443;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (319,)
    references = (LISTEN, HTTPS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if socket.module != "http" or socket.port != 443 or socket.tls or socket.datagram:
                continue
            if socket.is_loopback or socket.proxy_protocol or not _all_seen(socket):
                continue
            if any(server.setting("ssl").directives for server in socket.servers):
                continue  # reported by deprecated-ssl-directive or removed-ssl-directive
            whole = configuration.completeness == "full"
            if not whole and not any(server.first("ssl_certificate") for server in socket.servers):
                continue
            server, listen = socket.listens[0]
            if listen.directive is not None:
                yield self.at(
                    listen.directive,
                    f"{server.title} is served in plain HTTP on {socket.label}",
                    arg=0,
                    help=_with_tls(socket),
                    fix=_add_ssl(listen) if socket.default.has_tls_context else None,
                    endpoints=[f"{each.title} on {socket.label}" for each in socket.servers],
                    confidence=Confidence.CERTAIN if whole else Confidence.LIKELY,
                )


def _with_tls(socket: Socket) -> str:
    """What makes the socket speak TLS; without a certificate nginx would not start with ``ssl`` alone."""
    if socket.default.has_tls_context:
        return "set `listen 443 ssl;`"
    return "set `listen 443 ssl;` with `ssl_certificate` and `ssl_certificate_key`"


class TlsOnHttpPort(Rule):
    """Port 80 speaks TLS: a browser that opens `http://` gets 400 instead of a page or a redirect.

    Clients: browsers that open `http://` see `400 The plain HTTP request was sent to HTTPS port`.

    Fix: remove `ssl` from the `listen` directive, or use port 443.

    ```nginx bad
    listen 80 ssl;
    ```

    ```nginx good
    listen 80;
    ```
    """

    severity = Severity.WARNING
    references = (LISTEN, f"{HTTPS}#single_http_https_server")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if socket.module != "http" or socket.port != 80 or not socket.tls or socket.datagram:
                continue
            listen = next((li for _, li in socket.listens if li.has("ssl") and li.directive), None)
            if listen is not None and listen.directive is not None:
                yield self.at(
                    listen.directive,
                    f"{socket.label} speaks TLS, so requests with http:// get 400",
                    arg=listen.argument("ssl"),
                    help="remove `ssl`",
                    fix=_without_ssl(socket),
                    endpoints=[f"{server.title} on {socket.label}" for server in socket.servers],
                )


class MixedSslFlags(Rule):
    """A `listen` directive without `ssl` shares its socket with one that has it, so this server speaks TLS as well.

    nginx combines the parameters of all `listen` directives with the same address and port (measured, all generations).
    Plain HTTP requests to that port get 400, and a server without a certificate of its own responds with that of
    another.

    Clients: `http://` requests to the port get `400 The plain HTTP request was sent to HTTPS port`.

    Fix: add `ssl` to every `listen` directive of the socket, or use another port. The parameter changes nothing for
    clients.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
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
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    references = (LISTEN,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[Directive] = set()  # a line with a range of ports is on each of their sockets
        for socket in configuration.sockets:
            if not socket.tls or socket.datagram or not selects_by_name(socket):
                continue
            flagged = next((listen.directive for _, listen in socket.listens if listen.has("ssl")), None)
            for server, listen in socket.listens:
                if listen.has("ssl") or listen.directive is None or flagged is None or not listen.directive.known:
                    continue
                if server.setting("ssl").directives or listen.directive in seen:
                    continue
                seen.add(listen.directive)
                fix = _add_ssl(listen)
                yield self.at(
                    listen.directive,
                    f"{server.title} speaks TLS on {socket.label}, although its `listen` has no `ssl`",
                    labels=[label(flagged, "enables TLS for every server on the socket")],
                    help="add `ssl`",
                    fix=Fix(fix.title, fix.edits, safe=True),
                    endpoints=titles([server]),
                )


def _all_seen(socket: Socket) -> bool:
    """Whether all `listen` directives of the servers on a socket are known."""
    return all(server.scope.certain or server.facts.completeness != "full" for server in socket.servers) and all(
        listen.directive is None or (listen.directive.known and not server.scope.is_conditional(listen.directive))
        for server, listen in socket.listens
    )


def _add_ssl(listen: Listen) -> Fix:
    """The edit that appends ``ssl`` to a `listen` directive."""
    directive = listen.directive
    assert directive is not None
    last = len(directive.args) - 1
    return Fix("add ssl", (Edit(locate(directive, last), f"{directive.arg_text(last)} ssl"),))


def _without_ssl(socket: Socket) -> Fix:
    """The fix that removes ``ssl`` from every `listen` directive of a socket."""
    lines = dict.fromkeys(li.directive for _, li in socket.listens if li.has("ssl") and li.directive)
    edits = (without_words(d, [i for i, arg in enumerate(d.args) if arg == "ssl"]) for d in lines if d is not None)
    return Fix("remove `ssl`", tuple(edits))
