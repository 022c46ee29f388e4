"""Rules about sockets and names: which server answers whom, and servers that never do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import default_is_sure, listed
from nginxtls.rules.common.serving import titles

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.model import refusals
from nginxtls.model.nginx_test.sockets import address_text
from nginxtls.rule import Fix, Rule, label, locate
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Listen, ServerName, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

REQUESTS = "https://nginx.org/en/docs/http/request_processing.html"
NAMES = "https://nginx.org/en/docs/http/server_names.html"
LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
HTTPS = "https://nginx.org/en/docs/http/configuring_https_servers.html"
REJECT = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_reject_handshake"


def _listen_on(server: VirtualServer, socket: Socket) -> Listen | None:
    """The line that puts a server on a socket."""
    return next((listen for other, listen in socket.listens if other is server), None)


def _by_name(socket: Socket) -> bool:
    """Servers of the socket are told apart by name (stream: since nginx 1.25.5)."""
    if socket.module == "http":
        return True
    return socket.module == "stream" and socket.servers[0].facts.assumed_nginx.at_least(1, 25, 5)


def _add_ssl(listen: Listen) -> Fix:
    """The edit that writes ``ssl`` after the last word of a listen line."""
    directive = listen.directive
    assert directive is not None
    last = len(directive.args) - 1
    return Fix("add ssl", (Edit(locate(directive, last), f"{directive.arg_text(last)} ssl"),))


class MainWithoutServers(Rule):
    """A main file from which no server was read, so that nothing of it is checked.

    nginx starts without any server, and listens on no port. More often the servers are in files that are not here: an
    `include` that leads to another machine, to another repository, or to a folder that is empty.

    Mend: check the files with the servers together with this one: give the folder that holds both, or say with `--root`
    or `--map` where the included paths are.

    ```nginx bad
    events {}
    http {
        include certificates/sites-*.conf;
    }
    ```

    ```nginx good
    events {}
    http {
        server {
            listen 80;
        }
    }
    ```
    """

    severity = Severity.NOTE
    references = ("https://nginx.org/en/docs/ngx_core_module.html#include", REQUESTS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        tree = configuration.tree
        if configuration.completeness != "full" or not tree.roots[0].directives:
            return
        if any(directive.block is not None for directive in configuration.directives("server")):
            return
        unread = [gap.path.replace(UNKNOWN, "…") for gaps in tree.unresolved.values() for gap in gaps if not gap.stock]
        empty = [directive.args[0] for directive, files in tree.includes.items() if not files and directive.known]
        notes = [f"not read: {listed(unread)}"] if unread else []
        if empty:
            notes.append(f"no file matches {listed(empty)}")
        main = tree.roots[0]
        blocks = [directive for directive in main.directives if directive.name in ("http", "stream", "mail")]
        yield self.at(
            (blocks or main.directives)[0],
            f"nothing of {main.name} is checked: no server could be read",
            notes=notes,
        )


class TlsListenerWithoutCertificate(Rule):
    """A TLS listener has no certificate: neither the server nor the levels above it have an `ssl_certificate`.

    nginx does not start if the default server of a TLS socket has none (measured: `[emerg] no "ssl_certificate" is
    defined for the "listen ... ssl" directive`). With `ssl_reject_handshake on` in the default server every other
    server of the socket needs one.

    Mend: `ssl_certificate` and `ssl_certificate_key`, or `ssl_reject_handshake on;` (nginx 1.19.4) for a server that
    is to refuse.

    ```nginx bad
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
        for refusal in refusals(configuration):
            if refusal.category == "certificate" and refusal.message.startswith('no "ssl_certificate" is defined'):
                server = next((s for s in configuration.servers if s.directive is refusal.directive), None)
                name = server.title if server else "this server"
                yield self.at(
                    refusal.directive,
                    f"{name} has a TLS listener and no certificate, so nginx does not start",
                    help="name one with ssl_certificate and ssl_certificate_key, or write ssl_reject_handshake on;",
                    endpoints=titles([server]) if server else (),
                )


class ConflictingServerName(Rule):
    """A name belongs to two servers of one socket: the first has it, and the second never answers for it.

    nginx warns (`conflicting server name … ignored`) and starts. Which server is the first depends on the order of
    files. Names are compared without case. On different sockets the same name is no conflict.

    Mend: remove the name from one of the servers.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com example.com;
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
        listen 8443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (NAMES, REQUESTS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        sockets = {address_text(s.address, s.port): s for s in configuration.sockets if not s.datagram}
        for refusal in refusals(configuration):
            if refusal.category != "name":
                continue
            name, _, rest = refusal.message.removeprefix('conflicting server name "').partition('"')
            socket = sockets.get(rest.removeprefix(" on ").removesuffix(", ignored"))
            owner = _owner(socket, name) if socket else None
            if not name and socket is not None and socket.tls:
                continue  # unreachable-server tells it
            where = f" on {socket.label}" if socket else ""
            yield self.at(
                refusal.location,
                f'"{name}"{where} belongs to an earlier server: this one never answers for it',
                labels=[label(owner, "answers")] if owner is not None else (),
                help="remove the name here or there",
            )


def _owner(socket: Socket, name: str) -> Directive | None:
    table = socket.names
    tables = (table.exact, table.leading, table.trailing)
    key = name.removeprefix("*.").removeprefix(".").removesuffix(".*")
    owner = next((found[key] for found in tables if key in found), None)
    return owner.directive if owner else None


class PlainHttpOnTlsPort(Rule):
    """Port 443 is served in plain HTTP: no `listen` line of the socket has `ssl`.

    A browser that opens `https://` gets an error; whoever configures it to `http://…:443` is read by everybody on the
    way. Certificates in such a server are loaded and never used.

    Mend: `listen 443 ssl;`.

    Silent with `proxy_protocol` and on loopback addresses (TLS may end before nginx), in `stream`, and with the old
    `ssl on;`. In a file of servers without its `nginx.conf` it is told only where a certificate shows what is meant.

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
                continue  # deprecated-ssl-directive or removed-ssl-directive tells it
            whole = configuration.completeness == "full"
            if not whole and not any(server.first("ssl_certificate") for server in socket.servers):
                continue
            server, listen = socket.listens[0]
            if listen.directive is not None:
                yield self.at(
                    listen.directive,
                    f"{server.title} is served in plain HTTP on {socket.label}",
                    arg=0,
                    help="write listen 443 ssl;",
                    fix=_add_ssl(listen) if all(each.has_certificate for each in socket.servers) else None,
                    endpoints=[f"{each.title} on {socket.label}" for each in socket.servers],
                    confidence=Confidence.CERTAIN if whole else Confidence.LIKELY,
                )


def _all_seen(socket: Socket) -> bool:
    """No listen line of a server on the socket may have escaped us."""
    return all(server.scope.certain or server.facts.completeness != "full" for server in socket.servers) and all(
        listen.directive is None or (listen.directive.known and not server.scope.is_conditional(listen.directive))
        for server, listen in socket.listens
    )


class MixedSslFlags(Rule):
    """A `listen` line without `ssl` shares its socket with one that has it, so this server speaks TLS, too.

    nginx joins the flags of all lines of one address and port (measured, all generations). Plain HTTP to that port gets
    400, and without a certificate of its own the server answers with another's.

    Mend: write `ssl` on every line of the socket, or use another port. No client notices the word.

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
        for socket in configuration.sockets:
            if not socket.tls or socket.datagram or not _by_name(socket):
                continue
            flagged = next((listen.directive for _, listen in socket.listens if listen.has("ssl")), None)
            for server, listen in socket.listens:
                if listen.has("ssl") or listen.directive is None or flagged is None or not listen.directive.known:
                    continue
                if server.setting("ssl").directives:
                    continue
                fix = _add_ssl(listen)
                yield self.at(
                    listen.directive,
                    f"this line has no ssl, but {server.title} speaks TLS on {socket.label} all the same",
                    labels=[label(flagged, "makes it a TLS socket for every server")],
                    help="write ssl here, too",
                    fix=Fix(fix.title, fix.edits, safe=True),
                    endpoints=titles([server]),
                )


class MissingOnIpv6(Rule):
    """A server listens on IPv4 only, while others have the same port on IPv6: there its names get another certificate.

    `listen 443` is IPv4 and `listen [::]:443` is IPv6, each with servers of its own. A client that comes over IPv6 and
    asks for a name that is not there gets the default server of the IPv6 socket.

    Mend: the other `listen` line in this server, too.

    What it does not see: whether the name has an IPv6 address at all.

    ```nginx bad
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for four, six in _pairs(configuration):
            there = set(six.servers)
            for server in four.servers:
                if server in there or server.rejects_handshake or not server.scope.certain:
                    continue
                lost = [name for name in server.names if name.is_host and six.names.find(name.key) is None]
                listen = _listen_on(server, four)
                other = _listen_on(six.default, six)
                if not lost or listen is None or listen.directive is None:
                    continue
                labels = []
                if other is not None and other.directive is not None:
                    labels.append(label(other.directive, "answers instead over IPv6"))
                yield self.at(
                    listen.directive,
                    f"over IPv6 {lost[0].text} is answered by {six.default.title}: there is no listen {six.label} here",
                    labels=labels,
                    help=f"write listen {six.label} ssl;",
                    endpoints=[f"{server.title} on {six.label}"],
                )


class OtherDefaultOnIpv6(Rule):
    """IPv4 and IPv6 of one port have different default servers, so a client without a known name gets either.

    `default_server` holds for the very address and port of its line. Elsewhere the first server is the default.

    Mend: `default_server` on both lines of one server.

    ```nginx bad
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl default_server;
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
        listen 443 ssl default_server;
        listen [::]:443 ssl default_server;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    references = (LISTEN, REQUESTS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for four, six in _pairs(configuration):
            first, second = four.default, six.default
            if first is second or first not in six.servers or second not in four.servers:
                continue
            if not (default_is_sure(four, configuration) and default_is_sure(six, configuration)):
                continue
            here, there = _listen_on(second, six), _listen_on(first, four)
            if here is None or here.directive is None or there is None or there.directive is None:
                continue
            yield self.at(
                here.directive,
                f"{second.title} is the default server of {six.label}, and {first.title} that of {four.label}",
                labels=[label(there.directive, f"default of {four.label}")],
                help="write default_server on both lines of one server",
                endpoints=[f"{second.title} on {six.label}", f"{first.title} on {four.label}"],
            )


def _pairs(configuration: Configuration) -> Iterator[tuple[Socket, Socket]]:
    """The TLS sockets of IPv4 and IPv6 with the same port."""
    if configuration.completeness != "full":
        return
    level = configuration.blocks.get("http")
    if level is None or not level.certain:
        return
    wild = [s for s in configuration.sockets if s.module == "http" and s.tls and not s.datagram]
    six = {socket.port: socket for socket in wild if socket.address == "::" and socket.ipv6only}
    for socket in wild:
        if socket.address == "0.0.0.0" and socket.port in six:  # noqa: S104 - nginx's name of the wildcard
            yield socket, six[socket.port]


class HiddenByAddress(Rule):
    """A server on an address of its own takes all connections to that address: names on `*` are not found there.

    nginx looks a name up only among the servers of the most specific address and port. With `listen 443` in one server
    and `listen 192.0.2.1:443` in another, who connects to 192.0.2.1 never reaches the first, whatever the name
    (measured: the server of the address answers, with its certificate).

    Mend: put both servers on the same address, if the names' DNS leads there.

    What it does not see: which name leads to which address. Loopback addresses are not told.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 192.0.2.1:443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 192.0.2.1:443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 192.0.2.1:443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    confidence = Confidence.LIKELY
    references = (REQUESTS, LISTEN)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        wild = {
            (s.module, s.port, ":" in s.address): s
            for s in configuration.sockets
            if s.tls and not s.datagram and s.address in ("0.0.0.0", "::")  # noqa: S104 - nginx's names
        }
        for socket in configuration.sockets:
            other = wild.get((socket.module, socket.port, ":" in socket.address))
            if other is None or other is socket or not socket.tls or socket.datagram or socket.is_loopback:
                continue
            if socket.address.startswith("unix:"):
                continue
            hidden = [name for server in other.servers for name in _hosts(server) if not socket.names.find(name.key)]
            listen = _listen_on(socket.default, socket)
            if not hidden or listen is None or listen.directive is None:
                continue
            there = _listen_on(other.servers[0], other)
            labels = [label(there.directive, "not reached at that address")] if there and there.directive else []
            names = listed(list(dict.fromkeys(name.text for name in hidden)))
            yield self.at(
                listen.directive,
                f"who asks for {names} at {socket.label} gets {socket.default.title}: {other.label} is another socket",
                arg=0,
                labels=labels,
                endpoints=[f"{socket.default.title} on {socket.label}"],
            )


def _hosts(server: VirtualServer) -> list[ServerName]:
    return [name for name in server.names if name.is_host]


class UnreachableServer(Rule):
    """No client gets to this server on a TLS socket: it has no name that a client could ask for, and is no default.

    Who sends no SNI, or a name that no server has, gets the default server of the socket. `server_name ""` does not
    catch clients without SNI, nor does `_` (measured, all generations): both are names like others. (The name `""` does
    count for a request without `Host`, once TLS stands.)

    Mend: `default_server` on the `listen` line if it is meant to catch all, else a `server_name`.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name "";
        ssl_reject_handshake on;
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
        server_name "";
        ssl_reject_handshake on;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    references = (NAMES, REQUESTS, REJECT)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for server in configuration.servers:
            if server.fragment or not server.scope.certain or server.directive is None or server.module == "mail":
                continue
            if not all(name.form in ("empty", "invalid") or name.text == "_" for name in server.names):
                continue
            sockets = [s for s in server.sockets if s.tls]
            dead = [s for s in sockets if s.default is not server and _by_name(s) and default_is_sure(s, configuration)]
            if not dead or len(dead) < len(server.sockets):
                continue
            named = next((name for name in server.names if name.directive), None)
            place = named.directive if named and named.directive else server.directive
            text = f'"{named.text}" is no name that clients ask for' if named else "it has no server_name"
            winner = _listen_on(dead[0].default, dead[0])
            labels = []
            if winner is not None and winner.directive is not None:
                labels.append(label(winner.directive, "answers clients without a known name"))
            yield self.at(
                place,
                f"no client reaches this server on {dead[0].label}: {text}, and {dead[0].default.title} is the"
                " default server",
                labels=labels,
                help="write default_server on its listen line, or give it a name",
                endpoints=titles([server]),
            )


class ImpossibleServerName(Rule):
    """A `server_name` has a wildcard where nginx knows none, so it fits no client at all.

    `*` stands for one or more whole labels at the start (`*.example.com`) or the end (`www.*`). `www.*.example.com`,
    `*example.com` and two stars in one name are accepted by `nginx -t` without a word and never match.

    Mend: a regular expression: `~^www\\..+\\.example\\.com$`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com www.*.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com *.api.example.com ~^www\\..+\\.example\\.com$;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    references = (f"{NAMES}#wildcard_names",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        for name in server.names:
            if name.form == "invalid" and name.directive is not None and UNKNOWN not in name.text:
                yield self.at(
                    name.directive,
                    f'no client is led here by "{name.text}": nginx knows "*" only as a whole first or last label',
                    arg=name.arg,
                    help="write a regular expression: ~^…$",
                )


class ImplicitDefaultServer(Rule):
    """Several servers share a TLS socket and none is marked `default_server`: the first one read answers strangers.

    Which one is the first depends on the names of files. A new file can change who answers clients without SNI.

    Mend: `default_server`, best in a server with `ssl_reject_handshake on;`.

    ```nginx bad
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
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    pedantic = True
    references = (REQUESTS,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if not socket.tls or socket.explicit_default or len(socket.servers) < 2 or not _by_name(socket):
                continue
            if configuration.completeness != "full" or not default_is_sure(socket, configuration):
                continue
            _, listen = socket.listens[0]
            if listen.directive is not None:
                yield self.at(
                    listen.directive,
                    f"clients without a known name get {socket.default.title} on {socket.label} because it comes first",
                    help="mark one server default_server",
                    endpoints=titles([socket.default]),
                )


class RealSiteForUnknownNames(Rule):
    """Clients that send no name, or an unknown one, get the certificate and content of a real site.

    Scanners learn from it which sites an address serves, and foreign names that lead here show that site.

    Mend: a default server with `ssl_reject_handshake on;` (nginx 1.19.4).

    Only where a socket has several servers; clients without SNI may need the site.

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
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        server_name example.com www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (200,)
    pedantic = True
    since = "nginx 1.19.4"
    references = (REJECT,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or not configuration.facts.assumed_nginx.at_least(1, 19, 4):
            return
        for socket in configuration.sockets:
            default = socket.default
            if not socket.tls or socket.datagram or len(socket.servers) < 2 or default.rejects_handshake:
                continue
            if not _hosts(default) or not default_is_sure(socket, configuration) or default.directive is None:
                continue
            if default.first("return") and default.first("return").args[:1] == ("444",):  # type: ignore[union-attr]
                continue
            yield self.at(
                default.directive,
                f"clients that ask for an unknown name on {socket.label} get {default.title}",
                help="make a server with ssl_reject_handshake on; the default",
                endpoints=titles([default]),
            )


class DeadSettingsWithoutCertificate(Rule):
    """TLS settings stand in a server without a certificate of its own, so none of them counts.

    Such a server has no TLS context: clients of its names meet the whole TLS of the socket's default server, with its
    certificate, protocols, suites and tickets (measured, all generations). `nginx -t` is silent.

    Mend: give the server an `ssl_certificate`, or move the settings to the default server.

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
        ssl_protocols TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 3.7
    references = (f"{NAMES}#virtual_server_selection", f"{HTTPS}#name_based_https_servers")
    needs = ("ssl_*",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for server in configuration.servers:
            if server.has_tls_context or not server.scope.certain or server.module == "mail":
                continue
            socket = next((s for s in server.sockets if s.tls and s.default is not server and _by_name(s)), None)
            own = [name for name in server.scope.own if name.startswith("ssl_") and name not in _NOT_TLS]
            if socket is None or not own or not socket.default.has_tls_context or socket.default.rejects_handshake:
                continue
            first = min((server.scope.own[name][0] for name in own), key=lambda d: (d.file.name, d.start))
            labels = [label(socket.default.directive, "decides here")] if socket.default.directive else []
            yield self.at(
                first,
                f"{listed(own)} {'does' if len(own) == 1 else 'do'} nothing: {server.title} has no ssl_certificate, so"
                f" {socket.default.title} decides on {socket.label}",
                labels=labels,
                help="give the server an ssl_certificate",
                endpoints=titles([server]),
            )


_NOT_TLS = frozenset(
    {"ssl_verify_client", "ssl_client_certificate", "ssl_preread", "ssl_engine", "ssl_certificate_key"}
    | {"ssl_buffer_size", "ssl_verify_depth"}
)
"""Told by ineffective-client-verification, or no part of the TLS context."""


class TlsOnHttpPort(Rule):
    """Port 80 speaks TLS: whoever opens `http://` gets 400 instead of a page or a redirect.

    Mend: remove `ssl` from the line, or use 443.

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
                    f"{socket.label} speaks TLS, so http:// gets 400",
                    arg=listen.argument("ssl"),
                    help="remove ssl",
                    endpoints=[f"{server.title} on {socket.label}" for server in socket.servers],
                )
