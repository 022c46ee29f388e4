"""What is at a position of a document: the directive, the blocks around it, and the servers that it applies to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.fingerprint import directive_at
from nginxtls.syntax.places import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.linting.subjects import Subject
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive, SourceFile

MODULES = ("http", "stream", "mail")


class Spot(NamedTuple):
    """A place in a file of a configuration, and the innermost directive there."""

    subject: Subject
    file: SourceFile
    offset: int
    directive: Directive | None

    @property
    def configuration(self) -> Configuration:
        """The configuration that the file is in."""
        return self.subject.configuration

    @property
    def word(self) -> int | None:
        """The number of the directive's word at the place: 0 is the name; None if it is beside them."""
        if self.directive is None:
            return None
        words = enumerate(self.directive.words)
        return next((number for number, (start, end) in words if start <= self.offset <= end), None)


def spot(subject: Subject, file: SourceFile, offset: int) -> Spot:
    """The place at an offset of a file's text."""
    return Spot(subject, file, offset, directive_at(Location(file, file.span(offset, offset))))


def blocks_around(configuration: Configuration, file: SourceFile, directive: Directive | None) -> tuple[str, ...]:
    """The names of the blocks around a directive (or the top of a file), the outermost first, through includes."""
    names: list[str] = []
    seen: set[SourceFile] = set()
    current, at = file, directive
    while True:
        while at is not None:
            names.append(at.name)
            at = at.parent
        seen.add(current)
        include = next((i for i, brought in configuration.tree.includes.items() if current in brought), None)
        if include is None or include.file in seen:
            break
        current, at = include.file, include.parent
    if not names and configuration.context != "main":
        names.append(configuration.context)
    return tuple(reversed(names))


def servers_of(configuration: Configuration, directive: Directive) -> list[VirtualServer]:
    """The servers that a directive is written for: the one around it, those that include it, or all of its level."""
    blocks = set(_ancestors(directive))
    around = [server for server in configuration.servers if server.directive in blocks]
    if around:
        return around
    own = [server for server in configuration.servers if directive in server.scope.all(directive.name)]
    if own:
        return own
    modules = [name for name, scope in configuration.blocks.items() if directive in scope.all(directive.name)]
    return [server for server in configuration.servers if server.module in modules]


def endpoints_of(configuration: Configuration, servers: list[VirtualServer]) -> list[Endpoint]:
    """The endpoints of some servers."""
    wanted = set(servers)
    return [endpoint for endpoint in configuration.endpoints if endpoint.server in wanted]


def _ancestors(directive: Directive) -> Iterator[Directive]:
    current: Directive | None = directive
    while current is not None:
        yield current
        current = current.parent
