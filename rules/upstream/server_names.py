"""Rules about the names of upstream servers: SNI, the verified name, and name resolution."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside
from nginxtls.rules.common.serving import variables
from nginxtls.rules.upstream.helpers import PROXY, all_passes

from nginxtls.finding import Severity
from nginxtls.rule import Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Upstream

from nginxtls.rules.common.hosts import is_address, is_public_host, without_port


class UpstreamWithoutServerName(Rule):
    """nginx sends no SNI to an upstream server on the Internet: a host with several sites responds with the wrong
    certificate.

    `proxy_ssl_server_name` is `off` by default: no SNI is sent, and the upstream server uses its default certificate,
    or rejects the handshake. With `proxy_ssl_verify on` the connection then fails.

    Clients: `502 Bad Gateway` if the host refuses handshakes without SNI or is verified, otherwise often the pages or
    the error page of another site on that host.

    Fix: `proxy_ssl_server_name on;`.

    Reported only for names that look public. Servers with an IP address, a name of the local network or a variable name
    usually have one certificate for everything.

    ```nginx bad
    location / {
        proxy_pass https://api.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://api.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (f"{PROXY}#proxy_ssl_server_name", "https://www.rfc-editor.org/rfc/rfc6066#section-3")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[str, str]] = set()
        for upstream in configuration.upstreams:
            setting = upstream.setting("server_name")
            if setting.value == "on" or not setting.known or not setting.certain or upstream.is_variable:
                continue
            named = upstream.setting("name")
            if not is_public_host(upstream.host_name) or upstream.is_address or (named.directives and not named.known):
                continue
            if upstream.group is not None or (upstream.family, upstream.host) in seen:
                continue
            seen.add((upstream.family, upstream.host))
            yield self.at(
                setting.origin or upstream.directive,
                f"no SNI is sent to {upstream.host_name}: `{upstream.directive_name('server_name')}` is"
                f" off{'' if setting.origin else ' by default'}",
                arg=None if setting.origin or upstream.family == "stream" else 0,
                help=f"set `{upstream.directive_name('server_name')} on;`",
                fix=beside(setting.origin or upstream.directive, upstream.directive_name("server_name"), "on"),
            )


class UpstreamNameIsGroup(Rule):
    """nginx verifies the certificate of an upstream server against the name of an `upstream` block, and sends that name
    as SNI.

    Without `proxy_ssl_name` the name is `$proxy_host`, the host in `proxy_pass`. With an `upstream` block that is the
    name of the block, for which no certificate is issued. Verification then always fails, and SNI selects the default
    server of the upstream host. `proxy_set_header Host` does not change the name.

    Clients: `502 Bad Gateway` with verification; without it, often the pages or the error page of another site of the
    back end.

    Fix: set `proxy_ssl_name` to the host name of the upstream server.

    Not reported if the name of the block looks like a host name (with a dot), or if both verification and SNI are off.

    ```nginx bad
    events {}
    http {
        upstream app {
            server app1.example.com:443;
        }
        server {
            location / {
                proxy_pass https://app;
                proxy_ssl_verify on;
                proxy_ssl_trusted_certificate certificates/root.pem;
            }
        }
    }
    ```

    ```nginx good
    events {}
    http {
        upstream app {
            server app1.example.com:443;
        }
        server {
            location / {
                proxy_pass https://app;
                proxy_ssl_verify on;
                proxy_ssl_trusted_certificate certificates/root.pem;
                proxy_ssl_name app1.example.com;
            }
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    references = (f"{PROXY}#proxy_ssl_name",)

    def check_upstream(self, upstream: Upstream, configuration: Configuration) -> Iterator[Finding]:
        group, name = upstream.group, upstream.setting("name")
        if group is None or "." in group.args[0] or name.directives or not name.certain or upstream.is_variable:
            return
        block = f'"{group.args[0]}", the name of the `upstream` block'
        if upstream.setting("verify").enabled:
            message = f"every request fails: the certificate of the upstream server is verified against {block}"
        elif upstream.setting("server_name").enabled:
            message = f"the SNI sent to the upstream server is {block}"
        else:
            return
        yield self.at(
            upstream.directive,
            message,
            arg=0 if upstream.family != "stream" else None,
            labels=[label(group, "the name of a group, not of a host")],
            help=f"set `{upstream.directive_name('name')} HOST;`",
            fix=_named(upstream),
        )


def _named(upstream: Upstream) -> Fix | None:
    """The fix that names the host of a group; None if its servers have several, or addresses."""
    hosts = {without_port(server) for server in upstream.servers}
    host = hosts.pop() if len(hosts) == 1 else ""
    if not is_public_host(host) or is_address(host):
        return None
    return beside(upstream.directive, upstream.directive_name("name"), host)


class VariableUpstreamWithoutResolver(Rule):
    """The name of an upstream server comes from a variable, and no `resolver` is configured: requests fail with 502.

    nginx resolves a name in a variable for each request, and does not use the system resolver for that. A literal name
    is resolved when nginx starts and needs no `resolver`.

    Clients: `502 Bad Gateway` for every request; the error log has `no resolver defined to resolve`.

    Fix: `resolver ADDRESS;`.

    Reported only if the variable certainly contains a host name: it is set to one, or it is `$host`, `$http_host` or
    `$ssl_preread_server_name`. Names of `upstream` blocks and addresses need no resolver.

    ```nginx bad
    location / {
        set $backend api.example.com;
        proxy_pass https://$backend;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```

    ```nginx good
    resolver 127.0.0.1;
    location / {
        set $backend api.example.com;
        proxy_pass https://$backend;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    references = ("https://nginx.org/en/docs/http/ngx_http_core_module.html#resolver", f"{PROXY}#proxy_pass")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        values: dict[str, set[str]] = {}
        for directive in configuration.directives("set"):
            if len(directive.args) == 2:
                values.setdefault(directive.args[0].lstrip("$"), set()).add(directive.args[1])
        groups = {name for _, name in configuration.upstream_groups}
        for upstream in all_passes(configuration, lambda target: "$" in target):
            resolver = upstream.scope.setting("resolver")
            used = variables(upstream.host)
            if not used or resolver.directives or not resolver.certain:
                continue
            name = upstream.host.partition(":")[0] if "$" in upstream.host.partition(":")[0] else ""
            single = re.fullmatch(r"\$\{?(\w+)\}?", name)
            if single is None:
                continue
            hosts = {single[1]} & {"host", "http_host", "ssl_preread_server_name"} or {
                host for host in map(_host_of, values.get(single[1], ())) if host
            }
            if hosts and not hosts & groups and all(not is_address(host) and "$" not in host for host in hosts):
                yield self.at(
                    upstream.directive,
                    f"requests fail with 502: {min(hosts)} comes from a variable, and no `resolver` is configured",
                    arg=0,
                    help="add `resolver ADDRESS;`",
                )


def _host_of(value: str) -> str | None:
    """The host in the value of a variable, if it is a name that must be resolved."""
    rest = value.partition("://")[2] or value
    host = rest.partition("/")[0].partition(":")[0]
    return host if re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", host) else None
