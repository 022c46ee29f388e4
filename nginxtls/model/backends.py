"""The back ends that are sockets of this very configuration, what nginx sends them, and what they expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.model import headers
from nginxtls.model.handshakes import Handshake
from nginxtls.model.listens import is_ip, is_loopback
from nginxtls.model.names import valid_host
from nginxtls.model.request_variables import Request, Unknown, Variables
from nginxtls.model.sockets import connected
from nginxtls.model.upstreams import TlsClient
from nginxtls.model.variables import possible_values
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.bundles import ServedBundle
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.effective import EffectiveTLS
    from nginxtls.model.locations import LocationBlock
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.model.settings import Header, Scope
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
"""The port of a target without one, by scheme; other schemes need a port. In an upstream block it is always 80."""
TLS_SCHEMES = frozenset({"https", "grpcs", "suwsgi"})
PASSES = ("proxy_pass", "grpc_pass", "uwsgi_pass", "fastcgi_pass", "scgi_pass", "memcached_pass")


@dataclass(frozen=True)
class Target(TlsClient):
    """What a pass directive leads to, with the values of its variables written in: one for each value."""

    scheme: str
    """In lower case, empty where there is none."""
    host: str
    """Host and port as written, or ``unix:/path``."""
    uri: str
    """The path that replaces the location's, empty if the request's is kept."""
    place: Directive
    """Where the host is written: the directive itself, a line of a ``map``, a ``set``."""
    condition: tuple[str, str] | None = None
    """The source of the ``map`` and the value of it for which the target is chosen."""

    @property
    def shown(self) -> str:
        """The target as messages name it, with its scheme."""
        return f"{self.scheme}://{self.host}" if self.scheme else self.host

    @property
    def host_name(self) -> str:
        """The host without port and brackets."""
        return _host_and_port(self.host, 0)[0]

    @property
    def passes_through(self) -> bool:
        """A stream server that forwards the client's own TLS: ``ssl_preread`` on, and TLS neither ended nor added."""
        return (
            self.family == "stream"
            and self.server.setting("ssl_preread").enabled
            and not any(listen.has("ssl") for listen in self.server.listens)
            and not self.server.setting("proxy_ssl").enabled
        )

    @property
    def sends_tls(self) -> bool | None:
        """Whether the back end receives TLS; None if that is not known or depends on the client."""
        if self.family != "stream":
            return self.scheme in TLS_SCHEMES
        switch = self.server.setting("proxy_ssl")
        if not switch.known or not switch.certain:
            return None
        if switch.enabled:
            return True
        if self.server.listens and all(listen.has("ssl") for listen in self.server.listens):
            return False
        if self.passes_through and (self.condition is None or _needs_tls(*self.condition)):
            return True
        return None

    @property
    def sends_proxy_protocol(self) -> bool | None:
        """Whether nginx sends a PROXY header; None if that is not known, or a header of the client is passed on."""
        if self.family != "stream":
            return False
        switch = self.server.setting("proxy_protocol")
        if not switch.known or not switch.certain:
            return None
        if switch.enabled:
            return True
        ends = self.server.listens and all(li.has("ssl") or li.has("proxy_protocol") for li in self.server.listens)
        return False if ends or self.passes_through or self.sends_tls else None

    @property
    def relays(self) -> bool:
        """A stream server that forwards the bytes of its clients and adds no PROXY header."""
        switch = self.server.setting("proxy_protocol")
        return self.family == "stream" and switch.known and switch.certain and not switch.enabled

    @property
    def name(self) -> str | None:
        """The name sent as SNI and compared with the certificate, without port; None if it is not known.

        ``*_ssl_name``, by default the host of the target, which is the name of an upstream group if it names one. The
        host of the request is taken as the name of the server, if it has a single one.
        """
        setting = self.setting("name")
        if not setting.certain:
            return None
        text = setting.value if setting.directives else "$proxy_host"
        text = self.host if text == "$proxy_host" else text
        if text in ("$host", "$http_host", "$server_name", "$ssl_server_name") and self.family != "stream":
            names = self.server.names
            text = names[0].key if len(names) == 1 and names[0].form == "exact" and names[0].is_host else text
        return None if "$" in text or UNKNOWN in text else _host_and_port(text, 0)[0]

    @property
    def servername(self) -> str | None:
        """The SNI sent, or None: ``*_ssl_server_name`` is off by default, and an address is never sent."""
        name = self.name
        return name if name and self.setting("server_name").enabled and not is_ip(name) else None


class Connection(NamedTuple):
    """A target, and the socket of this configuration that one of its addresses is."""

    target: Target
    address: str
    """Host and port as written, in the target or in its upstream block."""
    place: Directive
    """Where the address is written."""
    socket: Socket

    @property
    def arg(self) -> int:
        """Which argument of ``place`` has the address."""
        return 1 if self.place.name == "set" else 0

    @property
    def listen(self) -> Directive | None:
        """The first listen line of the socket."""
        return next((li.directive for _, li in self.socket.listens if li.directive is not None), None)


def _needs_tls(source: str, key: str) -> bool:
    """Only a client that sent a ClientHello gets this value of a map."""
    return source in ("$ssl_preread_server_name", "$ssl_preread_alpn_protocols") and key not in ("", "default")


def targets(configuration: Configuration) -> Iterator[Target]:
    """Every target of every pass directive (and of ``auth_http``), for each value of its variables that is known."""
    for server in configuration.servers:
        if server.module == "http":
            for scope, location in server.levels(*PASSES) if not server.mentions.isdisjoint(PASSES) else ():
                for name in PASSES:
                    for directive in scope.all(name):
                        yield from _targets(configuration, directive, server, scope, location, name[:-5])
        else:
            origin = server.first("proxy_pass") if server.module == "stream" else server.setting("auth_http").origin
            family = "stream" if server.module == "stream" else "auth_http"
            if origin is not None:
                yield from _targets(configuration, origin, server, server.scope, None, family)


def _targets(
    configuration: Configuration,
    directive: Directive,
    server: VirtualServer,
    scope: Scope,
    location: LocationBlock | None,
    family: str,
) -> Iterator[Target]:
    if not directive.args or scope.is_conditional(directive):
        return
    for text, place, condition in possible_values(configuration, server, location, directive):
        scheme, mark, rest = text.partition("://")
        if not mark:
            scheme, rest = "", text
        if rest.startswith("unix:"):
            path, _, uri = rest[5:].partition(":")
            host = f"unix:{path}"
        else:
            host, slash, uri = rest.partition("/")
            uri = slash + uri
        yield Target(directive, family, scope, server, location, scheme.lower(), host, uri, place, condition)


def _unresolved(value: str) -> bool:
    """The text has a variable or template text left."""
    return "$" in value or UNKNOWN in value


def connections(configuration: Configuration) -> tuple[Connection, ...]:
    """Every address behind a pass directive that is a socket of this configuration.

    Loopback addresses and unix sockets are; another address only where a ``listen`` line names that very address. Names
    other than localhost are not resolved.
    """
    return configuration.memo("connections", lambda: _connections(configuration))


def _connections(configuration: Configuration) -> tuple[Connection, ...]:
    if configuration.completeness != "full" or not configuration.sockets:
        return ()
    return tuple(
        Connection(target, address, place, socket)
        for target in targets(configuration)
        for address, place, port in addresses(configuration, target)
        if (socket := _own(configuration, address, port)) is not None
    )


def routed(configuration: Configuration, server: VirtualServer, name: str) -> tuple[Socket, ...]:
    """The sockets of this configuration to which a stream server forwards the connections of clients that send a name.

    Empty where one of the addresses is not of this configuration, or depends on something unknown.
    """
    directive = server.first("proxy_pass")
    if directive is None or not directive.args or server.scope.is_conditional(directive):
        return ()
    try:
        host = Variables(configuration, server, Request("https", name, 443)).expand(directive.args[0])
    except Unknown:
        return ()
    target = Target(directive, "stream", server.scope, server, None, "", host, "", directive)
    found = [_own(configuration, address, port) for address, _, port in addresses(configuration, target)]
    return tuple(socket for socket in found if socket is not None) if all(found) else ()


def group_of(configuration: Configuration, target: Target) -> Directive | None:
    """The ``upstream`` block that a target names, if there is one."""
    return configuration.upstream_groups.get((target.server.module, target.host))


def addresses(configuration: Configuration, target: Target) -> Iterator[tuple[str, Directive, int]]:
    """The addresses of a target, where each is written, and the port of those without one (0 if there is none)."""
    group = group_of(configuration, target)
    if group is None:
        yield target.host, target.place, DEFAULT_PORTS.get(target.scheme, 80 if target.family == "auth_http" else 0)
        return
    for line in configuration.tree.expand(group.block or []):
        if line.name == "server" and line.args and "down" not in line.args and not _unresolved(line.args[0]):
            yield line.args[0], line, 80 if target.server.module == "http" else 0


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.lstrip(":")
    else:
        host, _, port = text.partition(":")
    return host, int(port) if port.isdecimal() and port.isascii() else default


def _own(configuration: Configuration, address: str, default_port: int) -> Socket | None:
    if _unresolved(address):
        return None
    if address.startswith("unix:"):
        return connected(configuration.sockets, address, 0)
    host, port = _host_and_port(address, default_port)
    if host.lower() == "localhost":
        host = "127.0.0.1"
    if not port or not is_ip(host):
        return None
    socket = connected(configuration.sockets, host, port)
    return socket if socket is not None and (is_loopback(host) or socket.address == host.lower()) else None


def is_whole(configuration: Configuration, socket: Socket) -> bool:
    """All listen lines of the socket are known, so that a parameter which none of them has is really not there."""
    level = configuration.blocks.get(socket.module)
    return (
        configuration.completeness == "full"
        and socket.known
        and (level is None or level.certain)
        and all(
            server.scope.certain and (listen.directive is None or not server.scope.is_conditional(listen.directive))
            for server, listen in socket.listens
        )
    )


def hosts_sent(target: Target) -> list[str] | None:
    """The ``Host`` header that nginx sends, without port; None if that depends on the client.

    ``$host`` and ``$http_host`` are taken as the names of the server that passes the request on.
    """
    headers = target.scope.setting(f"{target.family}_set_header").directives
    host = next((d.args[1] for d in headers if len(d.args) > 1 and d.args[0].lower() == "host"), "$proxy_host")
    if host in ("$host", "$http_host"):
        return [name.key for name in target.server.names if name.is_host]
    if host == "$proxy_host":
        host = target.host
    return None if _unresolved(host) else [valid_host(host) or ""]


def answering(connection: Connection) -> VirtualServer | None:
    """The http server that answers a request, by the Host sent; None if that depends on the client."""
    target, socket = connection.target, connection.socket
    if socket.module != "http" or target.family not in ("proxy", "grpc") or socket.names.unknown:
        return None
    hosts = hosts_sent(target)
    if not hosts and len(socket.servers) == 1:
        return socket.default
    found = {_by_host(socket, host) for host in hosts or ()}
    return found.pop() if len(found) == 1 else None


def passed_header(configuration: Configuration, connection: Connection, name: str) -> Header | None:
    """The header of one name that a server of this configuration sends in every response, and nginx passes on.

    Clients get it before those that are added where the request is passed on (ngx_http_upstream_process_headers, then
    ngx_http_headers_filter; measured, all generations). None where it is hidden, or that is not known.
    """
    target, server = connection.target, answering(connection)
    if target.family not in ("proxy", "grpc") or server is None or server.speaks_tls:
        return None
    hidden = target.scope.setting(f"{target.family}_hide_header")
    if not hidden.certain or any(name.lower() == d.args[0].lower() for d in hidden.directives if d.args):
        return None
    sent = [headers.find(scope, name)[:1] for scope, _ in [(server.scope, None), *server.levels("add_header")]]
    if not server.scope.certain or len(set(sent)) != 1 or not sent[0]:
        return None
    (header,) = sent[0]
    return header if header.known and not server.scope.is_conditional(header.directive) else None


def _by_host(socket: Socket, host: str) -> VirtualServer:
    name = valid_host(host)
    return (socket.names.find(name) if name else None) or socket.default


class Verification(NamedTuple):
    """What nginx finds when it verifies the certificate of a back end that is a socket of this configuration."""

    bundle: ServedBundle
    server: VirtualServer
    """The server whose certificate is sent."""
    fault: str
    """``name``, ``trust``, ``depth``, or empty: the certificate is accepted."""
    name: str | None
    reason: str
    intermediates: int
    """How many certificates there are between leaf and root."""


def verification(configuration: Configuration, connection: Connection) -> Verification | None:
    """How nginx judges the certificate of its own socket; None if it does not verify it, or that is not known.

    OpenSSL needs a path to a self-signed certificate of the trusted file, with at most ``*_ssl_verify_depth``
    intermediates (SSL_CTX_set_verify_depth(3), since 1.1.0), and nginx compares the name with X509_check_host().
    """
    target = connection.target
    verify, trusted = target.setting("verify"), target.setting("trusted_certificate").origin
    if not target.sends_tls or target.passes_through or not connection.socket.tls:
        return None
    if not verify.enabled or not verify.certain or trusted is None or not trusted.args:
        return None
    if target.setting("server_name").enabled and target.name is None:
        return None
    reached = Handshake(configuration, connection.socket, target.servername)
    tls = reached.effective
    if tls is None or reached.unknown or not reached.accepts or len(tls.bundles) != 1:
        return None
    (bundle,) = tls.bundles
    anchors, _ = configuration.store.read_bundle(trusted.args[0], trusted)
    if bundle.bundle is None or bundle.leaf is None or anchors is None:
        return None
    if not any(anchor.self_signed for anchor in anchors.certificates):
        return None  # it verifies nobody, whatever is sent
    return _judged(configuration, target, bundle, tls.context, anchors.certificates)


def _judged(
    configuration: Configuration,
    target: Target,
    bundle: ServedBundle,
    server: VirtualServer,
    anchors: tuple[Certificate, ...],
) -> Verification:
    from nginxtls.pki import TrustStore, build_path

    assert bundle.bundle is not None
    assert bundle.leaf is not None
    leaf, name = bundle.leaf, target.name
    trust = TrustStore(target.directive_name("trusted_certificate"), anchors, private=True)
    path = build_path(leaf, bundle.bundle.certificates, trust, configuration.facts.at, security_level=0)
    intermediates = max(0, len(path.path) - 2)
    fault = reason = ""
    unanchored = next((r for r in path.reasons if r.kind in _UNANCHORED), None)
    depth, allowed = target.setting("verify_depth"), target.setting("verify_depth").value or "1"
    if path.verdict == "untrusted" and unanchored is not None:
        fault, reason = "trust", unanchored.message
    elif path.verdict == "trusted" and depth.certain and allowed.isdecimal() and intermediates > int(allowed):
        fault, reason = "depth", f"the depth is {allowed}{'' if depth.directives else ' by default'}"
    if not fault and name is not None and checks_host(name, leaf) is False:
        fault, reason = "name", f"nginx compares {name} with the DNS names of the certificate: {_dns_names(leaf)}"
    return Verification(bundle, server, fault, name, reason, intermediates)


_UNANCHORED = frozenset({"untrusted-root", "missing-intermediate", "self-signed-certificate"})


def client_verdict(configuration: Configuration, tls: EffectiveTLS, path: str, directive: Directive) -> str | None:
    """Why a server does not accept a client certificate of nginx (400); None if it does, or that is not known."""
    from nginxtls.pki import TrustStore, build_path

    sent, _ = configuration.store.read_bundle(path, directive)
    anchors: list[Certificate] = []
    for name in ("ssl_client_certificate", "ssl_trusted_certificate"):
        line = tls.setting(name).origin
        if line is not None and line.args:
            found, _ = configuration.store.read_bundle(line.args[0], line)
            if found is None:
                return None
            anchors += found.certificates
    if sent is None or not sent.certificates or not anchors:
        return None
    trust = TrustStore("ssl_client_certificate", anchors, private=True)
    facts = configuration.facts
    judged = build_path(sent.certificates[0], sent.certificates, trust, facts.at, "client", security_level=tls.level)
    depth = tls.context.setting("ssl_verify_depth")
    if judged.verdict == "untrusted":
        return f"{path} does not verify: {next((reason.message for reason in judged.reasons), 'it has no path')}"
    too_deep = depth.value.isdecimal() and len(judged.path) - 2 > int(depth.value)
    return f"{path} has a longer chain than ssl_verify_depth {depth.value}" if too_deep else None


def checks_host(name: str, leaf: Certificate) -> bool | None:
    """Whether X509_check_host(3) accepts a name, as nginx calls it; None if that is not known.

    It compares the DNS names, or the common name where there is none; an address is compared as text, never with the
    addresses of the certificate (measured, all generations).
    """
    from nginxtls.pki.hostnames import covers

    names = _compared(leaf)
    if any("*" in each.removeprefix("*.") for each in names):
        return None  # a wildcard inside a label, which OpenSSL accepts
    return any(covers(each, name) or each.lower() == name.lower() for each in names)


def _compared(leaf: Certificate) -> list[str]:
    return [san.value for san in leaf.sans if san.kind == "dns"] or list(leaf.common_names)


def _dns_names(leaf: Certificate) -> str:
    names = _compared(leaf)
    return f"{', '.join(names[:3])}{' …' if names[3:] else ''}" if names else "it has none"
