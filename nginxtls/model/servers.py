"""Virtual servers and their locations, with the settings in force in each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.lazy import once
from nginxtls.model.certificates import fill_slots
from nginxtls.model.directive_table import tls_names
from nginxtls.model.names import ServerName, compiled, read_name
from nginxtls.model.settings import Scope, Setting
from nginxtls.model.sockets import Listen, Socket, read_listen
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nginxtls.model.certificates import ServedBundle, Slots
    from nginxtls.model.configuration import Configuration
    from nginxtls.model.refusals import Refusal
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import ServerKey


class Location:
    """A location (or an ``if`` or ``limit_except`` in one): a scope, and the locations inside it."""

    __slots__ = ("_inner", "directive", "parent", "scope", "server")

    def __init__(self, directive: Directive, server: VirtualServer, parent: Location | None) -> None:
        self.directive = directive
        self.server = server
        self.parent = parent
        configuration = server.configuration
        self.scope: Scope = Scope(
            configuration.tree,
            directive.block or [],
            kind=server.kind,
            level=directive.name,
            nginx=configuration.assumed_nginx,
            parent=parent.scope if parent else server.scope,
        )
        self._inner: list[Location] | None = None

    @property
    def modifier(self) -> str:
        """``=``, ``~``, ``~*``, ``^~``, ``@`` (named) or the empty string (prefix)."""
        args = self.directive.args
        if len(args) > 1:
            return args[0]
        for mark in ("~*", "^~", "=", "~"):
            if args and args[0].startswith(mark):
                return mark
        return "@" if args and args[0].startswith("@") else ""

    @property
    def pattern(self) -> str:
        args = self.directive.args
        if len(args) > 1:
            return args[1]
        text = args[0] if args else ""
        return text if self.modifier in ("", "@") else text[len(self.modifier) :]

    @property
    def locations(self) -> list[Location]:
        """The locations directly inside."""
        if self._inner is None:
            own = self.scope.all("location")
            self._inner = [self.server.location(d, self) for d in own if d.block is not None]
        return self._inner

    def setting(self, name: str) -> Setting:
        return self.scope.setting(name)

    @property
    def conditions(self) -> list[Location]:
        """The ``if`` and ``limit_except`` blocks directly inside, as scopes."""
        return [
            self.server.location(d, self)
            for name in ("if", "limit_except")
            for d in self.scope.all(name)
            if d.block is not None
        ]


class VirtualServer:
    """A server block of http, stream or mail; or a fragment, taken as a server whose other lines are not known.

    ``directive`` is the server block (for a fragment: its first directive, or None if it is empty).
    """

    def __init__(
        self,
        configuration: Configuration,
        kind: str,
        directive: Directive | None,
        scope: Scope,
        *,
        fragment: bool = False,
    ) -> None:
        self.configuration = configuration
        self.kind = kind
        self.directive = directive
        self.scope = scope
        self.fragment = fragment
        self.sockets: list[Socket] = []
        self._located: dict[tuple[Directive, Location | None], Location] | None = None

    def __repr__(self) -> str:
        return f"<server {self.title} at {self.place}>"

    def setting(self, name: str) -> Setting:
        """The value in force at this server's level."""
        return self.scope._settings.get(name) or self.scope.setting(name)

    def first(self, name: str) -> Directive | None:
        return self.scope.first(name)

    @once
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

    @once
    def mentions(self) -> frozenset[str]:
        """The names of all directives in the server, at any depth, and at the levels around it; and its ``kind``."""
        key = (self.kind, self.scope.parent, self.below, *self.scope.own)
        found = self.configuration.shared_mentions.get(key)
        if found is None:
            names = {self.kind, *self.below}
            level: Scope | None = self.scope
            while level is not None:
                names.update(level.own)
                level = level.parent
            found = self.configuration.shared_mentions[key] = frozenset(names)
        return found

    @once
    def below(self) -> frozenset[str]:
        """The names of all directives in the blocks of the server, at any depth."""
        names: set[str] = set()
        pending = [line.block for lines in self.scope.own.values() for line in lines if line.block]
        tree = self.configuration.tree
        while pending:
            for directive in pending.pop():
                names.add(directive.name)
                if directive.block:
                    pending.append(directive.block)
                elif directive.name == "include":
                    for file in tree.includes.get(directive, ()):
                        if file is not directive.file:
                            names |= self.configuration.names_in(file)
        return self.configuration.shared(names)

    @property
    def place(self) -> str:
        return f"{self.directive.file.name}:{self.directive.line}" if self.directive else "?"

    @once
    def names(self) -> tuple[ServerName, ...]:
        """The names in order; one empty name if there is no server_name (nginx adds ``""``)."""
        found = [
            read_name(text, directive, index)
            for directive in self.scope.all("server_name")
            for index, text in enumerate(directive.args)
        ]
        if not found and self.scope.may_have("server_name"):
            return (read_name(UNKNOWN),)
        return tuple(found) or (ServerName("", "empty", ""),)

    @once
    def listens(self) -> tuple[Listen, ...]:
        port = 80 if self.kind == "http" else None
        found = tuple(read_listen(directive, port) for directive in self.scope.all("listen"))
        if not found and self.kind == "http" and not self.fragment and not self.scope.may_have("listen"):
            return (Listen(None, "0.0.0.0", (80,), ()),)  # noqa: S104 - nginx's default for a server without listen
        return found

    @property
    def title(self) -> str:
        """The name by which people know the server: its first name, or where it stands."""
        for name in self.names:
            if name.text and name.text != "_":
                return name.text.replace(UNKNOWN, "…")
        return f"the server at {self.place}"

    @once
    def speaks_tls(self) -> bool:
        """It listens on at least one TLS or QUIC socket (``ssl on`` of old versions counts)."""
        return any(socket.speaks_tls for socket in self.sockets) or (self.fragment and self.ssl_on)

    @property
    def ssl_on(self) -> bool:
        """The old ``ssl on;`` is in force (gone since 1.25.1)."""
        return not self.configuration.assumed_nginx.at_least(1, 25, 1) and self.setting("ssl").enabled

    @property
    def starttls(self) -> bool:
        return self.kind == "mail" and self.setting("starttls").value in ("on", "only")

    @once
    def rejects_handshake(self) -> bool:
        return self.kind != "mail" and self.setting("ssl_reject_handshake").enabled

    @once
    def has_certificate(self) -> bool:
        """A certificate is in force: own or inherited."""
        return bool(self.setting("ssl_certificate").directives)

    @once
    def has_tls_context(self) -> bool:
        """nginx makes a TLS context for it; else the default server's serves its names (measured, all generations)."""
        return self.has_certificate or self.rejects_handshake

    @once
    def bundles(self) -> tuple[ServedBundle, ...]:
        """The certificates in force, in order, each with its key."""
        return self.configuration.load_bundles(self)

    @once
    def slots(self) -> Slots:
        """The bundles that can be sent, at most one for each type of key, and the first whose key is refused."""
        shared = self.configuration.shared_slots
        if self.bundles not in shared:
            shared[self.bundles] = fill_slots(self.bundles)
        return shared[self.bundles]

    @once
    def key_types(self) -> tuple[ServerKey | None, ...]:
        """The types of the keys that may sign, one for each bundle that can be sent; None if it could not be read."""
        return tuple(bundle.leaf.key if bundle.leaf else None for bundle in self.slots[0])

    @once
    def loading_refusals(self) -> tuple[Refusal, ...]:
        """Why nginx would not load this server's TLS context, and what it would warn of."""
        from nginxtls.model.loading import of_server

        return tuple(of_server(self))

    @once
    def conf_commands(self) -> tuple[tuple[str, str, Directive], ...]:
        """The ssl_conf_command lines in force: (name, value, directive)."""
        return tuple(
            (directive.args[0], directive.args[1], directive)
            for directive in self.setting("ssl_conf_command").directives
            if len(directive.args) > 1
        )

    def conf_command(self, *names: str) -> tuple[str, Directive] | None:
        """The last ssl_conf_command of one of these names (compared without case, as OpenSSL does)."""
        if not self.conf_commands:
            return None
        lower = {name.lower() for name in names}
        for name, value, directive in reversed(self.conf_commands):
            if name.lower() in lower:
                return value, directive
        return None

    @once
    def locations(self) -> tuple[Location, ...]:
        """The locations directly in the server."""
        return tuple(self.location(d, None) for d in self.scope.all("location") if d.block is not None)

    @once
    def conditions(self) -> tuple[Location, ...]:
        """The ``if`` blocks directly in the server."""
        return tuple(self.location(d, None) for d in self.scope.all("if") if d.block is not None)

    def location(self, directive: Directive, parent: Location | None) -> Location:
        """The location of a block, made once."""
        if self._located is None:
            self._located = {}
        found = self._located.get((directive, parent))
        if found is None:
            found = self._located[directive, parent] = Location(directive, self, parent)
        return found

    def levels(self, *names: str) -> list[tuple[Scope, Location | None]]:
        """The server's own level and those of the locations, ``if`` and ``limit_except`` in it: all, or those in which
        a directive of these names stands. Locations without one are not even made."""
        if not names:
            return [(self.scope, None), *((location.scope, location) for location in self.all_locations())]
        wanted = frozenset(names)
        found: list[tuple[Scope, Location | None]] = []
        if not wanted.isdisjoint(self.scope.own):
            found.append((self.scope, None))
        for chain in self._blocks_with(wanted) if not wanted.isdisjoint(self.below) else ():
            location = None
            for block in chain:
                location = self.location(block, location)
            assert location is not None
            found.append((location.scope, location))
        return found

    def _blocks_with(self, wanted: frozenset[str]) -> Iterator[tuple[Directive, ...]]:
        """The blocks in whose very level one of the wanted directives stands, each with those around it."""
        expand = self.configuration.tree.expand
        stack: list[tuple[Directive, ...]] = [(block,) for block in _blocks(self.scope.own, ("location", "if"))]
        while stack:
            chain = stack.pop()
            own: dict[str, list[Directive]] = {}
            for directive in expand(chain[-1].block or ()):
                own.setdefault(directive.name, []).append(directive)
            if not wanted.isdisjoint(own):
                yield chain
            stack += [(*chain, block) for block in _blocks(own, ("location", "limit_except", "if"))]

    def all_locations(self) -> tuple[Location, ...]:
        """Every location, nested ones and ``if`` blocks included, in order of the text."""
        return self._all_locations

    @once
    def _all_locations(self) -> tuple[Location, ...]:
        return tuple(self._walk_locations())

    def _walk_locations(self) -> Iterator[Location]:
        stack: list[Location] = [*reversed(self.conditions), *reversed(self.locations)]
        while stack:
            location = stack.pop()
            yield location
            stack.extend(reversed(location.locations))
            stack.extend(reversed(location.conditions))

    def walk(self) -> Iterator[Directive]:
        """Every directive inside the server, includes expanded."""
        tree = self.configuration.tree
        stack = [directive for lines in self.scope.own.values() for directive in lines]
        while stack:
            directive = stack.pop()
            yield directive
            if directive.block:
                stack.extend(tree.expand(directive.block))

    def location_for(self, path: str) -> tuple[Location | None, bool]:
        """The location that nginx chooses for a path, and whether that is sure (a pattern may not be readable).

        ``=`` first, then the longest prefix, then (unless ``^~``) the first regular expression that matches;
        inside the chosen prefix location again (ngx_http_core_find_location).
        """
        chosen: Location | None = None
        level: list[Location] = list(self.locations)
        regexes: list[list[Location]] = []
        while level:
            best: Location | None = None
            for location in level:
                pattern = location.pattern
                if location.modifier == "=" and path == pattern:
                    return location, True
                if (
                    location.modifier in ("", "^~")
                    and path.startswith(pattern)
                    and (best is None or len(pattern) > len(best.pattern))
                ):
                    best = location
            if best is None or best.modifier != "^~":
                regexes.append([location for location in level if location.modifier in ("~", "~*")])
            if best is None:
                break
            chosen, level = best, best.locations
        sure = True
        for candidates in reversed(regexes):
            for location in candidates:
                pattern_of = compiled(location.pattern) if location.modifier == "~*" else _cased(location.pattern)
                if pattern_of is None:
                    sure = False
                elif pattern_of.search(path):
                    return location, sure
        return chosen, sure


def _blocks(own: Mapping[str, Sequence[Directive]], kinds: Iterable[str]) -> Iterator[Directive]:
    """The blocks of these kinds in a level, the last first."""
    return (block for kind in kinds for block in reversed(own.get(kind, ())) if block.block is not None)


def _cased(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))
    except (re.error, OverflowError, RecursionError):
        return None
