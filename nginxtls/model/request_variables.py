"""The values of nginx's variables for one request: its own, those of ``set``, ``map`` and captures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.names import NameTable, read_name
from nginxtls.model.patterns import Undecided, read_pattern
from nginxtls.model.variables import VARIABLE, definitions
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.servers import VirtualServer
    from nginxtls.syntax.tree import Directive

PORTS = {"http": 80, "https": 443}


class Request(NamedTuple):
    """A GET request: ``scheme`` http or https, ``host`` in lower case without port, ``path`` decoded, ``args``."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    args: str = ""

    @property
    def url(self) -> str:
        """The URL, without the scheme's own port."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}{'?' if self.args else ''}{self.args}"


class Unknown(Exception):
    """A value depends on something that the configuration does not say: a cookie, a file, another module."""


def primary_name(server: VirtualServer) -> str:
    """The value of ``$server_name``: the first name as written, ``_``, ``*.x`` and ``~…`` included, ``.x`` without its
    dot (ngx_http_core_merge_srv_conf). Raises Unknown for text of a template."""
    first = server.names[0]
    if first.form == "unknown" or UNKNOWN in first.text:
        raise Unknown
    return first.key if first.form in ("exact", "suffix") else first.text


class Variables:
    """The variables of a request to a server. ``uri`` and ``args`` change with each rewrite."""

    def __init__(self, configuration: Configuration, server: VirtualServer, request: Request) -> None:
        self._configuration = configuration
        self._server = server
        self._request = request
        self._set: dict[str, str | None] = {}
        self._captures: dict[str, str] = {}
        self._undecided = False
        """Which server name has matched is not known, nor are its captures."""
        self._active: set[str] = set()
        self.uri = request.path
        self.args = request.args
        self._named_by_host()

    def _named_by_host(self) -> None:
        """The captures of the server name that matched, if it is a regular expression."""
        names = self._server.names
        if any(name.form == "exact" and name.key == self._request.host for name in names):
            return
        try:
            any(name.form == "regex" and self.search(name.key, self._request.host, caseless=True) for name in names)
        except Unknown:
            self._undecided = True

    def set(self, name: str, text: str) -> None:
        """Run a ``set``; an unknown value matters only where it is used."""
        try:
            self._set[name.lstrip("$")] = self.expand(text)
        except Unknown:
            self._set[name.lstrip("$")] = None

    def expand(self, text: str) -> str:
        """A text with its variables replaced. Raises Unknown."""
        if UNKNOWN in text:
            raise Unknown
        return VARIABLE.sub(lambda match: self.value(match[1] or match[2]), text) if "$" in text else text

    def search(self, regex: str, text: str, *, caseless: bool = False, clears: bool = False) -> bool:
        """Whether a regular expression matches; its captures are then variables. Raises Unknown if it is unreadable.

        ``clears``: without a match ``$1`` and the others are empty (ngx_http_script_regex_start_code: if and rewrite).
        """
        if UNKNOWN in regex:
            raise Unknown
        try:
            found = read_pattern(regex, caseless=caseless).captures(text)
        except Undecided:
            raise Unknown from None
        if found is not None or clears:
            self._captures = {key: value for key, value in self._captures.items() if not key.isdigit()}
        if found is None:
            return False
        self._captures |= found
        return True

    def value(self, name: str) -> str:
        """The value of a variable, named without ``$``. Raises Unknown."""
        if name in self._set:
            found = self._set[name]
        elif name in self._captures:
            found = self._captures[name]
        elif name.isdigit():
            found = None if self._undecided else ""
        else:
            found = self._own(name)
            if found is None:
                found = self._made(name)
        if found is None:
            raise Unknown
        return found

    def _own(self, name: str) -> str | None:
        """A variable of nginx itself."""
        request = self._request
        port = "" if request.port == PORTS[request.scheme] else f":{request.port}"
        match name:
            case "scheme":
                return request.scheme
            case "host":
                return request.host
            case "http_host":
                return request.host + port
            case "server_name":
                return primary_name(self._server)
            case "server_port":
                return str(request.port)
            case "https":
                return "on" if request.scheme == "https" else ""
            case "request_method":
                return "GET"
            case "request_uri":
                return request.path + (f"?{request.args}" if request.args else "")
            case "uri" | "document_uri":
                return self.uri
            case "args" | "query_string":
                return self.args
            case "is_args":
                return "?" if self.args else ""
            case "ssl_server_name":
                return request.host if request.scheme == "https" else ""
            case "ssl_preread_server_name" if self._server.module == "stream":
                return request.host if self._server.setting("ssl_preread").enabled else ""
        return None

    def _made(self, name: str) -> str | None:
        """A variable of ``map``; one of a ``set`` that did not run is empty."""
        makers = definitions(self._configuration, self._server.module).get(name, ())
        if makers and all(line.name == "set" for line in makers):
            return ""
        if len(makers) != 1 or makers[0].name != "map" or name in self._active:
            return None
        self._active.add(name)
        try:
            return self._mapped(makers[0])
        finally:
            self._active.discard(name)

    def _mapped(self, directive: Directive) -> str:
        """The value of a map: an equal text (in any case), a name with ``hostnames``, a regular expression, ``default``
        (ngx_http_map_find)."""
        source = self.expand(directive.args[0])
        table = self._configuration.memo(("map", directive), lambda: _MapTable.of(directive))
        if table is None:
            raise Unknown
        found = table.exact.get(source.lower())
        if found is None and table.names is not None:
            named = table.names.find(source.lower())
            found = named.value if named else None
        if found is None:
            found = next((value for key, value in table.patterns if self._matches(key, source)), table.default)
        return self.expand(found)

    def _matches(self, key: str, source: str) -> bool:
        if not key.startswith("~"):
            return False
        return self.search(key.lstrip("~").removeprefix("*"), source, caseless=key.startswith("~*"))

    def holds(self, args: Sequence[str]) -> bool:
        """Whether the condition of an ``if`` is true (ngx_http_rewrite_if_condition). Raises Unknown."""
        words = [word for word in args if word]
        if len(words) == 1 and words[0].startswith("$"):
            return self.expand(words[0]) not in ("", "0")
        if len(words) == 2 and words[1] in ("=", "!="):
            words.append("")
        if len(words) != 3 or not words[0].startswith("$"):
            raise Unknown  # a file test
        left, operator, right = self.expand(words[0]), words[1], words[2]
        match operator:
            case "=" | "!=":
                return (left == self.expand(right)) == (operator == "=")
            case "~" | "~*" | "!~" | "!~*":
                matches = self.search(right, left, caseless=operator.endswith("*"), clears=True)
                return matches != operator.startswith("!")
        raise Unknown


class _MapTable(NamedTuple):
    """The lines of a map."""

    exact: dict[str, str]
    names: NameTable[_MapLine] | None
    """With ``hostnames``."""
    patterns: list[tuple[str, str]]
    default: str

    @classmethod
    def of(cls, directive: Directive) -> _MapTable | None:
        """The table of a map; None if one of its lines is not known."""
        lines = list(directive.block or ())
        if any(line.name in ("include", UNKNOWN) or line.branch or not line.known for line in lines):
            return None
        values = [(line.name, line.args[0]) for line in lines if len(line.args) == 1]
        exact = {key.removeprefix("\\").lower(): value for key, value in reversed(values) if not key.startswith("~")}
        default = exact.pop("default", "")
        names = None
        if any(line.name == "hostnames" and not line.args for line in lines):
            names = NameTable(_MapLine(key, value) for key, value in values if not key.startswith("~"))
        return cls(exact, names, [each for each in values if each[0].startswith("~")], default)


class _MapLine:
    """A line of a map as something with a server name, so that names are found as nginx finds those of servers."""

    def __init__(self, key: str, value: str) -> None:
        self.names = (read_name(key.removeprefix("\\")),)
        self.value = value
