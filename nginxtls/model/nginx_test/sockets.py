"""Listen lines and sockets: parameters, addresses that two lines share, names that two servers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.model.listens import PARAMETERS_SINCE
from nginxtls.model.nginx_test.refusal import WARN, refuse
from nginxtls.model.patterns import read_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.listens import Listen
    from nginxtls.model.names import ServerName
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

_LISTEN_FLAGS = {
    "http": {"default_server", "default", "ssl", "http2", "quic", "spdy", "proxy_protocol", "bind", "reuseport",
             "deferred", "multipath"},
    "stream": {"default_server", "default", "ssl", "udp", "proxy_protocol", "bind", "reuseport", "deferred",
               "multipath"},
    "mail": {"ssl", "proxy_protocol", "bind", "multipath"},
}  # fmt: skip
_LISTEN_VALUES = (
    "setfib=",
    "fastopen=",
    "backlog=",
    "rcvbuf=",
    "sndbuf=",
    "accept_filter=",
    "ipv6only=",
    "so_keepalive=",
)
_SOCKET_OPTIONS = ("bind", "reuseport", "deferred", "multipath", *_LISTEN_VALUES)


def address_text(address: str, port: int) -> str:
    """An address as nginx's messages have it."""
    if address.startswith("unix:"):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def listen_refusals(servers: Iterable[VirtualServer]) -> Iterator[Refusal]:
    """Where nothing is wrong with the lines of one server, nothing is with the same lines of another."""
    sound: set[object] = set()
    for server in servers:
        if server.module != "mail":
            yield from _of_names(server)
        listens = ((line.args, line.branch) for line in server.scope.all("listen"))
        lines = (server.module, server.first("ssl"), *listens)
        if lines in sound:
            continue
        refused = [*_of_listens(server)]
        yield from refused
        if not refused:
            sound.add(lines)


def _of_listens(server: VirtualServer) -> Iterator[Refusal]:
    nginx = server.facts.nginx
    seen: dict[tuple[str, int, bool], Directive] = {}
    listens = server.listens
    for listen in listens:
        directive = listen.directive
        if directive is None or not directive.known:
            continue
        if listen.problem:
            text = f'{listen.problem} in "{directive.args[0] if directive.args else ""}" of the "listen" directive'
            yield refuse(directive, "listen", text)
            continue
        for index, parameter in enumerate(directive.args[1:], 1):
            problem = _parameter_problem(parameter, listen, server)
            if problem:
                yield refuse(directive, "listen", problem, arg=index)
        if listen.has("http2") and nginx is not None and nginx.at_least(1, 25, 1) and server.module == "http":
            text = 'the "listen ... http2" directive is deprecated, use the "http2" directive instead'
            yield refuse(directive, "listen", text, level=WARN, arg=listen.argument("http2"))
        for port in listen.ports:
            key = (listen.address, port, listen.datagram)
            if key in seen and not server.scope.is_conditional(directive):
                text = f"a duplicate listen {address_text(listen.address, port)}"
                yield refuse(directive, "listen", text, first=seen[key])
            seen.setdefault(key, directive)
    old = nginx is not None and not nginx.at_least(1, 25, 1)
    if old and (ssl := server.first("ssl")):
        text = 'the "ssl" directive is deprecated, use the "listen ... ssl" directive instead'
        yield refuse(ssl, "value", text, level=WARN)


def _of_names(server: VirtualServer) -> Iterator[Refusal]:
    """Words that the directive itself refuses, and a slash in one (ngx_http_core_server_name)."""
    for name in server.names:
        text = name.text
        if name.form in ("unknown", "empty") or name.directive is None:
            continue
        if (text.startswith("*") and (len(text) < 3 or text[1] != ".")) or text == ".":
            yield refuse(name.directive, "server-name", f'server name "{text}" is invalid', arg=name.arg)
        elif "/" in text:
            message = f'server name "{text}" has suspicious symbols'
            yield refuse(name.directive, "server-name", message, level=WARN, arg=name.arg)


def _refused_wildcard(name: ServerName) -> bool:
    """Whether the table of names refuses a name (NGX_DECLINED of ngx_hash_add_key)."""
    text = name.text
    if name.form in ("regex", "unknown", "empty"):
        return False
    return text.count("*") > 1 or ".." in text or ("*" in text and text[0] != "." and name.form == "invalid")


def _parameter_problem(parameter: str, listen: Listen, server: VirtualServer) -> str | None:
    nginx, module = server.facts.nginx, server.module
    if "=" in parameter and parameter.startswith(_LISTEN_VALUES):
        return None
    if parameter not in _LISTEN_FLAGS[module]:
        return f'invalid parameter "{parameter}"'
    since = PARAMETERS_SINCE.get((module, parameter))
    if since is not None and nginx is not None and not nginx.at_least(*since):
        return f'the invalid "{parameter}" parameter' if module == "stream" else f'invalid parameter "{parameter}"'
    if parameter == "quic" and listen.has("ssl"):
        return '"listen" directive "ssl" parameter is incompatible with "quic"'
    if parameter == "spdy" and nginx is not None and nginx.at_least(1, 21, 4):
        return 'invalid parameter "spdy"'
    return None


def socket_refusals(socket: Socket, configuration: Configuration) -> Iterator[Refusal]:
    """Refusals and warnings about the listen lines and server names of one socket."""
    address = address_text(socket.address, socket.port)
    defaults = [(s, li) for s, li in socket.listens if li.is_default and li.directive is not None]
    for _, listen in defaults[1:]:
        assert listen.directive is not None
        if socket.module == "http" or (socket.module == "stream"):
            text = f"a duplicate default server for {address}"
            yield refuse(listen.directive, "listen", text, first=defaults[0][1].directive)
    by_sni = socket.module == "http" or (
        socket.module == "stream" and configuration.facts.assumed_nginx.at_least(1, 25, 5)
    )
    if not by_sni:
        for _, listen in socket.listens[1:]:
            if listen.directive is not None:
                text = f'duplicate "{address}" address and port pair'
                yield refuse(listen.directive, "listen", text, first=socket.listens[0][1].directive)
        return
    yield from _options(socket, address)
    if configuration.facts.assumed_nginx.at_least(1, 23, 4):
        yield from _redefined(socket, address)
    yield from _names(socket, address)


@bounded(1024, 1_000_000)
def _socket_options(parameters: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(parameter for parameter in parameters if parameter.startswith(_SOCKET_OPTIONS))


def _options(socket: Socket, address: str) -> Iterator[Refusal]:
    """Socket options are allowed on one line of an address only."""
    first: Directive | None = None
    for _, listen in socket.listens:
        options = _socket_options(listen.parameters)
        if not options or listen.directive is None:
            continue
        if first is not None:
            yield refuse(listen.directive, "listen", f"duplicate listen options for {address}", first=first)
        first = first or listen.directive


def _redefined(socket: Socket, address: str) -> Iterator[Refusal]:
    """``protocol options redefined``: lines of one address whose protocols differ in more than what one adds once.

    The three cases and the memory between lines are those of ngx_http_add_addresses() in ngx_http.c.
    """
    before = seen = 0
    remembered: int | None = None
    changed = options_seen = False
    lines: dict[int, Directive | None] = {}
    for number, (server, listen) in enumerate(socket.listens):
        mine = sum(bit for bit, name in ((1, "proxy_protocol"), (2, "ssl"), (4, "http2")) if listen.has(name))
        lines.setdefault(mine, listen.directive or server.directive)
        options = bool(_socket_options(listen.parameters))
        if number == 0:
            before, options_seen = mine, options
            continue
        seen = before
        options_seen = options_seen or options
        differs = remembered is not None and mine != remembered
        if mine | seen != seen:
            reported = (options_seen and not options) or changed or mine | seen != mine
            remembered, changed = seen, True
        elif seen | mine != mine:
            reported = options or differs
            remembered, changed = mine, True
        else:
            reported = (options and changed) or differs
            remembered = mine
        before = seen | mine
        if reported and listen.directive is not None:
            other = next((line for protocols, line in lines.items() if protocols != mine), None)
            text = f"protocol options redefined for {address}"
            yield refuse(listen.directive, "listen", text, level=WARN, first=other)


def _captures(name: ServerName) -> bool:
    return name.form == "regex" and read_pattern(name.key).groups > 0


_TABLES = {"empty": "exact"}


def _differ(servers: tuple[VirtualServer, ...]) -> bool:
    """At a glance: all names of the servers are exact, and no two the same."""
    names = [name for server in servers for name in server.names]
    exact = all(name.form in ("exact", "empty") for name in names)
    return exact and len({name.key for name in names}) == len(names)


def _names(socket: Socket, address: str) -> Iterator[Refusal]:
    """A wildcard that the table of names refuses, and the same name twice on one address: the first server has it.

    nginx makes no table of names for a lone server, unless a pattern of its names captures (ngx_http_optimize_servers).
    """
    if len(socket.servers) < 2 and not any(map(_captures, socket.default.names)):
        return
    servers = tuple(socket.servers)
    if socket.default.store.memo(("names differ", servers), lambda: _differ(servers)):  # once for IPv4 and IPv6
        return
    owners: set[tuple[str, str]] = set()
    for server in socket.servers:
        for name in server.names:
            if _refused_wildcard(name) and name.directive is not None:
                message = f'invalid server name or wildcard "{name.text.lower()}" on {address}'
                yield refuse(name.directive, "server-name", message, arg=name.arg)
            if name.form in ("regex", "unknown", "invalid"):
                continue
            # ".x" is entered as "x" and then as "*.x" (ngx_hash_add_key).
            tables = ("exact", "leading") if name.form == "suffix" else (_TABLES.get(name.form, name.form),)
            directive = name.directive or server.directive
            for table in tables:
                if (table, name.key) not in owners:
                    owners.add((table, name.key))
                elif directive is not None and not server.scope.is_conditional(directive):
                    message = f'conflicting server name "{name.text.lower()}" on {address}, ignored'
                    arg = name.arg if name.directive else None
                    yield refuse(directive, "name", message, level=WARN, arg=arg)
                    break
