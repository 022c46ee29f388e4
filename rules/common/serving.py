"""Helpers for rules about request handling: where content is served from, and whether a client check affects it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.model import Configuration, LocationBlock, Scope, VirtualServer
    from nginxtls.syntax.tree import Directive

PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")
HANDED_OVER = {
    "proxy_pass": ("proxy_set_header", "proxy_set_body"),
    "grpc_pass": ("grpc_set_header",),
    "fastcgi_pass": ("fastcgi_param",),
    "uwsgi_pass": ("uwsgi_param",),
    "scgi_pass": ("scgi_param",),
    "memcached_pass": (),
}
"""The directives that pass values to each type of back end."""
CODE = pattern(r"_by_lua|^js_|^lua_|^perl|^auth_request$|^auth_jwt|^auth_oidc|^modsecurity|^opa_")
"""Directives that may control access: what they check is in other files or modules."""
VARIABLE = pattern(r"\$\{?([A-Za-z0-9_]+)")


def titles(servers: Iterable[VirtualServer]) -> tuple[str, ...]:
    """The titles of the TLS endpoints of servers."""
    found = []
    for server in servers:
        labels = [socket.label for socket in server.sockets if socket.speaks_tls]
        found += [f"{server.title} on {label}" for label in labels]
    return tuple(dict.fromkeys(found))


def variables(text: str) -> set[str]:
    """The nginx variables in a text."""
    return set(VARIABLE.findall(text)) if "$" in text else set()


def derived(configuration: Configuration, first: Iterable[str]) -> frozenset[str]:
    """The given variables and all variables that map, geo, set and similar directives derive from them."""
    known = set(first)
    makers: list[tuple[set[str], str]] = []
    for name in ("map", "set", "split_clients", "geo", "js_set", "perl_set", "auth_request_set"):
        for directive in configuration.directives(name):
            if len(directive.args) < 2:
                continue
            if name == "set":
                target, sources = directive.args[0], variables(directive.args[1])
            else:
                target, sources = directive.args[1], variables(directive.args[0])
                for line in directive.block or ():
                    sources |= variables(" ".join(line.args))
            makers.append((sources, target.lstrip("$")))
    changed = True
    while changed:
        changed = False
        for sources, target in makers:
            if target not in known and sources & known:
                known.add(target)
                changed = True
    return frozenset(known)


class Content(NamedTuple):
    """A place that answers requests: ``handler`` is the pass directive or return, or None for files below ``root``."""

    server: VirtualServer
    location: LocationBlock | None
    handler: Directive | None
    scope: Scope

    @property
    def place(self) -> Directive | None:
        """The directive to report."""
        if self.handler is not None:
            return self.handler
        return self.location.directive if self.location else self.server.directive

    @property
    def title(self) -> str:
        return f"location {' '.join(self.location.directive.args)}" if self.location else self.server.title

    @property
    def target(self) -> str | None:
        """The back end or folder that is served; None if it is not known."""
        if self.handler is None:
            roots = self.scope.setting("alias") if self.scope.first("alias") else self.scope.setting("root")
            return f"root {roots.value}" if roots.directives and roots.known else None
        return self.handler.args[0] if self.handler.args and self.handler.name in PASSES else None


def contents(server: VirtualServer) -> Iterator[Content]:
    """The content that a server serves, without redirects, denied requests, and internal or named locations."""
    if server.module == "stream":
        handler = server.first("proxy_pass") or server.first("return")
        if handler is not None:
            yield Content(server, None, handler, server.scope)
        return
    if server.first("return"):
        if _answers(server.first("return")):
            yield Content(server, None, server.first("return"), server.scope)
        return
    whole = False
    for location in server.all_locations():
        if location.directive.name != "location":
            continue
        whole = whole or (location.pattern == "/" and location.modifier in ("", "^~"))
        yield from _of_location(server, location)
    if not whole and (server.setting("root").directives or server.first("proxy_pass")):
        yield Content(server, None, None, server.scope)


def _of_location(server: VirtualServer, location: LocationBlock) -> Iterator[Content]:
    scope = location.scope
    if location.modifier == "@" or scope.first("internal") or _denied(scope):
        return
    if given := scope.first("return"):
        if _answers(given):
            yield Content(server, location, given, scope)
        return
    for name in PASSES:
        if handler := scope.first(name):
            yield Content(server, location, handler, scope)
            return
    yield Content(server, location, None, scope)


def _answers(directive: Directive | None) -> bool:
    """Whether a return sends content: not a redirect, an error or a closed connection."""
    return directive is not None and bool(directive.args) and directive.args[0].startswith("2")


def _denied(scope: Scope) -> bool:
    rules = scope.all("deny")
    return any(rule.args[:1] == ("all",) for rule in rules) and not scope.all("allow")


def is_checked(content: Content, names: frozenset[str]) -> bool | None:
    """Whether one of the variables controls this content or is passed to its back end; None if that is not known."""
    server, scope = content.server, content.scope
    if any(_mentions(condition.directive, names) for condition in server.conditions):
        return True
    level: Scope | None = scope
    while level is not None:
        if any(CODE.search(name) for name in level.own):
            return True
        level = level.parent
    if content.location is not None and any(
        _mentions(condition.directive, names) for condition in content.location.conditions
    ):
        return True
    handler = content.handler
    if handler is not None:
        if _mentions(handler, names):
            return True
        for name in HANDED_OVER.get(handler.name, ()):
            lines = scope.setting(name).directives
            if any(_mentions(line, names) for line in lines):
                return True
    rewritten = [d for name in ("rewrite", "try_files", "root", "alias", "limit_except") for d in scope.all(name)]
    if any(_mentions(directive, names) for directive in rewritten):
        return True
    return False if scope.certain else None


def _mentions(directive: Directive, names: frozenset[str]) -> bool:
    return bool(variables(" ".join(directive.args)) & names)
