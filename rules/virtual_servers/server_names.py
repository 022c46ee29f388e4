"""Rules about names that never select the server they are in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import without_words
from nginxtls.rules.common.grouping import default_is_sure
from nginxtls.rules.common.listening import selects_by_name
from nginxtls.rules.common.serving import titles
from nginxtls.rules.virtual_servers.helpers import NAMES, REJECT, REQUESTS

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.nginx_test.sockets import address_text
from nginxtls.rule import Fix, Rule, label, replace_argument
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Socket, VirtualServer
    from nginxtls.model.names import ServerName
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive


class ConflictingServerName(Rule):
    """Two servers of one socket have the same name: nginx uses the first and never selects the second for it.

    nginx warns (`conflicting server name … ignored`) and starts. Which server is the first depends on the order of
    files. Names are compared without case. The same name on different sockets does not conflict.

    Clients: all get the first server, with its certificate and its pages; the second never answers for the name.

    Fix: remove the name from one of the servers.

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
                continue  # reported by unreachable-server
            where = f" on {socket.label}" if socket else ""
            yield self.at(
                refusal.location,
                f'this server is never selected for "{name}"{where}: an earlier server has the same name',
                labels=[label(owner, "nginx selects this server")] if owner is not None else (),
                help="remove the name from one of the servers",
                fix=_without_name(refusal, name, configuration),
            )


def _owner(socket: Socket, name: str) -> Directive | None:
    """The server block that nginx selects for a name."""
    table = socket.names
    tables = (table.exact, table.leading, table.trailing)
    key = name.removeprefix("*.").removeprefix(".").removesuffix(".*")
    owner = next((found[key] for found in tables if key in found), None)
    return owner.directive if owner else None


class UnreachableServer(Rule):
    """No client reaches this server on a TLS socket: it has no name that clients request, and is not the default
    server.

    A client that sends no SNI, or a name that no server has, gets the default server of the socket. Neither
    `server_name ""` nor `_` matches clients without SNI (measured, all generations): both are names like any other.
    (After the handshake, the name `""` does match a request without `Host`.)

    Clients: the default server answers: NET::ERR_CERT_COMMON_NAME_INVALID, or its pages in place of the site's.

    Fix: set `default_server` in its `listen` directive if it is meant as catch-all, or add a `server_name`.

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

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.fragment or not server.scope.certain or server.directive is None or server.module == "mail":
            return
        if not all(name.form in ("empty", "invalid") or name.text == "_" for name in server.names):
            return
        dead = [
            socket
            for socket in server.sockets
            if socket.tls
            and socket.default is not server
            and selects_by_name(socket)
            and default_is_sure(socket, configuration)
        ]
        if not dead or len(dead) < len(server.sockets):
            return
        named = next((name for name in server.names if name.directive), None)
        text = f'no client requests "{named.text}"' if named else "it has no `server_name`"
        winner = dead[0].listen_of(dead[0].default)
        labels = []
        if winner is not None and winner.directive is not None:
            labels.append(label(winner.directive, "serves clients without a known name"))
        yield self.at(
            named.directive if named and named.directive else server.directive,
            f"no client reaches this server on {dead[0].label}: {text}, and {dead[0].default.title} is the default"
            " server",
            labels=labels,
            help="set `default_server` in its `listen` directive, or add a `server_name`",
            endpoints=titles([server]),
        )


class ImpossibleServerName(Rule):
    """A `server_name` has a wildcard in a position that nginx does not support, so it matches no client.

    `*` matches one or more whole labels at the start (`*.example.com`) or at the end (`www.*`). `nginx -t` accepts
    `www.*.example.com`, `*example.com` and names with two asterisks without a warning, and they never match.

    Clients: the default server answers: NET::ERR_CERT_COMMON_NAME_INVALID, or its pages in place of the site's.

    Fix: use a regular expression: `~^www\\..+\\.example\\.com$`.

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
                    f'"{name.text}" matches no client: nginx supports `*` only as the whole first or last label',
                    arg=name.arg,
                    help="use a regular expression: `~^…$`",
                    fix=_as_pattern(name),
                )


def _without_name(refusal: Refusal, name: str, configuration: Configuration) -> Fix | None:
    """The fix that removes the repeated name; None if the line has no other, or another socket selects the server."""
    line = refusal.directive
    spans = [line.arg_span(index) for index in range(len(line.args))]
    if len(spans) < 2 or refusal.location.span not in spans:
        return None
    owners = [server for server in configuration.servers if line in server.scope.all(line.name)]
    if any(_selected(socket, server, name) for server in owners for socket in server.sockets):
        return None
    return Fix("remove the name", (without_words(line, [spans.index(refusal.location.span)]),), safe=True)


def _selected(socket: Socket, server: VirtualServer, name: str) -> bool:
    """Whether nginx selects a server of a socket for a name that it has."""
    owner = _owner(socket, name)
    return owner is None or owner is server.directive


def _as_pattern(name: ServerName) -> Fix | None:
    """The fix that writes a name with a wildcard in the middle as the regular expression that it was meant as."""
    if name.directive is None or "*" not in name.text or not re.fullmatch(r"[\w.*-]+", name.text):
        return None
    pattern = "~^" + re.escape(name.text).replace(r"\-", "-").replace(r"\*", "[^.]+") + "$"
    return Fix(f"replace it with `{pattern}`", (replace_argument(name.directive, name.arg, pattern),))
