"""A sample of a large configuration: of the servers that are alike but for names and paths, the first two.

What differs between builds of nginx hangs on settings, keys and signatures, not on the names of hosts: a rule whose
findings in a sample are the same in every build need not look at thousands of servers in each.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.model.directive_table import tls_names
from nginxtls.model.listens import WILDCARD4, WILDCARD6

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nginxtls.model.configuration import Configuration
    from nginxtls.syntax.tree import Directive

SMALL = 40
"""Of fewer servers no sample is taken."""
ALIKE = 2
"""So many servers of each kind are in the sample: some faults need two on a socket."""

_VERBATIM = ("ssl", "proxy_ssl", "grpc_ssl", "uwsgi_ssl", "http2", "http3", "quic", "proxy_protocol", "if")
_LINES = frozenset({"listen", "add_header", "add_header_inherit", "resolver"})
_OWN_FILES = frozenset({"ssl_certificate", "ssl_certificate_key"})
"""Of these it is not the path that counts but what the files hold."""
_LOCAL = ("127.", "::1", "unix:")
_FIRST_FREE = 1024
"""Ports below are assigned to protocols."""
_WORD = re.compile(r"\$?[\w-]+")
_KEPT = frozenset({"http", "https", "grpcs", "unix", "on", "off", "all"})


class Sample:
    """Some servers of each kind, and the kind of each server of the whole configuration, by its block."""

    def __init__(self, whole: Configuration, kinds: Mapping[Directive, int]) -> None:
        self.whole = whole
        self.kinds = kinds
        self.configuration = self.of()

    def of(self, kinds: Collection[int] = (), servers: Collection[Directive] = ()) -> Configuration:
        """The configuration of the sample, of all servers of these kinds, and of these servers."""
        seen: Counter[int] = Counter()
        hidden = []
        for block, kind in self.kinds.items():
            seen[kind] += 1
            if seen[kind] > ALIKE and kind not in kinds and block not in servers:
                hidden.append(block)
        return self.whole.part(self.whole.tree.without(hidden))

    def server_at(self, line: Directive | None) -> Directive | None:
        """The server's block that a line is in; None outside of servers, and in a file that blocks include."""
        while line is not None and line not in self.kinds:
            line = line.parent
        return line


def sample_of(configuration: Configuration) -> Sample | None:
    """The sample of a configuration; None if it would be more than half of it."""
    blocks = {
        s.directive: s for s in configuration.servers if s.directive is not None and s.directive.block is not None
    }
    if len(blocks) < SMALL:
        return None
    shapes = _Shapes(configuration)
    numbers: dict[object, int] = {}
    kinds: dict[Directive, int] = {}
    for block, server in blocks.items():
        kind = server.module, shapes.line(block), tuple(bundle.kind for bundle in server.bundles)
        kinds[block] = numbers.setdefault(kind, len(numbers))
    left_out = sum(max(0, number - ALIKE) for number in Counter(kinds.values()).values())
    return Sample(configuration, kinds) if 2 * left_out > len(blocks) else None


def shape_of(configuration: Configuration) -> object:
    """What configurations have in common that are alike but for names and paths, such as many sites of one template."""
    shapes = _Shapes(configuration)
    roots = tuple(shapes.of(root.directives) for root in configuration.tree.roots)
    kinds = tuple(bundle.kind for server in configuration.servers for bundle in server.bundles)
    facts = configuration.facts
    return roots, kinds, configuration.context, facts.completeness, facts.nginx, facts.openssl_known and facts.openssl


class _Shapes:
    """The lines of servers without what is a server's own: words of names, paths and targets."""

    def __init__(self, configuration: Configuration) -> None:
        self.tree = configuration.tree
        self.kept = _KEPT | {str(socket.port) for socket in configuration.sockets}
        self.verbatim = tls_names() | _LINES
        self.alone = _alone(configuration)
        self.names: dict[str, bool] = {}
        """Whether the arguments of a directive count as they are written."""
        self.shapes: dict[str, str] = {}
        """Of arguments without what is a server's own: most are in many servers."""

    def of(self, directives: Iterable[Directive]) -> tuple[object, ...]:
        return tuple(self.line(directive) for directive in directives)

    def line(self, directive: Directive) -> tuple[object, ...]:
        name = directive.name
        as_written = self.names.get(name)
        if as_written is None:
            as_written = name in self.verbatim or (name.startswith(_VERBATIM) and name not in _OWN_FILES)
            self.names[name] = as_written
        args = self.alone.get(directive) or directive.args
        if not as_written:
            args = tuple([self.shapes.get(arg) or self._shape(arg) for arg in args])
        brought = tuple(map(id, self.tree.includes.get(directive, ()))) if name == "include" else ()
        return name, args, brought, directive.branch, self.of(directive.block) if directive.block is not None else None

    def _shape(self, arg: str) -> str:
        shape = self.shapes[arg] = _WORD.sub(self._own, arg)
        return shape

    def _own(self, match: re.Match[str]) -> str:
        word = match.group()
        if word[0] == "$" or word in self.kept or (len(word) < 4 and word.isdigit()):
            return word
        return "w"


def _alone(configuration: Configuration) -> dict[Directive, tuple[str, ...]]:
    """The ``listen`` lines of servers that have their socket for themselves, without what is theirs of the address.

    Ports that are assigned to a protocol are kept, and addresses that only this machine reaches.
    """
    found = {}
    for socket in configuration.sockets:
        if len(socket.listens) > 1 or socket.address.startswith(_LOCAL):
            continue
        for _, listen in socket.listens:
            if listen.directive is not None and listen.directive.args and len(listen.ports) == 1:
                family = _family(socket.address)
                port = str(socket.port) if socket.port < _FIRST_FREE else "p"
                found[listen.directive] = (family, port, *listen.directive.args[1:])
    return found


def _family(address: str) -> str:
    if address in (WILDCARD4, WILDCARD6):
        return address
    return "v6" if ":" in address else "v4" if address[:1].isdigit() else "name"
