"""Virtual servers and the sockets that they listen on: each knows the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import cached_property
from nginxtls.model.bundles import fill_slots
from nginxtls.model.conf_commands import commands
from nginxtls.model.directive_table import tls_names
from nginxtls.model.listens import WILDCARD4, Listen, is_loopback, read_listen
from nginxtls.model.locations import LocationBlock
from nginxtls.model.names import NameTable, ServerName, read_name
from nginxtls.model.settings import Scope, Setting
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nginxtls.model.bundles import Bundles, ServedBundle, Slots
    from nginxtls.model.conf_commands import Command
    from nginxtls.model.facts import Facts
    from nginxtls.syntax.tree import Directive, Level, Tree
    from nginxtls.tls import ServerKey


class VirtualServer:
    """A server block of http, stream or mail; or a fragment, taken as a server whose other lines are not known.

    ``directive`` is the server block (for a fragment: its first directive, or None if it is empty).
    """

    def __init__(
        self,
        module: str,
        directive: Directive | None,
        scope: Scope,
        tree: Tree,
        facts: Facts,
        bundles: Bundles,
        *,
        fragment: bool = False,
    ) -> None:
        self.module = module
        self.directive = directive
        self.scope = scope
        self.tree = tree
        self.facts = facts
        self.store = bundles.store
        self.fragment = fragment
        self.sockets: list[Socket] = []
        self._all_bundles = bundles
        self._located: dict[Directive, LocationBlock] = {}

    def __repr__(self) -> str:
        return f"<server {self.title} at {self.place}>"

    def forget(self) -> None:
        """Free what refers to it in turn, such as its sockets, as it is not used any more."""
        self.__dict__.clear()

    def setting(self, name: str) -> Setting:
        """The effective value at this server's level."""
        return self.scope._settings.get(name) or self.scope.setting(name)

    def first(self, name: str) -> Directive | None:
        """The first directive of a name at the server's own level, or None."""
        return self.scope.first(name)

    @cached_property
    def tls_lines(self) -> tuple[object, ...]:
        """What TLS hangs on but for the certificates: the outer level, the server's own ``ssl_`` lines, and the values
        of the others (``http2 on``).

        Servers that have them in common (an included file is one) have the same TLS settings, decided by the same
        lines, so what follows from those is worked out once.
        """
        own = self.scope.own
        lines: list[object] = [self.scope.parent, self.scope.certain, self.has_certificate]
        for name in sorted(own.keys() & tls_names()):
            lines += own[name] if name.startswith("ssl") else (line.args for line in own[name])
            lines.append(name)
        return tuple(lines)

    @cached_property
    def mentions(self) -> frozenset[str]:
        """The names of all directives in the server, at any depth, and at the levels around it; and its ``module``."""
        return self.store.common(("mentions", self.directive), self._mentions)

    def _mentions(self) -> frozenset[str]:
        names = {self.module, *self.below}
        level: Scope | None = self.scope
        while level is not None:
            names.update(level.own)
            level = level.parent
        found = frozenset(names)
        return self.store.common(("names", found), lambda: found)  # one set for all servers alike

    @cached_property
    def below(self) -> frozenset[str]:
        """The names of all directives in the blocks of the server, at any depth."""
        return self.store.common(("below", self.directive), self._below)

    def _below(self) -> frozenset[str]:
        names: set[str] = set()
        pending = [line.block for lines in self.scope.own.values() for line in lines if line.block]
        while pending:
            for directive in pending.pop():
                names.add(directive.name)
                if directive.block:
                    pending.append(directive.block)
                elif directive.name == "include":
                    for file in self.tree.includes.get(directive, ()):
                        if file is not directive.file:
                            names |= self.tree.names_in(file)
        found = frozenset(names)
        return self.store.common(("names", found), lambda: found)

    @property
    def place(self) -> str:
        """``file:line`` of the server block, or ``?`` for an empty fragment."""
        return f"{self.directive.file.name}:{self.directive.line}" if self.directive else "?"

    @cached_property
    def names(self) -> tuple[ServerName, ...]:
        """The names in order; one empty name if there is no server_name (nginx adds ``""``)."""
        return self.store.common(("server names", self.directive), self._names)

    def _names(self) -> tuple[ServerName, ...]:
        found = [
            read_name(text, directive, index)
            for directive in self.scope.all("server_name")
            for index, text in enumerate(directive.args)
        ]
        if not found and self.scope.may_have("server_name"):
            return (read_name(UNKNOWN),)
        return tuple(found) or (ServerName("", "empty", ""),)

    @cached_property
    def listens(self) -> tuple[Listen, ...]:
        """The listen lines, those that nginx adds included."""
        return self.store.common(("listens", self.directive), self._listens)

    def _listens(self) -> tuple[Listen, ...]:
        port = 80 if self.module == "http" else None
        found = tuple(read_listen(directive, port) for directive in self.scope.all("listen"))
        if not found and self.module == "http" and not self.fragment and not self.scope.may_have("listen"):
            return (Listen(None, "0.0.0.0", (80,), ()),)  # noqa: S104 - nginx's default for a server without listen
        return found

    @property
    def title(self) -> str:
        """The name of the server for people: its first name, or its place."""
        for name in self.names:
            if name.directive is not None and name.text not in ("", "_"):
                return name.shown
        return f"the server at {self.place}" if not self.fragment else "the servers that include it"

    @cached_property
    def speaks_tls(self) -> bool:
        """It listens on at least one TLS or QUIC socket (``ssl on`` of old versions counts)."""
        return any(socket.speaks_tls for socket in self.sockets) or (self.fragment and self.ssl_on)

    @property
    def ssl_on(self) -> bool:
        """Whether the old ``ssl on;`` applies (removed in 1.25.1)."""
        return not self.facts.assumed_nginx.at_least(1, 25, 1) and self.setting("ssl").enabled

    @property
    def starttls(self) -> bool:
        """Whether a mail server offers or requires STARTTLS."""
        return self.module == "mail" and self.setting("starttls").value in ("on", "only")

    @cached_property
    def rejects_handshake(self) -> bool:
        """Whether ssl_reject_handshake is on."""
        return self.module != "mail" and self.setting("ssl_reject_handshake").enabled

    @cached_property
    def has_certificate(self) -> bool:
        """Whether a certificate applies: own or inherited."""
        return bool(self.setting("ssl_certificate").directives)

    @cached_property
    def has_tls_context(self) -> bool:
        """nginx makes a TLS context for it; else the default server's serves its names (measured, all generations)."""
        return self.has_certificate or self.rejects_handshake

    @cached_property
    def bundles(self) -> tuple[ServedBundle, ...]:
        """The effective certificates, in order, each with its key."""
        certificates = self.setting("ssl_certificate").directives
        if not certificates:
            return ()
        keys, passwords = self.setting("ssl_certificate_key"), self.setting("ssl_password_file")
        loaded = self._all_bundles.load(certificates, keys.directives, passwords.directives)
        return (*loaded, *self._all_bundles.load_commands(self.commands))

    @cached_property
    def slots(self) -> Slots:
        """The bundles that can be sent, at most one for each type of key, and the first whose key is refused."""
        found, refused = self.store.memo(("slots", self.bundles), lambda: fill_slots(self.bundles))
        if found and (code := self._certificate_code) is not None:
            # It is sent in their place, and they where it fails.
            found = (self._all_bundles.chosen(found[0], f"${code}", ""),)
        return found, refused

    @property
    def _certificate_code(self) -> str | None:
        """The directive with the Lua code that chooses the certificate at each handshake, or None."""
        levels = (self.scope, self.scope.parent)
        names = (name for scope in levels if scope is not None for name in scope.own)
        return next((name for name in names if name.startswith("ssl_certificate_by_lua")), None)

    @cached_property
    def key_types(self) -> tuple[ServerKey | None, ...]:
        """The types of the keys that may sign, one for each bundle that can be sent; None if it could not be read."""
        return tuple(bundle.leaf.key if bundle.leaf else None for bundle in self.slots[0])

    @cached_property
    def conf_commands(self) -> tuple[tuple[str, str, Directive], ...]:
        """The effective ssl_conf_command lines: (name, value, directive)."""
        return tuple(
            (directive.args[0], directive.args[1], directive)
            for directive in self.setting("ssl_conf_command").directives
            if len(directive.args) > 1
        )

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """The same, as commands."""
        return tuple(commands(directive for _, _, directive in self.conf_commands))

    def conf_command(self, *names: str) -> tuple[str, Directive] | None:
        """The last ssl_conf_command of one of these names (compared without case, as OpenSSL does)."""
        if not self.conf_commands:
            return None
        lower = {name.lower() for name in names}
        for name, value, directive in reversed(self.conf_commands):
            if name.lower() in lower:
                return value, directive
        return None

    @cached_property
    def locations(self) -> tuple[LocationBlock, ...]:
        """The locations directly in the server."""
        return tuple(self.location(d) for d in self.scope.all("location") if d.block is not None)

    @cached_property
    def conditions(self) -> tuple[LocationBlock, ...]:
        """The ``if`` blocks directly in the server."""
        return tuple(self.location(d) for d in self.scope.all("if") if d.block is not None)

    def location(self, directive: Directive) -> LocationBlock:
        """The location (or ``if``) of a block directly in the server, made once."""
        found = self._located.get(directive)
        if found is None:
            found = self._located[directive] = LocationBlock(directive, self.tree, self.scope, None)
        return found

    def levels(self, *names: str) -> list[tuple[Scope, LocationBlock | None]]:
        """The server's own level and those of the locations, ``if`` and ``limit_except`` in it: all, or those in which
        a directive of these names is. Locations without one are not even made."""
        if not names:
            return [(self.scope, None), *((location.scope, location) for location in self.all_locations())]
        wanted = frozenset(names)
        found: list[tuple[Scope, LocationBlock | None]] = []
        if not wanted.isdisjoint(self.scope.own):
            found.append((self.scope, None))
        for chain, level in self._block_chains if not wanted.isdisjoint(self.below) else ():
            if wanted.isdisjoint(level.own):
                continue
            location = self.location(chain[0])
            for block in chain[1:]:
                location = location.inside(block)
            found.append((location.scope, location))
        return found

    @cached_property
    def _block_chains(self) -> list[tuple[tuple[Directive, ...], Level]]:
        """The blocks in the server, each with those around it, and its lines."""
        return self.store.common(("blocks", self.directive), lambda: list(self._find_blocks()))

    def _find_blocks(self) -> Iterator[tuple[tuple[Directive, ...], Level]]:
        stack: list[tuple[Directive, ...]] = [(block,) for block in _blocks(self.scope.own, ("location", "if"))]
        while stack:
            chain = stack.pop()
            level = self.tree.level(chain[-1].block or ())
            yield chain, level
            stack += [(*chain, block) for block in _blocks(level.own, ("location", "limit_except", "if"))]

    def all_locations(self) -> tuple[LocationBlock, ...]:
        """Every location, nested ones and ``if`` blocks included, in order of the text."""
        return self._all_locations

    @cached_property
    def _all_locations(self) -> tuple[LocationBlock, ...]:
        return tuple(self._walk_locations())

    def _walk_locations(self) -> Iterator[LocationBlock]:
        stack: list[LocationBlock] = [*reversed(self.conditions), *reversed(self.locations)]
        while stack:
            location = stack.pop()
            yield location
            stack.extend(reversed(location.locations))
            stack.extend(reversed(location.conditions))

    def walk(self) -> Iterator[Directive]:
        """Every directive inside the server, includes expanded."""
        stack = [directive for lines in self.scope.own.values() for directive in lines]
        while stack:
            directive = stack.pop()
            yield directive
            if directive.block:
                stack.extend(self.tree.expand(directive.block))


def _blocks(own: Mapping[str, Sequence[Directive]], names: Iterable[str]) -> Iterator[Directive]:
    """The blocks of these names in a level, the last first."""
    return (block for name in names for block in reversed(own.get(name, ())) if block.block is not None)


class Socket:
    """An address:port with the servers that listen there, in configuration order."""

    def __init__(self, module: str, address: str, port: int, datagram: bool = False) -> None:
        self.module = module
        self.address = address
        self.port = port
        self.datagram = datagram
        self.servers: list[VirtualServer] = []
        self.listens: list[tuple[VirtualServer, Listen]] = []
        self.explicit_default: VirtualServer | None = None
        self.tls = False
        self.http2 = False
        self.proxy_protocol = False
        self.ipv6only = True
        self.known = True
        """Its listen lines contain no template text."""
        self._joined: set[tuple[str, ...]] = set()

    @property
    def quic(self) -> bool:
        """Whether the socket speaks HTTP/3."""
        return self.module == "http" and self.datagram

    def listen_of(self, server: VirtualServer) -> Listen | None:
        """The first ``listen`` line by which a server is on the socket."""
        return self._listen_of.get(server)

    @cached_property
    def _listen_of(self) -> dict[VirtualServer, Listen]:
        return dict(reversed(self.listens))

    @property
    def default(self) -> VirtualServer:
        """The server that answers where no name fits: ``default_server``, else the first."""
        return self.explicit_default or self.servers[0]

    @cached_property
    def speaks_tls(self) -> bool:
        """By ``ssl`` or ``quic`` on a line, or by the default server's ``ssl on`` (measured on 1.22.1) or starttls."""
        return self.tls or self.default.ssl_on or self.default.starttls

    @property
    def begins_with_tls(self) -> bool:
        """TLS is spoken from the start: by ``ssl`` or ``quic`` on a line, or by the default server's ``ssl on``."""
        return self.tls or self.default.ssl_on

    @property
    def forwards(self) -> bool:
        """A stream socket that passes on the bytes that it receives, or whose ``ssl_preread`` looks at them only."""
        return self.module == "stream" and any(server.first("return") is None for server in self.servers)

    @cached_property
    def names(self) -> NameTable[VirtualServer]:
        """The server names of the socket, for lookups."""
        return NameTable(self.servers)

    @cached_property
    def reached(self) -> frozenset[VirtualServer] | None:
        """The servers that some client gets: the default server, and those of a name; None if a name is unknown.

        No client requests ``_`` or an empty name.
        """
        table = self.names
        if table.unknown:
            return None
        exact = (server for name, server in table.exact.items() if name not in ("", "_"))
        wild = (*table.leading.values(), *table.trailing.values(), *(server for _, server in table.regexes))
        return frozenset(filter(None, (self.default, *exact, *wild)))

    @property
    def label(self) -> str:
        """``*:443``, ``127.0.0.1:443``, ``[::]:443``, ``unix:/run/x``; ``*:443/udp`` for QUIC."""
        if self.address.startswith("unix:"):
            return self.address
        if UNKNOWN in self.address:
            directive = self.listens[0][1].directive if self.listens else None
            return directive.written(self.address, 0) if directive else self.address.replace(UNKNOWN, "…")
        host = "*" if self.address == WILDCARD4 else f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}{'/udp' if self.datagram else ''}"

    @property
    def is_loopback(self) -> bool:
        """Whether only local clients can connect."""
        return is_loopback(self.address)

    def add(self, server: VirtualServer, listen: Listen) -> None:
        """Join a listen line to this socket: options of one address and port are OR-ed over all lines (measured)."""
        if not self.servers or self.servers[-1] is not server:  # servers come one after the other
            self.servers.append(server)
        self.listens.append((server, listen))
        if listen.parameters in self._joined:
            return
        self._joined.add(listen.parameters)
        self.known = self.known and not any(UNKNOWN in parameter for parameter in listen.parameters)
        if listen.is_default and self.explicit_default is None:
            self.explicit_default = server
        self.tls = self.tls or listen.has("ssl") or listen.quic
        self.http2 = self.http2 or listen.has("http2")
        self.proxy_protocol = self.proxy_protocol or listen.has("proxy_protocol")
        self.ipv6only = self.ipv6only and listen.ipv6only
