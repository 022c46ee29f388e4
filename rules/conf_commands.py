"""Rules about `ssl_conf_command` and its counterparts for upstreams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import options_without

from nginxtls.finding import Severity
from nginxtls.model.conf_commands import CLIENT_OPTIONS, SERVER_OPTIONS
from nginxtls.rule import NGINX_SSL, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive

PROXY = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ssl_conf_command"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"


class OptionOfOtherSide(Rule):
    """An option of OpenSSL is set on the side of the connection where it has no effect.

    `ssl_conf_command` configures nginx as a server, `proxy_ssl_conf_command`, `grpc_ssl_conf_command` and
    `uwsgi_ssl_conf_command` configure it as a client. `UnsafeLegacyServerConnect` lets a client connect to servers
    without RFC 5746; in `ssl_conf_command` it changes nothing, and the connection to the old upstream still fails with
    `unsafe legacy renegotiation disabled`.

    Clients: `502 Bad Gateway` for requests to the old back end, as without the option.

    Fix: set the option with the directive of the other side.

    ```nginx bad
    ssl_conf_command Options UnsafeLegacyServerConnect;
    ```

    ```nginx good
    ssl_conf_command Options ServerPreference;
    ```
    """

    severity = Severity.WARNING
    directives = ("ssl_conf_command", "proxy_ssl_conf_command", "grpc_ssl_conf_command", "uwsgi_ssl_conf_command")
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command", PROXY)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) < 2 or directive.args[0].lower() != "options" or not directive.known:
            return
        server = directive.name == "ssl_conf_command"
        wrong = CLIENT_OPTIONS if server else SERVER_OPTIONS
        other = "proxy_ssl_conf_command" if server else "ssl_conf_command"
        for word in directive.args[1].split(","):
            name = wrong.get(word.strip().lstrip("+-").lower())
            if name is not None:
                yield self.at(
                    directive,
                    f"{name} has no effect in {directive.name}: it is an option of TLS "
                    f"{'clients, which nginx is towards upstreams' if server else 'servers'}",
                    arg=1,
                    help=f"use {other} Options {name};" if server else f"remove it, or set it with {other}",
                    fix=options_without(directive, [name], safe=True),
                )
