"""Server names as nginx reads and looks them up: exact, leading and trailing wildcard, regular expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.model.patterns import read_pattern
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.syntax.tree import Directive


class ServerName(NamedTuple):
    """One word of a server_name directive.

    ``form``: ``exact``, ``leading`` (``*.x``), ``suffix`` (``.x``: x and all below), ``trailing`` (``x.*``), ``regex``,
    ``empty`` (``""``, or no server_name at all), ``invalid`` (nginx never matches it) or ``unknown`` (a template's
    text, ``$hostname``).
    ``text`` is as written, ``key`` lower-case without the wildcard's mark.
    """

    text: str
    form: str
    key: str
    directive: Directive | None = None
    arg: int = 0

    @property
    def shown(self) -> str:
        """The name for people, with what a template has in it."""
        if self.directive is not None:
            return self.directive.written(self.text, self.arg)
        return self.text.replace(UNKNOWN, "…")

    @property
    def is_host(self) -> bool:
        """A client could request exactly this name (``_`` and names without a dot are not hosts)."""
        return self.form in ("exact", "suffix") and "." in self.key and not _FOREIGN.search(self.key)


_FOREIGN = pattern(r"[^\w.-]")
"""A character that no host name has, in whatever script it is written."""
_EXACT = pattern(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def read_name(text: str, directive: Directive | None = None, arg: int = 0) -> ServerName:
    """Classify a word of server_name as ngx_http_server_names() and ngx_hash_add_key() do."""
    lower = text.lower()
    if lower == text:
        lower = text  # one text for both
    if _EXACT.fullmatch(lower):
        return ServerName(text, "exact", lower, directive, arg)
    if UNKNOWN in text or lower == "$hostname":
        return ServerName(text, "unknown", lower, directive, arg)
    if text.startswith("~"):
        return ServerName(text, "regex", text[1:], directive, arg)
    if not text:
        return ServerName(text, "empty", "", directive, arg)
    if ".." in lower or lower.count("*") > 1:
        return ServerName(text, "invalid", lower, directive, arg)
    if lower.startswith(".") and len(lower) > 1:
        return ServerName(text, "suffix" if "*" not in lower else "invalid", lower[1:], directive, arg)
    if len(lower) > 2 and lower.startswith("*."):
        return ServerName(text, "leading", lower[2:], directive, arg)
    if len(lower) > 2 and lower.endswith(".*"):
        return ServerName(text, "trailing", lower[:-2], directive, arg)
    if "*" in lower:
        return ServerName(text, "invalid", lower, directive, arg)
    return ServerName(text, "exact", lower, directive, arg)


_DECLINED = pattern(r"[\x00-\x20/\x7f]")


def valid_host(host: str) -> str | None:
    """The name that nginx looks up for an SNI or Host value, or None where it falls to the default server.

    ngx_http_validate_host(): lower case, port and one trailing dot cut; ``..``, ``/`` and control characters decline.
    A leading dot finds nothing (measured).
    """
    literal = host.startswith("[")
    end = len(host)
    if literal:
        end = host.find("]") + 1 or len(host)
    elif ":" in host:
        end = host.index(":")
    if host.startswith(".") or ".." in host or _DECLINED.search(host):
        return None
    name = host[:end].removesuffix(".").lower()
    return name or None


class HasNames(Protocol):
    """What has server names."""

    @property
    def names(self) -> tuple[ServerName, ...]:
        """The server names, in order."""


Server = TypeVar("Server", bound=HasNames)


class NameTable(Generic[Server]):
    """The names of one address:port, and the server that each leads to. The first of two equal names wins."""

    __slots__ = ("exact", "leading", "regexes", "trailing", "unknown")

    def __init__(self, servers: Iterable[Server]) -> None:
        self.exact: dict[str, Server | None] = {}
        self.leading: dict[str, Server] = {}
        self.trailing: dict[str, Server] = {}
        self.regexes: list[tuple[ServerName, Server]] = []
        self.unknown = False
        """A name on this socket is not known, so that a look-up which finds nothing is not sure."""
        for server in servers:
            for name in server.names:
                self._add(name, server)

    def _add(self, name: ServerName, server: Server) -> None:
        match name.form:
            case "exact" | "empty":
                self.exact.setdefault(name.key, server)
            case "suffix":
                # ".x" takes "x", then "*.x"; where one of them is taken already it is dropped (ngx_hash_add_key).
                if name.key not in self.exact:
                    free = name.key not in self.leading
                    self.exact[name.key] = server if free else None
                    self.leading.setdefault(name.key, server)
            case "leading":
                self.leading.setdefault(name.key, server)
            case "trailing":
                self.trailing.setdefault(name.key, server)
            case "regex":
                self.regexes.append((name, server))
            case "unknown":
                self.unknown = True

    def find(self, host: str) -> Server | None:
        """The server for a name that has passed ``valid_host``, or None: then the default server answers."""
        return self.look_up(host)[0]

    def look_up(self, host: str) -> tuple[Server | None, bool]:
        """The server for a name as ``find`` gives it, and whether that is sure: no name that may match is unknown."""
        if found := self.exact.get(host):
            return found, True
        if self.leading:
            rest = host
            while "." in rest:
                label, _, rest = rest.partition(".")
                if (found := self.leading.get(rest)) and (label or rest != host[1:]):
                    return found, not self.unknown
        if self.trailing:
            rest = host
            while "." in rest:
                rest = rest.rpartition(".")[0]
                if found := self.trailing.get(rest):
                    return found, not self.unknown
        sure = not self.unknown
        for name, server in self.regexes:
            matches = read_pattern(name.key).matches(host)
            if matches:
                return server, sure
            sure = sure and matches is not None
        return None, sure
