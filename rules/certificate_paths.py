"""Rules about variables in the paths of certificates, keys and other files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import served_on
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.common.serving import titles, variables

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.chosen import chosen, empty_variables, failure
from nginxtls.model.patterns import read_pattern
from nginxtls.model.variables import definitions
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.model.chosen import Chosen
    from nginxtls.syntax.tree import Directive

CERTIFICATE = f"{NGINX_SSL}#ssl_certificate"
SNI = frozenset({"ssl_server_name", "ssl_preread_server_name"})
"""The text of the client's SNI, unchecked."""


class SniInCertificatePath(Rule):
    """The path of a certificate or key contains `$ssl_server_name`, so any client chooses which file nginx opens.

    The variable holds what the client sends. Names with `/` or `..` match no `server_name` and go to the default
    server, where they reach the file system as they are: an SNI of `../../tmp/x` opens that path (measured on nginx
    1.18.0 to 1.30.6). A file must hold a certificate to be sent, but its existence shows, and a file that others can
    write may be loaded.

    Clients: no difference for browsers. Anyone who can send a ClientHello chooses which file a worker opens; a wrong
    choice ends with the alert `internal error`.

    Fix: let a `map` choose among names that are known, and use its result in the path.

    A server that is not the default server of a TLS socket only receives names that match its `server_name`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name *.example.com;
        ssl_certificate /etc/ssl/sites/$ssl_server_name.pem;
        ssl_certificate_key /etc/ssl/sites/$ssl_server_name.key;
    }
    ```

    ```nginx good
    http {
        map $ssl_server_name $site {
            ~^([a-z0-9-]+)\\.example\\.com$ $1;
            default none;
        }
        server {
            listen 443 ssl;
            server_name *.example.com;
            ssl_certificate /etc/ssl/sites/$site.pem;
            ssl_certificate_key /etc/ssl/sites/$site.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (22,)
    since = "nginx 1.15.9"
    references = (CERTIFICATE, "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_server_name")
    needs = ("ssl_certificate", "ssl_certificate_key")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        lines: dict[Directive, list[VirtualServer]] = {}
        chosen_in = {module: _chosen(configuration, module) for module in ("http", "stream")}
        for server in configuration.servers:
            chosen = chosen_in.get(server.module, SNI)
            if server.fragment or not any(s.speaks_tls and s.default is server for s in server.sockets):
                continue
            for bundle in server.bundles:
                for directive in filter(None, (bundle.directive, bundle.key_directive)):
                    path = directive.args[-1]
                    if not path.startswith("data:") and variables(path) & chosen:
                        lines.setdefault(directive, []).append(server)
        reported = set()
        for directive, servers in lines.items():
            if servers[0] in reported:
                continue
            reported.update(servers)
            others = [line for line, users in lines.items() if line is not directive and users[0] is servers[0]]
            yield self.at(
                directive,
                _chooses(directive),
                arg=len(directive.args) - 1,
                labels=[label(line, "this path, too", len(line.args) - 1) for line in others],
                help="map $ssl_server_name to known names, and use the result in the path",
                endpoints=titles(servers),
            )


def _chooses(directive: Directive, arg: int = -1) -> str:
    """The message, with the variable of the path: that of nginx if it is there, else the first."""
    found = variables(directive.args[arg])
    name = next(iter(found & SNI), min(found))
    return f"any client chooses this path: ${name} is the text of its SNI, which may contain / and .."


class SniInFilePath(Rule):
    """The path of a file that nginx reads or writes contains `$ssl_server_name`, so any client chooses it.

    The variable holds what the client sends in its ClientHello, and nginx does not compare it with the `Host` header,
    which selects the server. An SNI of `../secret` with a `Host` of the site opens that folder below `root`
    (measured on nginx 1.18.0 to 1.30.6).

    Clients: no difference for browsers. A client with an SNI such as `../secret` and the `Host` of the site gets, or
    makes nginx write, files outside of the intended folder.

    Fix: use `$host`, which cannot contain `/`, or a `map` that chooses among names that are known.

    ```nginx bad
    root /srv/$ssl_server_name;
    ```

    ```nginx good
    root /srv/$host;
    ```
    """

    severity = Severity.WARNING
    security_severity = 7.5
    cwe = (22,)
    references = (
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#root",
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_server_name",
    )
    directives = ("root", "alias", "access_log", "auth_basic_user_file", "proxy_store", "fastcgi_store", "uwsgi_store",
                  "scgi_store")  # fmt: skip

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or "$" not in directive.args[0]:
            return
        if variables(directive.args[0]) & _chosen(configuration, "http"):
            yield self.at(
                directive,
                _chooses(directive, 0),
                arg=0,
                help="use $host, or map $ssl_server_name to known names and use the result",
            )


def _chosen(configuration: Configuration, module: str) -> frozenset[str]:
    """The variables that can have the unchecked text of an SNI: nginx's own, and those that copy it."""
    known = set(SNI)
    made = definitions(configuration, module)
    while True:
        more = {name for name, lines in made.items() if name not in known and any(_copies(d, known) for d in lines)}
        if not more:
            return frozenset(known)
        known |= more


def _copies(directive: Directive, known: set[str]) -> bool:
    """Whether a definition can give its variable the text of a known one."""
    if directive.name == "set":
        return bool(variables(directive.args[1]) & known)
    from_sni = bool(variables(directive.args[0]) & known)
    for line in directive.block or ():
        value = variables(line.args[0]) if line.args else set()
        if value & known:
            return True
        if from_sni and value and line.name.startswith("~"):
            caseless = line.name.startswith("~*")
            pattern = read_pattern(line.name.lstrip("~").removeprefix("*"), caseless=caseless)
            if pattern.matches("../../tmp/x"):
                return True
    return False


class EmptyVariableInCertificatePath(Rule):
    """The path of a certificate or key contains a variable that is empty when nginx loads the file.

    nginx evaluates the path during the handshake, before there is a request. Variables of `set`, the captures of a
    regular expression in `server_name`, `$http_host` and all else that comes with a request are empty then (measured on
    nginx 1.18.0 to 1.30.6). `nginx -t` reports nothing.

    Clients: every handshake ends with the alert `internal error` (ERR_SSL_PROTOCOL_ERROR), unless the path without the
    variable exists.

    Fix: use `$ssl_server_name`, or a `map` of it.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name ~^(?<site>[a-z]+)\\.example\\.com$;
        ssl_certificate /etc/ssl/$site.pem;
        ssl_certificate_key /etc/ssl/$site.key;
    }
    ```

    ```nginx good
    http {
        map $ssl_server_name $site {
            ~^([a-z]+)\\.example\\.com$ $1;
            default none;
        }
        server {
            listen 443 ssl;
            server_name ~^[a-z]+\\.example\\.com$;
            ssl_certificate /etc/ssl/$site.pem;
            ssl_certificate_key /etc/ssl/$site.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.15.9"
    references = (CERTIFICATE,)
    needs = ("ssl_certificate", "ssl_certificate_key")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        lines: dict[Directive, tuple[str, list[VirtualServer]]] = {}
        for server in configuration.servers if configuration.completeness == "full" else ():
            for bundle in server.bundles if server.module != "mail" else ():
                for directive, path in ((bundle.directive, bundle.path), (bundle.key_directive, bundle.key_path)):
                    if directive is None or "$" not in path or path.startswith("data:"):
                        continue
                    if empty := empty_variables(server, configuration, path):
                        lines.setdefault(directive, (empty[0], []))[1].append(server)
        reported: set[VirtualServer] = set()
        for directive, (name, servers) in lines.items():
            if not reported.isdisjoint(servers):
                continue
            reported.update(servers)
            yield self.at(
                directive,
                f"handshakes fail: ${name} is empty while nginx loads the certificate, as there is no request yet",
                arg=len(directive.args) - 1,
                help="use `$ssl_server_name`, or a `map` of it",
                endpoints=titles(servers),
            )


class VariableCertificateFails(Rule):
    """Variables in the path of a certificate lead to files that nginx cannot use for one of the server's names.

    nginx starts, as it loads the files at each handshake: a missing file, a key of another certificate or a damaged
    file show for clients only. The names are those of `server_name`, and the variables those that depend on them.

    Clients: handshakes for the name end with the alert `internal error` (ERR_SSL_PROTOCOL_ERROR).

    Fix: create the files for the name, or add the name to the `map`.

    A file that does not exist is only reported where all of the machine or image can be read.

    ```nginx bad
    http {
        map $ssl_server_name $pair {
            example.com good;
            default other;
        }
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
            ssl_certificate_key certificates/$pair.key;
        }
    }
    ```

    ```nginx good
    http {
        map $ssl_server_name $pair {
            default good;
        }
        server {
            listen 443 ssl;
            server_name example.com www.example.com;
            ssl_certificate certificates/$pair.pem;
            ssl_certificate_key certificates/$pair.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.15.9"
    references = (CERTIFICATE,)
    needs = ("ssl_certificate", "ssl_certificate_key")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[tuple[Chosen, str]]] = {}
        for each in chosen(configuration):
            server, bundle = each.endpoint.server, each.bundle
            written = bundle.directive.args[-1] + (bundle.key_directive.args[-1] if bundle.key_directive else "")
            if empty_variables(server, configuration, written) or not (why := failure(bundle)):
                continue
            found.setdefault(bundle.directive, []).append((each, why))
        for directive, cases in found.items():
            first, why = cases[0]
            names = listed(list(dict.fromkeys(each.name.key for each, _ in cases)))
            place = first.name.directive
            yield self.at(
                directive,
                f"handshakes for {names} fail: {why}",
                arg=len(directive.args) - 1,
                labels=[label(place, "clients request this name", first.name.arg)] if place is not None else (),
                help="create the files for the name, or add the name to the `map`",
                endpoints=tuple(dict.fromkeys(each.endpoint.title for each, _ in cases)),
            )


class VariablesInMailCertificate(Rule):
    """`ssl_certificate` or `ssl_certificate_key` in `mail` contains a variable, which mail servers do not expand.

    The mail modules have no variables: nginx looks for a file with the `$` in its name and does not start (measured on
    nginx 1.18.0 to 1.30.6).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write the path of the file; a mail server without SNI has one certificate anyway.

    ```nginx bad
    mail {
        auth_http 127.0.0.1:9000/auth;
        ssl_certificate /etc/ssl/$server_name.pem;
        ssl_certificate_key /etc/ssl/$server_name.key;
        server {
            listen 993 ssl;
            protocol imap;
        }
    }
    ```

    ```nginx good
    mail {
        auth_http 127.0.0.1:9000/auth;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        server {
            listen 993 ssl;
            protocol imap;
        }
    }
    ```
    """

    severity = Severity.ERROR
    references = ("https://nginx.org/en/docs/mail/ngx_mail_ssl_module.html#ssl_certificate",)
    needs = ("mail",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "mail-variable":
                users = [
                    server
                    for bundle in configuration.bundles
                    if refusal.directive in (bundle.directive, bundle.key_directive)
                    for server in configuration.servers_of(bundle)
                ]
                yield self.at(
                    refusal.location,
                    "nginx does not start: mail expands no variables, and there is no file of this name",
                    help="write the path of the file",
                    endpoints=served_on(users),
                )
