"""The places where nginx passes requests on to upstream servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import PASSES

from nginxtls.model import Upstream, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive

PROXY = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
STREAM = "https://nginx.org/en/docs/stream/ngx_stream_proxy_module.html"
TLS_SCHEMES = ("https://", "grpcs://", "suwsgi://")


def passes_of(configuration: Configuration, server: VirtualServer) -> list[Upstream]:
    """Every place where an http server passes requests on, with or without TLS."""
    return configuration.memo(
        ("upstream passes", server),
        lambda: [
            Upstream(line, name.removesuffix("_pass"), scope, server, location, configuration.upstream_groups)
            for scope, location in server.levels(*PASSES)
            for name in PASSES
            for line in scope.all(name)
            if line.args
        ],
    )


def all_passes(configuration: Configuration, wanted: Callable[[str], bool]) -> Iterator[Upstream]:
    """The places where http servers pass requests on to a wanted target."""
    lines = {line for name in PASSES for line in configuration.directives(name) if line.args and wanted(line.args[0])}
    for server in configuration.servers if lines else ():
        if server.module == "http" and not server.mentions.isdisjoint(PASSES):
            yield from (upstream for upstream in passes_of(configuration, server) if upstream.directive in lines)


def upstream_refusals(configuration: Configuration, fragment: str) -> Iterator[tuple[Directive, str]]:
    """The directives for upstream servers that keep nginx from starting, with its messages that contain a fragment."""
    for refusal in refusals(configuration):
        if refusal.category == "upstream" and fragment in refusal.message:
            yield refusal.directive, refusal.message


def shown(upstream: Upstream) -> str:
    """The target of an upstream as messages show it."""
    return upstream.directive.written(upstream.target)
