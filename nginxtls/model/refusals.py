"""What ``nginx -t`` stops at (emerg) or warns about (warn), in TLS matters and in what TLS hangs on.

Messages are nginx's own, without the place; the cases are measured (see docs/nginx-semantics.md, section ``nginx -t``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.finding import Location
from nginxtls.lazy import NamedTuple
from nginxtls.model import loading
from nginxtls.model.directive_table import by_kind_and_name, by_name, flags
from nginxtls.model.includes import failed_includes
from nginxtls.model.names import compiled
from nginxtls.model.settings import ADDS_UP, REPEATABLE
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.names import ServerName
    from nginxtls.model.servers import VirtualServer
    from nginxtls.model.settings import Scope
    from nginxtls.model.sockets import Listen, Socket
    from nginxtls.syntax.tree import Directive, SourceFile

EMERG, WARN = "emerg", "warn"

_FAMILIES = ("ssl_", "proxy_ssl_", "grpc_ssl_", "uwsgi_ssl_", "http2_", "http3_", "quic_")
_NAMES = frozenset({"server_name", "ssl", "http2", "http3", "starttls", "proxy_ssl", "add_header_inherit"})
_BLOCKS = frozenset(
    {"main", "events", "http", "stream", "mail", "server", "location", "if", "limit_except", "upstream"}
)

_ENUMERATIONS = {
    "ssl_verify_client": ("off", "on", "optional", "optional_no_ca"),
    "ssl_ocsp": ("off", "on", "leaf"),
    "starttls": ("off", "on", "only"),
    "add_header_inherit": ("on", "off", "merge"),
}
_PROTOCOLS = frozenset({"sslv2", "sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"})
_COUNTS = {
    # directives with other than exactly one argument: (least, most)
    "ssl_protocols": (1, 99),
    "proxy_ssl_protocols": (1, 99),
    "grpc_ssl_protocols": (1, 99),
    "uwsgi_ssl_protocols": (1, 99),
    "ssl_conf_command": (2, 2),
    "proxy_ssl_conf_command": (2, 2),
    "grpc_ssl_conf_command": (2, 2),
    "uwsgi_ssl_conf_command": (2, 2),
    "ssl_session_cache": (1, 2),
    "ssl_alpn": (1, 99),
    "server_name": (1, 999),
    "proxy_ssl_alpn": (1, 99),
    "ssl_certificate_cache": (1, 3),
    "proxy_ssl_certificate_cache": (1, 3),
    "grpc_ssl_certificate_cache": (1, 3),
    "uwsgi_ssl_certificate_cache": (1, 3),
}
_REMOVED = {"ssl": (1, 25, 1)}

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


class Refusal(NamedTuple):
    """A line that ``nginx -t`` would print. ``level``: ``emerg`` (nginx does not start) or ``warn``.

    ``kind`` groups the cases: ``context``, ``unknown-directive``, ``value``, ``duplicate``, ``listen``, ``name``,
    ``certificate``, ``key``, ``ciphers``, ``groups``, ``dhparam``, ``client-ca``, ``stapling``, ``upstream`` …
    """

    level: str
    message: str
    location: Location
    directive: Directive
    kind: str


def refuse(directive: Directive, kind: str, message: str, *, level: str = EMERG, arg: int | None = None) -> Refusal:
    """A refusal at a directive or one of its arguments."""
    span = directive.span if arg is None else directive.arg_span(arg)
    return Refusal(level, message.replace(UNKNOWN, "…"), Location(directive.file, span), directive, kind)


def find_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """All refusals and warnings, the tree's first, then those that show when nginx puts it all together."""
    for failed in failed_includes(configuration):
        call, reason = ("pread", "is a directory") if failed.is_folder else ("open", "no such file")
        yield refuse(failed.directive, "include", f'{call}() "{failed.path}" failed ({reason})', arg=0)
    yield from _of_tree(configuration)
    scopes = [*configuration.blocks.values(), *(server.scope for server in configuration.servers)]
    for scope in scopes:
        yield from _duplicates(scope)
    yield from _of_all_listens(configuration.servers)
    if configuration.kind == "full":
        for socket in configuration.sockets:
            yield from _of_socket(socket, configuration)
    yield from loading.find_refusals(configuration)


# -- the tree: names, contexts, arguments ----------------------------------------------------------------------------


def _of_tree(configuration: Configuration) -> Iterator[Refusal]:
    """The directives that TLS hangs on, once for each context that their file is included in."""
    places = _places_of_files(configuration)
    problems: dict[tuple[str, tuple[str, ...]], tuple[str, str] | None] = {}
    for name, directives in configuration.by_name.items():
        if name not in _NAMES and not name.startswith(_FAMILIES):
            continue
        least, most = _COUNTS.get(name, (1, 1))
        any_value = not (name in ADDS_UP or name in _ENUMERATIONS or name in flags() or name == "ssl_session_cache")
        for directive in directives:
            for around in places.get(directive.file, ()):
                place = (name, _path(directive, around))
                if place not in problems:
                    problems[place] = _problem_there(*place, configuration)
                problem = problems[place]
                if problem is None:
                    if not (any_value and least <= len(directive.args) <= most):
                        yield from _of_arguments(directive, name)
                elif problem[0]:
                    yield refuse(directive, *problem)


def _places_of_files(configuration: Configuration) -> dict[SourceFile, list[tuple[str, ...]]]:
    """The blocks around each file of the tree, outermost first: one list for each kind of block that includes it."""
    tree = configuration.tree
    start: tuple[str, ...] = (configuration.context if configuration.kind != "full" else "main",)
    found: dict[SourceFile, list[tuple[str, ...]]] = {root: [start] for root in tree.roots}
    work = [(root, start) for root in tree.roots]
    while work:
        file, around = work.pop()
        for include in file.includes:
            path = _path(include, around)
            for other in tree.includes.get(include, ()):
                known = found.setdefault(other, [])
                if all(path[-1] != place[-1] for place in known):
                    known.append(path)
                    work.append((other, path))
    return found


def _path(directive: Directive, around: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the blocks around a directive, given those around its file; an ``if`` in a location is another."""
    names: list[str] = []
    block = directive.parent
    while block is not None:
        names.append(block.name)
        block = block.parent
    path = (*around, *reversed(names))
    if "if" not in path:
        return path
    return tuple("if in location" if n == "if" and path[i - 1] == "location" else n for i, n in enumerate(path))


def _kind_of(path: tuple[str, ...], configuration: Configuration) -> str | None:
    for kind in ("http", "stream", "mail"):
        if kind in path:
            return kind
    return configuration.context if configuration.context in ("http", "stream", "mail") else None


def _problem_there(name: str, path: tuple[str, ...], configuration: Configuration) -> tuple[str, str] | None:
    """Why a directive may not stand in a place: the kind of refusal (empty: it is not ours to judge) and its text."""
    nginx, kind, context = configuration.nginx, _kind_of(path, configuration), path[-1]
    entry = by_kind_and_name().get((kind or "http", name))
    anywhere = by_name().get(name)
    unknown = "unknown-directive", f'unknown directive "{name}"'
    # A directive of another module family is known to nginx, but not allowed here.
    if not anywhere:
        return unknown if "acme" not in name and "njs" not in name else ("", "")
    if nginx is not None:
        if name in _REMOVED and nginx.at_least(*_REMOVED[name]) and context != "acme_issuer":
            return unknown
        if all(other.since is not None and nginx < other.since for other in anywhere):
            return unknown
    if context in _BLOCKS or context == "if in location":
        allowed = entry is not None and context in entry.contexts
        too_new = entry is not None and nginx is not None and entry.since is not None and nginx < entry.since
        if kind is not None and (not allowed or too_new):
            return "context", f'"{name}" directive is not allowed here'
    return None


def _of_arguments(directive: Directive, name: str) -> Iterator[Refusal]:
    least, most = _COUNTS.get(name, (1, 1))
    if not least <= len(directive.args) <= most:
        if directive.known:
            yield refuse(directive, "value", f'invalid number of arguments in "{name}" directive')
        return
    if not directive.known:
        return
    value = directive.args[0]
    if name in ADDS_UP:
        seen: set[str] = set()
        for index, word in enumerate(directive.args):
            if word.lower() not in _PROTOCOLS:
                yield refuse(directive, "value", f'invalid value "{word}"', arg=index)
            elif word.lower() in seen:
                yield refuse(directive, "value", f'duplicate value "{word}"', level=WARN, arg=index)
            seen.add(word.lower())
    elif name in _ENUMERATIONS:
        if value.lower() not in _ENUMERATIONS[name]:
            yield refuse(directive, "value", f'invalid value "{value}"', arg=0)
    elif name in flags() and value.lower() not in ("on", "off"):
        text = f'invalid value "{value}" in "{name}" directive, it must be "on" or "off"'
        yield refuse(directive, "value", text, arg=0)
    elif name == "ssl_session_cache":
        yield from _of_session_cache(directive)


def _of_session_cache(directive: Directive) -> Iterator[Refusal]:
    for index, word in enumerate(directive.args):
        if word in ("off", "none", "builtin") or (word.startswith("builtin:") and word[8:].isdigit()):
            continue
        parts = word.split(":")
        size = loading.size(parts[2]) if len(parts) == 3 and parts[0] == "shared" and parts[1] else None
        if size is None:
            yield refuse(directive, "value", f'invalid session cache "{word}"', arg=index)
        elif size < 8 * 4096:
            yield refuse(directive, "value", f'session cache "{word}" is too small', arg=index)


def _duplicates(scope: Scope) -> Iterator[Refusal]:
    for name, lines in scope.own.items():
        if len(lines) < 2 or name in REPEATABLE:
            continue
        if name in ADDS_UP:
            yield from _repeated_values([line for line in lines if not scope.is_conditional(line)])
            continue
        if not (name in _NAMES or name.startswith(_FAMILIES)):
            continue
        for line in lines[1:]:
            if not scope.is_conditional(line) and not scope.is_conditional(lines[0]):
                yield refuse(line, "duplicate", f'"{name}" directive is duplicate')


def _repeated_values(lines: Sequence[Directive]) -> Iterator[Refusal]:
    """Values of a bit mask that an earlier line of the block has already; within a line ``_of_arguments`` tells."""
    seen: set[str] = set()
    for line in lines:
        if not line.known:
            continue
        for index, value in enumerate(line.args):
            if value.lower() in seen:
                yield refuse(line, "value", f'duplicate value "{value}"', level=WARN, arg=index)
        seen.update(value.lower() for value in line.args)


# -- sockets and names -----------------------------------------------------------------------------------------------


def _of_all_listens(servers: Iterable[VirtualServer]) -> Iterator[Refusal]:
    """Where nothing is wrong with the lines of one server, nothing is with the same lines of another."""
    sound: set[object] = set()
    for server in servers:
        listens = ((line.args, line.branch) for line in server.scope.all("listen"))
        lines = (server.kind, server.first("ssl"), *listens)
        if lines in sound:
            continue
        refused = [*_of_listens(server)]
        yield from refused
        if not refused:
            sound.add(lines)


def _of_listens(server: VirtualServer) -> Iterator[Refusal]:
    configuration = server.configuration
    nginx = configuration.nginx
    seen: set[tuple[str, int, bool]] = set()
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
        if listen.has("http2") and nginx is not None and nginx.at_least(1, 25, 1) and server.kind == "http":
            text = 'the "listen ... http2" directive is deprecated, use the "http2" directive instead'
            yield refuse(directive, "listen", text, level=WARN, arg=listen.argument("http2"))
        for port in listen.ports:
            key = (listen.address, port, listen.datagram)
            if key in seen and not server.scope.is_conditional(directive):
                yield refuse(directive, "listen", f"a duplicate listen {loading.address_text(listen.address, port)}")
            seen.add(key)
    old = nginx is not None and not nginx.at_least(1, 25, 1)
    if old and (ssl := server.first("ssl")):
        text = 'the "ssl" directive is deprecated, use the "listen ... ssl" directive instead'
        yield refuse(ssl, "value", text, level=WARN)


def _parameter_problem(parameter: str, listen: Listen, server: VirtualServer) -> str | None:
    nginx, kind = server.configuration.nginx, server.kind
    if "=" in parameter and parameter.startswith(_LISTEN_VALUES):
        return None
    if parameter not in _LISTEN_FLAGS[kind]:
        return f'invalid parameter "{parameter}"'
    if parameter == "quic":
        if nginx is not None and not nginx.at_least(1, 25, 0):
            return 'invalid parameter "quic"'
        if listen.has("ssl"):
            return '"listen" directive "ssl" parameter is incompatible with "quic"'
    if parameter == "spdy" and nginx is not None and nginx.at_least(1, 21, 4):
        return 'invalid parameter "spdy"'
    old = nginx is not None and not nginx.at_least(1, 25, 5)
    if kind == "stream" and parameter in ("default_server", "default") and old:
        return f'the invalid "{parameter}" parameter'
    return None


def _of_socket(socket: Socket, configuration: Configuration) -> Iterator[Refusal]:
    nginx = configuration.nginx
    address = loading.address_text(socket.address, socket.port)
    defaults = [(s, li) for s, li in socket.listens if li.is_default and li.directive is not None]
    for _, listen in defaults[1:]:
        assert listen.directive is not None
        if socket.kind == "http" or (socket.kind == "stream"):
            yield refuse(listen.directive, "listen", f"a duplicate default server for {address}")
    by_sni = socket.kind == "http" or (socket.kind == "stream" and configuration.assumed_nginx.at_least(1, 25, 5))
    if not by_sni:
        for _, listen in socket.listens[1:]:
            if listen.directive is not None:
                yield refuse(listen.directive, "listen", f'duplicate "{address}" address and port pair')
        return
    yield from _options(socket, address)
    if nginx is not None and nginx.at_least(1, 23, 4):
        yield from _redefined(socket, address)
    yield from _conflicting_names(socket, address)


@lru_cache(maxsize=1024)
def _socket_options(parameters: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(parameter for parameter in parameters if parameter.startswith(_SOCKET_OPTIONS))


def _options(socket: Socket, address: str) -> Iterator[Refusal]:
    """Socket options may stand on one line of an address only."""
    first: tuple[str, ...] | None = None
    for _, listen in socket.listens:
        options = _socket_options(listen.parameters)
        if not options or listen.directive is None:
            continue
        if first is not None:
            yield refuse(listen.directive, "listen", f"duplicate listen options for {address}")
        first = options


def _redefined(socket: Socket, address: str) -> Iterator[Refusal]:
    """``protocol options redefined``: lines of one address whose protocols differ in more than what one adds once.

    The three cases and the memory between lines are those of ngx_http_add_addresses() in ngx_http.c.
    """
    before = seen = 0
    remembered: int | None = None
    changed = options_seen = False
    for number, (_, listen) in enumerate(socket.listens):
        mine = sum(bit for bit, name in ((1, "proxy_protocol"), (2, "ssl"), (4, "http2")) if listen.has(name))
        options = bool(_socket_options(listen.parameters))
        if number == 0:
            before, options_seen = mine, options
            continue
        seen = before
        options_seen = options_seen or options
        differs = remembered is not None and mine != remembered
        if mine | seen != seen:
            told = (options_seen and not options) or changed or mine | seen != mine
            remembered, changed = seen, True
        elif seen | mine != mine:
            told = options or differs
            remembered, changed = mine, True
        else:
            told = (options and changed) or differs
            remembered = mine
        before = seen | mine
        if told and listen.directive is not None:
            yield refuse(listen.directive, "listen", f"protocol options redefined for {address}", level=WARN)


def _captures(name: ServerName) -> bool:
    pattern = compiled(name.key) if name.kind == "regex" else None
    return pattern is not None and pattern.groups > 0


_TABLES = {"empty": "exact"}


def _differ(servers: tuple[VirtualServer, ...], shared: dict[tuple[VirtualServer, ...], bool]) -> bool:
    """At a glance, once for the sockets of IPv4 and IPv6: all names of the servers are exact, and no two the same."""
    if servers not in shared:
        names = [name for server in servers for name in server.names]
        exact = all(name.kind in ("exact", "empty") for name in names)
        shared[servers] = exact and len({name.key for name in names}) == len(names)
    return shared[servers]


def _conflicting_names(socket: Socket, address: str) -> Iterator[Refusal]:
    """The same name twice on one address: the first server has it.

    nginx makes no table of names for a lone server, unless a pattern of its names captures (ngx_http_optimize_servers).
    """
    if len(socket.servers) < 2 and not any(map(_captures, socket.default.names)):
        return
    if _differ(tuple(socket.servers), socket.default.configuration.shared_differences):
        return
    owners: set[tuple[str, str]] = set()
    for server in socket.servers:
        for name in server.names:
            if name.kind in ("regex", "unknown", "invalid"):
                continue
            # ".x" is entered as "x" and then as "*.x" (ngx_hash_add_key).
            tables = ("exact", "leading") if name.kind == "suffix" else (_TABLES.get(name.kind, name.kind),)
            directive = name.directive or server.directive
            for table in tables:
                if (table, name.key) not in owners:
                    owners.add((table, name.key))
                elif directive is not None and not server.scope.is_conditional(directive):
                    message = f'conflicting server name "{name.text.lower()}" on {address}, ignored'
                    arg = name.arg if name.directive else None
                    yield refuse(directive, "name", message, level=WARN, arg=arg)
                    break
