"""Rules about listen sockets: what one line decides for all servers of the socket, and what a client reaches there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import after, make_default, with_word
from nginxtls.rules.common.families import lost_names
from nginxtls.rules.common.grouping import default_is_sure, listed
from nginxtls.rules.common.listening import all_lines_sure, selects_by_name

from nginxtls.finding import Confidence, Severity
from nginxtls.model.listens import WILDCARD4, WILDCARD6, is_ip
from nginxtls.model.sockets import bind_conflicts
from nginxtls.rule import Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Listen, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
STREAM_LISTEN = "https://nginx.org/en/docs/stream/ngx_stream_core_module.html#listen"
REQUESTS = "https://nginx.org/en/docs/http/request_processing.html"
REJECT = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_reject_handshake"
RFC6066 = "https://www.rfc-editor.org/rfc/rfc6066#section-3"


def _place(socket: Socket) -> Directive | None:
    """The first listen line of a socket that is there under all conditions, or the server to which nginx adds one."""
    for server, listen in socket.listens:
        place = listen.directive or server.directive
        if place is not None and not server.scope.is_conditional(place):
            return place
    return None


class AddressAlreadyInUse(Rule):
    """Two listen sockets of this configuration have the same address and port, so nginx does not start.

    Within `http` all `listen` lines of an address share a socket. `stream` and `mail` open sockets of their own,
    and the kernel refuses the second one: `bind() to 0.0.0.0:443 failed (98: Address already in use)`. The wildcard
    address conflicts with every address of its port (on Linux), and `[::]` with `ipv6only=off` also conflicts with
    IPv4.
    `nginx -t` does not report it (measured, all generations). With `reuseport` on both lines nginx starts, and the
    kernel gives each connection to either of the two.

    Clients: connection refused once nginx is restarted, although `nginx -t` passes. With `reuseport` on both lines,
    each connection gets either of the two listeners.

    Fix: use another port for one of them. To route by name, let `stream` listen on 443 with `ssl_preread`, and
    `http` on a local port or a unix socket.

    ```nginx bad
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_pass 192.0.2.10:443;
        }
    }
    http {
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_pass 127.0.0.1:8443;
        }
    }
    http {
        server {
            listen 127.0.0.1:8443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = (LISTEN, STREAM_LISTEN)
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for first, second, shared in bind_conflicts(configuration.sockets):
            here, there = _place(second), _place(first)
            if here is None or there is None or (shared and first.address != second.address):
                continue
            if shared:
                text = f"connections to {second.label} reach {second.module} or {first.module} at random"
            else:
                text = f"nginx does not start: {second.module} cannot bind {second.label}"
                text += f" beside {first.label}" if first.label != second.label else f", which {first.module} has bound"
            yield self.at(
                here,
                text,
                arg=0 if here.name == "listen" else None,
                labels=[label(there, f"{first.module} listens on {first.label}")],
                notes=() if shared else ("nginx -t reports no error for this",),
                help=f"use another port for {second.module}",
                endpoints=[f"{server.title} on {second.label}" for server in second.servers],
            )


def _without(socket: Socket, parameter: str) -> tuple[tuple[VirtualServer, Listen] | None, list[VirtualServer]]:
    """The first line with a parameter, and the servers that have no line with it on this socket and accept clients."""
    having = {server for server, listen in socket.listens if listen.has(parameter)}
    first = next(((server, listen) for server, listen in socket.listens if listen.has(parameter)), None)
    others = (server for server in socket.servers if server not in having and not server.rejects_handshake)
    return first, [server for server in others if socket.listen_of(server)]


class ProxyProtocolOnSharedSocket(Rule):
    """`proxy_protocol` on one `listen` line applies to every server of the socket, and other lines do not mention it.

    A client that connects directly sends a ClientHello where nginx expects a PROXY header, and nginx closes the
    connection (measured: `broken header`). The parameter belongs to the address and port, whichever server writes it.

    Clients: those that connect directly get a closed connection during the handshake (ERR_CONNECTION_RESET, `curl:
    (35)`); those by way of the load balancer connect.

    Fix: add `proxy_protocol` to every `listen` line of the socket if all connections come from a load balancer,
    else use another port for the servers behind it.

    Silent on loopback addresses and unix sockets.

    ```nginx bad
    server {
        listen 443 ssl proxy_protocol;
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

    ```nginx good
    server {
        listen 443 ssl proxy_protocol;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl proxy_protocol;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    references = (LISTEN,)
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[VirtualServer, ...]] = set()
        for socket in configuration.sockets:
            if not socket.proxy_protocol or socket.datagram or socket.is_loopback:
                continue
            first, others = _without(socket, "proxy_protocol")
            if not all_lines_sure(socket):
                continue
            if first is None or not others or first[1].directive is None or (first[0], *others) in seen:
                continue
            seen.add((first[0], *others))
            names = listed([server.title for server in others])
            yield self.at(
                first[1].directive,
                f"clients of {names} are disconnected on {socket.label} unless they send a PROXY header",
                arg=first[1].argument("proxy_protocol"),
                label="applies to the whole socket",
                labels=[
                    label(line.directive, "no proxy_protocol here")
                    for server in others[:3]
                    if (line := socket.listen_of(server)) is not None and line.directive is not None
                ],
                help="add proxy_protocol to every listen line of the socket, or use another port",
                fix=_on_all(others, "proxy_protocol"),
                endpoints=[f"{server.title} on {socket.label}" for server in others],
            )


class Http2OnSharedSocket(Rule):
    """`http2` on one `listen` line enables HTTP/2 for every server of the socket.

    The parameter belongs to the address and port, whichever server writes it. A server that is meant to serve HTTP/1.1
    only negotiates `h2`, too. Since nginx 1.25.1 the `http2` directive enables it per server.

    Clients: HTTP/2 is negotiated for servers that do not mention it, too.

    Fix: replace the parameter with `http2 on;` in the servers that need it; before nginx 1.25.1 add it to every line.

    ```nginx bad
    server {
        listen 443 ssl http2;
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

    ```nginx good
    server {
        listen 443 ssl;
        http2 on;
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

    severity = Severity.NOTE
    references = (LISTEN, "https://nginx.org/en/docs/http/ngx_http_v2_module.html#http2")
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[VirtualServer, ...]] = set()
        by_server = configuration.facts.assumed_nginx.at_least(1, 25, 1)
        for socket in configuration.sockets:
            if not socket.http2 or not socket.tls or socket.datagram or not all_lines_sure(socket):
                continue
            first, others = _without(socket, "http2")
            # http2 on is what applies anyway, and http2 off has a rule of its own: ignored-http2-off
            others = [server for server in others if server.setting("http2").is_default]
            if first is None or not others or first[1].directive is None or (first[0], *others) in seen:
                continue
            seen.add((first[0], *others))
            names = listed([server.title for server in others])
            yield self.at(
                first[1].directive,
                f"HTTP/2 is also enabled for {names} on {socket.label}",
                arg=first[1].argument("http2"),
                label="applies to the whole socket",
                labels=[
                    label(line.directive, "no http2 here")
                    for server in others[:3]
                    if (line := socket.listen_of(server)) is not None and line.directive is not None
                ],
                help="remove http2 from the listen lines, and set `http2 on;` in the servers that are to have it"
                if by_server
                else "add http2 to every listen line of the socket",
                fix=None if by_server else _on_all(others, "http2"),
                endpoints=[f"{server.title} on {socket.label}" for server in others],
            )


def _on_all(servers: list[VirtualServer], parameter: str) -> Fix | None:
    """The fix that writes a parameter on all lines of servers to whose sockets it applies anyway."""
    edits = []
    for server in servers:
        for socket in server.sockets:
            found = socket.listen_of(server)
            line = found.directive if found is not None else None
            if not any(listen.has(parameter) for _, listen in socket.listens) or line is None or parameter in line.args:
                continue
            if not line.known:
                return None
            edits.append(with_word(line, parameter))
    return Fix(f"add `{parameter}` to every `listen` of the socket", tuple(dict.fromkeys(edits)), safe=True)


def _ssl_on_lines(server: VirtualServer, origin: Directive) -> Fix | None:
    """The fix that moves ``ssl on`` of a server to its listen lines."""
    lines = [listen.directive for listen in server.listens if not listen.datagram]
    if origin.parent is not server.directive or any(line is None or not line.known for line in lines):
        return None
    if not all(socket.default.has_tls_context for socket in server.sockets):
        return None  # nginx does not start with ssl on its lines
    edits = (with_word(line, "ssl") for line in lines if line is not None and "ssl" not in line.args)
    return Fix("move `ssl` to the `listen` directives", (delete(origin), *edits))


class SslOnInOtherServer(Rule):
    """`ssl on` is set in a server that is not the default server of its socket, so the whole socket speaks plain HTTP.

    Up to nginx 1.25.0 the `ssl on` of the default server decides for a socket whose `listen` lines have no `ssl`,
    and that of every other server has no effect (measured on 1.18 and 1.22): clients that open `https://` get an
    error. Later versions do not know the directive.

    Clients: browsers that open `https://` show ERR_SSL_PROTOCOL_ERROR or SSL_ERROR_RX_RECORD_TOO_LONG, curl reports
    `wrong version number`.

    Fix: remove `ssl on` and add `ssl` to the `listen` lines.

    ```nginx bad, nginx: 1.22.1
    server {
        listen 443;
        server_name example.com;
    }
    server {
        listen 443;
        server_name www.example.com;
        ssl on;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, nginx: 1.22.1
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (319,)
    references = ("https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl", LISTEN)
    needs = ("ssl",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is None:
            return
        seen: set[VirtualServer] = set()
        for socket in configuration.sockets:
            if socket.speaks_tls or socket.module != "http" or socket.port == 80 or socket.datagram:
                continue
            if not default_is_sure(socket, configuration) or not all_lines_sure(socket):
                continue
            for server in socket.servers:
                origin = server.setting("ssl").origin
                if server is socket.default or not server.ssl_on or origin is None or server in seen:
                    continue
                seen.add(server)
                other = socket.listen_of(socket.default)
                yield self.at(
                    origin,
                    f"{server.title} is served in plain HTTP on {socket.label}: the default server has no ssl on",
                    labels=[label(other.directive, "is the default server, without ssl")]
                    if other is not None and other.directive is not None
                    else [],
                    help="remove ssl on; and add ssl to the listen lines",
                    fix=_ssl_on_lines(server, origin),
                    endpoints=[f"{server.title} on {socket.label}"],
                )


class MissingOnIpv4(Rule):
    """A server listens on IPv6 only, while others also have the port on IPv4: there its names get another certificate.

    `listen [::]:443` accepts IPv6 only (`ipv6only=on` is the default). A client that connects over IPv4 with a name
    that no server of the IPv4 socket has gets that socket's default server (measured: its certificate).

    Clients: over IPv4 NET::ERR_CERT_COMMON_NAME_INVALID, or the pages of another site; over IPv6 the site works.

    Fix: add `listen 443 ssl;` to the server.

    Without TLS it is a note, and only where the other server answers otherwise. Silent where the configuration is
    incomplete. Whether the name has an IPv4 address is not known.

    ```nginx bad
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen [::]:443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    confidence = Confidence.LIKELY
    references = (LISTEN, REQUESTS)
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for lost in lost_names(configuration, WILDCARD4):
            other, four = lost.answers, lost.other
            finding = self.at(
                lost.listen,
                f"over IPv4 {lost.name.text} is answered by {four.default.title}: the server has no listen {four.port}",
                labels=[label(other.directive, "answers instead over IPv4")] if other and other.directive else [],
                help=f"add {lost.line}",
                fix=Fix(f"add `{lost.line}`", (after(lost.listen, lost.line),)),
                endpoints=[f"{lost.server.title} on {four.label}"],
            )
            yield finding if four.tls else finding.replace(severity=Severity.NOTE)


def _address_names(configuration: Configuration) -> list[tuple[Socket, VirtualServer, Directive, int, str]]:
    """The server names that are IP addresses, on each TLS socket whose default server is another one."""
    return configuration.memo("address names", lambda: list(_find_address_names(configuration)))


def _find_address_names(configuration: Configuration) -> Iterator[tuple[Socket, VirtualServer, Directive, int, str]]:
    for socket in configuration.sockets:
        if not socket.tls or not selects_by_name(socket) or not default_is_sure(socket, configuration):
            continue
        for server in socket.servers:
            if server is socket.default:
                continue
            for name in server.names:
                address = name.key.strip("[]")
                if name.form != "exact" or name.directive is None or not is_ip(address):
                    continue
                if socket.address in (WILDCARD4, WILDCARD6, address):
                    yield socket, server, name.directive, name.arg, address


class UnreachableAddressName(Rule):
    """A `server_name` is an IP address, and the default server of its socket rejects the handshake of every client.

    Clients send no SNI for an IP address (RFC 6066), so the default server decides, and `ssl_reject_handshake on`
    refuses the connection before nginx could look at the `Host` header (measured: curl exits with code 35).

    Clients: browsers that open `https://` with the address show ERR_SSL_UNRECOGNIZED_NAME_ALERT or
    SSL_ERROR_UNRECOGNIZED_NAME_ALERT; `curl` exits with code 35 (`unrecognized name`).

    Fix: add `default_server` to the `listen` line of the server with the address, or let the server listen on the
    address itself: `listen 192.0.2.10:443 ssl;`.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        server_name 192.0.2.10;
        ssl_certificate certificates/ip.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl default_server;
        server_name 192.0.2.10;
        ssl_certificate certificates/ip.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.19.4"
    references = (RFC6066, REJECT)
    needs = ("ssl_reject_handshake",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, int]] = set()
        for socket, server, directive, arg, address in _address_names(configuration):
            if not socket.default.rejects_handshake or (directive, arg) in seen:
                continue
            seen.add((directive, arg))
            origin = socket.default.setting("ssl_reject_handshake").origin
            host = f"[{address}]" if ":" in address else address
            yield self.at(
                directive,
                f"https://{host} is refused on {socket.label}: clients send no SNI for an address, and the default"
                " server rejects the handshake",
                arg=arg,
                labels=[label(origin, f"rejects clients without SNI on {socket.label}")] if origin else [],
                help="add default_server to the listen line of this server",
                fix=make_default(server, socket),
                endpoints=[f"{server.title} on {socket.label}"],
            )


class AddressNameWithOtherCertificate(Rule):
    """A `server_name` is an IP address, and clients that connect to it get the certificate of the default server.

    Clients send no SNI for an IP address (RFC 6066), so the default server's certificate is sent, and it does not cover
    the address. The certificate of the server with that name, which does, is never sent for it.

    Clients: browsers that open `https://` with the address show NET::ERR_CERT_COMMON_NAME_INVALID or
    SSL_ERROR_BAD_CERT_DOMAIN.

    Fix: add `default_server` to the `listen` line of the server with the address, or let the server listen on the
    address itself: `listen 192.0.2.10:443 ssl;`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name 192.0.2.10;
        ssl_certificate certificates/ip.pem;
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
        listen 443 ssl default_server;
        server_name 192.0.2.10;
        ssl_certificate certificates/ip.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    references = (RFC6066, REQUESTS)
    needs = ("server_name",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, int]] = set()
        for socket, server, directive, arg, address in _address_names(configuration):
            default = socket.default
            if default.rejects_handshake or (directive, arg) in seen or not _covers(server, address):
                continue
            if not default.bundles or _covers(default, address) is not False:
                continue
            seen.add((directive, arg))
            yield self.at(
                directive,
                f"clients that connect to {address} get the certificate of {default.title} on {socket.label}: they send"
                " no SNI for an address",
                arg=arg,
                labels=[label(default.bundles[0].directive, f"is sent on {socket.label} without SNI")],
                help="add default_server to the listen line of this server",
                fix=make_default(server, socket),
                endpoints=[f"{server.title} on {socket.label}"],
            )


def _covers(server: VirtualServer, address: str) -> bool | None:
    """Whether one of a server's certificates is for the address; None if one of them could not be read."""
    from nginxtls.pki import match_hostname

    leaves = [bundle.leaf for bundle in server.slots[0]]
    if any(leaf is not None and match_hostname(address, leaf).matches for leaf in leaves):
        return True
    return None if None in leaves else False
