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
    from collections.abc import Iterable, Iterator

    from nginxtls.finding import Finding, Location
    from nginxtls.model import Configuration, Socket, VirtualServer
    from nginxtls.model.names import ServerName
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive, Span


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
        conflicts = [refusal for refusal in refusals(configuration) if refusal.category == "name"]
        fixes = _without_names(conflicts, configuration)
        for refusal in conflicts:
            name, _, rest = _conflict(refusal)
            socket = sockets.get(rest.removeprefix(" on ").removesuffix(", ignored"))
            owner = _owner(socket, name) if socket else None
            alone = not name or (name == "_" and len(refusal.directive.args) == 1)
            if alone and socket is not None and socket.tls:
                continue  # reported by unreachable-server
            where = f" on {socket.label}" if socket else ""
            yield self.at(
                refusal.location,
                f'this server is never selected for "{name}"{where}: an earlier server has the same name',
                labels=[label(owner, "nginx selects this server")] if owner is not None else (),
                help="remove the name from one of the servers",
                fix=fixes.get(refusal.location),
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
        if not all(name.form == "empty" or name.text == "_" for name in server.names):
            return  # of those that cannot be requested impossible-server-name reports each
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
    """A `server_name` is not a name that a client can request, and nginx may refuse it.

    `*` matches one or more whole labels at the start (`*.example.com`) or at the end (`www.*`). Elsewhere it matches
    nothing, and where the socket has a second server nginx does not start (`invalid server name or wildcard`, measured
    on 1.18.0 to 1.30.6); `*example.com` and `*` alone it refuses everywhere. A URL, a port, a comma between names,
    several names in quotes or a regular expression without `~` are texts that no client sends. nginx reports nothing,
    or only warns of the `/`.

    Clients: the default server answers: NET::ERR_CERT_COMMON_NAME_INVALID, or its pages in place of the site's. Where
    nginx does not start, connection refused once it is restarted.

    Fix: write the name alone, or begin a regular expression with `~`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com www.*.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx bad
    server {
        listen 443 ssl;
        server_name https://example.com;
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
        if server.module == "mail":
            return
        for name in server.names:
            if name.directive is None or UNKNOWN in name.text:
                continue
            if name.form == "invalid" or (name.text.startswith("*") and name.form != "leading"):
                yield self._wildcard(name, configuration)
            elif (found := _no_name(name)) is not None:
                reason, advice, right = found
                yield self.at(
                    name.directive,
                    f'no client requests "{name.text}": {reason}',
                    arg=name.arg,
                    help=f"replace it with `{right}`" if right else advice,
                    fix=_written(name, right),
                )

    def _wildcard(self, name: ServerName, configuration: Configuration) -> Finding:
        assert name.directive is not None
        refused = _refused(configuration).get((name.directive, name.arg))
        text = "matches no client: nginx supports `*` only as the whole first or last label"
        if "*" not in name.text:
            text = "matches no client: it has an empty label"
        found = self.at(
            name.directive,
            f'nginx does not start: "{name.text}" {text}' if refused else f'"{name.text}" {text}',
            arg=name.arg,
            help="use a regular expression: `~^…$`" if "*" in name.text else "remove the second dot",
            fix=_as_pattern(name),
        )
        return found.replace(severity=Severity.ERROR) if refused else found


def _refused(configuration: Configuration) -> dict[tuple[Directive | None, int], Refusal]:
    """The names that nginx refuses, by their places."""

    def work() -> dict[tuple[Directive | None, int], Refusal]:
        found: dict[tuple[Directive | None, int], Refusal] = {}
        for refusal in refusals(configuration):
            if refusal.category == "server-name" and refusal.level == "emerg":
                spans = [refusal.directive.arg_span(index) for index in range(len(refusal.directive.args))]
                found.setdefault((refusal.directive, spans.index(refusal.location.span)), refusal)
        return found

    return configuration.memo("refused server names", work)


_HOST = r"(?:\*\.|\.)?[\w-]+(?:\.[\w-]+)*(?:\.\*)?"
"""A name that a server can have, in whatever script."""


def _no_name(name: ServerName) -> tuple[str, str, str] | None:
    """Why no client requests a name, what to do, and the name that was meant, if that is certain.

    Texts of other shapes may be placeholders that something replaces.
    """
    text = name.text
    if name.form not in ("exact", "leading", "trailing", "suffix") or not re.search(r"[^\w.*-]", text):
        return None
    bare = re.sub(r"^[a-z]+://", "", text.strip())
    if re.fullmatch(rf"{_HOST}(\s+{_HOST})+", bare):
        return "it is several names in one word", "write each name as a word of its own", ""
    if re.fullmatch(rf"{_HOST}[,;]", bare):
        return f"it ends with `{bare[-1]}`", "", bare[:-1]
    if re.fullmatch(rf"{_HOST}([,;]{_HOST})+", bare):
        return "names are separated by blanks", "", " ".join(re.split("[,;]", bare))
    if found := re.fullmatch(rf"({_HOST})(:\d+)?(/.*)?", bare):
        parts = [("a scheme", bare != text), ("a port", found[2]), ("a path", found[3])]
        return f"a name has no {', no '.join(part[2:] for part, there in parts if there)}", "", found[1]
    if re.fullmatch(r"\^?[\w.*+?()|\[\]\\{}^-]+\$?", text) and (
        re.search(r"^\^|\$$|\\\.", text) or ("(" in text and ")" in text)
    ):
        return "a regular expression begins with `~`", f"write `~{text}`", f"~{text}" if text[0] == "^" else ""
    return None


def _written(name: ServerName, right: str) -> Fix | None:
    """The fix that writes the name that was meant; what would need quotes is left to the reader."""
    if name.directive is None or not right or re.search("[{};]", right):
        return None
    return Fix(f"replace it with `{right}`", (replace_argument(name.directive, name.arg, right),))


def _conflict(refusal: Refusal) -> tuple[str, str, str]:
    """The name that a refusal is about, and after it the socket."""
    return refusal.message.removeprefix('conflicting server name "').partition('"')


def _without_names(conflicts: Iterable[Refusal], configuration: Configuration) -> dict[Location, Fix]:
    """The fixes that remove repeated names, by the place of each: those of a line go together.

    None if a line would be left without a name, or another socket selects the server.
    """
    servers: dict[Directive, list[VirtualServer]] = {}
    for server in configuration.servers:
        for line in server.scope.all("server_name"):
            servers.setdefault(line, []).append(server)
    repeated: dict[Directive, dict[Span, Refusal]] = {}
    for refusal in conflicts:
        name, owners = _conflict(refusal)[0], servers.get(refusal.directive, ())
        if not any(_selected(socket, server, name) for server in owners for socket in server.sockets):
            repeated.setdefault(refusal.directive, {})[refusal.location.span] = refusal
    fixes: dict[Location, Fix] = {}
    for line, found in repeated.items():
        removed = [index for index in range(len(line.args)) if line.arg_span(index) in found]
        if len(removed) == len(line.args):
            removed = removed[:-1]
        if removed:
            title = "remove the name" if len(removed) == 1 else "remove the names that are repeated"
            fix = Fix(title, (without_words(line, removed),), safe=True)
            fixes |= {found[line.arg_span(index)].location: fix for index in removed}
    return fixes


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
