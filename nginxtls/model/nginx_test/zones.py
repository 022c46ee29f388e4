"""Zones of shared memory that two lines declare differently: ``ssl_session_cache shared:NAME:SIZE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.nginx_test.refusal import refuse, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive


def zone_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """A zone has one size and belongs to one module (ngx_shared_memory_add)."""
    first: dict[str, tuple[str, int, Directive]] = {}
    seen: set[Directive] = set()
    for scope in (*configuration.blocks.values(), *(server.scope for server in configuration.servers)):
        for directive in scope.all("ssl_session_cache"):
            if directive in seen or directive.branch:
                continue
            seen.add(directive)
            for index, word in enumerate(directive.args):
                parts = word.split(":")
                number = size(parts[2]) if len(parts) == 3 and parts[0] == "shared" else None
                if number is None:
                    continue
                module, other, where = first.setdefault(parts[1], (scope.module, number, directive))
                message = ""
                if other != number:
                    zone = f'the size {number} of shared memory zone "{parts[1]}"'
                    message = f"{zone} conflicts with already declared size {other}"
                elif module != scope.module:
                    message = f'the shared memory zone "{parts[1]}" is already declared for a different use'
                if message:
                    yield refuse(directive, "zone", message, arg=index, first=where)
