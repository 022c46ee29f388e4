"""TLS towards upstreams: the places that connect with it, and the effective settings there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxtls.model.conf_commands import commands
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nginxtls.model.conf_commands import Command
    from nginxtls.model.locations import LocationBlock
    from nginxtls.model.servers import VirtualServer
    from nginxtls.model.settings import Scope, Setting
    from nginxtls.syntax.tree import Directive

FAMILIES = {
    # pass directive: (family, scheme that means TLS)
    "proxy_pass": ("proxy", "https://"),
    "grpc_pass": ("grpc", "grpcs://"),
    "uwsgi_pass": ("uwsgi", "suwsgi://"),
}


@dataclass(frozen=True)
class TlsClient:
    """A place from which nginx connects, with the settings of TLS there."""

    directive: Directive
    """The pass directive (or ``auth_http``)."""
    family: str
    """``proxy``, ``grpc``, ``uwsgi``, ``fastcgi``, ``scgi``, ``memcached``, ``stream`` or ``auth_http`` (mail)."""
    scope: Scope
    server: VirtualServer
    location: LocationBlock | None

    def setting(self, suffix: str) -> Setting:
        """``setting("verify")`` is proxy_ssl_verify, grpc_ssl_verify …, as the family has it."""
        return self.scope.setting(self.directive_name(suffix))

    def directive_name(self, suffix: str) -> str:
        """The directive of the family for a suffix: ``grpc_ssl_verify`` for ``verify``."""
        return f"{'proxy' if self.family == 'stream' else self.family}_ssl_{suffix}"

    @property
    def commands(self) -> tuple[Command, ...]:
        """The lines of ``proxy_ssl_conf_command`` and its kin that are effective, in order."""
        return tuple(commands(self.setting("conf_command").directives))


@dataclass(frozen=True)
class Upstream(TlsClient):
    """A place that speaks TLS to an upstream: a ``*_pass`` in a location, or a stream server with ``proxy_ssl on``.

    ``family`` is ``proxy``, ``grpc``, ``uwsgi`` or ``stream``.
    """

    groups: Mapping[tuple[str, str], Directive]
    """The ``upstream`` blocks, by module and name."""

    @property
    def target(self) -> str:
        """The argument of the pass directive."""
        return self.directive.args[0] if self.directive.args else ""

    @property
    def host(self) -> str:
        """Host and port without scheme and path."""
        rest = self.target.partition("://")[2] or self.target
        return rest.partition("/")[0]

    @property
    def host_name(self) -> str:
        """The host without its port and brackets."""
        host = self.host
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0]

    @property
    def is_variable(self) -> bool:
        """Whether the host has variables or template text."""
        return "$" in self.host or UNKNOWN in self.host

    @property
    def group(self) -> Directive | None:
        """The ``upstream`` block that the target names, if there is one."""
        return self.groups.get((self.server.module, self.host_name))

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses behind the target: those of its upstream group, or the target's own host."""
        group = self.group
        if group is None:
            return (self.host,)
        return tuple(d.args[0] for d in self.server.tree.expand(group.block or []) if d.name == "server" and d.args)

    @property
    def is_local(self) -> bool:
        """Whether every address of the target is local: loopback, localhost or a unix socket."""
        return bool(self.servers) and all(is_local(server) for server in self.servers)

    @property
    def is_address(self) -> bool:
        """The host is an IP address, to which no SNI can be sent."""
        return _ip(self.host_name) is not None


def is_local(server: str) -> bool:
    """Whether an upstream address is local."""
    if server.startswith("unix:"):
        return True
    host = server[1:].partition("]")[0] if server.startswith("[") else server.partition(":")[0]
    ip = _ip(host)
    return host.lower() == "localhost" if ip is None else ip.is_loopback


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def find_upstreams(
    servers: Sequence[VirtualServer], groups: Mapping[tuple[str, str], Directive], passes: Sequence[Directive]
) -> Iterator[Upstream]:
    """Every place with TLS towards an upstream. ``passes`` are the pass directives of the configuration."""
    schemes = tuple(scheme for _, scheme in FAMILIES.values())
    passing = any(line.args and line.args[0].lower().startswith(schemes) for line in passes)
    for server in servers:
        if server.module == "stream":
            directive = server.first("proxy_pass")
            if directive is not None and server.setting("proxy_ssl").enabled:
                yield Upstream(directive, "stream", server.scope, server, None, groups)
        elif server.module == "http":
            for scope, location in server.levels(*FAMILIES) if passing else ():
                for name, (family, scheme) in FAMILIES.items():
                    for directive in scope.all(name):
                        if directive.args and directive.args[0].lower().startswith(scheme):
                            yield Upstream(directive, family, scope, server, location, groups)
