"""A rule about includeSubDomains: names below the one that sends it, which this configuration serves without TLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import quoted
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.hsts.helpers import HSTS, RFC_6797, by_server, is_behind_proxy

from nginxtls.finding import Severity
from nginxtls.model import headers
from nginxtls.model.header_values import hsts
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer, expanded
from nginxtls.model.sockets import connected
from nginxtls.pki import match_hostname
from nginxtls.rule import Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServerName, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive


class SubdomainWithoutTls(Rule):
    """Strict-Transport-Security includes the subdomains, and one of them is served over plain HTTP only.

    Browsers that have received the header request the subdomain over https as well, and get nothing, or the certificate
    or the content of another server. They do not fall back to plain HTTP.

    Clients: those who have visited this site before cannot open the subdomain: ERR_CONNECTION_REFUSED, a certificate
    error without a way to continue, or another site. New visitors can.

    Fix: add TLS to the server of the subdomain, or remove `includeSubDomains`.

    Not reported if the subdomain's server rejects requests, redirects to https, or is behind a proxy that ends TLS.
    A subdomain that only redirects to another name is reported if no certificate for it is found. Reported only if the
    whole configuration was read.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    }
    server {
        listen 80;
        server_name old.example.com;
        root /var/www/old;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    server {
        listen 80;
        server_name old.example.com;
        root /var/www/old;
    }
    ```
    """

    severity = Severity.WARNING
    references = (f"{RFC_6797}#section-6.1.2", f"{RFC_6797}#section-8.3", f"{RFC_6797}#section-14.4")
    needs = ("add_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or any(
            socket.module == "stream" and socket.port == 443 for socket in configuration.sockets
        ):
            return  # a stream server may pass the connection on to another host
        domains = _with_subdomains(configuration)
        if not domains:
            return
        found: dict[Directive, dict[str, ServerName]] = {}
        for socket, server, name, host in _plain_names(configuration):
            parents = (domains[parent] for parent in _parents(host) if parent in domains)
            line = next(parents, None)
            if line is not None and _lacks_tls(configuration, socket, server, host):
                found.setdefault(line, {})[name.text] = name
        for line, names in found.items():
            yield self.at(
                line,
                f"browsers that have received this header cannot open {listed(list(names))}, which"
                f" {'is' if len(names) == 1 else 'are'} served over plain HTTP only",
                arg=1,
                labels=[
                    label(name.directive, "served over plain HTTP only", name.arg)
                    for name in list(names.values())[:3]
                    if name.directive is not None
                ],
                help="add TLS to these servers, or remove `includeSubDomains`",
                fix=_without_subdomains(line),
                endpoints=[f"{name} on *:80" for name in names],
            )


def _with_subdomains(configuration: Configuration) -> dict[str, Directive]:
    """The names that send the header with includeSubDomains, each with its add_header."""
    found: dict[str, Directive] = {}
    for server, endpoints in by_server(configuration).items():
        host = next((name.key for name in server.names if name.is_host), "")
        request = Request("https", host, endpoints[0].socket.port)
        if not host:
            continue
        for scope in dict.fromkeys((server.scope, *(scope for scope, _ in server.levels("add_header")))):
            for header in headers.find(scope, HSTS)[:1]:
                if not header.directive.known or scope.is_conditional(header.directive):
                    continue
                value = hsts(expanded(configuration, server, request, header.value) or "")
                if value and "includesubdomains" in value and int(value["max-age"]):
                    for name in server.names:
                        if name.is_host:
                            found.setdefault(name.key, header.directive)
    return found


def _plain_names(configuration: Configuration) -> Iterator[tuple[Socket, VirtualServer, ServerName, str]]:
    """The names that browsers reach over plain HTTP on port 80, each with a host: of a wildcard one that it matches."""
    for socket in configuration.sockets:
        if socket.module != "http" or socket.port != 80 or socket.speaks_tls or not socket.known:
            continue
        if socket.is_loopback or socket.proxy_protocol:
            continue
        for server in socket.servers:
            for name in server.names:
                host = name.key if name.is_host else f"any.{name.key}" if name.form == "leading" else ""
                if host and socket.names.find(host) is server:
                    yield socket, server, name, host


def _parents(host: str) -> Iterator[str]:
    """The domains above a host."""
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _lacks_tls(configuration: Configuration, socket: Socket, server: VirtualServer, host: str) -> bool:
    """Whether a name that plain HTTP serves surely has no TLS here."""
    for other in configuration.sockets:
        if other.module == "http" and other.speaks_tls and (other.names.unknown or other.names.find(host) is not None):
            return False
    found = answer(configuration, socket, Request("http", host, 80))
    if found is None or not server.scope.certain or is_behind_proxy(server) or found.status.startswith(("4", "5")):
        return False
    if any(rule.args[:1] == ("all",) for scope in (server.scope, found.scope) for rule in scope.all("deny")):
        return False  # not meant for browsers
    if not found.target:
        return True
    if found.target.lower().startswith(f"https://{host}"):
        return False
    there = connected(configuration.sockets, socket.address, 443)
    if there is None or not there.speaks_tls or there.default.rejects_handshake:
        return True
    leaves = [bundle.leaf for bundle in there.default.bundles]
    return bool(leaves) and not any(leaf is None or match_hostname(host, leaf).matches for leaf in leaves)


def _without_subdomains(line: Directive) -> Fix | None:
    """The fix that removes includeSubDomains; None if the value comes from a variable."""
    value = re.sub(r"(?i)\s*;\s*includesubdomains\b|\bincludesubdomains\s*;\s*", "", line.args[1])
    return (
        Fix("remove `includeSubDomains`", (replace_argument(line, 1, quoted(value)),))
        if value != line.args[1]
        else None
    )
