"""Directives by themselves: names, contexts, arguments, and lines that repeat an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.directive_table import by_module_and_name, by_name, flags
from nginxtls.model.nginx_test.refusal import WARN, refuse, size
from nginxtls.model.settings import ADDS_UP, REPEATABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive, SourceFile

_FAMILIES = ("ssl_", "proxy_ssl_", "grpc_ssl_", "uwsgi_ssl_", "http2_", "http3_", "quic_")
_NAMES = frozenset({"server_name", "ssl", "http2", "http3", "starttls", "proxy_ssl", "add_header_inherit"})
_BLOCKS = frozenset(
    {"main", "events", "http", "stream", "mail", "server", "location", "if", "limit_except", "upstream"}
)

_ENUMERATIONS = {
    "ssl_verify_client": ("off", "on", "optional", "optional_no_ca"),
    "ssl_ocsp": ("off", "on", "leaf"),
    "starttls": ("off", "on", "only"),
    "add_header_inherit": ("on", "off", "merge"),
}
_PROTOCOLS = frozenset({"sslv2", "sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"})
_COUNTS = {
    # directives with other than exactly one argument: (least, most)
    "ssl_protocols": (1, 99),
    "proxy_ssl_protocols": (1, 99),
    "grpc_ssl_protocols": (1, 99),
    "uwsgi_ssl_protocols": (1, 99),
    "ssl_conf_command": (2, 2),
    "proxy_ssl_conf_command": (2, 2),
    "grpc_ssl_conf_command": (2, 2),
    "uwsgi_ssl_conf_command": (2, 2),
    "ssl_session_cache": (1, 2),
    "ssl_alpn": (1, 99),
    "server_name": (1, 999),
    "proxy_ssl_alpn": (1, 99),
    "ssl_certificate_cache": (1, 3),
    "proxy_ssl_certificate_cache": (1, 3),
    "grpc_ssl_certificate_cache": (1, 3),
    "uwsgi_ssl_certificate_cache": (1, 3),
}
_REMOVED = {"ssl": (1, 25, 1)}


def tree_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """The directives that TLS hangs on, once for each context that their file is included in."""
    places = configuration.store.common("places of files", lambda: _places_of_files(configuration))
    problems: dict[tuple[str, tuple[str, ...]], tuple[str, str] | None] = {}
    for name, directives in configuration.by_name.items():
        if name not in _NAMES and not name.startswith(_FAMILIES):
            continue
        least, most = _COUNTS.get(name, (1, 1))
        any_value = not (name in ADDS_UP or name in _ENUMERATIONS or name in flags() or name == "ssl_session_cache")
        for directive in directives:
            for around in places.get(directive.file, ()):
                place = (name, _path(directive, around))
                if place not in problems:
                    problems[place] = _problem_there(*place, configuration)
                problem = problems[place]
                if problem is None:
                    if not (any_value and least <= len(directive.args) <= most):
                        yield from _of_arguments(directive, name)
                elif problem[0]:
                    yield refuse(directive, *problem)


def _places_of_files(configuration: Configuration) -> dict[SourceFile, list[tuple[str, ...]]]:
    """The blocks around each file of the tree, outermost first: one list for each kind of block that includes it."""
    tree = configuration.tree
    start: tuple[str, ...] = (configuration.context if configuration.completeness != "full" else "main",)
    found: dict[SourceFile, list[tuple[str, ...]]] = {root: [start] for root in tree.roots}
    work = [(root, start) for root in tree.roots]
    while work:
        file, around = work.pop()
        for include in file.includes:
            path = _path(include, around)
            for other in tree.includes.get(include, ()):
                known = found.setdefault(other, [])
                if all(path[-1] != place[-1] for place in known):
                    known.append(path)
                    work.append((other, path))
    return found


def _path(directive: Directive, around: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the blocks around a directive, given those around its file; an ``if`` in a location is another."""
    names: list[str] = []
    block = directive.parent
    while block is not None:
        names.append(block.name)
        block = block.parent
    path = (*around, *reversed(names))
    if "if" not in path:
        return path
    return tuple("if in location" if n == "if" and path[i - 1] == "location" else n for i, n in enumerate(path))


def _module_of(path: tuple[str, ...], configuration: Configuration) -> str | None:
    for module in ("http", "stream", "mail"):
        if module in path:
            return module
    return configuration.context if configuration.context in ("http", "stream", "mail") else None


def _problem_there(name: str, path: tuple[str, ...], configuration: Configuration) -> tuple[str, str] | None:
    """Why a directive is not allowed in a place: category (empty: not ours to judge) and text of the refusal."""
    nginx, module, context = configuration.facts.nginx, _module_of(path, configuration), path[-1]
    entry = by_module_and_name().get((module or "http", name))
    anywhere = by_name().get(name)
    unknown = "unknown-directive", f'unknown directive "{name}"'
    # A directive of another module family is known to nginx, but not allowed here.
    if not anywhere:
        return unknown if "acme" not in name and "njs" not in name else ("", "")
    if nginx is not None:
        if name in _REMOVED and nginx.at_least(*_REMOVED[name]) and context != "acme_issuer":
            return unknown
        if all(other.since is not None and nginx < other.since for other in anywhere):
            return unknown
    if context in _BLOCKS or context == "if in location":
        allowed = entry is not None and context in entry.contexts
        too_new = entry is not None and nginx is not None and entry.since is not None and nginx < entry.since
        if module is not None and (not allowed or too_new):
            return "context", f'"{name}" directive is not allowed here'
        outside = module is None and _is_plain(configuration)
        if outside and not any(context in other.contexts for other in anywhere):
            return "context", f'"{name}" directive is not allowed here'
    return None


def _is_plain(configuration: Configuration) -> bool:
    """A whole configuration without a template, whose pieces may be anywhere in the file that it becomes."""
    return configuration.completeness == "full" and not any(file.engines for file in configuration.tree.files)


def _of_arguments(directive: Directive, name: str) -> Iterator[Refusal]:
    least, most = _COUNTS.get(name, (1, 1))
    if not least <= len(directive.args) <= most:
        if directive.known:
            yield refuse(directive, "value", f'invalid number of arguments in "{name}" directive')
        return
    if not directive.known:
        return
    value = directive.args[0]
    if name in ADDS_UP:
        seen: set[str] = set()
        for index, word in enumerate(directive.args):
            if word.lower() not in _PROTOCOLS:
                yield refuse(directive, "value", f'invalid value "{word}"', arg=index)
            elif word.lower() in seen:
                yield refuse(directive, "value", f'duplicate value "{word}"', level=WARN, arg=index)
            seen.add(word.lower())
    elif name in _ENUMERATIONS:
        if value.lower() not in _ENUMERATIONS[name]:
            yield refuse(directive, "value", f'invalid value "{value}"', arg=0)
    elif name in flags() and value.lower() not in ("on", "off"):
        text = f'invalid value "{value}" in "{name}" directive, it must be "on" or "off"'
        yield refuse(directive, "value", text, arg=0)
    elif name == "ssl_session_cache":
        yield from _of_session_cache(directive)


def _of_session_cache(directive: Directive) -> Iterator[Refusal]:
    for index, word in enumerate(directive.args):
        if word in ("off", "none", "builtin") or (word.startswith("builtin:") and word[8:].isdigit()):
            continue
        parts = word.split(":")
        total = size(parts[2]) if len(parts) == 3 and parts[0] == "shared" and parts[1] else None
        if total is None:
            yield refuse(directive, "value", f'invalid session cache "{word}"', arg=index)
        elif total < 8 * 4096:
            yield refuse(directive, "value", f'session cache "{word}" is too small', arg=index)


def duplicates(scope: Scope) -> Iterator[Refusal]:
    """Directives that nginx refuses at their second occurrence in one block."""
    for name, lines in scope.own.items():
        if len(lines) < 2 or name in REPEATABLE:
            continue
        if name in ADDS_UP:
            yield from _repeated_values([line for line in lines if not scope.is_conditional(line)])
            continue
        if not (name in _NAMES or name.startswith(_FAMILIES)):
            continue
        for line in lines[1:]:
            if not scope.is_conditional(line) and not scope.is_conditional(lines[0]):
                yield refuse(line, "duplicate", f'"{name}" directive is duplicate', first=lines[0])


def _repeated_values(lines: Sequence[Directive]) -> Iterator[Refusal]:
    """Values of a bit mask that an earlier line of the block has already; within a line see ``_of_arguments``."""
    seen: set[str] = set()
    for line in lines:
        if not line.known:
            continue
        for index, value in enumerate(line.args):
            if value.lower() in seen:
                yield refuse(line, "value", f'duplicate value "{value}"', level=WARN, arg=index)
        seen.update(value.lower() for value in line.args)
