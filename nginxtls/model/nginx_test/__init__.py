"""What ``nginx -t`` refuses (emerg) or warns about (warn), in TLS and in what TLS depends on.

Messages are nginx's own, without the place; the cases are measured (see docs/nginx-measurements.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.includes import failed_includes
from nginxtls.model.nginx_test.handlers import handler_refusals
from nginxtls.model.nginx_test.lines import duplicates, tree_refusals
from nginxtls.model.nginx_test.loading import all_loading_refusals, loading_refusals
from nginxtls.model.nginx_test.patterns import pattern_refusals
from nginxtls.model.nginx_test.refusal import Refusal, refuse
from nginxtls.model.nginx_test.sockets import listen_refusals, socket_refusals
from nginxtls.model.nginx_test.variables import variable_refusals
from nginxtls.model.nginx_test.zones import zone_refusals
from nginxtls.model.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.syntax.tree import Directive

__all__ = ["Refusal", "loading_refusals", "refusals"]


def refusals(configuration: Configuration) -> list[Refusal]:
    """All refusals and warnings, the lines' first, then those that show when nginx puts it all together."""
    return configuration.memo("refusals", lambda: list(_all(configuration)))


def _inside(configuration: Configuration, block: Directive) -> Scope:
    """A block of a server as a level of its own."""
    nginx = configuration.facts.assumed_nginx
    return Scope(configuration.tree, block.block or (), module="http", level=block.name, nginx=nginx)


def _all(configuration: Configuration) -> Iterator[Refusal]:
    for failed in failed_includes(configuration):
        call, reason = ("pread", "is a directory") if failed.is_folder else ("open", "no such file")
        yield refuse(failed.directive, "include", f'{call}() "{failed.path}" failed ({reason})', arg=0)
    yield from tree_refusals(configuration)
    yield from pattern_refusals(configuration)
    yield from variable_refusals(configuration)
    for scope in (*configuration.blocks.values(), *(server.scope for server in configuration.servers)):
        yield from duplicates(scope)
    for name in ("location", "if", "limit_except"):
        for block in configuration.directives(name):
            names = [line.name for line in configuration.tree.expand(block.block or ())]
            if len(set(names)) < len(names):
                yield from duplicates(_inside(configuration, block))
    yield from handler_refusals(configuration)
    yield from zone_refusals(configuration)
    yield from listen_refusals(configuration.servers)
    if configuration.completeness == "full":
        for socket in configuration.sockets:
            yield from socket_refusals(socket, configuration)
    yield from all_loading_refusals(configuration)
