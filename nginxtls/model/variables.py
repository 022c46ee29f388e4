"""The directives that define variables (``map``, ``set`` and others), and the values that they write out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.locations import LocationBlock
    from nginxtls.model.servers import VirtualServer
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive

VARIABLE = pattern(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_BLOCKS = ("map", "geo", "split_clients")
_NO_VALUES = frozenset({"include", "proxy", "delete"})
"""Lines of these blocks that are not values."""
_DEEPEST = 5
"""Variables whose values name others are followed so many times."""
_MOST = 500
"""Values of one text that are looked at."""


def definitions(configuration: Configuration, module: str) -> Mapping[str, Sequence[Directive]]:
    """The ``map``, ``geo`` and ``split_clients`` blocks of a module (``http``, ``stream``) and the ``set`` lines of its
    servers, by the variable's name without ``$``."""

    def work() -> dict[str, list[Directive]]:
        found: dict[str, list[Directive]] = {}
        level = configuration.blocks.get(module)
        for name in _BLOCKS:
            for directive in level.all(name) if level else ():
                if directive.args and directive.block is not None:
                    found.setdefault(directive.args[-1].lstrip("$"), []).append(directive)
        for directive in configuration.directives("set"):
            if len(directive.args) == 2:
                found.setdefault(directive.args[0].lstrip("$"), []).append(directive)
        return found

    return configuration.memo(("definitions", module), work)


class Value(NamedTuple):
    """A value that the argument of a directive can have, and what has written it."""

    text: str
    place: Directive
    """The directive, or the line of a ``map`` or the ``set`` that the value is from."""
    condition: tuple[str, str] | None = None
    """The source of the ``map`` and its value for which this one is chosen."""


def possible_values(
    configuration: Configuration, server: VirtualServer, location: LocationBlock | None, directive: Directive
) -> list[Value]:
    """The first argument of a directive with its variables written in, as far as their values are written out.

    The text itself, variables and all, where none is known. A ``set`` counts where it runs before the directive: in the
    same location, else in the server.
    """
    itself = Value(directive.args[0], directive)
    found = [itself]
    for _ in range(_DEEPEST):
        found = [each for value in found for each in _resolved(configuration, server, location, value, directive)]
        if len(found) > _MOST:
            return [itself]
        if not any("$" in value.text for value in found):
            break
    return [value for value in found if "$" not in value.text] or [itself]


def _resolved(
    configuration: Configuration, server: VirtualServer, location: LocationBlock | None, value: Value, origin: Directive
) -> Iterator[Value]:
    """A text with its first variable that has known values replaced by each of them; the text itself without one."""
    for match in VARIABLE.finditer(value.text) if UNKNOWN not in value.text else ():
        written = list(_written(configuration, server, location, match[1] or match[2]))
        if written:
            start, end = match.span()
            for each in written:
                # Of a scheme, a host and a port in variables of their own, the longest value is the host.
                longer = value.place is origin or len(each.text) > len(value.place.args[-1])
                text = value.text[:start] + each.text + value.text[end:]
                yield Value(text, each.place if longer else value.place, each.condition or value.condition)
            return
    yield value


def _written(
    configuration: Configuration, server: VirtualServer, location: LocationBlock | None, name: str
) -> Iterator[Value]:
    """The values of a variable that are written out where the server and the location can see them."""
    for block in definitions(configuration, server.module).get(name, ()):
        if block.name != "set":
            for line in block.block or ():
                if line.args and line.name not in _NO_VALUES and UNKNOWN not in line.args[0]:
                    yield Value(line.args[0], line, (" ".join(block.args[:-1]), line.name))
    for line in _sets(server, location, name):
        if UNKNOWN not in line.args[1]:
            yield Value(line.args[1], line, ("set", ""))


def _sets(server: VirtualServer, location: LocationBlock | None, name: str) -> Iterator[Directive]:
    """The ``set`` lines of a variable that may have run last: those of the location, those of the server unless the
    location always runs one, each with their ``if`` blocks. A location runs no line of the location around it
    (ngx_http_rewrite_merge_loc_conf)."""
    levels: list[Scope] = []
    while location is not None:
        levels.append(location.scope)
        if location.directive.name == "location":
            break
        location = location.parent
    for scope in (*levels, server.scope):
        last = _last_set(scope.all("set"), name)
        for block in scope.all("if"):
            inner = _last_set(server.tree.expand(block.block or ()), name)
            if inner is not None and (last is None or last.file is not block.file or block.start > last.start):
                yield inner
        if last is not None:
            yield last
            if not scope.is_conditional(last):
                return


def _last_set(lines: Iterable[Directive], name: str) -> Directive | None:
    found = [line for line in lines if line.name == "set" and len(line.args) == 2 and line.args[0] == f"${name}"]
    return found[-1] if found else None
