"""Rules about `ssl_conf_command`: what it overrides, and where it is ignored or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import after, as_written, for_default_server, moved
from nginxtls.rules.common.grouping import default_is_sure, listed, sockets, spoken, titles
from nginxtls.rules.protocols.common import SSL_CONF

from nginxtls.finding import Severity
from nginxtls.model.decides import live_groups
from nginxtls.model.effective import VERSIONS, protocol_names
from nginxtls.rule import NGINX_SSL, Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive


class ConfCommandOverridesProtocols(Rule):
    """`ssl_conf_command` changes the protocols that `ssl_protocols` sets.

    nginx applies `ssl_conf_command` last, so `Protocol`, `MinProtocol` and `MaxProtocol` override `ssl_protocols`
    (measured on nginx 1.22.1, 1.26.3 and 1.30.6; `nginx -t` reports nothing).

    Clients: the versions of `ssl_conf_command`; one that only `ssl_protocols` lists is refused with `protocol version`,
    and one that only the command allows is accepted.

    Fix: set the versions in `ssl_protocols` alone.

    Not reported if the command changes nothing.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command MinProtocol TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command MinProtocol TLSv1.2;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (1188,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_groups(configuration):
            setting = endpoint.tls.protocols
            if not setting.known or not setting.directives:
                continue
            plain = protocol_names(setting.values) & set(VERSIONS)
            if configuration.facts.openssl.version < (1, 1, 1):
                plain -= {"TLSv1.3"}
            if plain == endpoint.tls.enabled:
                continue
            for command in _protocol_commands(endpoint):
                groups.setdefault(command, []).append(endpoint)
        for command, endpoints in groups.items():
            setting = endpoints[0].tls.protocols
            yield self.at(
                command,
                f"`ssl_conf_command` overrides `ssl_protocols`: clients get"
                f" {spoken(endpoints[0].tls.enabled) or 'no version'} instead of"
                f" {spoken(protocol_names(setting.values))}",
                labels=[label(line, "overridden") for line in setting.directives],
                help="remove it, and set the versions in `ssl_protocols`",
                fix=_as_protocols(command, endpoints[0].tls.enabled),
                endpoints=titles(endpoints),
            )


class IgnoredProtocolLimit(Rule):
    """`ssl_conf_command MinProtocol` or `MaxProtocol` in a server that is not the default server has no effect.

    OpenSSL fixes the range of versions before nginx switches to the settings of the requested server: the default
    server's limits apply to every name on the socket, on all versions of nginx (measured on 1.22.1, 1.26.3 and 1.30.6:
    with `MinProtocol TLSv1.3` in the other server alone its clients still get TLS 1.2).

    Clients: the versions of the default server's limits, so that a version this server means to exclude is accepted, or
    one it means to allow is refused.

    Fix: use `ssl_protocols`, which each server decides for itself since nginx 1.29.2.

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
        ssl_conf_command MinProtocol TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command MinProtocol TLSv1.2;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_conf_command MinProtocol TLSv1.2;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 5.3
    cwe = (665,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in live_groups(configuration):
            if endpoint.is_default or not default_is_sure(endpoint.socket, configuration):
                continue
            for name in ("MinProtocol", "MaxProtocol"):
                mine = endpoint.server.conf_command(name)
                theirs = endpoint.socket.default.conf_command(name)
                if mine and mine[1].known and (theirs is None or theirs[0].lower() != mine[0].lower()):
                    groups.setdefault(mine[1], []).append(endpoint)
        for command, endpoints in groups.items():
            yield self.at(
                command,
                f"`{command.args[0]}` has no effect on {sockets(endpoints)}: its default server decides for every name",
                help="set the versions in `ssl_protocols`",
                fix=for_default_server(command, endpoints),
                endpoints=titles(endpoints),
            )


class DroppedConfCommand(Rule):
    """A server's own `ssl_conf_command` drops those of the http level.

    The lines of a level replace all those of the enclosing level; nginx does not merge them by name. A server that sets
    `Options` loses the `Ciphersuites` that the http level sets for all servers (measured on nginx 1.22.1, 1.26.3 and
    1.30.6; `nginx -t` reports nothing).

    Clients: OpenSSL's defaults for all that the outer lines set, such as other TLS 1.3 suites.

    Fix: repeat the outer lines in the server.

    ```nginx bad
    events {}
    http {
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_conf_command Options PrioritizeChaCha;
            ssl_prefer_server_ciphers on;
        }
    }
    ```

    ```nginx good
    events {}
    http {
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    cwe = (1188,)
    references = (f"{NGINX_SSL}#ssl_conf_command",)
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        own = server.scope.all("ssl_conf_command")
        outer = server.scope.parent
        if not own or outer is None or not server.speaks_tls:
            return
        mine = {line.args[0].lower() for line in own if line.args}
        lost = [
            line
            for line in outer.setting("ssl_conf_command").directives
            if line.args and line.known and line.args[0].lower() not in mine
        ]
        if lost:
            names = listed([line.args[0] for line in lost])
            yield self.at(
                own[0],
                f"this server does not inherit `ssl_conf_command` {names} of the {outer.level} level",
                labels=[label(line, "not inherited") for line in lost],
                help="repeat it in the server",
                fix=Fix(
                    "repeat it in the server",
                    (after(own[-1], as_written(lost[0])),),
                ),
                endpoints=[f"{server.title} on {socket.label}" for socket in server.sockets if socket.tls],
            )


def _protocol_commands(endpoint: Endpoint) -> Iterator[Directive]:
    tls = endpoint.tls
    for name, _, directive in tls.decided_by("ssl_protocols").conf_commands:
        if name.lower() == "protocol":
            yield directive
    for name in ("MinProtocol", "MaxProtocol"):
        if command := endpoint.socket.default.conf_command(name):
            yield command[1]


def _as_protocols(command: Directive, versions: frozenset[str]) -> Fix | None:
    """The fix that sets these versions in place of a command; None if it would set none."""
    return moved(command, "ssl_protocols", *(v for v in VERSIONS if v in versions)) if versions else None
