"""What the rules about sessions share: references, and settings that the default server of a socket overrules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import default_is_sure

from nginxtls.model.decides import live_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.model import Configuration, Endpoint, Setting, VirtualServer
    from nginxtls.syntax.tree import Directive

RFC_9325_RESUMPTION = "https://www.rfc-editor.org/rfc/rfc9325#section-3.4"
CHANGES = "https://nginx.org/en/CHANGES"


def overruled(
    configuration: Configuration, name: str, value: Callable[[Setting], object]
) -> Iterator[tuple[Directive, VirtualServer, list[Endpoint]]]:
    """A server's own directives that the default server of its socket overrules, with that server and the endpoints.

    ``value`` is what two settings are compared by.
    """
    found: dict[tuple[Directive, VirtualServer], list[Endpoint]] = {}
    for endpoint in live_groups(configuration):
        server, default = endpoint.server, endpoint.socket.default
        mine, theirs = server.setting(name), default.setting(name)
        if server is default or mine.level != "server" or mine.origin is None:
            continue
        if not (mine.known and theirs.known and default_is_sure(endpoint.socket, configuration)):
            continue
        if (theirs.directives or theirs.certain) and value(mine) != value(theirs):
            found.setdefault((mine.origin, default), []).append(endpoint)
    yield from ((line, default, endpoints) for (line, default), endpoints in found.items())
