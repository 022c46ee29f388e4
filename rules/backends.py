"""Rules about back ends that are sockets of the same configuration: what nginx sends and what they expect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside, both, removal, with_text, with_word, without_words, written
from nginxtls.rules.common.grouping import listed, spoken
from nginxtls.rules.common.serving import CODE

from nginxtls.finding import Confidence, Severity
from nginxtls.model.backends import addresses, answering, connections, group_of, is_whole, targets, verification
from nginxtls.model.listens import is_ip
from nginxtls.model.locations import location_for
from nginxtls.model.outgoing import upstream_handshakes
from nginxtls.rule import Fix, Rule, label
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Label
    from nginxtls.model import Configuration, Socket, VirtualServer
    from nginxtls.model.backends import Connection, Target
    from nginxtls.model.outgoing import UpstreamHandshake
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive

PROXY = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
STREAM = "https://nginx.org/en/docs/stream/ngx_stream_proxy_module.html"
PREREAD = "https://nginx.org/en/docs/stream/ngx_stream_ssl_preread_module.html"
LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
DEPTH = "https://docs.openssl.org/3.5/man3/SSL_CTX_set_verify/"
RFC6066 = "https://www.rfc-editor.org/rfc/rfc6066#section-3"


def _once(configuration: Configuration) -> Iterator[Connection]:
    """The TCP connections to sockets of the configuration, one for each place and socket."""
    seen: set[tuple[Directive, str, Socket]] = set()
    for connection in connections(configuration):
        target, socket = connection.target, connection.socket
        udp = target.family == "stream" and any(listen.datagram for listen in target.server.listens)
        key = (connection.place, target.scheme, socket)
        if not udp and key not in seen:
            seen.add(key)
            yield connection


def _places(connection: Connection, text: str) -> list[Label]:
    """The listen line, and the pass directive if the address is written elsewhere."""
    found = [label(connection.listen, text)] if connection.listen is not None else []
    if connection.place is not connection.target.directive:
        found.append(label(connection.target.directive, "connects to it"))
    return found


def _of(socket: Socket) -> str:
    return f"{socket.label} of {socket.default.title}"


class TlsToPlainListener(Rule):
    """nginx speaks TLS to a listener of this configuration that speaks plain HTTP, so every request fails with 502.

    `proxy_pass https://…`, `grpc_pass grpcs://…` and `proxy_ssl on` start a handshake, and a `listen` line without
    `ssl` answers it with an HTTP error (measured: `SSL_do_handshake() failed … wrong version number`). A stream
    server with `ssl_preread` that forwards the clients' TLS to such a listener fails in the same way.

    Clients: `502 Bad Gateway` for every request; behind `ssl_preread` ERR_SSL_PROTOCOL_ERROR or `wrong version number`.

    Fix: use `http://` for the target, or add `ssl` and a certificate to the listener.

    Silent where lines of the listener may be missing.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        location / {
            proxy_pass https://127.0.0.1:8081;
        }
    }
    server {
        listen 127.0.0.1:8081;
        server_name app.internal;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        location / {
            proxy_pass http://127.0.0.1:8081;
        }
    }
    server {
        listen 127.0.0.1:8081;
        server_name app.internal;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_pass", f"{STREAM}#proxy_ssl", LISTEN)
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for connection in _once(configuration):
            target, socket = connection.target, connection.socket
            if target.sends_tls is not True or socket.begins_with_tls or socket.forwards:
                continue
            if not is_whole(configuration, socket):
                continue
            speaks = "speaks plain HTTP" if socket.module == "http" else f"does not begin with TLS ({socket.module})"
            several = len(list(addresses(configuration, target))) > 1
            if target.family == "stream" or several:
                of = f" of {target.shown}" if several else ""
                text = f"TLS connections to {connection.address}{of} fail: {_of(socket)} {speaks}"
            else:
                text = f"requests to {target.shown} fail with 502: {_of(socket)} {speaks}"
            in_plain_text = target.scheme == "https" and not several
            yield self.at(
                connection.place,
                text,
                arg=connection.arg,
                labels=_places(connection, "has no ssl"),
                notes=("nginx passes these requests to another server of the group",) if several else (),
                help="use http:// for the target" if in_plain_text else "add ssl to the listen line",
                fix=_in_plain_text(connection, for_target=in_plain_text),
            )


class PlainTextToTlsListener(Rule):
    """nginx sends plain HTTP to a listener of this configuration that expects TLS, so every request fails with 400.

    The listener answers `400 The plain HTTP request was sent to HTTPS port` (measured). The same happens behind a
    stream server that ends TLS and forwards the plain bytes, and for `auth_http` of a mail server, which has no
    TLS.

    Clients: the page `400 The plain HTTP request was sent to HTTPS port` for every request; users of a mail server
    cannot log in.

    Fix: use `https://` for the target (`proxy_ssl on;` in a stream server), or remove `ssl` from a listener that is
    only reached locally.

    Silent where the server of the listener has an `error_page` for 497.

    ```nginx bad
    server {
        listen 80;
        location / {
            proxy_pass http://127.0.0.1:8443;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        server_name app.internal;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        server_name app.internal;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_pass", f"{STREAM}#proxy_ssl", LISTEN)
    needs = ("*_pass", "auth_http")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for connection in _once(configuration):
            target, socket = connection.target, connection.socket
            if target.sends_tls is not False or not socket.tls or socket.module == "mail":
                continue
            if any("497" in line.args for server in socket.servers for line in server.setting("error_page").directives):
                continue
            if socket.module == "http":
                text = f"requests to {target.shown} fail with 400: {_of(socket)} expects TLS"
            else:
                text = f"connections to {target.shown} fail: {_of(socket)} expects TLS"
            flag = next((li.directive for _, li in socket.listens if li.has("ssl")), None)
            places = _places(connection, "expects TLS")
            if flag is not None and flag is not connection.listen:
                places[:1] = [label(flag, "expects TLS")]
            help = "use https:// for the target" if target.scheme == "http" else ""
            help = "set proxy_ssl on;" if target.family == "stream" else help
            fix = _over_tls(connection)
            yield self.at(connection.place, text, arg=connection.arg, labels=places, help=help, fix=fix)


def _in_plain_text(connection: Connection, *, for_target: bool) -> Fix | None:
    """The fix after which both sides agree on TLS: http:// for the target, or ssl for a listener with a certificate."""
    target, socket = connection.target, connection.socket
    if for_target:
        return with_text(target.place, connection.arg if target.place is connection.place else 0, "https://", "http://")
    if connection.listen is None or not connection.listen.known or not socket.default.has_tls_context:
        return None
    return Fix("add ssl to the listen line", (with_word(connection.listen, "ssl"),))


def _over_tls(connection: Connection) -> Fix | None:
    """The fix after which nginx speaks TLS to a listener that expects it."""
    target = connection.target
    if target.family == "stream":
        return beside(target.server.setting("proxy_ssl").origin or target.directive, "proxy_ssl", "on")
    return with_text(target.directive, 0, "http://", "https://") if target.scheme == "http" else None


def _without_proxy_protocol(socket: Socket) -> Fix | None:
    """The fix that removes the parameter from the listen lines of a socket."""
    lines = dict.fromkeys(li.directive for _, li in socket.listens if li.has("proxy_protocol") and li.directive)
    if any(line is None or not line.known for line in lines):
        return None
    edits = (without_words(d, [i for i, arg in enumerate(d.args) if arg == "proxy_protocol"]) for d in lines if d)
    return Fix("remove proxy_protocol from the listen line", tuple(edits))


class ProxyProtocolMismatch(Rule):
    """The PROXY protocol is sent or expected on one side only of a connection within this configuration.

    A listener with `proxy_protocol` closes a connection that does not start with a PROXY header (measured: `broken
    header`), and a listener without it takes the header for a request or a ClientHello. Only a stream or mail
    server can send the header, with `proxy_protocol on;`: `proxy_pass` in `http` cannot.

    Clients: the connection is closed without an answer (ERR_EMPTY_RESPONSE, `curl: (52)`), or `400 Bad Request` or
    `wrong version number` where an unexpected header arrives.

    Fix: set `proxy_protocol on;` in the stream server, and `proxy_protocol` on the `listen` line, or neither.

    A warning where a stream server forwards what it receives without looking at it, as its client may send the header.

    ```nginx bad
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_pass 127.0.0.1:8443;
        }
    }
    http {
        server {
            listen 127.0.0.1:8443 ssl proxy_protocol;
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
            proxy_protocol on;
            proxy_pass 127.0.0.1:8443;
        }
    }
    http {
        server {
            listen 127.0.0.1:8443 ssl proxy_protocol;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{STREAM}#proxy_protocol", LISTEN)
    needs = ("*_pass", "auth_http")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for connection in _once(configuration):
            target, socket = connection.target, connection.socket
            sends = target.sends_proxy_protocol
            relayed = sends is None and socket.proxy_protocol and target.relays
            if not relayed and (sends is None or sends == socket.proxy_protocol):
                continue
            if sends and not (is_whole(configuration, socket) and (socket.module == "http" or socket.tls)):
                continue
            if sends:
                switch = target.server.setting("proxy_protocol").origin
                labels = _places(connection, "expects no PROXY header")
                labels += [label(switch, "sends a PROXY header")] if switch is not None else []
                text = f"connections to {target.shown} fail: {_of(socket)} does not expect the PROXY header"
                help = "add proxy_protocol to the listen line, or remove proxy_protocol on;"
                fix = removal(switch) if switch is not None else None
            else:
                line = next((li.directive for _, li in socket.listens if li.has("proxy_protocol")), None)
                labels = _places(connection, "expects a PROXY header")
                if line is not None and line is not connection.listen:
                    labels[:1] = [label(line, "expects a PROXY header")]
                text = f"connections to {target.shown} fail: {_of(socket)} expects a PROXY header, and none is sent"
                stream = target.family == "stream"
                help = "set proxy_protocol on;" if stream else "remove proxy_protocol from the listen line"
                fix = beside(target.directive, "proxy_protocol", "on") if stream else _without_proxy_protocol(socket)
            if relayed:
                text = f"{text} by nginx: it has to come from the clients of {target.server.title}"
            finding = self.at(connection.place, text, arg=connection.arg, labels=labels, help=help, fix=fix)
            yield finding.replace(severity=Severity.WARNING, confidence=Confidence.LIKELY) if relayed else finding


class ProxyLoop(Rule):
    """A server passes connections or requests on to its own socket, where the same server receives them again.

    Each request opens another one until the connections of the worker are used up; clients get 500 or 502 after a
    while, and other sites fail with it.

    Clients: the request takes long and ends with 500 or 502, or a closed connection in `stream`; meanwhile other sites
    of this nginx fail, too (`worker_connections are not enough` in the error log).

    Fix: use the address of the back end.

    Reported for a stream server whose target is its own socket, and in `http` where the `Host` header that is sent
    selects a server whose location, without conditions or rewrites, passes the request on again: to itself, or by way
    of other servers.

    ```nginx bad
    server {
        listen 8080;
        server_name example.com;
        location / {
            proxy_set_header Host $host;
            proxy_pass http://127.0.0.1:8080;
        }
    }
    ```

    ```nginx good
    server {
        listen 8080;
        server_name example.com;
        location / {
            proxy_set_header Host $host;
            proxy_pass http://127.0.0.1:8081;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_pass", f"{STREAM}#proxy_pass")
    needs = ("proxy_pass", "grpc_pass")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        all_of_them = list(_once(configuration))
        seen: set[Directive] = set()
        for connection in all_of_them:
            target = connection.target
            path = _stream_loop(connection) or _http_loop(connection, all_of_them)
            if not path or connection.place in seen:
                continue
            seen.update(each.place for each in path)
            what = "connections" if target.family == "stream" else "requests"
            text = f"{what} to {target.server.title} loop: {target.shown} is {_of(connection.socket)}"
            text += " itself" if len(path) == 1 else f", which passes them on to {path[1].target.shown}"
            more = [label(each.place, "passes them on") for each in path[1:]]
            yield self.at(
                connection.place,
                text,
                arg=connection.arg,
                labels=[*_places(connection, "receives them again" if len(path) == 1 else "receives them"), *more],
                help="use the address of the back end",
            )


def _stream_loop(connection: Connection) -> list[Connection]:
    target, socket = connection.target, connection.socket
    if target.family != "stream" or target.server not in socket.servers:
        return []
    same = len(socket.servers) == 1 and (target.passes_through or bool(target.sends_tls) == socket.tls)
    return [connection] if same else []


_LEAVES = (
    "if",
    "rewrite",
    "return",
    "try_files",
    "internal",
    "auth_request",
    "allow",
    "deny",
    "proxy_cache",
    "limit_req",
)
_LONGEST_LOOP = 8


def _http_loop(start: Connection, connections: list[Connection]) -> list[Connection]:
    """The connections that a request takes until it is back at the first; none if it ends elsewhere, or may do so."""
    path = [start]
    while len(path) <= _LONGEST_LOOP:
        here = path[-1]
        if not _always_passes_on(here):
            return []
        server, location = answering(here), here.target.location
        if server is None or location is None:
            return []
        found, sure = location_for(server.locations, location.pattern)
        if not sure or found is None:
            return []
        if server is start.target.server and found is start.target.location:
            return path
        following = next((each for each in connections if each.target.location is found), None)
        if following is None or following in path:
            return []
        path.append(following)
    return []


def _always_passes_on(connection: Connection) -> bool:
    """Every request for the location is passed on as it is."""
    target, location = connection.target, connection.target.location
    if target.family not in ("proxy", "grpc") or location is None or location.directive.name != "location":
        return False
    if location.modifier not in ("", "^~", "=") or target.condition is not None:
        return False
    if target.uri not in ("", location.pattern):
        return False
    level: Scope | None = location.scope
    while level is not None and level.level in ("location", "server"):
        if any(name in level.own for name in _LEAVES) or any(CODE.search(name) for name in level.own):
            return False
        level = level.parent
    return target.sends_tls == connection.socket.speaks_tls and not connection.socket.proxy_protocol


class BackendCertificateMismatch(Rule):
    """nginx verifies the certificate of its own listener, and it does not have the name, or is not from the given CA.

    The name is that of `proxy_ssl_name`, by default the host of the target (the name of an upstream group, if there is
    one). The server whose certificate is sent follows from the SNI, which is off by default: then the default server of
    the socket answers. Each request fails with 502 (measured: `upstream SSL certificate does not match`, `upstream SSL
    certificate verify error`).

    Clients: `502 Bad Gateway` for every request to this back end.

    Fix: set `proxy_ssl_name` to a name of the certificate and `proxy_ssl_server_name on;`, or name the CA of the
    certificate in `proxy_ssl_trusted_certificate`.

    ```nginx bad
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_name app.internal;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate certificates/root.pem;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_name example.com;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate certificates/root.pem;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_verify", f"{PROXY}#proxy_ssl_name")
    needs = ("*_ssl_verify",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for connection in _once(configuration):
            found = verification(configuration, connection)
            if found is None or found.fault not in ("name", "trust"):
                continue
            target = connection.target
            labels = [label(found.bundle.directive, f"is sent by {found.server.title}")]
            if found.fault == "name":
                origin = target.setting("name").origin
                text = f"{found.name} is not a name of the certificate"
                labels += [label(origin, "is compared with the certificate")] if origin is not None else []
                help = f"set {target.directive_name('name')} to a name of the certificate"
                names = [each for each in found.bundle.leaf.dns_names if "*" not in each] if found.bundle.leaf else []
                fix = beside(origin or target.directive, target.directive_name("name"), names[0]) if names else None
            else:
                origin = target.setting("trusted_certificate").origin
                text = f"{target.directive_name('trusted_certificate')} does not verify the certificate"
                labels += [label(origin, "does not have its CA")] if origin is not None else []
                help = f"name the CA of the certificate in {target.directive_name('trusted_certificate')}"
                fix = None
            yield self.at(
                connection.place,
                f"every connection to {target.shown} fails: {text} of {_of(connection.socket)}",
                arg=connection.arg,
                labels=labels,
                notes=[found.reason],
                help=help,
                fix=fix,
            )


class BackendHandshakeFailure(Rule):
    """nginx as a client and its own listener agree on no handshake, so every request fails.

    The ClientHello that `proxy_ssl_protocols`, `proxy_ssl_server_name` and `proxy_ssl_certificate` lead to is
    compared with what the listener accepts: protocol versions or cipher suites without overlap and
    `ssl_reject_handshake` in the server that answers end in 502, a client certificate that is missing or from another
    CA in 400, a `Host` of a server with `ssl_verify_client` other than the SNI in 421, and `grpc_pass` needs HTTP/2 in
    the listener (measured). Without SNI, the default, that server is the default server of the socket. OpenSSL 3.5
    and later offer TLS 1.0 and 1.1 at security level 0 only; 3.0 accepts no signature of theirs above it, so that a
    handshake succeeds with RSA key exchange only (a warning).

    Clients: `502 Bad Gateway`, or the `400` or `421` of the back end, for every request; the message says which.

    Fix: enable a common protocol version, set `proxy_ssl_server_name on;` with `proxy_ssl_name`, or set
    `proxy_ssl_certificate`, whichever the message names.

    ```nginx bad
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_protocols TLSv1.2;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_protocols", f"{PROXY}#proxy_ssl_server_name", f"{PROXY}#proxy_ssl_certificate")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, str]] = set()
        unsigned: set[Directive] = set()
        for handshake in upstream_handshakes(configuration):
            outcome, target, connection = handshake.outcome, handshake.target, handshake.connection
            old = handshake.offer.without_signature
            if connection is None and old and old == handshake.offer.protocols and target.place not in unsigned:
                unsigned.add(target.place)
                yield self._unsigned(handshake)
            if outcome is None or outcome.fault not in _DECIDING or outcome.reason.startswith("nginx does not start"):
                continue
            if outcome.fault == "offer" and not configuration.facts.openssl_known:
                continue  # OpenSSL 1.1.1 may offer it
            place = connection.place if connection else target.place
            if (place, outcome.reason) in seen:
                continue
            seen.add((place, outcome.reason))
            origin = target.setting(_DECIDING[outcome.fault]).origin
            labels = [label(origin, _LABELS[outcome.fault])] if origin and outcome.fault in _LABELS else []
            if connection is not None:
                labels = [*_places(connection, "is the listener"), *labels]
            how = "" if outcome.fault in ("client", "misdirected") else " at the handshake"
            where = f" of {_of(connection.socket)}" if connection else ""
            yield self.at(
                place,
                f"every request to {target.shown} fails{how}{where if how else ''}: {outcome.reason}",
                arg=connection.arg if connection else (1 if place.name == "set" else 0),
                labels=labels,
                help=_HELP[outcome.fault].format(target.directive_name("")),
                fix=written(origin, "TLSv1.2", "TLSv1.3") if outcome.fault == "offer" and origin is not None else None,
            )

    def _unsigned(self, handshake: UpstreamHandshake) -> Finding:
        """Where only a back end that negotiates RSA key exchange gets a handshake, which few do."""
        target = handshake.target
        origin = target.setting("protocols").origin
        finding = self.at(
            target.place,
            f"requests to {target.shown} fail at the handshake unless it chooses RSA key exchange: OpenSSL"
            f" {handshake.configuration.facts.openssl} accepts no signature of {spoken(handshake.offer.protocols)}",
            arg=1 if target.place.name == "set" else 0,
            labels=[label(origin, "offers no other version")] if origin else [],
            help=f"add TLSv1.2 TLSv1.3 to {target.directive_name('protocols')}",
        )
        return finding.replace(severity=Severity.WARNING, confidence=Confidence.LIKELY)


_DECIDING = {
    "offer": "protocols",
    "versions": "protocols",
    "ciphers": "ciphers",
    "refused": "server_name",
    "alpn": "alpn",
    "client": "certificate",
    "misdirected": "server_name",
}
"""The setting behind each outcome that this rule reports."""
_LABELS = {
    "offer": "offers no other version",
    "versions": "offers no other version",
    "ciphers": "offers no other suite",
    "client": "is sent",
    "misdirected": "sends an SNI",
}
"""What the directive of the setting does, where naming it helps."""
_HELP = {
    "offer": "add TLSv1.2 TLSv1.3 to {}protocols",
    "versions": "enable a protocol version on both sides",
    "ciphers": "enable a cipher suite on both sides",
    "refused": "set {0}server_name on; and {0}name to a name of the back end",
    "alpn": "set http2 on; in the server of the listener",
    "client": "set {0}certificate and {0}certificate_key to a certificate of a CA that the listener trusts",
    "misdirected": "set {0}name to the name in the Host header",
}


class UpstreamVerifyDepth(Rule):
    """The chain of a listener of this configuration has more intermediates than `proxy_ssl_verify_depth` allows.

    OpenSSL counts the certificates between the leaf and the root. With the default of 1 a chain with two intermediates
    fails with 502 (measured: `certificate chain too long`).

    Clients: `502 Bad Gateway` for every request to this back end.

    Fix: raise `proxy_ssl_verify_depth` to the number of intermediates.

    ```nginx bad
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_name example.com;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate certificates/root.pem;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate certificates/deep.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 80;
        location / {
            proxy_pass https://127.0.0.1:8443;
            proxy_ssl_name example.com;
            proxy_ssl_verify on;
            proxy_ssl_verify_depth 2;
            proxy_ssl_trusted_certificate certificates/root.pem;
        }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate certificates/deep.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_verify_depth", DEPTH)
    needs = ("*_ssl_verify",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for connection in _once(configuration):
            found = verification(configuration, connection)
            if found is None or found.fault != "depth":
                continue
            target = connection.target
            name = target.directive_name("verify_depth")
            origin = target.setting("verify_depth").origin
            labels = [label(found.bundle.directive, f"has {found.intermediates} intermediates")]
            yield self.at(
                origin or connection.place,
                f"every connection to {target.shown} fails: its chain has {found.intermediates} intermediates, and"
                f" {found.reason}",
                arg=0 if origin else connection.arg,
                labels=[*labels, *([label(connection.place, "connects to it")] if origin else [])],
                help=f"set {name} {found.intermediates};",
                fix=beside(origin or target.directive, name, str(found.intermediates)),
            )


_PUBLIC_FILES = re.compile(
    r"(ca-certificates\.crt|ca-bundle(\.trust)?\.crt|tls-ca-bundle\.pem|cacert\.pem|/etc/ssl/cert\.pem"
    r"|/etc/ssl/ca-bundle\.pem)$"
)


class UpstreamDefaultDepth(Rule):
    """Back ends are verified against public CAs with the default depth, which allows a single intermediate.

    Some public CAs send two intermediates, for example with a cross-signed root. Where the bundle has no root for the
    shorter path, every request then fails with 502, and only once the back end renews its certificate.

    Clients: nothing today; `502 Bad Gateway` for every request from the day on which the back end sends a longer chain.

    Fix: set `proxy_ssl_verify_depth 3;`. A larger value accepts nobody who is not below a CA of the bundle.

    Reported only for a host on the internet and a file that is a system's bundle of public CAs.

    ```nginx bad
    location / {
        proxy_pass https://updates.example.org;
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://updates.example.org;
        proxy_ssl_server_name on;
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 3;
        proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
    }
    ```
    """

    severity = Severity.NOTE
    references = (f"{PROXY}#proxy_ssl_verify_depth", DEPTH)
    needs = ("*_ssl_verify",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_file: dict[Directive, Target] = {}
        for target in _tls_targets(configuration):
            depth, trusted = target.setting("verify_depth"), target.setting("trusted_certificate").origin
            if not target.setting("verify").enabled or depth.directives or not depth.certain or trusted is None:
                continue
            if not trusted.args or not _PUBLIC_FILES.search(trusted.args[0]):
                continue
            if any(is_public_name(_bare(address)) for address, _, _ in addresses(configuration, target)):
                by_file.setdefault(trusted, target)
        for trusted, target in by_file.items():
            name = target.directive_name("verify_depth")
            yield self.at(
                target.directive,
                f"chains with more than one intermediate are refused: {name} is 1 by default",
                arg=0 if target.family != "stream" else None,
                labels=[label(trusted, "has the public CAs")],
                help=f"set {name} 3;",
                fix=beside(target.directive, name, "3"),
            )


def _tls_targets(configuration: Configuration) -> Iterator[Target]:
    """The targets to which nginx speaks TLS of its own."""
    return (target for target in targets(configuration) if target.sends_tls and not target.passes_through)


_LOCAL_NAMES = re.compile(
    r"(^|\.)(local|localdomain|internal|intranet|lan|home|corp|private|svc|cluster|consul|test|example|invalid|localhost)$"
)


def is_public_name(host: str) -> bool:
    """The host is written out and looks like a name of the public DNS."""
    written = "$" not in host and UNKNOWN not in host and not host.startswith("unix:")
    return written and "." in host and not is_ip(host) and not _LOCAL_NAMES.search(host.lower())


def _bare(server: str) -> str:
    """An upstream address without its port."""
    return server[1:].partition("]")[0] if server.startswith("[") else server.partition(":")[0]


class UpstreamGroupWithoutServerName(Rule):
    """nginx sends no SNI to a host on the internet that an `upstream` block names.

    `proxy_ssl_server_name` is `off` by default, so a host with several sites answers with its default certificate, or
    refuses the handshake. `proxy_set_header Host` does not change that. The name sent would be that of the upstream
    block, so a group needs `proxy_ssl_name`, too.

    Clients: `502 Bad Gateway` if the host refuses handshakes without SNI, otherwise often the pages or the error page
    of another site on that host.

    Fix: set `proxy_ssl_server_name on;` and `proxy_ssl_name HOST;`.

    Silent for addresses and for names of the local network.

    ```nginx bad
    events {}
    http {
        upstream config {
            server config.example.org:443;
        }
        server {
            location / {
                proxy_set_header Host config.example.org;
                proxy_pass https://config;
            }
        }
    }
    ```

    ```nginx good
    events {}
    http {
        upstream config {
            server config.example.org:443;
        }
        server {
            location / {
                proxy_set_header Host config.example.org;
                proxy_ssl_server_name on;
                proxy_ssl_name config.example.org;
                proxy_pass https://config;
            }
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (f"{PROXY}#proxy_ssl_server_name", RFC6066)
    needs = ("upstream",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, str]] = set()
        for target in _tls_targets(configuration):
            setting, group = target.setting("server_name"), group_of(configuration, target)
            if group is None or setting.enabled or not setting.known or not setting.certain:
                continue
            lines = (line for _, line, _ in addresses(configuration, target))
            line = next((d for d in lines if is_public_name(_bare(d.args[0]))), None)
            if line is None or (line, target.family) in seen:
                continue
            seen.add((line, target.family))
            host, prefix = _bare(line.args[0]), target.directive_name("")
            named = target.setting("name").directives or target.host_name == host
            yield self.at(
                setting.origin or target.directive,
                f"no SNI is sent to {host}: {prefix}server_name is off{'' if setting.origin else ' by default'}",
                arg=None if setting.origin or target.family == "stream" else 0,
                labels=[label(line, "is a host on the internet")],
                help=f"set {prefix}server_name on;{'' if named else f' and {prefix}name {host};'}",
                fix=both(
                    "send SNI",
                    beside(setting.origin or target.directive, f"{prefix}server_name", "on"),
                    *([] if named else [beside(target.directive, f"{prefix}name", host)]),
                ),
            )


def _preread_only(server: VirtualServer) -> bool:
    """A stream server that looks into the clients' TLS and forwards it."""
    preread = server.setting("ssl_preread")
    return (
        server.module == "stream"
        and not server.fragment
        and preread.enabled
        and preread.certain
        and not any(socket.tls for socket in server.sockets)
    )


def _own(scope: Scope) -> list[Directive]:
    """The TLS directives for back ends at a level itself."""
    return [line for name, lines in scope.own.items() if name.startswith("proxy_ssl_") for line in lines]


def _passes_through(server: VirtualServer) -> bool:
    switch = server.setting("proxy_ssl")
    if server.first("proxy_pass") is None or switch.enabled or not switch.certain or not switch.known:
        return False
    return _preread_only(server)


class PassedThroughTlsSettings(Rule):
    """`proxy_ssl_*` is set in a stream server that forwards the clients' own TLS, so it has no effect.

    With `ssl_preread on` and no `ssl` on the `listen` line, nginx reads the ClientHello and copies the bytes: the
    handshake is between client and back end. SNI, names and certificates are those of the client.

    Clients: no difference; their handshake is with the back end, with or without these lines.

    Fix: remove the directives. `proxy_ssl on` is not the solution: it would wrap the clients' TLS in another one.

    ```nginx bad
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_ssl_name backend.internal;
            proxy_pass 192.0.2.10:443;
        }
    }
    ```

    ```nginx good
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_pass 192.0.2.10:443;
        }
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    references = (f"{PREREAD}#ssl_preread", f"{STREAM}#proxy_ssl")
    needs = ("ssl_preread",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        servers = [server for server in configuration.servers if server.module == "stream"]
        through = [server for server in servers if _passes_through(server)]
        for server in through:
            yield from self._in(server.scope, server)
        level = configuration.blocks.get("stream")
        passing = [server for server in servers if server.first("proxy_pass") is not None]
        if level is not None and level.certain and passing and len(passing) == len(through):
            yield from self._in(level, passing[0])

    def _in(self, scope: Scope, server: VirtualServer) -> Iterator[Finding]:
        target = server.first("proxy_pass")
        own = [lines[0] for name, lines in scope.own.items() if name.startswith("proxy_ssl_")]
        preread = server.setting("ssl_preread").origin
        if not own:
            return
        first, *others = sorted(own, key=lambda d: (d.file.name, d.start))
        labels = [label(preread, "forwards TLS without ending it")] if preread is not None else []
        names = listed([first.name, *(directive.name for directive in others)])
        yield self.at(
            first,
            f"{names} {'have' if others else 'has'} no effect: {server.title} forwards the clients' own TLS to"
            f" {' '.join(target.args) if target else ''}",
            labels=[*labels, *(label(directive, "has no effect either") for directive in others)],
            help=f"remove the proxy_ssl_* directives of this {scope.level}" if others else "remove it",
            fix=removal(*_own(scope), safe=True),
        )


class TlsInTls(Rule):
    """A stream server with `ssl_preread` forwards the clients' TLS inside a TLS connection of its own.

    `ssl_preread` without `ssl` on the `listen` line means that clients send TLS, which nginx does not end.
    `proxy_ssl on` wraps these bytes again, and a back end that speaks TLS once finds a ClientHello where it expects
    a request.

    Clients: the handshake fails with ERR_SSL_PROTOCOL_ERROR or `wrong version number`, if the back end speaks TLS once:
    it answers the ClientHello with an HTTP error.

    Fix: remove `proxy_ssl on;`, or end the clients' TLS with `listen … ssl`.

    ```nginx bad
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_ssl on;
            proxy_pass 127.0.0.1:8443;
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
    ```
    """

    severity = Severity.WARNING
    confidence = Confidence.LIKELY
    references = (f"{PREREAD}#ssl_preread", f"{STREAM}#proxy_ssl")
    needs = ("ssl_preread",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        switch, preread = server.setting("proxy_ssl"), server.setting("ssl_preread").origin
        if _preread_only(server) and switch.enabled and switch.certain and switch.origin is not None:
            yield self.at(
                switch.origin,
                f"{server.title} wraps the clients' TLS in another TLS connection",
                labels=[label(preread, "clients send TLS, which is not ended")] if preread is not None else [],
                help="remove proxy_ssl on;",
                fix=removal(switch.origin),
            )
