"""The fixes that rules offer: lines removed, rewritten and added, words of lists added and removed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import everyone, listed, where_missing

from nginxtls.finding import Edit, Location
from nginxtls.rule import Fix, delete, locate, replace_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nginxtls.model import Configuration, Endpoint, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

STRONG_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
INDENT = "    "


def removal(*lines: Directive, safe: bool = False) -> Fix:
    """Remove lines."""
    names = dict.fromkeys(f"`{line.name}`" for line in lines)
    return Fix(f"remove {listed(list(names))}", tuple(map(delete, dict.fromkeys(lines))), safe)


def rewritten(line: Directive, text: str) -> Edit:
    """The edit that writes a line anew: ``text`` without the terminator."""
    return Edit(locate(line), text)


def written(line: Directive, *values: str, safe: bool = False) -> Fix:
    """Give a line other arguments, as they are to be written."""
    text = " ".join((line.name, *values))
    return Fix(f"write `{text};`", (rewritten(line, text),), safe)


def with_word(line: Directive, word: str) -> Edit:
    """The edit that appends an argument."""
    return rewritten(line, " ".join((line.name, *_words(line), word)))


def without_words(line: Directive, dropped: Iterable[int]) -> Edit:
    """The edit that removes arguments, and the line if none remains."""
    gone = set(dropped)
    kept = [word for index, word in enumerate(_words(line)) if index not in gone]
    return rewritten(line, " ".join((line.name, *kept))) if kept else delete(line)


def _words(line: Directive) -> list[str]:
    """The arguments as written."""
    return [line.arg_text(index) for index in range(len(line.args))]


def quoted(text: str) -> str:
    """A text as an argument, in quotes where nginx needs them."""
    if not re.search(r"[\s;{}\"'#\\]", text) and text:
        return text
    text = text.replace("\\", "\\\\")
    if '"' in text and "'" not in text:
        return f"'{text}'"
    return '"{}"'.format(text.replace('"', '\\"'))


def listing(
    line: Directive, arg: int, keep: Callable[[str], bool], separator: str, *, safe: bool = False
) -> Fix | None:
    """Remove words of a list that is one argument; None if no word would remain or all would."""
    words = [word.strip() for word in line.args[arg].split(separator)] if len(line.args) > arg else []
    kept = [word for word in words if keep(word)]
    if not kept or len(kept) == len(words):
        return None
    return Fix("remove it", (replace_argument(line, arg, quoted(separator.join(kept))),), safe)


def options_without(line: Directive, names: Iterable[str], *, safe: bool = False) -> Fix:
    """Remove options of an ``…_conf_command Options``, and the line if none remains."""
    gone = {name.lower() for name in names}
    kept = [word.strip() for word in line.args[1].split(",") if word.strip().lstrip("+-").lower() not in gone]
    if not kept:
        return removal(line, safe=safe)
    return Fix(f"remove {', '.join(names)}", (replace_argument(line, 1, quoted(",".join(kept))),), safe)


# -- lines that are added ----------------------------------------------------------------------------------------------


def after(line: Directive, text: str) -> Edit:
    """The edit that adds a line after another one; ``text`` with its terminator."""
    source, at = line.file.text, line.end
    begin = source.rfind("\n", 0, line.start) + 1
    indent = source[begin : line.start]
    return _insertion(line, at, text, indent if not indent.strip() else _indent_of(line.parent) + INDENT)


def inside(block: Directive, text: str) -> Edit:
    """The edit that adds a line to a block: beside related ones, or first; ``text`` with its terminator."""
    siblings = [line for line in block.block or () if line.branch == block.branch and line.file is block.file]
    beside = _related(text.split()[0], siblings)
    if beside is not None:
        return after(beside, text)
    opening = block.file.masked.index("{", block.words[-1][1]) + 1
    return _insertion(block, opening, text, _indent_of(block) + INDENT)


def put(block: Directive, name: str, *values: str, safe: bool = False) -> Fix | None:
    """Set a directive in a block: its own line written anew, others of that name removed, or a line added.

    None for a fragment: its server has no block.
    """
    if block.block is None:
        return None
    text = " ".join((name, *values))
    title = f"set `{text};`"
    own = [line for line in block.block or () if line.name == name and line.branch == block.branch]
    if not own:
        return Fix(title, (inside(block, f"{text};"),), safe)
    return Fix(title, (rewritten(own[0], text), *map(delete, own[1:])), safe)


def added(block: Directive, *lines: str, safe: bool = False) -> Fix | None:
    """Add lines to a block; each with its terminator. None for a fragment, as ``put``."""
    if block.block is None:
        return None
    return Fix(f"add `{lines[0]}`", tuple(inside(block, line) for line in lines), safe)


def beside(line: Directive, name: str, *values: str, safe: bool = False) -> Fix | None:
    """Set a directive in the block of a line, or after the line if the file has no block around it."""
    if line.parent is not None and line.parent.block is not None and line.parent.file is line.file:
        return put(line.parent, name, *values, safe=safe)
    text = " ".join((name, *values))
    return Fix(f"set `{text};`", (after(line, f"{text};"),), safe)


def _related(name: str, lines: list[Directive]) -> Directive | None:
    """The last line of the same name or family, after which a line of this name belongs."""
    lines = [line for line in lines if line.block is None]
    family = name.partition("_")[0] + "_"
    for same in (
        lambda line: line.name == name,
        lambda line: line.name.startswith(family),
        lambda line: line.name in ("listen", "server_name"),
    ):
        found = [line for line in lines if same(line)]
        if found:
            return found[-1]
    return None


def _indent_of(block: Directive | None) -> str:
    """The white space before a block's first word."""
    if block is None:
        return ""
    text = block.file.text
    begin = text.rfind("\n", 0, block.start) + 1
    before = text[begin : block.start]
    return before[: len(before) - len(before.lstrip())]


def _insertion(place: Directive, at: int, text: str, indent: str) -> Edit:
    """The edit that adds a line after an offset: on a line of its own, unless something follows on the same line."""
    source = place.file.text
    end = source.find("\n", at)
    end = len(source) if end < 0 else end
    rest = source[at:end]
    if rest.strip() and not rest.lstrip().startswith("#"):
        return Edit(Location(place.file, place.file.span(at, at)), f" {text}")
    end -= rest.endswith("\r")
    return Edit(Location(place.file, place.file.span(end, end)), f"\n{indent}{text}")


def moved(line: Directive, name: str, *values: str, safe: bool = False) -> Fix:
    """Set a directive in place of a line, in its block: on that line, unless the block has its own."""
    text = " ".join((name, *values))
    siblings = line.parent.block if line.parent is not None else None
    own = next((each for each in siblings or () if each.name == name and each.branch == line.branch), None)
    edits = (rewritten(line, text),) if own is None else (rewritten(own, text), delete(line))
    return Fix(f"set `{text};` in its place", edits, safe)


def set_for(
    configuration: Configuration, endpoints: Sequence[Endpoint], name: str, *values: str, safe: bool = False
) -> Fix | None:
    """Set a directive that no level sets: around all servers that it concerns, or in the one that decides for them."""
    servers = {endpoint.server for endpoint in everyone(endpoints)}
    block = where_missing(configuration, endpoints, name)
    levels = [line for line in configuration.directives(endpoints[0].server.module) if line.block is not None]
    if len(servers) > 1 and configuration.completeness == "full" and len(levels) == 1:
        block = levels[0] if len({server.module for server in servers}) == 1 else block
    return put(block, name, *values, safe=safe) if block is not None and block.block is not None else None


def as_written(line: Directive) -> str:
    """A line as written, with its terminator."""
    return f"{line.file.text[line.start : line.words[-1][1]]};"


def repeated(line: Directive, beside: Directive) -> Fix:
    """Repeat a line of an outer level after a line of an inner one."""
    return Fix(f"repeat `{line.name} {line.args[0]}`", (after(beside, as_written(line)),))


def make_default(server: VirtualServer, socket: Socket) -> Fix | None:
    """Make a server the default server of a socket; None if one of the lines cannot be edited."""
    here = next((listen.directive for other, listen in socket.listens if other is server), None)
    marked = [listen.directive for _, listen in socket.listens if listen.is_default and listen.directive is not None]
    if here is None or any(not line.known for line in (here, *marked)):
        return None
    before = [
        without_words(line, [index for index, arg in enumerate(line.args) if arg in ("default_server", "default")])
        for line in dict.fromkeys(marked)
    ]
    return Fix(
        f"add `default_server` to the `listen` directive of {server.title}",
        (*before, with_word(here, "default_server")),
    )


def rejecting_server(socket: Socket, configuration: Configuration) -> Fix | None:
    """Add a default server that rejects handshakes; None if nginx may be older than 1.19.4, which introduced it."""
    nginx, default = configuration.facts.nginx, socket.default.directive
    line = next((listen.directive for server, listen in socket.listens if server is socket.default), None)
    if nginx is None or not nginx.at_least(1, 19, 4) or default is None or line is None or not line.known:
        return None
    if socket.module != "http" or not all(server.has_certificate for server in socket.servers):
        return None  # a server without a certificate needs the one of the default server
    marked = [listen.directive for _, listen in socket.listens if listen.is_default and listen.directive is not None]
    before = [
        without_words(each, [index for index, arg in enumerate(each.args) if arg in ("default_server", "default")])
        for each in dict.fromkeys(marked)
    ]
    block = _server_before(default, f"listen {line.args[0]} ssl default_server;", "ssl_reject_handshake on;")
    return Fix("add a default server with `ssl_reject_handshake on;`", (*before, block))


def separate_redirect(server: VirtualServer) -> Fix | None:
    """Move the listen lines without TLS of a server to another one that redirects to https."""
    block, target = server.directive, "return 301 https://$host$request_uri;"
    plain = [listen.directive for listen in server.listens if not (listen.has("ssl") or listen.datagram)]
    if block is None or not plain or len(plain) == len(server.listens):
        return None
    if any(line is None or not line.known or line.parent is not block for line in plain):
        return None
    lines = [line for line in plain if line is not None]
    names = [line for line in server.scope.all("server_name") if line.known]
    added = _server_before(block, *map(as_written, (*lines, *names)), target)
    return Fix("move the plain `listen` to a server that redirects to https", (added, *map(delete, lines)))


def _server_before(block: Directive, *lines: str) -> Edit:
    """The edit that adds a server block before another one."""
    indent = _indent_of(block)
    text = "".join(f"{indent}{INDENT}{line}\n" for line in lines)
    place = Location(block.file, block.file.span(block.start, block.start))
    return Edit(place, f"server {{\n{text}{indent}}}\n{indent}")


def for_default_server(line: Directive, endpoints: Sequence[Endpoint]) -> Fix | None:
    """Set what a line sets in the default server that overrules it; None if that has a value of its own or there are
    several."""
    defaults = {endpoint.socket.default for endpoint in everyone(endpoints)}
    server = defaults.pop()
    block = server.directive
    if defaults or block is None or line.block is not None or server.scope.all(line.name) or not line.known:
        return None
    return Fix("set it in the default server", (inside(block, as_written(line)),))


def with_text(line: Directive, arg: int, old: str, new: str) -> Fix | None:
    """Replace a part of an argument; None if it is not written there."""
    text = line.arg_text(arg)
    at = text.lower().find(old.lower())
    if at < 0:
        return None
    edit = replace_argument(line, arg, text[:at] + new + text[at + len(old) :])
    return Fix(f"replace `{old}` with `{new}`" if new else f"remove `{old}`", (edit,))


def name_place(line: Directive) -> Location:
    """Where a directive's name is."""
    return Location(line.file, line.file.span(*line.words[0]))


def renamed(line: Directive, name: str) -> Fix:
    """Give a line the name of another directive."""
    return Fix(f"replace it with `{name}`", (Edit(name_place(line), name),))


def both(title: str, *fixes: Fix | None) -> Fix | None:
    """Fixes that belong together; None if one of them is missing."""
    given = [fix for fix in fixes if fix is not None]
    return Fix(title, tuple(edit for fix in given for edit in fix.edits)) if len(given) == len(fixes) else None
