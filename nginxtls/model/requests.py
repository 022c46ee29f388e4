"""What nginx answers to a request: the rewrite phases, the location, and redirects followed from server to server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.model.locations import location_for
from nginxtls.model.names import valid_host
from nginxtls.model.request_variables import PORTS, Request, Unknown, Variables
from nginxtls.model.sockets import connected
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.locations import LocationBlock
    from nginxtls.model.servers import Socket, VirtualServer
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive

REDIRECTS = ("301", "302", "303", "307", "308")
MOST_REDIRECTS = 20
"""Browsers give up after 20 (Fetch, "HTTP-redirect fetch")."""
_REWRITE = frozenset({"return", "rewrite", "set", "if", "break"})
_UNKNOWN_LINES = _REWRITE | {"include", UNKNOWN}
"""Lines that may be a rewrite directive: an include is left only where it could not be read."""
_ABSOLUTE = ("http://", "https://", "$scheme")
"""What a replacement of ``rewrite`` or a lone argument of ``return`` starts with to be a redirect
(ngx_http_rewrite_module.c)."""
_URL = pattern(r"(https?)://([^/:?#\[\]]*|\[[^\]]*\])(?::(\d{1,5}))?(/[^?#]*)?(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE)


class Answer(NamedTuple):
    """What answers a request: a ``return`` or ``rewrite`` (``directive``), or, without one, the content of ``scope``.

    ``location`` is None where the server answers before a location is chosen. ``target`` is the URL of a redirect.
    """

    request: Request
    socket: Socket
    server: VirtualServer
    scope: Scope
    location: LocationBlock | None = None
    directive: Directive | None = None
    status: str = ""
    target: str = ""


def selected(socket: Socket, host: str) -> VirtualServer | None:
    """The server for a host on a socket; None where a server name on it is unknown."""
    return served_by(socket, valid_host(host))


def served_by(socket: Socket, name: str | None) -> VirtualServer | None:
    """The server for a valid host name (see ``valid_host``); None as for ``selected``."""
    found = socket.names.find(name) if name else None
    return found or (None if socket.names.unknown else socket.default)


def answer(configuration: Configuration, socket: Socket, request: Request) -> Answer | None:
    """What nginx answers to a request on a socket; None if that depends on something unknown.

    The ``rewrite`` directives of the server run in order of the text, before a location is chosen; then those of the
    location. A changed URI chooses again, at most ten times (ngx_http_core_module, NGX_HTTP_SERVER_REWRITE_PHASE and
    NGX_HTTP_MAX_URI_CHANGES). What runs later (access, try_files, error_page) is not modelled: it is content.
    """
    server = selected(socket, request.host)
    if server is None or server.fragment:
        return None
    # The socket has no part in it but by the server that it selects.
    found = configuration.store.recent(
        ("answer", server, request), lambda: _answer(configuration, socket, server, request)
    )
    return found if found is None or found.socket is socket else found._replace(socket=socket)


def _answer(configuration: Configuration, socket: Socket, server: VirtualServer, request: Request) -> Answer | None:
    try:
        return _Visit(configuration, request, socket, server).answer()
    except Unknown:
        return None


def expanded(configuration: Configuration, server: VirtualServer, request: Request, text: str) -> str | None:
    """A text of a server (a header's value) with its variables replaced for a request; None if one is unknown."""
    try:
        return Variables(configuration, server, request).expand(text)
    except Unknown:
        return None


def redirected(configuration: Configuration, found: Answer) -> tuple[Socket, Request] | None:
    """The next request and its socket, if a redirect leads to a name of this configuration; else None.

    The same host comes back to the same address; another host is known only if a server has its name.
    """
    following = leads_to(configuration, found)
    if following is None:
        return None
    there, after = following
    own = after.host == found.request.host or there.names.find(after.host) is not None
    return following if own else None


def leads_to(configuration: Configuration, found: Answer) -> tuple[Socket, Request] | None:
    """The next request and its socket, if the host of a redirect's target is at the same address."""
    before = found.request
    target = found.target
    if target.startswith("/") and not target.startswith("//"):
        target = f"{before.scheme}://{before.host}:{before.port}{target}"
    match = _URL.fullmatch(target)
    if match is None:
        return None
    scheme, host, port, path, args = match.groups()
    name = valid_host(host)
    after = Request(scheme.lower(), name or "", int(port or PORTS[scheme.lower()]), unquote(path or "/"), args or "")
    there = connected(configuration.sockets, found.socket.address, after.port)
    if there is None or there.module != "http" or not there.known or there.proxy_protocol:
        return None
    if there.speaks_tls != (after.scheme == "https") or not after.host:
        return None
    return there, after


class Path(NamedTuple):
    """The answers to a request and to the redirects that follow it. ``loop`` is the number of answers at the end that
    repeat for ever (0: none)."""

    answers: list[Answer]
    loop: int = 0
    complete: bool = True
    """The last answer is known: it is content of this configuration, an error, or a redirect to another host."""


def follow(configuration: Configuration, socket: Socket, request: Request) -> Path:
    """Follow redirects as a browser does, as long as they lead to names of this configuration."""
    answers: list[Answer] = []
    seen: dict[Request, int] = {}
    while True:
        if request in seen:
            return Path(answers, len(answers) - seen[request])
        if len(answers) == MOST_REDIRECTS:
            return Path(answers, _period(answers))
        seen[request] = len(answers)
        found = answer(configuration, socket, request)
        if found is None:
            return Path(answers, complete=False)
        answers.append(found)
        following = redirected(configuration, found) if found.target else None
        if following is None:
            return Path(answers)
        socket, request = following


def _period(answers: list[Answer]) -> int:
    """How many of the last answers repeat where the URL grows with each redirect."""
    lines = [found.directive for found in answers]
    for length in range(1, len(lines) // 2 + 1):
        if lines[-length:] == lines[-2 * length : -length]:
            return length
    return len(lines)


class _Visit:
    """One request on its way through a server."""

    def __init__(self, configuration: Configuration, request: Request, socket: Socket, server: VirtualServer) -> None:
        self.request = request
        self.socket = socket
        self.server = server
        self.location: LocationBlock | None = None
        self.changed = False
        """A rewrite has replaced the URI, be it by the same one (``uri_changed`` of the request)."""
        self.scope: Scope = server.scope
        """The level whose settings apply: the location, or the last ``if`` in it that holds."""
        self.variables = Variables(configuration, server, request)

    def answer(self) -> Answer:
        server = self.server
        outcome = self._run(server.scope, server.directive.block or () if server.directive else ())
        if isinstance(outcome, Answer):
            return outcome
        for _ in range(10):
            location, sure = location_for(server.locations, self.variables.uri)
            if not sure:
                raise Unknown
            self.location = location
            if location is None:
                return Answer(self.request, self.socket, server, server.scope)
            if server.scope.is_conditional(location.directive):
                raise Unknown
            self.scope = location.scope
            if location.modifier in ("~", "~*"):
                self.variables.search(location.pattern, self.variables.uri, caseless=location.modifier == "~*")
            self.changed = False
            outcome = self._run(location.scope, location.directive.block or ())
            if isinstance(outcome, Answer):
                return outcome
            if outcome == "break" or not self.changed:
                return Answer(self.request, self.socket, server, self.scope, location)
        return Answer(self.request, self.socket, server, server.scope, self.location, status="500")

    def _run(self, scope: Scope, directives: Iterable[Directive]) -> Answer | str:
        """Run the rewrite directives of a level: its answer, ``last``, ``break``, or nothing."""
        if scope.left_out & _UNKNOWN_LINES:
            raise Unknown
        for directive in self.server.tree.expand(directives):
            if directive.name in _UNKNOWN_LINES - _REWRITE:
                raise Unknown
            if directive.name not in _REWRITE:
                continue
            if scope.is_conditional(directive) or (not directive.args and directive.name != "break"):
                raise Unknown
            outcome: Answer | str = ""
            match directive.name:
                case "break":
                    return "break"
                case "set" if len(directive.args) == 2:
                    self.variables.set(directive.args[0], directive.args[1])
                case "if":
                    if self.variables.holds(directive.args):
                        inside = self._inside(directive)
                        self.scope = inside if self.location else scope
                        outcome = self._run(inside, directive.block or ())
                case "return":
                    return self._return(directive, scope)
                case "rewrite" if len(directive.args) > 1:
                    outcome = self._rewrite(directive, scope)
            if outcome:
                return outcome
        return ""

    def _inside(self, condition: Directive) -> Scope:
        """An ``if`` of a location is a level of its own; one of a server is not (ngx_http_rewrite_if)."""
        block = self.location.inside(condition) if self.location else self.server.location(condition)
        return block.scope

    def _return(self, directive: Directive, scope: Scope) -> Answer:
        status, text = directive.args[0], directive.args[-1]
        if len(directive.args) == 1:
            if not text.startswith(_ABSOLUTE):
                return Answer(self.request, self.socket, self.server, scope, self.location, directive, status)
            status = "302"
        target = self.variables.expand(text) if status in REDIRECTS else ""
        return Answer(self.request, self.socket, self.server, scope, self.location, directive, status, target)

    def _rewrite(self, directive: Directive, scope: Scope) -> Answer | str:
        regex, replacement, *flags = directive.args
        if not self.variables.search(regex, self.variables.uri, clears=True):
            return ""
        flag = flags[0] if flags else ""
        # A literal ? begins the arguments, one in a value does not; the last one drops those of the request.
        path, mark, args = replacement.removesuffix("?").partition("?")
        path, args = self.variables.expand(path), self.variables.expand(args)
        if not replacement.endswith("?") and self.variables.args:
            args = f"{args}&{self.variables.args}" if mark else self.variables.args
        target = path + ("?" if mark or args else "") + args
        if replacement.startswith(_ABSOLUTE) or flag in ("redirect", "permanent"):
            status = "301" if flag == "permanent" else "302"
            return Answer(self.request, self.socket, self.server, scope, self.location, directive, status, target)
        self.variables.uri, self.variables.args = path, args
        self.changed = True
        return flag
