"""Rules about sockets of one port on several addresses: IPv4, IPv6 and specific addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import is_catch_all
from nginxtls.rules.common.edits import after, make_default
from nginxtls.rules.common.families import lost_names, wildcard_pairs
from nginxtls.rules.common.grouping import default_is_sure, listed
from nginxtls.rules.virtual_servers.helpers import LISTEN, REQUESTS, host_names

from nginxtls.finding import Confidence, Severity
from nginxtls.model.listens import WILDCARD4, WILDCARD6
from nginxtls.rule import Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Socket, VirtualServer


class MissingOnIpv6(Rule):
    """A server listens on IPv4 only, while others also have the port on IPv6: clients over IPv6 get another
    certificate.

    `listen 443` is IPv4 and `listen [::]:443` is IPv6, each with its own servers. A client that connects over IPv6 and
    requests a name without a server there gets the default server of the IPv6 socket.

    Clients: over IPv6 NET::ERR_CERT_COMMON_NAME_INVALID, or the pages of another site; over IPv4 the site works.
    Browsers prefer IPv6, so some networks are affected and others not.

    Fix: add the other `listen` directive to this server.

    Without TLS it is a note, and only where the other server answers otherwise.

    Limitations: whether the name has an IPv6 address at all is not known.

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
        for lost in lost_names(configuration, WILDCARD6):
            other, six = lost.answers, lost.other
            labels = [label(other.directive, "the default server over IPv6")] if other and other.directive else []
            finding = self.at(
                lost.listen,
                f"over IPv6 {lost.name.text} is served by {six.default.title}: `{lost.line}` is missing here",
                labels=labels,
                help=f"add `{lost.line}`",
                fix=Fix(f"add `{lost.line}`", (after(lost.listen, lost.line),)),
                endpoints=[f"{lost.server.title} on {six.label}"],
            )
            yield finding if six.tls else finding.replace(severity=Severity.NOTE)


class OtherDefaultOnIpv6(Rule):
    """IPv4 and IPv6 have different default servers on one port: what a client without a known name gets depends on the
    protocol.

    `default_server` applies only to the address and port of its `listen` directive. On any other socket the first
    server is the default. A server for unknown names that only listens on IPv4 leaves them to a site over IPv6.

    Clients: those without SNI or with an unknown name get one certificate over IPv4 and another over IPv6.

    Fix: set `default_server` in both `listen` directives of one server.

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

    ```nginx bad
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name example.com;
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
        for four, six in wildcard_pairs(configuration):
            first, second = four.default, six.default
            if not four.tls or four.datagram:
                continue
            if not (default_is_sure(four, configuration) and default_is_sure(six, configuration)):
                continue
            if first not in six.servers and is_catch_all(first) and second in four.servers:
                yield from self._only_on_ipv4(four, six)
            if first is second or first not in six.servers or second not in four.servers:
                continue
            here, there = six.listen_of(second), four.listen_of(first)
            if here is None or here.directive is None or there is None or there.directive is None:
                continue
            yield self.at(
                here.directive,
                f"{second.title} is the default server of {six.label}, and {first.title} that of {four.label}",
                labels=[label(there.directive, f"the default server of {four.label}")],
                help="set `default_server` in both `listen` directives of one server",
                fix=make_default(first, six),
                endpoints=[f"{second.title} on {six.label}", f"{first.title} on {four.label}"],
            )

    def _only_on_ipv4(self, four: Socket, six: Socket) -> Iterator[Finding]:
        """The server for unknown names is not there over IPv6."""
        first, second = four.default, six.default
        here, there = six.listen_of(second), four.listen_of(first)
        if is_catch_all(second) or here is None or here.directive is None or there is None or there.directive is None:
            return
        line = f"listen [::]:{six.port} ssl default_server;"
        yield self.at(
            there.directive,
            f"over IPv6 {second.title} answers for unknown names: the server for them does not listen on {six.label}",
            labels=[label(here.directive, f"the default server of {six.label}")],
            help=f"add `{line}`",
            fix=Fix(f"add `{line}`", (after(there.directive, line),)),
            endpoints=[f"{second.title} on {six.label}"],
        )


class HiddenByAddress(Rule):
    """A server with a specific address receives all connections to that address: names of servers on `*` are not found
    there.

    nginx looks up a name only among the servers of the most specific address and port. With `listen 443` in one server
    and `listen 192.0.2.1:443` in another, clients that connect to 192.0.2.1 never reach the first one, whatever name
    they request (measured: the server with the address responds, with its certificate).

    Clients: those that connect to this address get the server with the address: NET::ERR_CERT_COMMON_NAME_INVALID, or
    its pages in place of the site's.

    Fix: use the same address in both servers, if the names resolve to it.

    Limitations: which name resolves to which address is not known. Loopback addresses are not reported, nor
    ports on which several addresses have sockets of their own: there the names are divided among them on purpose.

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

    severity = Severity.WARNING
    security_severity = 3.7
    confidence = Confidence.LIKELY
    references = (REQUESTS, LISTEN)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        wild: dict[tuple[str, int, bool, bool], Socket] = {}
        own: dict[tuple[str, int, bool, bool], set[str]] = {}
        for socket in configuration.sockets:
            if socket.tls and socket.address in (WILDCARD4, WILDCARD6):
                wild[_family(socket)] = socket
            if socket.tls and not socket.is_loopback:
                own.setdefault(_family(socket), set()).add(socket.address)
        reported: set[tuple[VirtualServer, int]] = set()
        for socket in configuration.sockets:
            if len(own.get(_family(socket), ())) > 2:
                continue  # the wildcard and several addresses
            other = wild.get(_family(socket))
            if other is None or other is socket or not socket.tls or socket.is_loopback:
                continue
            if (socket.default, socket.port) in reported:
                continue  # over TCP, and so over QUIC
            if socket.address.startswith("unix:"):
                continue
            hidden = [
                name for server in other.servers for name in host_names(server) if not socket.names.find(name.key)
            ]
            listen = socket.listen_of(socket.default)
            if not hidden or listen is None or listen.directive is None:
                continue
            reported.add((socket.default, socket.port))
            there = other.listen_of(other.servers[0])
            labels = [label(there.directive, "not used at that address")] if there and there.directive else []
            names = listed(list(dict.fromkeys(name.text for name in hidden)))
            yield self.at(
                listen.directive,
                f"clients that request {names} on {socket.label} get {socket.default.title}: {other.label} is another"
                " socket",
                arg=0,
                labels=labels,
                help="use the same address in both servers, if the names resolve to it",
                endpoints=[f"{socket.default.title} on {socket.label}"],
            )


def _family(socket: Socket) -> tuple[str, int, bool, bool]:
    return socket.module, socket.port, socket.datagram, ":" in socket.address
