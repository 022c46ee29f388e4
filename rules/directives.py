"""Rules about the directives themselves: misspelled, misplaced, repeated, too new, removed, or without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import as_written, inside, removal, renamed, with_word
from nginxtls.rules.common.serving import titles

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.directive_table import by_module_and_name, entries
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, NginxVersion, Refusal, VirtualServer
    from nginxtls.syntax.tree import Directive

CHANGES = "https://nginx.org/en/CHANGES"
INDEX = "https://nginx.org/en/docs/dirindex.html"
LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"
_MOST_UNKNOWN = 300
"""No more unknown names are compared with the known ones; a configuration of more is for another program."""
SSL_GONE = (1, 25, 1)


def _of_kind(configuration: Configuration, *kinds: str) -> Iterator[Refusal]:
    return (refusal for refusal in refusals(configuration) if refusal.category in kinds)


def _since(name: str) -> NginxVersion | None:
    """The first nginx version with a directive in any module; None if all supported versions have it."""
    found = [entry.since for entry in entries() if entry.directive == name]
    return min(since for since in found if since) if found and all(found) else None


def _too_new(directive: Directive, configuration: Configuration) -> NginxVersion | None:
    """The first version with the directive, if the given version does not have it."""
    since = _since(directive.name)
    return since if since and configuration.facts.nginx and configuration.facts.nginx < since else None


class RemovedSslDirective(Rule):
    """nginx 1.25.1 removed the `ssl` directive, and this nginx does not start with it.

    Measured on 1.26.3 and 1.30.6: `[emerg] unknown directive "ssl"`, for `ssl off;`, too.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: add `ssl` to the `listen` directives, and remove the `ssl` directive.

    ```nginx bad, nginx: 1.26.3
    ssl on;
    ```

    ```nginx good, nginx: 1.26.3
    listen 8443 ssl;
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.25.1"
    directives = ("ssl",)
    references = (CHANGES, LISTEN)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is not None and nginx.at_least(*SSL_GONE) and _is_ssl_switch(directive):
            yield self.at(
                directive,
                f"nginx {nginx} does not start: the `ssl` directive was removed in 1.25.1",
                help="add `ssl` to the `listen` directives and remove this directive",
                fix=_switched(directive, configuration),
            )


class DeprecatedSslDirective(Rule):
    """The `ssl` directive is deprecated since nginx 1.15.0, and nginx 1.25.1 and later do not start with it.

    It enables TLS on every listen socket of the server, including port 80.

    Clients: up to nginx 1.25.0 `http://` requests to this server get `400 The plain HTTP request was sent to HTTPS
    port`. After an update to 1.25.1 or later connections are refused.

    Fix: add `ssl` to the `listen` directives that serve TLS, and remove the `ssl` directive.

    ```nginx bad
    ssl on;
    ```

    ```nginx good
    listen 8443 ssl;
    ```
    """

    severity = Severity.WARNING
    since = "nginx 1.15.0"
    directives = ("ssl",)
    references = (CHANGES, LISTEN)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if _is_ssl_switch(directive) and (
            nginx is None or (nginx.at_least(1, 15, 0) and not nginx.at_least(*SSL_GONE))
        ):
            yield self.at(
                directive,
                "nginx 1.25.1 and later do not start with the `ssl` directive",
                help="add `ssl` to the `listen` directives and remove this directive",
                fix=_switched(directive, configuration),
            )


def _switched(directive: Directive, configuration: Configuration) -> Fix | None:
    """The fix that moves an ``ssl`` switch to the listen lines of its server; None if it is not in a server."""
    if directive.args[:1] == ("off",):
        return removal(directive)
    server = next((server for server in configuration.servers if server.directive is directive.parent), None)
    lines = [listen.directive for listen in server.listens if not listen.datagram] if server is not None else []
    if server is None or not lines or any(line is None or not line.known for line in lines):
        return None
    edits = [with_word(line, "ssl") for line in lines if line is not None and "ssl" not in line.args]
    if not all(socket.default.has_tls_context for socket in server.sockets):
        return None  # nginx does not start with ssl on its lines
    alone = all(socket.servers == [server] for socket in server.sockets)
    started = configuration.facts.nginx is not None and not configuration.facts.nginx.at_least(*SSL_GONE)
    return Fix("move `ssl` to the `listen` directives", (*edits, delete(directive)), safe=alone and started)


def _is_ssl_switch(directive: Directive) -> bool:
    return directive.block is None and directive.args[:1] in (("on",), ("off",))


class SettingsWithoutTls(Rule):
    """A server without a TLS listen socket has TLS settings, which have no effect.

    A `listen` directive without `ssl` serves plain HTTP, even if the server has a certificate.

    Clients: plain HTTP; a browser that opens `https://` with this port shows ERR_SSL_PROTOCOL_ERROR or
    SSL_ERROR_RX_RECORD_TOO_LONG.

    Fix: add `ssl` to the `listen` directive, or remove the settings.

    Only complete configurations are checked; otherwise another file may enable `ssl` on the socket. On port 443,
    `plain-http-on-tls-port` is reported instead.

    ```nginx bad
    server {
        listen 80;
        server_name example.com;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 80;
        listen 443 ssl;
        server_name example.com;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 3.7
    references = (LISTEN, "https://nginx.org/en/docs/http/configuring_https_servers.html")

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.facts.completeness != "full" or not server.scope.certain or server.fragment:
            return
        if server.speaks_tls:
            return
        own = [name for name in server.scope.own if name.startswith("ssl_") and not _is_other(name)]
        if not own or server.setting("ssl").directives or any(s.port == 443 for s in server.sockets):
            return
        if server.setting("starttls").directives or any(not listen.known for listen in server.listens):
            return
        first = min((server.scope.own[name][0] for name in own), key=lambda line: (line.file.name, line.start))
        listen = next((listen.directive for listen in server.listens if listen.directive), None)
        yield self.at(
            first,
            f"`{first.name}` has no effect: {server.title} serves plain HTTP on all its sockets",
            labels=[label(listen, "without `ssl`")] if listen else (),
            help="add `ssl` to the `listen` directive, or remove the TLS settings",
        )


def _is_other(name: str) -> bool:
    """A directive that does not concern TLS of this server, or belongs to another module."""
    # Without ssl_password_file nginx cannot load an encrypted key, which it does for servers without TLS, too.
    return name in ("ssl_preread", "ssl_engine", "ssl_password_file") or "_by_lua" in name


class UnknownTlsDirective(Rule):
    """The name of a directive is misspelled, and nginx does not start.

    It is reported only if the name is similar to a directive of nginx; other unknown names may belong to a module.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: correct the name.

    ```nginx bad
    ssl_protocol TLSv1.2 TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (INDEX,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        known = {entry.directive for entry in entries()}
        meant: dict[str, list[str]] = {}
        for refusal in _of_kind(configuration, "unknown-directive"):
            name = refusal.directive.name
            if name not in known and name not in meant and len(meant) < _MOST_UNKNOWN:
                from difflib import get_close_matches

                meant[name] = get_close_matches(name[:80], known, 1, 0.85)
            near = meant.get(name)
            if near and "_by_lua" not in name:
                yield self.at(
                    refusal.directive,
                    f'nginx does not start: unknown directive "{name}"',
                    help=f"replace it with `{near[0]}`",
                    fix=renamed(refusal.directive, near[0]),
                )


class MisplacedDirective(Rule):
    """A directive is in a block where nginx does not allow it, and nginx does not start.

    TLS is negotiated before the request is read: most `ssl_*` directives belong in `http` or `server`, none in
    `location`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: move it to a block where nginx allows it.

    ```nginx bad
    location /admin {
        ssl_verify_client on;
    }
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    references = (INDEX, NGINX_SSL)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _of_kind(configuration, "context"):
            directive = refusal.directive
            if _too_new(directive, configuration):
                continue
            entry = by_module_and_name().get(("http", directive.name))
            yield self.at(
                directive,
                f"nginx does not start: `{directive.name}` is not allowed here",
                help=f"move it to {' or '.join(entry.contexts)}" if entry else "",
                fix=_moved_out(directive, entry.contexts) if entry else None,
            )


def _moved_out(line: Directive, contexts: Sequence[str]) -> Fix | None:
    """The fix that moves a line to the nearest block around it where nginx allows it and it is not yet."""
    block = line.parent
    while block is not None and block.name not in contexts:
        block = block.parent
    if block is None or block.file is not line.file or any(each.name == line.name for each in block.block or ()):
        return None
    return Fix(f"move it to {block.name}", (inside(block, as_written(line)), delete(line)))


class RepeatedDirective(Rule):
    """A block repeats a directive that is allowed only once, and nginx does not start.

    Measured: `[emerg] "ssl_ciphers" directive is duplicate`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: keep only one. `ssl_protocols`, `ssl_certificate` and `ssl_conf_command` may be repeated and accumulate.

    ```nginx bad
    ssl_prefer_server_ciphers on;
    ssl_prefer_server_ciphers off;
    ```

    ```nginx good
    ssl_prefer_server_ciphers off;
    ```
    """

    severity = Severity.ERROR
    references = (NGINX_SSL,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _of_kind(configuration, "duplicate"):
            directive = refusal.directive
            yield self.at(
                directive,
                f"nginx does not start: `{directive.name}` is repeated in this block",
                labels=[label(refusal.first, "the first one")] if refusal.first else (),
                help="keep only one of them",
                fix=Fix("remove the second one", (delete(directive),)),
            )


class DirectiveNewerThanNginx(Rule):
    """A directive requires a newer nginx than the one given with `--nginx-version`, which does not start with it.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: upgrade nginx, or remove the directive. Distributions rarely backport directives to old versions.

    ```nginx bad, nginx: 1.18.0
    ssl_reject_handshake on;
    ```

    ```nginx good, nginx: 1.26.3
    ssl_reject_handshake on;
    ```
    """

    severity = Severity.ERROR
    references = (INDEX, CHANGES)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _of_kind(configuration, "unknown-directive", "context"):
            if since := _too_new(refusal.directive, configuration):
                yield self.at(
                    refusal.directive,
                    f"nginx {configuration.facts.nginx} does not start: it does not support `{refusal.directive.name}`",
                    help=f"upgrade to nginx {since} or later, or remove `{refusal.directive.name}`",
                    fix=removal(refusal.directive),
                )


class UnusedTrustedCertificate(Rule):
    """`ssl_trusted_certificate` has no effect, because neither stapling nor client verification is enabled.

    It usually remains from stapling. It never completes the chain that nginx sends (measured).

    Clients: no difference.

    Fix: remove it; clients see no difference.

    ```nginx bad
    ssl_trusted_certificate certificates/root.pem;
    ```

    ```nginx good
    ssl_trusted_certificate certificates/root.pem;
    ssl_stapling on;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (f"{NGINX_SSL}#ssl_trusted_certificate",)
    needs = ("ssl_trusted_certificate",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        users: dict[Directive, list[VirtualServer]] = {}
        for server in configuration.servers:
            if origin := server.setting("ssl_trusted_certificate").origin:
                users.setdefault(origin, []).append(server)
        for directive, servers in users.items():
            settings = [s.setting(name) for s in servers for name in ("ssl_stapling", "ssl_verify_client", "ssl_ocsp")]
            if any(s.value not in ("", "off") or not s.certain for s in settings):
                continue
            if any(server.setting("ssl_client_certificate").directives for server in servers):
                continue
            if not any(server.speaks_tls for server in servers):
                continue
            yield self.at(
                directive,
                "`ssl_trusted_certificate` has no effect: neither stapling nor client verification is enabled",
                help="remove `ssl_trusted_certificate`",
                fix=Fix("remove `ssl_trusted_certificate`", (delete(directive),), safe=True),
                endpoints=titles(servers),
            )


class UnknownConfCommand(Rule):
    """`ssl_conf_command` has a command or value that OpenSSL does not accept, and nginx does not start.

    Measured: `SSL_CONF_cmd("…") failed`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: use a command and value from OpenSSL's SSL_CONF_cmd manual page.

    ```nginx bad
    ssl_conf_command MinimumProtocol TLSv1.2;
    ```

    ```nginx good
    ssl_conf_command MinProtocol TLSv1.2;
    ```
    """

    severity = Severity.ERROR
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    needs = ("ssl_conf_command", "proxy_ssl_conf_command", "grpc_ssl_conf_command", "uwsgi_ssl_conf_command")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _of_kind(configuration, "conf-command"):
            yield self.at(refusal.location, f"nginx does not start: {refusal.message}")


class IncludeMatchesNothing(Rule):
    """An `include` with `ssl` or `tls` in its name matches no file, so its settings are not loaded.

    nginx accepts a pattern that matches no file and starts with its default settings.

    Clients: nginx's default protocols and suites, and none of the headers, that the missing files were to set.

    Fix: correct the path.

    ```nginx bad
    include certificates/tls-*.conf;
    ```

    ```nginx good
    include certificates/sites-*.conf;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    directives = ("include",)
    references = ("https://nginx.org/en/docs/ngx_core_module.html#include",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        pattern = directive.args[0] if directive.args else ""
        if "*" not in pattern or not directive.known:
            return
        last = pattern.rpartition("/")[2].lower()
        if not any(word in last for word in ("ssl", "tls")):
            return
        if configuration.completeness == "full" and configuration.tree.includes.get(directive) == ():
            yield self.at(
                directive,
                f"{pattern} matches no file, so nginx uses its default TLS settings",
                arg=0,
                help="correct the path, or remove the `include`",
            )
