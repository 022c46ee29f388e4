"""What a file is: a whole configuration, server blocks, a snippet, of http, stream or mail; or not nginx."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Literal

from nginxtls.syntax.known import contexts, is_directive
from nginxtls.syntax.words import LUA_BLOCK, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.syntax.tree import Directive, SourceFile

Kind = Literal["full", "server", "snippet"]
Context = Literal["main", "http", "stream", "mail", "server", "location", "unknown"]

_WHOLE = frozenset({"http", "stream", "mail", "events"})
_COMMON_WORDS = frozenset(
    {"if", "return", "break", "set", "include", "default", "user", "root", "index", "error", "keys", "hash", "zone"}
    | {"server", "state", "types", "map", "env", "match", "timeout", "allow", "deny", "alias", "internal", "empty"}
)
"""Directives whose names other languages have, too: alone they do not make a file nginx."""

_LIKE_NGINX = re.compile(
    rb"(?m)^[ \t]*(?:\#?[^\n;{}]*[;{}][ \t]*)?"
    rb"(?:server|location|upstream|http|stream|mail|events|map|geo|types|if|listen|server_name|include|resolver|root|return|env|user|allow|deny|set|rewrite|expires|alias|index"
    rb"|[a-z]+_[a-z_]+)\b[^\n]*[;{][^\n]*$"
)


_SCRIPT = re.compile(rb"#! ?/(?!.*nginx)")


def may_be_nginx(content: bytes) -> bool:
    """A quick look: some line reads like a directive. Most other files fall here."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "ignore").encode()
    return b"\0" not in content[:1024] and _LIKE_NGINX.search(content) is not None


def is_script(content: bytes) -> bool:
    """Whether the first line names another interpreter, such as that of an init script."""
    return _SCRIPT.match(content) is not None


def is_nginx(file: SourceFile, *, named_so: bool = False) -> bool:
    """Whether a parsed file is nginx's. ``named_so``: its path says so, then a hint in its text is enough."""
    known = common = other = unknown = 0
    for directive in _sample(file):
        name = directive.name
        if UNKNOWN in name or name == "":
            unknown += 1
            continue
        if not directive.terminated:
            other += 1
        elif directive.args[:1] == ("=",) and name != "location":
            other += 1  # "key = value"
        elif name in _COMMON_WORDS:
            if _is_table(directive):
                known += 1
            else:
                common += 1
        elif is_directive(name) or name.endswith((LUA_BLOCK, "_by_lua", "_by_lua_file")):
            known += 1
        else:
            other += 1
    if named_so:
        return (known + common > 0 and known + common >= other / 4) or (unknown > 0 and not other)
    return (known > 0 and known + common / 2 >= other) or (common >= 2 and not other and not file.problems)


def _is_table(directive: Directive) -> bool:
    """A block that maps one thing to another, as only nginx writes it."""
    if not directive.block:
        return False
    if directive.name == "types":
        return any("/" in line.name for line in directive.block)
    return directive.name in ("map", "geo") and any(arg.startswith("$") for arg in directive.args)


def _sample(file: SourceFile, most: int = 400) -> Iterable[Directive]:
    """The first directives of a file, without the blocks of free words."""
    pending = list(reversed(file.directives))
    count = 0
    while pending and count < most:
        directive = pending.pop()
        count += 1
        yield directive
        if directive.block and directive.name not in ("types", "map", "geo", "split_clients", "charset_map", "match"):
            pending += reversed(directive.block)


def classify(file: SourceFile, directives: Iterable[Directive] | None = None) -> tuple[Kind, Context]:
    """The kind of a file and the block that its directives belong in, from their names and what they hold."""
    top = list(file.directives if directives is None else directives)
    if any(directive.name in _WHOLE and directive.block is not None for directive in top):
        return "full", "main"
    servers = [directive for directive in top if directive.name == "server" and directive.block is not None]
    if servers:
        return "server", _family(top, servers, file.name)
    possible = contexts(directive.name for directive in top)
    if len(possible) == 1:
        return "snippet", _one(possible)
    if possible <= {"http", "server", "location", "if"}:
        if "http" not in possible:
            return "snippet", "location" if "server" not in possible else "unknown"
        if any(directive.name in ("upstream", "map", "geo") for directive in top):
            return "snippet", "http"
    if "server" in possible and possible <= {"server", "stream server", "mail server"} and not _path_says(file.name):
        return "snippet", "server"
    if possible and possible <= {"stream", "stream server"}:
        return "snippet", "stream"
    if possible and possible <= {"mail", "mail server"}:
        return "snippet", "mail"
    return "snippet", "stream" if _path_says(file.name) == "stream" else "unknown"


def _family(top: list[Directive], servers: list[Directive], name: str) -> Context:
    """Whether server blocks are http's, stream's or mail's."""
    inside = [directive.name for server in servers for directive in server.block or ()]
    possible = {place.partition(" ")[0] for place in contexts(inside)}
    around = {place for place in contexts(directive.name for directive in top) if place in ("http", "stream", "mail")}
    families = [
        family
        for family, place in (("http", "server"), ("stream", "stream"), ("mail", "mail"))
        if place in possible and (family in around or not around)
    ]
    if "stream" in families and "http" in families and _path_says(name):
        return "stream"
    passes = [d.args[0] for server in servers for d in server.block or () if d.name == "proxy_pass" and d.args]
    if passes:
        return "http" if any("://" in target for target in passes) else "stream"
    return families[0] if families else "http"  # type: ignore[return-value]


def _path_says(name: str) -> str:
    return "stream" if re.search(r"(?:^|[/._-])(?:streams?|tcp|udp)(?:[/._-]|\Z)", name) else ""


def _one(possible: set[str]) -> Context:
    place = next(iter(possible))
    if place in ("main", "http", "server", "location"):
        return place  # type: ignore[return-value]
    if place.startswith(("stream", "mail")):
        return place.partition(" ")[0]  # type: ignore[return-value]
    return "location" if place in ("if", "limit_except") else "unknown"
